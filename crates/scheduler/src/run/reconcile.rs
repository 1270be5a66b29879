//! One look at one shop: what is asked for, what is there, what has to be written, and what its
//! status says then.

use super::{
    Controller, State, agents,
    conditions::{Outcome, status},
    data, failure,
    in_progress::InProgress,
    maintenance,
    migration::{self, MigrationLock},
    migration_lock, page,
    queue::Ended,
};
use api::{
    Condition, Fleet, Identity, Live, Migrating, Object, Shop, ShopStatus, Step,
    agent_status::Seen, name::spread, namespace,
};
use client::{
    ApiError,
    apply::{self, Done, Ownership, Stopped},
};
use jiff::Timestamp;
use plan::{gate, guard::Limit};
use release::Sha256;
use render::{
    assign::{self, AssignError, Known, desired},
    check,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{debug, warn};

/// How often every object of a shop is written whole, whatever the digests say: what changed while
/// nobody watched is found then.
const AUDIT: Duration = Duration::from_hours(12);
/// How often a shop without campaigns is looked at; 5,000 of them are one in four seconds.
const IDLE: Duration = Duration::from_hours(6);
/// The same for one with campaigns, which begin at a full minute.
const CAMPAIGN: Duration = Duration::from_mins(1);

/// How soon a new shop is looked at again that waits for others of its database server: there may
/// be thousands of them.
const CROWDED: Duration = Duration::from_mins(1);
/// How soon a shop is looked at again whose migration waits for its Lease.
const TURN: Duration = Duration::from_secs(2);

/// What is known of a shop before anything is asked of the cluster.
struct Prepared {
    shop: Shop,
    objects: Result<Vec<Object>, AssignError>,
    /// What it claims in that moment: what it claims by the time that its status is written,
    /// nobody has looked at.
    claims: Vec<String>,
    live: BTreeMap<Identity, Live>,
    ours: BTreeMap<Identity, i64>,
    known: Known,
    lock: MigrationLock,
}

/// Looks at a shop once.
pub(super) async fn look(controller: &Controller, name: &str) -> Ended {
    match attempt(controller, name).await {
        Ok(ended) => ended,
        Err(error) => {
            debug!(shop = name, error = %runtime::Chain(&error), "look failed");
            Ended::Failed
        }
    }
}

async fn attempt(controller: &Controller, name: &str) -> Result<Ended, ApiError> {
    let now = Timestamp::now();
    tell_first(controller, name, now).await?;
    let lock = migration_lock::take(controller, name, now).await?;
    failure::learn(controller, name).await?;
    let run_it = maintenance::run_it(controller, name).await;
    let Some(prepared) = prepare(controller, name, &lock, run_it, now) else {
        return Ok(Ended::Settled);
    };
    let (outcome, told) = match &prepared.objects {
        Err(error @ AssignError::Claimed { .. }) => (Outcome::Claimed(error.to_string()), false),
        Err(error) => (
            Outcome::NotRendered(runtime::Chain(error).to_string()),
            false,
        ),
        Ok(objects) => write(controller, name, &prepared, objects, now).await,
    };
    if let Outcome::Applied { taken, .. } = &outcome
        && !taken.is_empty()
    {
        controller
            .events
            .warn(&prepared.shop, "TakenOver", &taken.join("; "))
            .await;
    }
    let page = page::of_new(controller, name, &prepared.shop).await?;
    report(controller, name, &prepared, &outcome, &page, now).await?;
    // Visitors meet what failed until its pods are told to go back. Rollouts ask, and so touch,
    // pods of those that go forward alone.
    if told
        && let Some(back) = returned(&prepared.shop)
        && let Err(error) = agents::touch_all(controller, name, back).await
    {
        debug!(shop = name, error = %runtime::Chain(&error), "pods are not touched; their kubelets refresh within a minute");
    }
    Ok(match outcome {
        // An event of a class or a release brings it back; nothing else helps.
        Outcome::NotRendered(why) => {
            controller
                .events
                .warn(&prepared.shop, "NotRendered", &why)
                .await;
            Ended::Failed
        }
        Outcome::Claimed(why) => {
            controller
                .events
                .warn(&prepared.shop, "Claimed", &why)
                .await;
            Ended::Failed
        }
        Outcome::NotApplied { reason, message } => {
            controller
                .events
                .warn(&prepared.shop, reason, &message)
                .await;
            Ended::Failed
        }
        Outcome::Held(_) => Ended::Again(Duration::from_mins(10)),
        Outcome::Applied { .. } if matches!(lock, MigrationLock::Crowded(_)) => {
            Ended::Again(CROWDED)
        }
        // Its Lease was made a moment ago, somebody else holds it, or cron ends.
        Outcome::Applied { .. } if lock != MigrationLock::Ours || prepared.known.closed => {
            Ended::Again(TURN)
        }
        // Its page may work by now, which nobody tells.
        Outcome::Applied { .. } if page != Seen::Works => {
            Ended::Again(page::again(&prepared.shop, now))
        }
        Outcome::Applied { .. } if !prepared.shop.spec.scale.schedule.is_empty() => {
            Ended::Again(CAMPAIGN)
        }
        Outcome::Applied { .. } => {
            Ended::Again(IDLE + Duration::from_secs(u64::from(spread(name, 3600))))
        }
    })
}

/// The sequence that the shop went back to.
fn returned(shop: &Shop) -> Option<u64> {
    let told = shop.status.as_ref()?.release.as_ref()?;
    told.returned_from.map(|_| told.sequence.unsigned_abs())
}

/// The ConfigMap that tells pods which release to run.
fn told_by(shop: &str) -> Identity {
    Identity {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(namespace(shop)),
        name: "release".to_owned(),
    }
}

/// A shop that is told nothing gets its first release; one whose status was lost gets back what its
/// pods are told.
async fn tell_first(controller: &Controller, name: &str, now: Timestamp) -> Result<(), ApiError> {
    let told = told_by(name);
    let (channel, running) = {
        let state = controller.lock();
        let Some(shop) = state.fleet.shops.get(name) else {
            return Ok(());
        };
        if shop
            .status
            .as_ref()
            .is_some_and(|status| status.release.is_some())
        {
            return Ok(());
        }
        (
            shop.spec.channel.clone(),
            state
                .world
                .get(name)
                .is_some_and(|objects| objects.contains_key(&told)),
        )
    };
    let map = if running {
        controller.reader(name).get(&told).await?
    } else {
        None
    };
    let (record, previous) = {
        let state = controller.lock();
        let recorded = |file: &str| {
            let envelope = map.as_ref()?["data"][file].as_str()?;
            let mut all = state
                .fleet
                .releases
                .values()
                .flat_map(|channel| channel.values());
            all.find(|release| release.envelope == *envelope)
                .filter(|release| release.channel.as_str() == channel)
        };
        let found = recorded("release.json").or_else(|| assign::fit(&channel, &state.fleet));
        (
            found.map(|release| assign::record(release, now)),
            recorded("previous.json").map(|release| assign::record(release, now)),
        )
    };
    let Some(record) = record else { return Ok(()) };
    // First the record, then the pods: a crash between must not lose which release was chosen.
    let patch = json!({ "status": { "release": record, "previous": previous } });
    if controller
        .writer(name)
        .merge(&client::shop(name), Some("status"), &patch)
        .await?
        && let Some(shop) = controller.lock().fleet.shops.get_mut(name)
    {
        let status = shop.status.get_or_insert_default();
        (status.release, status.previous) = (Some(record), previous);
    }
    Ok(())
}

fn prepare(
    controller: &Controller,
    name: &str,
    lock: &MigrationLock,
    run_it: bool,
    now: Timestamp,
) -> Option<Prepared> {
    let audit = {
        let mut audited = controller
            .audited
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The first audits are spread over the whole interval.
        let begun = || {
            Instant::now()
                .checked_sub(AUDIT.mul_f64(f64::from(spread(name, 1000)) / 1000.0))
                .unwrap_or_else(Instant::now)
        };
        let last = audited.entry(name.to_owned()).or_insert_with(begun);
        let due = last.elapsed() >= AUDIT;
        if due {
            *last = Instant::now();
        }
        due
    };
    let state = controller.lock();
    let shop = state.fleet.shops.get(name)?.clone();
    let fresh = controller.halt.fresh();
    let flying = (state.halted.is_some() || !fresh)
        && controller
            .with_reports(|reports| InProgress::new(&state, reports, now).has(name, &shop));
    let known = known(
        &shop,
        &state,
        if flying { Halt::Holds } else { Halt::Lets },
        lock,
        run_it,
    );
    let objects = desired(name, &shop, &state.fleet, &state.claims, &known, now);
    // Another edition than any: everything is written, also of kinds that have none.
    let edition = |ours: Option<i64>| if audit { Some(-1) } else { ours };
    let records = state.world.get(name);
    let ours = records
        .into_iter()
        .flatten()
        .filter_map(|(identity, record)| Some((identity.clone(), edition(record.ours)?)))
        .collect();
    let claims = state.claims.texts(name);
    Some(Prepared {
        live: state.live(name),
        shop,
        claims,
        objects,
        ours,
        known,
        lock: lock.clone(),
    })
}

/// What the halt is to a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    /// The shop is on its way, and somebody halted, or nobody knows.
    Holds,
    Lets,
}

/// Where the shop's database is, and whether its agents wait.
fn known(shop: &Shop, state: &State, halt: Halt, lock: &MigrationLock, run_it: bool) -> Known {
    let paused = state.halted.clone().filter(|_| halt == Halt::Holds);
    // The halt stops migrations that have not begun; half of one is worse than a whole one.
    let due = migration::due(shop, state);
    let open = maintenance::breaking(shop, state).is_some() && !assign::begun(shop);
    let migrating = match (due, lock) {
        (Some(due), _) if due.begun => Migrating::Now,
        // First visitors are kept out.
        (Some(_), MigrationLock::Ours) if halt == Halt::Lets && open => Migrating::Soon,
        (Some(_), MigrationLock::Ours) if halt == Halt::Lets => Migrating::Now,
        (Some(_), MigrationLock::Cron) if halt == Halt::Lets => Migrating::Soon,
        // Cron of a new shop has nothing to do before its database is there, and the Job would wait
        // for it to end.
        (Some(_), MigrationLock::Nobody | MigrationLock::Crowded(_)) if assign::new(shop) => {
            Migrating::Soon
        }
        _ => Migrating::No,
    };
    let closed = maintenance::closed(shop, state, due, migrating, run_it);
    Known {
        migrated: migration::migrated(shop, state),
        migrating,
        closed,
        paused,
    }
}

/// How it went, and whether pods are told something else.
async fn write(
    controller: &Controller,
    name: &str,
    prepared: &Prepared,
    objects: &[Object],
    now: Timestamp,
) -> (Outcome, bool) {
    let steps = gate(
        objects,
        &prepared.live,
        |identity| prepared.ours.get(identity).copied(),
        now,
    );
    // Made where something is about to be written, so that a pass over shops that are as they
    // should be does not pay for it.
    if let Some(wrong) = check::before(objects, &steps) {
        return (Outcome::NotRendered(wrong), false);
    }
    if let Some(held) = held(controller, name, &steps, now) {
        return (Outcome::Held(held), false);
    }
    let result = apply::steps(
        &controller.writer(name),
        steps,
        ownership(controller, objects),
    )
    .await;
    let (done, error) = match result {
        Ok(done) => (done, None),
        Err(Stopped { done, error }) => (done, Some(error)),
    };
    let Done {
        written,
        deleted,
        taken,
    } = done;
    let map = told_by(name);
    let told = written.iter().any(|(identity, _)| *identity == map);
    controller
        .counts
        .writes
        .fetch_add(written.len() as u64, Relaxed);
    controller
        .counts
        .deletes
        .fetch_add(deleted.len() as u64, Relaxed);
    controller
        .counts
        .taken
        .fetch_add(taken.len() as u64, Relaxed);
    controller.lock().wrote(name, written, &deleted);
    let outcome = match error {
        None => Outcome::Applied {
            digest: digest(objects),
            taken,
        },
        Some(error) => {
            let reason = if error.is_owned() {
                "Conflict"
            } else if error.is_transient() {
                "Unreachable"
            } else {
                "Refused"
            };
            Outcome::NotApplied {
                reason,
                message: runtime::Chain(&error).to_string(),
            }
        }
    };
    (outcome, told)
}

/// A shop that fights with another manager over an object gives in after a while, and says so.
fn ownership(controller: &Controller, objects: &[Object]) -> Ownership {
    let state = controller.lock();
    let fights = objects
        .iter()
        .filter_map(|object| state.taken.get(object.identity()))
        .max()
        .copied()
        .unwrap_or(0);
    if fights >= 5 {
        Ownership::Ask
    } else {
        Ownership::Take
    }
}

/// A shop that loses its Deployment, such as one that becomes archived, counts as taken down: a
/// thousand at once are a mistake.
fn held(controller: &Controller, name: &str, steps: &[Step<'_>], now: Timestamp) -> Option<String> {
    let loses = |step: &Step<'_>| matches!(step, Step::Delete(doomed) if doomed.identity.kind == "Deployment" && doomed.identity.name == "web");
    if !steps.iter().any(loses) {
        return None;
    }
    let mut state = controller.lock();
    state
        .removed
        .retain(|at| now.duration_since(*at) < jiff::SignedDuration::from_hours(1));
    let limit = controller.removals(state.fleet.shops.len());
    if state.removed.len() >= limit {
        let hint = if controller.settings.limit == Limit::Default {
            "; allow more with --delete-at-most"
        } else {
            ""
        };
        return Some(format!(
            "{limit} shops lost their workloads in the last hour, which is the limit of this \
             process{hint}"
        ));
    }
    state.removed.push(now);
    warn!(shop = name, "workloads are removed; the data stays");
    None
}

fn digest(objects: &[Object]) -> String {
    let all: String = objects
        .iter()
        .map(|object| object.digest().to_string())
        .collect();
    Sha256::of(all.as_bytes()).to_string()
}

/// The Shop as its status is written: the status that it has by now, of the generation that was
/// looked at. One that changed meanwhile is looked at again, and until then nobody may take it for
/// applied.
fn as_looked_at(current: &Shop, prepared: &Shop) -> Shop {
    let mut shop = current.clone();
    shop.metadata.generation = prepared.metadata.generation;
    shop
}

/// Writes the status where it differs.
async fn report(
    controller: &Controller,
    name: &str,
    prepared: &Prepared,
    outcome: &Outcome,
    page: &Seen,
    now: Timestamp,
) -> Result<(), ApiError> {
    let (pods, shop, data) = {
        let mut state = controller.lock();
        if let Outcome::Applied { taken, .. } = outcome
            && !taken.is_empty()
            && let Ok(objects) = &prepared.objects
        {
            for object in objects {
                if taken
                    .iter()
                    .any(|text| text.starts_with(&format!("{}: ", object.identity())))
                {
                    *state.taken.entry(object.identity().clone()).or_default() += 1;
                }
            }
        }
        let Some(shop) = state.fleet.shops.get(name) else {
            return Ok(());
        };
        let shop = as_looked_at(shop, &prepared.shop);
        {
            let data =
                data::conditions(&prepared.shop, &prepared.known, &prepared.lock, &state, now);
            (state.pods.get(name).copied(), shop, data)
        }
    };
    if prepared.known.migrated > migration::recorded(&shop) {
        migration_lock::give_back(controller, name).await?;
    }
    let mut new = status(&shop, outcome, pods, page, data, now);
    if let Ok(objects) = &prepared.objects
        && !objects.is_empty()
    {
        new.claims.clone_from(&prepared.claims);
    }
    new.migrated = prepared
        .known
        .migrated
        .map(|sequence| sequence.get().cast_signed())
        .or(new.migrated);
    if shop.status.as_ref() == Some(&new) {
        return Ok(());
    }
    // What the rollout says of releases is not ours to write: another process may move the shop at
    // this moment.
    let patch = json!({ "status": {
        "observedGeneration": new.observed_generation, "pods": new.pods, "applied": new.applied, "conditions": new.conditions, "migrated": new.migrated,
        "worked": new.worked, "claims": new.claims,
    } });
    if controller
        .writer(name)
        .merge(&client::shop(name), Some("status"), &patch)
        .await?
    {
        controller.counts.statuses.fetch_add(1, Relaxed);
        for (reason, note) in turned(&shop, &new) {
            controller.events.warn(&shop, reason, note).await;
        }
        let mut state = controller.lock();
        let State {
            fleet: Fleet { shops, classes, .. },
            claims,
            ..
        } = &mut *state;
        if let Some(shop) = shops.get_mut(name) {
            let ShopStatus {
                release,
                previous,
                rejected,
                ..
            } = shop.status.clone().unwrap_or_default();
            shop.status = Some(ShopStatus {
                release,
                previous,
                rejected,
                ..new
            });
            claims.see(name, shop, classes.get(&shop.spec.class));
        }
    }
    Ok(())
}

/// What has just become so and needs somebody, with the condition's own sentence.
fn turned<'a>(before: &Shop, now: &'a ShopStatus) -> Vec<(&'static str, &'a str)> {
    let found = |conditions: &'a [Condition], kind: &str, reason: &str| {
        conditions
            .iter()
            .find(|condition| condition.kind == kind && condition.reason == reason)
            .map(|condition| condition.message.as_str())
    };
    let was = |kind: &str, reason: &str| {
        let conditions = before
            .status
            .as_ref()
            .map_or(&[][..], |status| &status.conditions);
        conditions
            .iter()
            .any(|condition| condition.kind == kind && condition.reason == reason)
    };
    [("Applied", "Held"), ("DatabaseCurrent", "MigrationFailed")]
        .into_iter()
        .filter(|(kind, reason)| !was(kind, reason))
        .filter_map(|(kind, reason)| Some((reason, found(&now.conditions, kind, reason)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shop_that_changes_meanwhile_is_not_observed_as_it_is_now() {
        let spec = json!({"class": "c", "channel": "x", "domains": [], "services": {}});
        let mut prepared = Shop::new("a", serde_json::from_value(spec).unwrap());
        prepared.metadata.generation = Some(1);
        let mut current = prepared.clone();
        current.metadata.generation = Some(2);
        current.status = serde_json::from_value(json!({ "migrated": 7 })).unwrap();
        let applied = Outcome::Applied {
            digest: "d".to_owned(),
            taken: Vec::new(),
        };
        let shop = as_looked_at(&current, &prepared);
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let new = status(&shop, &applied, None, &Seen::Works, Vec::new(), now);
        assert_eq!((new.observed_generation, new.migrated), (Some(1), Some(7)));
        assert!(
            new.conditions
                .iter()
                .all(|it| it.observed_generation == Some(1))
        );
    }

    #[test]
    fn what_turns_bad_is_told_once() {
        let spec = json!({"class": "c", "channel": "x", "domains": [], "services": {}});
        let mut shop = Shop::new("a", serde_json::from_value(spec).unwrap());
        let failed = json!({"type": "DatabaseCurrent", "status": "False", "reason": "MigrationFailed", "message": "Job failed", "lastTransitionTime": "2026-11-23T12:00:00Z"});
        let status: ShopStatus = serde_json::from_value(json!({ "conditions": [failed] })).unwrap();
        assert_eq!(turned(&shop, &status), [("MigrationFailed", "Job failed")]);
        shop.status = Some(status.clone());
        assert_eq!(turned(&shop, &status), []);
    }
}
