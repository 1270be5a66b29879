//! What was asked of the API server, so that shops that are planned in parts share it.

use super::Foreseen;
use crate::{
    sampling::{Omitted, Samples},
    summary,
};
use api::Identity;
use client::{ApiError, Cluster, KINDS, Kind, World};
use std::{borrow::Cow, collections::BTreeSet};

/// What the API server said so far, of shops that are planned in parts.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// How many shops are planned in all.
    shops: usize,
    /// What was listed.
    listed: BTreeSet<Like>,
    /// What there is of it, of shops that are not planned yet.
    pub(super) world: World,
    pub(super) samples: Samples<Omitted>,
}

/// Objects of all shops that are the same but for names and hashes that only their shop has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Like {
    api_version: Cow<'static, str>,
    kind: Cow<'static, str>,
    name: String,
}

impl Tried {
    /// Nothing yet, of so many shops in all.
    #[must_use]
    pub fn new(shops: usize) -> Self {
        Self {
            shops,
            ..Self::default()
        }
    }

    /// Lists what there is of what would change, unless it was listed before. It is listed for all
    /// shops at once, as a list costs the API server the same for a few of them.
    pub(super) async fn look_at(
        &mut self,
        cluster: &Cluster,
        foreseen: &Foreseen,
    ) -> Result<(), ApiError> {
        let like = foreseen.like();
        if like.is_subset(&self.listed) {
            return Ok(());
        }
        self.listed.extend(like);
        let one = foreseen.shops.keys().next().map(String::as_str);
        let one = one.filter(|_| self.shops == 1);
        let listed = &self.listed;
        // In a namespace that is not there nothing is tried.
        let wanted = |shop: &str, it: &Identity| {
            it.kind == "Namespace" || listed.contains(&Like::new(shop, it))
        };
        let kinds = KINDS
            .iter()
            .filter(|kind| kind.name == "Namespace" || listed.iter().any(|like| like.is_of(kind)));
        self.world = cluster.world_of(kinds, one, &wanted).await?;
        Ok(())
    }
}

impl Like {
    pub(super) fn new(shop: &str, it: &Identity) -> Self {
        Self {
            api_version: it.api_version.clone(),
            kind: it.kind.clone(),
            name: summary::general(shop, &it.name),
        }
    }

    pub(super) fn is_of(&self, kind: &Kind) -> bool {
        (&*self.api_version, &*self.kind) == (kind.api_version, kind.name)
    }
}
