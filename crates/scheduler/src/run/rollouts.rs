//! Rollouts at work: what is seen is put before [`decide`](plan::rollout::decide()), and what it
//! says is done and recorded.

use super::{
    Controller, agents,
    in_progress::{self, over, phase},
    queue::Priority,
    rejections,
    report::Report,
    state::State,
};
use api::{
    Condition, Phase, RejectedRelease, ResolvedRelease, Rollout, RolloutStatus, Shop, Truth, closed,
};
use client::ApiError;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use plan::rollout::{Assigned, Decision, Health, Move, PROMOTE, Situation, View, decide, order};
use render::assign;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often every rollout is decided on, beside what wakes it.
const EVERY: Duration = Duration::from_secs(2);
/// Shops that are assigned, and asked, at the same time: what a person waits for stands behind the
/// requests that have begun.
const TELLING: usize = 8;

pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = controller.rollouts.notified() => {}
            () = sleep(EVERY) => {}
        }
        if controller.leads() && controller.complete() && controller.halt.fresh() {
            // Of all rollouts: databases do not care whose migrations load them.
            let mut migrating = in_progress::migrating(&controller.lock(), Timestamp::now());
            for name in active(&controller) {
                if let Err(error) = step(&controller, &name, &mut migrating).await {
                    warn!(rollout = name, error = %runtime::Chain(&error), "rollout not moved on");
                }
            }
        }
        // Events come in storms; four decisions a second are enough.
        sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

fn active(controller: &Controller) -> Vec<String> {
    controller
        .lock()
        .fleet
        .rollouts
        .iter()
        .filter(|(_, rollout)| !over(rollout))
        .map(|(name, _)| name.clone())
        .collect()
}

/// What one decision is made from, taken out of the state at one moment.
struct Observation {
    rollout: Rollout,
    release: ResolvedRelease,
    order: Vec<String>,
    views: BTreeMap<String, View>,
    held: Option<String>,
}

async fn step(
    controller: &Controller,
    name: &str,
    migrating: &mut BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let now = Timestamp::now();
    let Some(first) = look(controller, name, now) else {
        return Ok(());
    };
    if controller.settings.agents {
        ask_agents(controller, &first, now).await;
    }
    let Some(seen) = look(controller, name, now) else {
        return Ok(());
    };
    let old = seen.rollout.status.clone().unwrap_or_default();
    let promoted = seen
        .rollout
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(PROMOTE))
        .and_then(|wave| wave.parse().ok());
    let situation = Situation {
        order: &seen.order,
        views: &seen.views,
        held: seen.held.as_deref(),
        promoted,
        loaded: &others(migrating, &seen),
        breaking: seen.release.migration == release::Migration::Breaking,
        now,
    };
    let decision = decide(&seen.rollout.spec, &old, &situation);
    let moves = |(shop, direction): &(String, Move)| {
        let server = seen
            .views
            .get(shop)?
            .database
            .clone()
            .filter(|_| *direction == Move::Forward)?;
        Some((shop.clone(), server))
    };
    migrating.extend(decision.moves.iter().filter_map(moves));
    // First the record of failed shops and of the phase, then what follows from it: a crash between
    // repeats the decision.
    record(controller, name, &seen.rollout, &old, &decision, now).await?;
    tell(controller, &seen, &decision.moves, now).await;
    Ok(())
}

/// Migrations that are not of this rollout's shops, by server: its own are in its views.
fn others(migrating: &BTreeMap<String, String>, seen: &Observation) -> BTreeMap<String, usize> {
    let mut loaded = BTreeMap::new();
    for (_, server) in migrating
        .iter()
        .filter(|(shop, _)| !seen.views.contains_key(*shop))
    {
        *loaded.entry(server.clone()).or_default() += 1;
    }
    loaded
}

fn look(controller: &Controller, name: &str, now: Timestamp) -> Option<Observation> {
    let reports = controller
        .reports
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let state = controller.lock();
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
        state: &state,
        rollout: &rollout,
        release: &release,
        reports: controller.settings.agents.then_some(&reports),
        now,
    };
    let mut well = controller
        .well
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let views = members
        .into_iter()
        .map(|(name, shop)| (name.to_owned(), context.view(name, shop, &mut well)))
        .collect();
    let held = state
        .halted
        .clone()
        .or_else(|| behind(&state, name, &rollout, &release));
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
    reports: Option<&'a BTreeMap<String, Report>>,
    now: Timestamp,
}

impl Context<'_> {
    fn view(&self, name: &str, shop: &Shop, well: &mut HashMap<String, (u64, Timestamp)>) -> View {
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
            .filter(|_| assign::migrates(shop, self.release, &self.state.fleet));
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

/// Asks agents of shops that are assigned the release and have not all said that they run it.
async fn ask_agents(controller: &Controller, seen: &Observation, now: Timestamp) {
    let (sequence, manifest) = (
        seen.release.sequence.get(),
        seen.release.manifest.to_string(),
    );
    let flying = seen
        .views
        .iter()
        .filter(|(_, view)| view.assigned == Assigned::This && view.health != Health::Good)
        .map(|(name, _)| name);
    let flying: Vec<_> = flying
        .take(seen.rollout.spec.at_once as usize)
        .cloned()
        .collect();
    let manifest = &manifest;
    let reports = stream::iter(flying).map(|shop| async move {
        let report = agents::ask(controller, &shop, sequence, manifest).await;
        (shop, report)
    });
    let mut reports = reports.buffer_unordered(TELLING);
    while let Some((shop, report)) = reports.next().await {
        match report {
            Ok(report) => {
                if let Some(rejection) = &report.rejected
                    && let Err(error) =
                        rejections::record(controller, &shop, &seen.release, rejection, now).await
                {
                    warn!(shop, error = %runtime::Chain(&error), "a rejection is not on record; it is tried again");
                }
                controller
                    .reports
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(shop, report);
            }
            Err(error) => tracing::debug!(shop, %error, "agents not asked"),
        }
    }
}

async fn record(
    controller: &Controller,
    name: &str,
    rollout: &Rollout,
    old: &RolloutStatus,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), ApiError> {
    let mut status = decision.status.clone();
    status.observed_generation = rollout.metadata.generation;
    let bad = matches!(
        status.phase,
        Some(Phase::Stopped | Phase::Returning | Phase::Aborted)
    );
    let done = status.phase == Some(Phase::Completed);
    let truth = |yes: bool| if yes { Truth::True } else { Truth::False };
    let reason = format!("{:?}", status.phase.unwrap_or(Phase::Pending));
    status.conditions = [
        ("Progressing", !done && !bad),
        ("Completed", done),
        ("Degraded", bad || status.counts.failed > 0),
    ]
    .map(|(kind, yes)| {
        let new = Condition {
            kind: kind.to_owned(),
            status: truth(yes),
            reason: reason.clone(),
            message: if kind == "Progressing" {
                decision.why.clone()
            } else {
                String::new()
            },
            observed_generation: rollout.metadata.generation,
            last_transition_time: now,
        };
        let same = old
            .conditions
            .iter()
            .find(|old| old.kind == new.kind && old.status == new.status);
        same.map_or(new.clone(), |same| Condition {
            last_transition_time: same.last_transition_time,
            ..new
        })
    })
    .into();
    if status == *old {
        return Ok(());
    }
    let mut patch = serde_json::to_value(&status).unwrap_or_default();
    // In a merge patch what is missing stays; what is over has to be said.
    if status.soaking_since.is_none() {
        patch["soakingSince"] = serde_json::Value::Null;
    }
    // What people said is theirs to write.
    patch.as_object_mut().map(|patch| patch.remove("history"));
    if status.failed.is_empty() {
        patch["failed"] = json!([]);
    }
    controller
        .first_writer()
        .merge(
            &client::longshore("Rollout", name),
            Some("status"),
            &json!({ "status": patch }),
        )
        .await?;
    if old.phase != status.phase {
        info!(
            rollout = name,
            phase = reason,
            why = decision.why,
            "rollout"
        );
        controller
            .events
            .rollout(rollout, &reason, &decision.why, bad)
            .await;
    }
    if let Some(stored) = controller.lock().fleet.rollouts.get_mut(name) {
        stored.status = Some(status);
    }
    Ok(())
}

async fn tell(
    controller: &Controller,
    seen: &Observation,
    moves: &[(String, Move)],
    now: Timestamp,
) {
    let assigned = stream::iter(moves.to_vec()).map(|(shop, direction)| async move {
        let assigned = one(controller, seen, &shop, direction, now).await;
        (shop, assigned)
    });
    let mut assigned = assigned.buffer_unordered(TELLING);
    while let Some((shop, result)) = assigned.next().await {
        match result {
            Ok(()) => {
                controller.counts.moves.fetch_add(1, Relaxed);
                controller.ask(&shop, Priority::Normal);
            }
            Err(error) => {
                warn!(shop, error = %runtime::Chain(&error), "shop not told; it is tried again");
            }
        }
    }
}

async fn one(
    controller: &Controller,
    seen: &Observation,
    shop: &str,
    direction: Move,
    now: Timestamp,
) -> Result<(), ApiError> {
    // Somebody may have halted since the decision.
    if !controller.halt.lets() {
        return Ok(());
    }
    let next = {
        let state = controller.lock();
        let Some(found) = state.fleet.shops.get(shop) else {
            return Ok(());
        };
        let status = || found.status.clone().unwrap_or_default();
        match direction {
            Move::Forward => Some(assign::forward(found, &seen.release, &state.fleet, now)),
            Move::Back => assign::back(&status(), seen.release.sequence, now),
            Move::Again => assign::again(&status(), now),
        }
    };
    let Some(assign::Next {
        release,
        previous,
        rejected,
    }) = next
    else {
        return Ok(());
    };
    let mut patch =
        json!({ "status": { "release": release, "previous": previous, "rejected": rejected } });
    if release.returned_from.is_none() {
        patch["status"]["release"]["returnedFrom"] = serde_json::Value::Null;
    }
    if controller
        .mover(shop)
        .merge(&client::shop(shop), Some("status"), &patch)
        .await?
        && let Some(shop) = controller.lock().fleet.shops.get_mut(shop)
    {
        let status = shop.status.get_or_insert_default();
        (status.release, status.previous, status.rejected) = (Some(release), previous, rejected);
    }
    // What agents said before they were assigned this counts no more.
    controller
        .reports
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(shop);
    let about = controller.lock().fleet.shops.get(shop).cloned();
    if let Some(about) = about {
        let (reason, what) = match direction {
            Move::Forward => ("Released", "told to run"),
            Move::Back => ("Returned", "went back from"),
            Move::Again => ("Released", "told once more to run"),
        };
        let note = format!(
            "{what} {} by rollout {}",
            seen.release.name,
            seen.rollout.metadata.name.as_deref().unwrap_or_default()
        );
        controller.events.note(&about, reason, &note).await;
    }
    Ok(())
}
