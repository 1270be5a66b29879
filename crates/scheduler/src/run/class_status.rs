//! What the status of a Release and of a ShopClass says: whether the one can be read, and how the
//! shops of the other are.

use super::{Controller, builds};
use api::{ClassStatus, Condition, ReleaseStatus, Shop, Truth};
use cell::{ConditionSet, State, Verdict};
use client::{ApiError, longshore};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(3);
/// Statuses that are written in one pass at most: a cluster that gets ten thousand Releases at once
/// is not kept busy by them.
const AT_ONCE: usize = 50;

pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut told = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(EVERY) => {}
        }
        if !controller.connections.leads() || !controller.complete() {
            continue;
        }
        let now = Timestamp::now();
        let done = async {
            statuses(&controller, now).await?;
            builds::pass(&controller, now).await
        };
        let failed = done
            .await
            .err()
            .map(|error| runtime::Chain(&error).to_string());
        if let Some(error) = failed.as_ref().filter(|_| failed != told) {
            warn!(
                error,
                "builds, and the status of classes and releases, wait"
            );
        }
        told = failed;
    }
}

async fn statuses(controller: &Controller, now: Timestamp) -> Result<(), ApiError> {
    let (releases, classes) = {
        let state = controller.lock();
        (releases(&state, now), classes(&state, now))
    };
    for (name, conditions) in releases.into_iter().take(AT_ONCE) {
        let patch = json!({ "status": { "conditions": conditions } });
        if controller
            .connections
            .fleet_writer()
            .merge(&longshore("Release", &name), Some("status"), &patch)
            .await?
        {
            controller
                .lock()
                .release_statuses
                .entry(name)
                .or_default()
                .conditions = conditions;
        }
    }
    for (name, status) in classes.into_iter().take(AT_ONCE) {
        let patch = json!({ "status": status });
        if controller
            .connections
            .fleet_writer()
            .merge(&longshore("ShopClass", &name), Some("status"), &patch)
            .await?
            && let Some(class) = controller.lock().fleet.classes.get_mut(&name)
        {
            class.status = Some(status);
        }
    }
    Ok(())
}

/// Releases whose status does not say yet whether they can be read. They never change, and neither
/// does that.
fn releases(state: &State, now: Timestamp) -> Vec<(String, Vec<Condition>)> {
    let readable = state
        .fleet
        .releases
        .values()
        .flat_map(|all| all.values())
        .map(|release| (&release.name, None));
    let all = readable.chain(state.unreadable.iter().map(|(name, why)| (name, Some(why))));
    let differs = |(name, why): (&String, Option<&String>)| {
        let old = state
            .release_statuses
            .get(name)
            .map_or(&[][..], |status: &ReleaseStatus| &status.conditions);
        let verdict = why.map_or_else(
            || Verdict::yes("Readable"),
            |why| Verdict::no("Unreadable", why),
        );
        let mut new = ConditionSet::new(&[], Some(1), now);
        new.update("Readable", verdict);
        let new = new.finish();
        let same = old
            .iter()
            .any(|old| (old.status, &old.message) == (new[0].status, &new[0].message));
        (!same).then(|| (name.clone(), new))
    };
    all.filter_map(differs).collect()
}

/// Classes whose status says something else than what their shops' say.
fn classes(state: &State, now: Timestamp) -> Vec<(String, ClassStatus)> {
    let mut shops: BTreeMap<&str, Vec<(&String, &Shop)>> = BTreeMap::new();
    for (name, shop) in &state.fleet.shops {
        shops
            .entry(&shop.spec.class)
            .or_default()
            .push((name, shop));
    }
    let differs = |(name, class): (&String, &api::ShopClass)| {
        let shops = shops.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let of = |shop: &Shop, kind: &str| {
            let conditions = shop
                .status
                .as_ref()
                .map_or(&[][..], |status| &status.conditions);
            conditions
                .iter()
                .find(|condition| condition.kind == kind)
                .map(|condition| (condition.status, condition.message.clone()))
        };
        let ready = shops
            .iter()
            .filter(|(_, shop)| of(shop, "Ready").is_some_and(|(truth, _)| truth == Truth::True))
            .count();
        let mut invalid = shops.iter().filter_map(|(shop, found)| {
            of(found, "Rendered")
                .filter(|it| it.0 == Truth::False)
                .map(|it| (shop, it.1))
        });
        let generation = class.metadata.generation;
        let rendered = match invalid.next() {
            None => Verdict::yes("Rendered"),
            Some((first, why)) => {
                let count = invalid.count() + 1;
                let message =
                    format!("{count} of its shops cannot be rendered; the first is {first}: {why}");
                Verdict::no("Invalid", message)
            }
        };
        let old = class.status.clone().unwrap_or_default();
        let mut conditions = ConditionSet::new(&old.conditions, generation, now);
        conditions.update("Rendered", rendered);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let new = ClassStatus {
            observed_generation: generation,
            shops: count(shops.len()),
            ready: count(ready),
            conditions: conditions.finish(),
        };
        (new != old).then(|| (name.clone(), new))
    };
    state.fleet.classes.iter().filter_map(differs).collect()
}
