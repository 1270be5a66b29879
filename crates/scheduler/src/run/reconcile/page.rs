//! The page of a shop that has never worked: pods that are ready say that nginx and php-fpm run,
//! and no more.

use super::resolve::ResolvedShop;
use crate::run::{Controller, agents};
use api::{Shop, agent_status::PageStatus};
use client::ApiError;
use jiff::Timestamp;
use render::assign;
use std::time::Duration;

/// How soon a shop reconciles again that has pods, and has never worked: while that is news, and
/// later.
const PAGE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(2));

/// How soon a shop reconciles again whose page does not work: a person who waits for it looks for
/// some minutes.
pub(super) fn again(shop: &Shop, now: Timestamp) -> Duration {
    let conditions = shop
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let since = conditions
        .iter()
        .find(|it| it.kind == "WorkloadAvailable")
        .map_or(now, |it| it.last_transition_time);
    if now.duration_since(since) < jiff::SignedDuration::from_mins(10) {
        PAGE.0
    } else {
        PAGE.1
    }
}

/// What agents have seen of the page of a shop that never worked. Of others, and where agents are
/// not asked, it counts as one that works.
pub(super) async fn of_new(
    controller: &Controller,
    resolved: &ResolvedShop,
) -> Result<PageStatus, ApiError> {
    let name = resolved.name.as_str();
    let pods = controller.lock().pods.get(name).copied();
    let ready = pods.is_some_and(|pods| pods.ready > 0);
    if !ready || !controller.settings.agents || assign::worked(&resolved.shop) {
        return Ok(PageStatus::Works);
    }
    // Without its database no page works, and the condition of that says more.
    if resolved.migration.due.is_some() {
        return Ok(PageStatus::Unknown);
    }
    agents::page(controller, name).await
}
