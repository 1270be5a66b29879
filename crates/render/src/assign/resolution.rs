//! A Shop with what it names, looked up once.

use super::{AssignError, assigned, migrates, next};
use api::{Fleet, ResolvedRelease, Shop, ShopClass};
use release::{Migration, Sequence};

/// A Shop with its class and its releases.
#[derive(Debug, Clone)]
pub struct Resolution<'a> {
    /// Its name.
    pub name: &'a str,
    /// The Shop.
    pub shop: &'a Shop,
    /// Its class, if that exists.
    pub class: Option<&'a ShopClass>,
    /// The release that it is assigned, if there is one for it.
    pub release: Result<Option<&'a ResolvedRelease>, AssignError>,
    /// The release before that one, if it still exists.
    pub previous: Option<&'a ResolvedRelease>,
}

impl<'a> Resolution<'a> {
    /// Looks up what `shop` names.
    #[must_use]
    pub fn new(name: &'a str, shop: &'a Shop, fleet: &'a Fleet) -> Self {
        let previous = shop.status.as_ref().and_then(|it| it.previous.as_ref());
        Self {
            name,
            shop,
            class: fleet.classes.get(&shop.spec.class),
            release: assigned(shop, fleet),
            previous: previous.and_then(|previous| next::find(shop, previous, fleet)),
        }
    }

    /// The release that the shop is assigned; none also if its status names one that is gone.
    #[must_use]
    pub fn release(&self) -> Option<&'a ResolvedRelease> {
        self.release.as_ref().ok().copied().flatten()
    }

    /// Whether the release that the shop is assigned changes its database; see [`migrates`].
    #[must_use]
    pub fn migrates(&self) -> bool {
        self.release()
            .is_some_and(|release| migrates(self.shop, release, self.class))
    }

    /// What pods may start with while the release that the shop is assigned has to wait; nothing
    /// once a breaking migration was made for it, because there is no way back.
    pub(super) fn fallback(&self, migrated: Option<Sequence>) -> Option<&'a ResolvedRelease> {
        let release = self.release()?;
        let gone = release.migration == Migration::Breaking
            && migrated.is_some_and(|migrated| migrated >= release.sequence);
        self.previous.filter(|_| !gone)
    }
}
