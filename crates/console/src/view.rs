//! What a person sees: everything, or some shops and what belongs to them alone.
//!
//! The API server is asked as the person: whether all Shops may be listed, and if not, which ones
//! its rules name (a SelfSubjectRulesReview), each of which is asked for (a
//! SelfSubjectAccessReview), since rules are all that RBAC says, and other authorizers may say no.

use crate::{registry::Known, rights::Sees, text};
use api::{Fleet, Rollout, Shop};
use client::ApiError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::ResourceRule;
use operations::halt::Halt;
use std::collections::{BTreeMap, BTreeSet};

/// Shops that a person may be shown one by one: who has more is given the right to list all.
const NAMED: usize = 500;
/// Names that are asked for at the same time.
const AT_ONCE: usize = 16;

/// Which objects of a kind are visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visible {
    /// All of them.
    All,
    /// Those of these names.
    These(BTreeSet<String>),
}

impl Visible {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}

/// What a person sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    shops: Visible,
    /// Rollouts, besides those of which all shops are seen.
    rollouts: Visible,
    /// Whether it is seen who halted, and why.
    halt: bool,
}

impl View {
    /// That of a person with whose rights everything is read.
    pub(crate) const ALL: Self = Self {
        shops: Visible::All,
        rollouts: Visible::All,
        halt: true,
    };

    /// That of a person who sees one shop.
    #[cfg(test)]
    pub(crate) fn of_shop(name: &str) -> Self {
        Self {
            shops: Visible::These([name.to_owned()].into()),
            rollouts: Visible::These(BTreeSet::new()),
            halt: false,
        }
    }

    /// Asks for it.
    ///
    /// # Errors
    ///
    /// If the API server does not say it.
    pub(crate) async fn ask(sees: &Sees) -> Result<Self, ApiError> {
        let [shops, rollouts] = ["shops", "rollouts"];
        let (all_shops, all_rollouts, halt) =
            tokio::try_join!(sees.all(shops), sees.all(rollouts), sees.halt())?;
        let rules = if all_shops && all_rollouts {
            Vec::new()
        } else {
            sees.rules().await?
        };
        let which = async |all: bool, resource: &'static str| {
            if all {
                return Ok(Visible::All);
            }
            let names: Vec<_> = named(&rules, resource).into_iter().take(NAMED).collect();
            let asked: Vec<_> = names
                .into_iter()
                .map(async |name| Ok::<_, ApiError>((sees.one(resource, &name).await?, name)))
                .collect();
            let found: Vec<(bool, String)> =
                stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
            let allowed = found.into_iter().filter(|(may, _)| *may);
            Ok(Visible::These(allowed.map(|(_, name)| name).collect()))
        };
        Ok(Self {
            shops: which(all_shops, shops).await?,
            rollouts: which(all_rollouts, rollouts).await?,
            halt,
        })
    }

    /// Whether nothing is hidden.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// What is known, as far as the person sees it: of releases and classes, those of the shops.
    pub(crate) fn filter(&self, known: &Known) -> Known {
        let all = &known.fleet;
        let seen = |(name, _): &(&String, &Shop)| self.shops.has(name);
        let shops: BTreeMap<_, _> = all.shops.iter().filter(seen).map(owned).collect();
        let channels: BTreeSet<&str> = shops.values().map(|it| &*it.spec.channel).collect();
        let classes: BTreeSet<&str> = shops.values().map(|it| &*it.spec.class).collect();
        let rollouts = all.rollouts.iter();
        let releases = all.releases.iter();
        let of_class = all.classes.iter();
        let fleet = Fleet {
            rollouts: rollouts
                .filter(|(name, rollout)| self.sees_rollout(name, rollout))
                .map(owned)
                .collect(),
            releases: releases
                .filter(|(channel, _)| channels.contains(channel.as_str()))
                .map(owned)
                .collect(),
            classes: of_class
                .filter(|(name, _)| classes.contains(name.as_str()))
                .map(owned)
                .collect(),
            shops,
        };
        known.with(fleet, self.halt(known.halt.as_ref()))
    }

    /// The halt, as far as the person sees it: everybody is told that there is one.
    pub(crate) fn halt(&self, halt: Option<&Halt>) -> Option<Halt> {
        let halt = halt?;
        Some(if self.halt {
            halt.clone()
        } else {
            Halt {
                by: text::SOMEBODY.to_owned(),
                at: halt.at.clone(),
                why: text::WHY_HIDDEN.to_owned(),
            }
        })
    }

    /// Whether the shop is seen.
    pub(crate) fn sees_shop(&self, name: &str) -> bool {
        self.shops.has(name)
    }

    /// Whether the rollout is seen: it is named to the person, or all of its shops are. One of a
    /// whole channel may name any of them.
    pub(crate) fn sees_rollout(&self, name: &str, rollout: &Rollout) -> bool {
        let spec = &rollout.spec;
        let waves = spec.waves.iter().flat_map(|wave| &wave.shops);
        let mut named = spec.shops.iter().chain(&spec.canaries).chain(waves);
        self.rollouts.has(name)
            || (!spec.shops.is_empty() && named.all(|shop| self.shops.has(shop)))
    }
}

fn owned<K: Clone, V: Clone>((name, value): (&K, &V)) -> (K, V) {
    (name.clone(), value.clone())
}

/// The names that rules give for `get` of a resource of ours.
fn named(rules: &[ResourceRule], resource: &str) -> BTreeSet<String> {
    let has = |all: &Option<Vec<String>>, one: &str| {
        let mut all = all.iter().flatten();
        all.any(|it| it == one || it == "*")
    };
    let fits = |rule: &&ResourceRule| {
        has(&rule.api_groups, "longshore.dev")
            && has(&rule.resources, resource)
            && has(&Some(rule.verbs.clone()), "get")
    };
    let rules = rules.iter().filter(fits);
    let names = rules.flat_map(|rule| rule.resource_names.iter().flatten());
    names.cloned().collect()
}

#[cfg(test)]
mod tests;
