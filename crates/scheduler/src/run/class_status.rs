//! What the status of a Release and of a ShopClass says: whether the one can be read, and how the
//! shops of the other are.

use super::{Controller, State, builds};
use api::{ClassStatus, Condition, ReleaseStatus, Shop, Truth};
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
        if !controller.leads() || !controller.complete() {
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
            .first_writer()
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
            .first_writer()
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
        let (status, reason, message) = why.map_or((Truth::True, "Readable", ""), |why| {
            (Truth::False, "Unreadable", why)
        });
        let new = condition("Readable", status, reason, message, Some(1), now);
        let same = old
            .iter()
            .any(|old| (old.status, &old.message) == (new.status, &new.message));
        (!same).then(|| (name.clone(), vec![new]))
    };
    all.filter_map(differs).collect()
}

fn condition(
    kind: &str,
    status: Truth,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.chars().take(2000).collect(),
        observed_generation: generation,
        last_transition_time: now,
    }
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
        let mut rendered = match invalid.next() {
            None => condition("Rendered", Truth::True, "Rendered", "", generation, now),
            Some((first, why)) => {
                let message = format!(
                    "{} of its shops cannot be rendered; the first is {first}: {why}",
                    invalid.count() + 1
                );
                condition(
                    "Rendered",
                    Truth::False,
                    "Invalid",
                    &message,
                    generation,
                    now,
                )
            }
        };
        let old = class.status.clone().unwrap_or_default();
        if let Some(same) = old
            .conditions
            .iter()
            .find(|old| old.kind == rendered.kind && old.status == rendered.status)
        {
            rendered.last_transition_time = same.last_transition_time;
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let new = ClassStatus {
            observed_generation: generation,
            shops: count(shops.len()),
            ready: count(ready),
            conditions: vec![rendered],
        };
        (new != old).then(|| (name.clone(), new))
    };
    state.fleet.classes.iter().filter_map(differs).collect()
}
