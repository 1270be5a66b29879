//! The last stage: writes the Shop's status, and Events for what needs a person.

use super::{apply::Applied, migration_lock, render::Rendered, resolve::ResolvedShop};
use crate::run::{Controller, agents};
use api::{Condition, Fleet, Shop, ShopStatus, agent_status::PageStatus};
use cell::{
    ReconcileOutcome, State, certificates, data, migration,
    shop_status::{ObservedShop, status},
};
use client::ApiError;
use jiff::Timestamp;
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use tracing::debug;

/// Writes the status if it differs, sends Events, and touches pods whose ConfigMap changed.
pub(super) async fn write(
    controller: &Controller,
    resolved: &ResolvedShop,
    rendered: &Rendered,
    applied: &Applied,
    page: &PageStatus,
    now: Timestamp,
) -> Result<(), ApiError> {
    let shop = &resolved.shop;
    if let ReconcileOutcome::Applied { taken, .. } = &applied.outcome
        && !taken.is_empty()
    {
        let taken = taken.join("; ");
        controller.events.warn(shop, "TakenOver", &taken).await;
    }
    record(controller, resolved, rendered, &applied.outcome, page, now).await?;
    // Visitors get the failed release until the pods go back, so touch them at once. Rollouts ask,
    // and so touch, only pods of shops that go forward.
    if applied.release_map
        && let Some(back) = returned(shop)
        && let Err(error) = agents::touch_all(controller, &resolved.name, back).await
    {
        debug!(shop = resolved.name, error = %runtime::Chain(&error), "pods are not touched; their kubelets refresh within a minute");
    }
    match &applied.outcome {
        ReconcileOutcome::NotRendered(why) => {
            controller.events.warn(shop, "NotRendered", why).await;
        }
        ReconcileOutcome::Claimed(why) => controller.events.warn(shop, "Claimed", why).await,
        ReconcileOutcome::NotApplied { reason, message } => {
            controller.events.warn(shop, reason, message).await;
        }
        ReconcileOutcome::Held(_) | ReconcileOutcome::Applied { .. } => {}
    }
    Ok(())
}

/// The sequence to which the shop went back.
fn returned(shop: &Shop) -> Option<u64> {
    let assigned = shop.status.as_ref()?.release.as_ref()?;
    assigned
        .returned_from
        .map(|_| assigned.sequence.unsigned_abs())
}

/// Writes the status if it differs.
async fn record(
    controller: &Controller,
    resolved: &ResolvedShop,
    rendered: &Rendered,
    outcome: &ReconcileOutcome,
    page: &PageStatus,
    now: Timestamp,
) -> Result<(), ApiError> {
    let name = resolved.name.as_str();
    let (shop, observed, certificates) = {
        let state = controller.lock();
        let Some(stored) = state.fleet.shops.get(name) else {
            return Ok(());
        };
        // What it says now, of what was rendered.
        let mut shop = stored.clone();
        shop.metadata.generation = resolved.shop.metadata.generation;
        let observed = ObservedShop {
            pods: state.pods.get(name).copied(),
            page: page.clone(),
            data: data::verdicts(
                &resolved.resolution(),
                &resolved.migration,
                &rendered.known,
                &state,
                now,
            ),
        };
        let certificates = certificates::of_shop(&shop, &state.certificates);
        (shop, observed, certificates)
    };
    let migrated = rendered.known.migrated;
    if migrated > migration::recorded(&shop) {
        migration_lock::give_back(controller, name).await?;
    }
    let mut new = status(&shop, outcome, observed, now);
    if rendered.objects.as_ref().is_ok_and(|all| !all.is_empty()) {
        new.claims.clone_from(&rendered.claims);
    }
    new.migrated = migrated
        .map(|sequence| sequence.get().cast_signed())
        .or(new.migrated);
    new.certificates = certificates;
    // Until its pods get another ConfigMap, the shop stays as it was.
    if matches!(outcome, ReconcileOutcome::Applied { .. }) {
        let since = new.at_zero_since.take().unwrap_or_else(|| now.to_string());
        new.at_zero_since = rendered.known.at_zero.then_some(since);
    }
    if shop.status.as_ref() == Some(&new) {
        return Ok(());
    }
    // Do not write what rollouts write about releases: another process may move the shop at this
    // moment.
    let patch = json!({ "status": {
        "observedGeneration": new.observed_generation, "pods": new.pods, "applied": new.applied, "conditions": new.conditions, "migrated": new.migrated,
        "worked": new.worked, "claims": new.claims, "certificates": new.certificates, "atZeroSince": new.at_zero_since,
    } });
    let writer = controller.connections.writer(name);
    if writer
        .merge(&client::shop(name), Some("status"), &patch)
        .await?
    {
        controller.counts.statuses.fetch_add(1, Relaxed);
        for (reason, note) in turned(&shop, &new) {
            controller.events.warn(&shop, reason, note).await;
        }
        remember(&mut controller.lock(), name, new);
    }
    Ok(())
}

/// Takes in what was written, but for what rollouts and proofs write.
fn remember(state: &mut State, name: &str, new: ShopStatus) {
    let State {
        fleet: Fleet { shops, classes, .. },
        claims,
        ..
    } = state;
    if let Some(shop) = shops.get_mut(name) {
        let ShopStatus {
            release,
            previous,
            rejected,
            proven_hosts,
            ..
        } = shop.status.clone().unwrap_or_default();
        shop.status = Some(ShopStatus {
            release,
            previous,
            rejected,
            proven_hosts,
            ..new
        });
        claims.see(name, shop, classes.get(&shop.spec.class));
    }
}

/// Conditions that have just changed and need a person, with the condition's message.
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
