//! Which shops are between two releases, and how each is with the one that it is assigned: from
//! what the API server stores, so that every process of a cell says the same, and so does one that
//! started a moment ago.

use crate::{
    migration,
    observed::{Pods, Progress},
    report::AgentsReport,
    state::State,
};
use api::{Phase, ResolvedRelease, Rollout, Shop, ShopRelease, Truth};
use jiff::{SignedDuration, Timestamp};
use plan::rollout::Health;
use render::assign::{self, Resolution};
use std::collections::BTreeMap;

/// How long a migration that has no Job yet counts as one that is about to load its server. One
/// that waits longer waits for a person.
const BEGINS: SignedDuration = SignedDuration::from_mins(15);

/// Where a rollout is, once a process has looked at it.
#[must_use]
pub fn phase(rollout: &Rollout) -> Option<Phase> {
    rollout.status.as_ref().and_then(|status| status.phase)
}

/// Whether nothing happens to a rollout by itself any more.
#[must_use]
pub fn over(rollout: &Rollout) -> bool {
    plan::rollout::over(&rollout.spec, phase(rollout))
}

/// When a shop was assigned what it is assigned.
#[must_use]
pub fn assigned_since(shop: &Shop) -> Option<Timestamp> {
    assigned(shop)?.since.as_deref()?.parse().ok()
}

fn assigned(shop: &Shop) -> Option<&ShopRelease> {
    shop.status.as_ref()?.release.as_ref()
}

/// The shops of rollouts that are not over, and what agents said of them, where agents are asked.
#[derive(Debug)]
pub struct InProgress<'a> {
    state: &'a State,
    reports: Option<&'a BTreeMap<String, AgentsReport>>,
    /// Deadlines of rollouts, by their release.
    deadlines: BTreeMap<&'a str, SignedDuration>,
    now: Timestamp,
}

impl<'a> InProgress<'a> {
    /// Those of now; `reports` is what agents said, where they are asked.
    #[must_use]
    pub fn new(
        state: &'a State,
        reports: Option<&'a BTreeMap<String, AgentsReport>>,
        now: Timestamp,
    ) -> Self {
        let mut deadlines = BTreeMap::new();
        for rollout in state
            .fleet
            .rollouts
            .values()
            .filter(|rollout| !over(rollout))
        {
            let deadline = rollout.spec.deadline.length();
            let known = deadlines
                .entry(rollout.spec.release.as_str())
                .or_insert(deadline);
            *known = deadline.max(*known);
        }
        Self {
            state,
            reports,
            deadlines,
            now,
        }
    }

    /// Whether the shop is on its way to the release of one of these rollouts: a halt matters to
    /// its agents, and to its migration.
    #[must_use]
    pub fn has(&self, name: &str, shop: &Shop) -> bool {
        let Some(deadline) =
            assigned(shop).and_then(|assigned| self.deadlines.get(assigned.name.as_str()))
        else {
            return false;
        };
        let Ok(Some(release)) = assign::assigned(shop, &self.state.fleet) else {
            return false;
        };
        let health = |reports| health(name, shop, release, self.state, reports);
        match (health(self.reports), health(None)) {
            (Health::Good, _) => false,
            // Only the process that leads the rollout asks agents. For the others, a shop whose
            // pods are well may switch until its deadline.
            (Health::Pending, Health::Good) => {
                assigned_since(shop).is_none_or(|since| self.now.duration_since(since) < *deadline)
            }
            _ => true,
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.state
            .fleet
            .shops
            .iter()
            .filter(|(name, shop)| self.has(name, shop))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// How a shop is with `release`, which it is assigned.
pub fn health(
    name: &str,
    shop: &Shop,
    release: &ResolvedRelease,
    state: &State,
    reports: Option<&BTreeMap<String, AgentsReport>>,
) -> Health {
    let sequence = release.sequence.get();
    if state
        .migrations
        .get(name)
        .and_then(|jobs| jobs.get(&sequence))
        == Some(&Progress::Failed)
    {
        return Health::Bad(format!("its migration, Job release-{sequence}, failed"));
    }
    // Pods that wait for their database are ready, with the release before.
    let migrated = shop
        .status
        .as_ref()
        .and_then(|status| status.migrated)
        .is_some_and(|migrated| migrated.unsigned_abs() >= sequence);
    let class = state.fleet.classes.get(&shop.spec.class);
    if !migrated && assign::migrates(shop, release, class) {
        return Health::Pending;
    }
    if !assign::served(shop) {
        return Health::Good;
    }
    // It ran what it is assigned until its visitors stayed away.
    let assigned = assigned_since(shop);
    if assign::at_zero(shop).is_some_and(|since| assigned.is_none_or(|assigned| assigned <= since))
    {
        return Health::Good;
    }
    let report = reports.map(|reports| {
        reports
            .get(name)
            .filter(|report| report.sequence == sequence)
    });
    if let Some(why) = report.flatten().and_then(AgentsReport::refusal) {
        return Health::Bad(why);
    }
    // What was asked for must be there before it can be well.
    let condition = |kind: &str| {
        shop.status
            .as_ref()
            .and_then(|status| status.conditions.iter().find(|it| it.kind == kind))
            .map(|it| it.status)
    };
    let written = condition("Applied") == Some(Truth::True);
    match state.pods.get(name) {
        Some(Pods {
            wanted,
            ready,
            updated,
            current: true,
        }) if written && ready >= wanted && updated >= wanted => match report {
            // A shop that runs with agents is well when they say so.
            Some(None) => Health::Pending,
            Some(Some(report)) if !report.all && *wanted > 0 => Health::Pending,
            _ => Health::Good,
        },
        _ => Health::Pending,
    }
}

/// Since when a shop is assigned what it is assigned, or is unwell, whichever is later.
#[must_use]
pub fn since(name: &str, shop: &Shop, state: &State, now: Timestamp) -> Timestamp {
    let assigned = assigned_since(shop).unwrap_or(now);
    let conditions = shop
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let available = conditions.iter().find(|it| it.kind == "WorkloadAvailable");
    let unready = state
        .pods
        .get(name)
        .is_some_and(|pods| pods.ready < pods.wanted);
    match available {
        Some(condition) if condition.status == Truth::False => {
            assigned.max(condition.last_transition_time)
        }
        // Pods went a moment ago, and the shop does not say so yet.
        Some(condition) if condition.status == Truth::True && unready => now,
        _ => assigned,
    }
}

/// Shops whose migration loads its database server, or is about to, whatever rollout assigned them;
/// with the server.
#[must_use]
pub fn migrating(state: &State, now: Timestamp) -> BTreeMap<String, String> {
    let load = |(name, shop): (&String, &Shop)| {
        let server = &shop.spec.services.database.as_ref()?.server;
        let jobs = state.migrations.get(name);
        let due = migration::due(&Resolution::new(name, shop, &state.fleet), jobs)?;
        let job = jobs.and_then(|jobs| jobs.get(&due.sequence.get()));
        let loads = match job {
            Some(Progress::Runs) => true,
            Some(Progress::Done | Progress::Failed) => false,
            None => assigned_since(shop).is_some_and(|since| now.duration_since(since) < BEGINS),
        };
        loads.then(|| (name.clone(), server.clone()))
    };
    state.fleet.shops.iter().filter_map(load).collect()
}

#[cfg(test)]
mod tests;
