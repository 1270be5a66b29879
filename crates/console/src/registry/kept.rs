//! The kinds that are followed: how one of each is taken in, and what a change of it is called.

use super::{Key, Known};
use api::{Release, Rollout, Shop, ShopClass};
use std::sync::Arc;

/// A kind that is kept.
pub(crate) trait Kept: Sized {
    /// Its name in the log.
    const WHAT: &'static str;

    /// Its name.
    fn name(&self) -> &str;

    /// Forgets all of them.
    fn clear(known: &mut Known);

    /// Takes one in. The result is what else changes.
    fn keep(self, known: &mut Known) -> Option<Key>;

    /// Forgets one. The result is what else changes.
    fn forget(known: &mut Known, name: &str) -> Option<Key>;

    /// What a change of one is called.
    fn key(name: &str) -> Key;
}

macro_rules! kept {
    ($kind:ty, $what:literal, $field:ident, $key:expr, $clear:expr, $more:expr) => {
        impl Kept for $kind {
            const WHAT: &'static str = $what;

            fn name(&self) -> &str {
                self.metadata.name.as_deref().unwrap_or_default()
            }

            fn clear(known: &mut Known) {
                known.fleet.$field.clear();
                $clear(known);
            }

            fn keep(self, known: &mut Known) -> Option<Key> {
                let name = self.name().to_owned();
                let before = known.fleet.$field.insert(name.clone(), self);
                $more(known, &name, before.as_ref())
            }

            fn forget(known: &mut Known, name: &str) -> Option<Key> {
                let before = known.fleet.$field.remove(name);
                $more(known, name, before.as_ref())
            }

            fn key(name: &str) -> Key {
                $key(name)
            }
        }
    };
}

/// Nobody else is told, but what shops claim is known anew.
fn claims(known: &mut Known, name: &str, _: Option<&Shop>) -> Option<Key> {
    let Known { fleet, claims, .. } = known;
    // A plan that is being made goes on with what was claimed when it began.
    let claims = Arc::make_mut(claims);
    match fleet.shops.get(name) {
        Some(shop) => claims.see(name, shop, fleet.classes.get(&shop.spec.class)),
        None => claims.forget(name),
    }
    None
}

/// The same of all shops of a class.
fn claims_of_class(known: &mut Known, name: &str, _: Option<&ShopClass>) -> Option<Key> {
    let Known { fleet, claims, .. } = known;
    let (class, claims) = (fleet.classes.get(name), Arc::make_mut(claims));
    for (shop, it) in fleet.shops.iter().filter(|(_, it)| it.spec.class == name) {
        claims.see(shop, it, class);
    }
    None
}

/// Pages of shops name the rollouts that move them, and say the phase, and how one goes back.
fn moved(known: &mut Known, name: &str, before: Option<&Rollout>) -> Option<Key> {
    let shown = |rollout: Option<&Rollout>| {
        let rollout = rollout?;
        let phase = rollout.status.as_ref().and_then(|status| status.phase);
        Some((rollout.spec.clone(), phase))
    };
    let after = known.fleet.rollouts.get(name);
    if shown(before) == shown(after) {
        return None;
    }
    known.channel_of(after.or(before)?)
}

kept!(
    Shop,
    "shops",
    shops,
    |name: &str| Key::Shop(name.into()),
    |known: &mut Known| known.claims = Arc::default(),
    claims
);
kept!(
    Rollout,
    "rollouts",
    rollouts,
    |name: &str| Key::Rollout(name.into()),
    |_: &mut Known| {},
    moved
);
// A class may change what is said of each of its shops.
kept!(
    ShopClass,
    "shopclasses",
    classes,
    |_: &str| Key::All,
    |_: &mut Known| {},
    claims_of_class
);

impl Kept for Release {
    const WHAT: &'static str = "releases";

    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn clear(known: &mut Known) {
        known.fleet.releases.clear();
        known.unreadable.clear();
        known.stored.clear();
    }

    fn keep(self, known: &mut Known) -> Option<Key> {
        known.keep_release(&self);
        Some(Key::Channel(self.spec.channel.as_str().into()))
    }

    fn forget(known: &mut Known, name: &str) -> Option<Key> {
        let channel = known.stored.get(name).map(|place| place.channel.clone());
        known.forget_release(name);
        Some(Key::Channel(channel?.as_str().into()))
    }

    fn key(_: &str) -> Key {
        Key::Releases
    }
}
