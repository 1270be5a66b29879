//! What is held of an object that was listed or watched.

use crate::{Kind, SHOP};
use api::{Identity, ObjectMetaSummary};
use kube::core::ObjectMeta;

/// An object, as it is held: its metadata as it comes is several times as large, and a fleet has a
/// hundred thousand of them.
#[derive(Debug)]
pub struct ObjectSummary {
    /// Whose it is; nothing if it belongs to no single shop.
    pub shop: Option<String>,
    /// Who it is.
    pub identity: Identity,
    /// What is known of it.
    pub live: ObjectMetaSummary,
}

impl ObjectSummary {
    /// Nothing for an object without a name, which no API server tells of.
    #[must_use]
    pub fn new(kind: &Kind, meta: ObjectMeta) -> Option<Self> {
        let live = ObjectMetaSummary::new(&meta);
        let shop = meta.labels.and_then(|mut labels| labels.remove(SHOP));
        Some(Self {
            shop,
            identity: kind.identity(meta.namespace, meta.name?),
            live,
        })
    }

    /// Those that are a shop's.
    #[must_use]
    pub fn of_shop(self) -> Option<(String, Identity, ObjectMetaSummary)> {
        Some((self.shop?, self.identity, self.live))
    }
}
