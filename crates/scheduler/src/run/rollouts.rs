//! Rollouts at work: what is seen is put before [`decide`](plan::rollout::decide()), and what it
//! says is done and recorded.

mod evidence;
mod moves;
mod observe;
mod record;
mod rejections;

use super::{Controller, agents};
use cell::in_progress::{self, over};
use client::ApiError;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use observe::{LastWell, Observation, observe};
use plan::rollout::{Assigned, Health, Move, PROMOTE, Situation, decide};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often every rollout is decided on, beside what wakes it.
const EVERY: Duration = Duration::from_secs(2);
/// Shops that are assigned, and asked, at the same time: what a person waits for stands behind the
/// requests that have begun.
const AT_ONCE: usize = 8;

/// What is remembered between decisions; each is found again after a start.
#[derive(Default)]
struct Memory {
    well: LastWell,
    said: evidence::Said,
}

pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut memory = Memory::default();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = controller.rollouts.notified() => {}
            () = sleep(EVERY) => {}
        }
        if controller.connections.leads()
            && controller.complete()
            && controller.connections.halt.fresh()
        {
            // Of all rollouts: databases do not care whose migrations load them.
            let mut migrating = in_progress::migrating(&controller.lock(), Timestamp::now());
            for name in active(&controller) {
                if let Err(error) = step(&controller, &name, &mut memory, &mut migrating).await {
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

async fn step(
    controller: &Controller,
    name: &str,
    memory: &mut Memory,
    migrating: &mut BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let now = Timestamp::now();
    let well = &mut memory.well;
    let Some(first) = observe(controller, name, well, now) else {
        return Ok(());
    };
    if controller.settings.agents {
        ask_agents(controller, &first, now).await;
    }
    let Some(seen) = observe(controller, name, well, now) else {
        return Ok(());
    };
    let evidence = evidence::evidence(controller, name, &seen, &mut memory.said, now).await;
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
        evidence: &evidence,
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
    record::record(controller, name, &seen.rollout, &old, &decision, now).await?;
    moves::assign_all(controller, &seen, &decision.moves, now).await;
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
    let mut reports = reports.buffer_unordered(AT_ONCE);
    while let Some((shop, report)) = reports.next().await {
        match report {
            Ok(report) => {
                if let Some(rejection) = &report.rejected
                    && let Err(error) =
                        rejections::record(controller, &shop, &seen.release, rejection, now).await
                {
                    warn!(shop, error = %runtime::Chain(&error), "a rejection is not on record; it is tried again");
                }
                controller.reports.insert(shop, report);
            }
            Err(error) => tracing::debug!(shop, %error, "agents not asked"),
        }
    }
}

#[cfg(test)]
mod tests;
