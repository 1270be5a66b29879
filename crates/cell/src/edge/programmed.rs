//! Whether visitors get to a shop: what its lines in the maps say of it.

use super::{
    Edge, Problem,
    shards::{DesiredShard, Programmed},
};
use crate::{conditions::Verdict, proof, state::State};
use api::{Shop, Truth};
use jiff::{SignedDuration, Timestamp};
use render::{
    assign,
    edge::{Site, shard_name},
};
use std::collections::{BTreeMap, BTreeSet};

/// The condition.
const KIND: &str = "RoutesProgrammed";
/// How long a shard may differ before anybody is told: its leader writes it meanwhile.
const LATE: SignedDuration = SignedDuration::from_mins(1);

impl Edge {
    /// Looks at every shop anew; gives those of which something else is true now.
    pub fn settle(&mut self, now: Timestamp) -> BTreeSet<String> {
        self.compare(now);
        let new: BTreeMap<_, _> = self
            .shops()
            .filter_map(|(shop, site)| Some((shop.clone(), self.state(shop, site, now)?)))
            .collect();
        let changed: BTreeSet<_> = new
            .iter()
            .filter(|(shop, found)| self.programmed.get(*shop) != Some(found))
            .map(|(shop, _)| shop.clone())
            .collect();
        self.programmed = new;
        changed
    }

    /// `None` while nobody can tell yet, as its shards are about to be written.
    fn state(&self, shop: &str, site: &Site, now: Timestamp) -> Option<Programmed> {
        let shards: Vec<&DesiredShard> = site
            .shards(shop)
            .filter_map(|shard| self.wanted.get(&shard_name(shard)))
            .collect();
        let late = |shard: &&DesiredShard| {
            shard
                .differs
                .is_some_and(|since| now.duration_since(since) > LATE)
        };
        if shards.iter().all(|shard| shard.differs.is_none()) {
            Some(Programmed::Yes)
        } else if shards.iter().any(late) {
            Some(Programmed::No(
                "NotWritten",
                self.problem
                    .as_ref()
                    .map_or_else(|| "its maps are not written".to_owned(), Problem::to_string),
            ))
        } else {
            self.programmed.get(shop).cloned()
        }
    }
}

/// Reasons of the condition.
const REASONS: [&str; 6] = [
    "Programmed",
    "HostClaimed",
    "HostNotProven",
    "NotWritten",
    "MapsHeld",
    "NotAccepted",
];

/// Whether visitors get to the shop, as far as anybody said so; `None` where it has no route.
#[must_use]
pub fn programmed(shop: &Shop, state: &State) -> Option<Verdict> {
    let class = state.fleet.classes.get(&shop.spec.class)?;
    match Site::new(shop, class) {
        // While nobody can tell, what was said before stays: a restart would write every status
        // twice.
        Some(site) => mapped(shop, &site, state).or_else(|| before(shop)),
        None if assign::served(shop) => Some(routed(shop, state)),
        None => None,
    }
}

fn before(shop: &Shop) -> Option<Verdict> {
    let old = shop
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.kind == KIND)?;
    let known = REASONS.contains(&old.reason.as_str());
    known.then(|| Verdict::new(old.status, &old.reason, &old.message))
}

fn mapped(shop: &Shop, site: &Site, state: &State) -> Option<Verdict> {
    let State { edge, claims, .. } = state;
    let name = shop.metadata.name.as_deref().unwrap_or_default();
    if let Some(lost) = claims.lost_host(name) {
        return Some(Verdict::no("HostClaimed", lost.to_string()));
    }
    if let Some(withheld) = proof::withheld(shop, state) {
        return Some(withheld);
    }
    match (&edge.problem, edge.site(name) == Some(site)) {
        (_, true) => match edge.programmed.get(name)? {
            Programmed::Yes => Some(Verdict::yes("Programmed")),
            Programmed::No(reason, message) => Some(Verdict::no(reason, message)),
        },
        // The maps are made of what the shop was, or of nothing since this process started.
        (Some(problem), false) if !edge.wanted.is_empty() => {
            Some(Verdict::no("MapsHeld", problem.to_string()))
        }
        _ => None,
    }
}

/// What the controllers of its Ingress or `HTTPRoutes` say: the worst of it.
fn routed(shop: &Shop, state: &State) -> Verdict {
    if let Some(withheld) = proof::withheld(shop, state) {
        return withheld;
    }
    let routes = state
        .routes
        .get(shop.metadata.name.as_deref().unwrap_or_default());
    let all: Vec<_> = routes.into_iter().flatten().collect();
    if let Some(((_, name), (_, why))) = all.iter().find(|(_, (truth, _))| *truth == Truth::False) {
        return Verdict::no("NotAccepted", format!("{name}: {why}"));
    }
    if all.is_empty() || all.iter().any(|(_, (truth, _))| *truth != Truth::True) {
        return Verdict::unknown(
            "NotReported",
            "no controller has said yet that it serves the shop's routes",
        );
    }
    Verdict::yes("Programmed")
}
