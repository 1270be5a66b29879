//! Assigns releases to shops.

use super::{AT_ONCE, observe::Observation};
use crate::run::Controller;
use client::{ApiError, Priority};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use plan::rollout::Move;
use render::assign;
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use tracing::warn;

/// Assigns shops what was decided, several at a time.
pub(super) async fn assign_all(
    controller: &Controller,
    seen: &Observation,
    moves: &[(String, Move)],
    now: Timestamp,
) {
    let assigned = stream::iter(moves.to_vec()).map(|(shop, direction)| async move {
        let assigned = assign_one(controller, seen, &shop, direction, now).await;
        (shop, assigned)
    });
    let mut assigned = assigned.buffer_unordered(AT_ONCE);
    while let Some((shop, result)) = assigned.next().await {
        match result {
            Ok(()) => {
                controller.counts.moves.fetch_add(1, Relaxed);
                controller.queue.ask(&shop, Priority::Normal);
            }
            Err(error) => {
                warn!(shop, error = %runtime::Chain(&error), "release not assigned; it is tried again");
            }
        }
    }
}

async fn assign_one(
    controller: &Controller,
    seen: &Observation,
    shop: &str,
    direction: Move,
    now: Timestamp,
) -> Result<(), ApiError> {
    // Somebody may have halted since the decision.
    if !controller.connections.halt.lets() {
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
        .connections
        .mover(shop)
        .merge(&client::shop(shop), Some("status"), &patch)
        .await?
        && let Some(shop) = controller.lock().fleet.shops.get_mut(shop)
    {
        let status = shop.status.get_or_insert_default();
        (status.release, status.previous, status.rejected) = (Some(release), previous, rejected);
    }
    // What agents said before they were assigned this counts no more.
    controller.reports.remove(shop);
    let about = controller.lock().fleet.shops.get(shop).cloned();
    if let Some(about) = about {
        let (reason, what) = match direction {
            Move::Forward => ("Released", "assigned"),
            Move::Back => ("Returned", "returned from"),
            Move::Again => ("Released", "assigned again:"),
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
