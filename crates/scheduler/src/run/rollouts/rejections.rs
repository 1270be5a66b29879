//! What agents rejected, on record in the Shop's status: the pod that said so may be gone when
//! somebody asks why.

use crate::run::Controller;
use api::{RejectedRelease, ResolvedRelease};
use cell::Rejection;
use client::{ApiError, Priority};
use jiff::Timestamp;
use render::assign;
use serde_json::json;

/// Records that pods of `shop` rejected `release`, once, and tells it as an event.
pub(super) async fn record(
    controller: &Controller,
    shop: &str,
    release: &ResolvedRelease,
    rejection: &Rejection,
    now: Timestamp,
) -> Result<(), ApiError> {
    let Some(found) = controller.lock().fleet.shops.get(shop).cloned() else {
        return Ok(());
    };
    let status = found.status.clone().unwrap_or_default();
    // What was said about a release that the shop is not assigned any more may be an answer from
    // before.
    if status
        .release
        .as_ref()
        .is_none_or(|assigned| assigned.name != release.name)
    {
        return Ok(());
    }
    let (manifest, sequence) = (
        release.manifest.to_string(),
        release.sequence.get().cast_signed(),
    );
    let new = RejectedRelease {
        manifest,
        sequence,
        pod: rejection.pod.clone(),
        at: now.to_string(),
        why: rejection.why.clone(),
    };
    let Some(rejected) = assign::rejected(&status, new) else {
        return Ok(());
    };
    if controller
        .connections
        .fleet_writer()
        .merge(
            &client::shop(shop),
            Some("status"),
            &json!({ "status": { "rejected": rejected } }),
        )
        .await?
        && let Some(stored) = controller.lock().fleet.shops.get_mut(shop)
    {
        stored.status.get_or_insert_default().rejected = rejected;
    }
    // Pods that start from now on are told.
    controller.queue.ask(shop, Priority::Normal);
    let note = format!(
        "pod {} rejected {}: {}",
        rejection.pod, release.name, rejection.why
    );
    controller.events.warn(&found, "Rejected", &note).await;
    Ok(())
}
