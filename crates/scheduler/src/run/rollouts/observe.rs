//! What a decision on a rollout is made from.

use crate::run::Controller;
use api::{Phase, RejectedRelease, ResolvedRelease, Rollout, Shop, closed};
use cell::{
    AgentsReport, State,
    in_progress::{self, over, phase},
};
use jiff::Timestamp;
use plan::rollout::{Assigned, Health, View, order};
use render::assign;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// When each shop was last seen well, and with which sequence.
pub(super) type LastWell = HashMap<String, (u64, Timestamp)>;

/// What one decision is made from, taken out of the state at one moment.
pub(super) struct Observation {
    pub(super) rollout: Rollout,
    pub(super) release: ResolvedRelease,
    pub(super) order: Vec<String>,
    pub(super) views: BTreeMap<String, View>,
    pub(super) held: Option<String>,
}

/// Takes what a decision is made from out of the state; nothing if the rollout or its release is
/// gone.
pub(super) fn observe(
    controller: &Controller,
    name: &str,
    well: &mut LastWell,
    now: Timestamp,
) -> Option<Observation> {
    // First the state, then the reports: everybody locks them in this order.
    let state = controller.lock();
    controller
        .reports
        .with(|reports| observed(&state, reports, name, well, now))
}

fn observed(
    state: &State,
    reports: Option<&BTreeMap<String, AgentsReport>>,
    name: &str,
    well: &mut LastWell,
    now: Timestamp,
) -> Option<Observation> {
    let rollout = state.fleet.rollouts.get(name)?.clone();
    let release = state
        .fleet
        .releases
        .values()
        .flat_map(|all| all.values())
        .find(|release| release.name == rollout.spec.release)?
        .clone();
    let shops = state
        .fleet
        .shops
        .iter()
        .filter(|(_, shop)| shop.spec.channel == release.channel.as_str());
    let mut members: BTreeMap<&str, &Shop> =
        shops.map(|(name, shop)| (name.as_str(), shop)).collect();
    let order = order(name, &rollout.spec, members.keys().copied());
    let wanted: BTreeSet<_> = order.iter().map(String::as_str).collect();
    members.retain(|shop, _| wanted.contains(shop));
    let context = Context {
        state,
        rollout: &rollout,
        release: &release,
        reports,
        now,
    };
    let views = members
        .into_iter()
        .map(|(name, shop)| (name.to_owned(), context.view(name, shop, well)))
        .collect();
    let held = state
        .halted
        .clone()
        .or_else(|| behind(state, name, &rollout, &release));
    Some(Observation {
        rollout: rollout.clone(),
        release: release.clone(),
        order,
        views,
        held,
    })
}

/// One rollout of a channel at a time; one that stopped does not keep a corrected release from
/// passing.
fn behind(
    state: &State,
    name: &str,
    rollout: &Rollout,
    release: &ResolvedRelease,
) -> Option<String> {
    let made = |rollout: &Rollout| {
        rollout
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    };
    let channel = |other: &Rollout| {
        let found = state
            .fleet
            .releases
            .values()
            .flat_map(|all| all.values())
            .find(|release| release.name == other.spec.release);
        found.is_some_and(|found| found.channel == release.channel)
    };
    let earlier = state.fleet.rollouts.iter().find(|(other, it)| {
        other.as_str() != name
            && (made(it), other.as_str()) < (made(rollout), name)
            && !over(it)
            && phase(it) != Some(Phase::Stopped)
            && channel(it)
    });
    earlier.map(|(other, _)| format!("behind rollout {other} of the same channel"))
}

struct Context<'a> {
    state: &'a State,
    rollout: &'a Rollout,
    release: &'a ResolvedRelease,
    reports: Option<&'a BTreeMap<String, AgentsReport>>,
    now: Timestamp,
}

impl Context<'_> {
    fn view(&self, name: &str, shop: &Shop, well: &mut LastWell) -> View {
        let status = shop.status.as_ref();
        let sequence = status
            .and_then(|status| status.release.as_ref())
            .map_or(0, |assigned| assigned.sequence.unsigned_abs());
        let assigned = match sequence.cmp(&self.release.sequence.get()) {
            std::cmp::Ordering::Less => Assigned::Other,
            std::cmp::Ordering::Equal => Assigned::This,
            std::cmp::Ordering::Greater => Assigned::Newer,
        };
        let class = self.state.fleet.classes.get(&shop.spec.class);
        let freezes = class.map_or(&[][..], |class| &class.spec.freezes);
        let database = shop
            .spec
            .services
            .database
            .as_ref()
            .filter(|_| assign::migrates(shop, self.release, class));
        let health = in_progress::health(name, shop, self.release, self.state, self.reports);
        if assigned == Assigned::This && health == Health::Good {
            well.insert(name.to_owned(), (sequence, self.now));
        }
        // A shop that went back and was assigned once more begins anew.
        let assigned_since = in_progress::assigned_since(shop);
        let last = well
            .get(name)
            .filter(|(of, at)| *of == sequence && assigned_since.is_none_or(|since| *at >= since))
            .map(|(_, at)| *at);
        View {
            assigned,
            since: in_progress::since(name, shop, self.state, self.now),
            well: last,
            health,
            closed: closed(
                shop.spec.window.as_ref(),
                freezes,
                self.rollout.spec.windows,
                self.now,
            ),
            returns: status.is_some_and(|status| status.previous.is_some()),
            rejected: status.and_then(|status| {
                rejected_at(&status.rejected, &self.release.manifest.to_string())
            }),
            database: database.map(|database| database.server.clone()),
        }
    }
}

/// When it was seen that pods rejected the manifest.
fn rejected_at(rejected: &[RejectedRelease], manifest: &str) -> Option<Timestamp> {
    rejected
        .iter()
        .find(|it| it.manifest == manifest)?
        .at
        .parse()
        .ok()
}
