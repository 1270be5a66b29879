//! The page of a shop that has never worked: pods that are ready say that nginx and php-fpm run,
//! and no more.

use super::{Controller, agents, migration};
use api::{Shop, agent_status::PageStatus};
use client::ApiError;
use jiff::Timestamp;
use render::assign;
use std::time::Duration;

/// How soon a shop is looked at again that has pods, and has never worked: while that is news, and
/// later.
const PAGE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(2));

/// How soon a shop is looked at again whose page does not work: a person who waits for it looks for
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
    name: &str,
    shop: &Shop,
) -> Result<PageStatus, ApiError> {
    let (ready, database) = {
        let state = controller.lock();
        (
            state.pods.get(name).is_some_and(|pods| pods.ready > 0),
            migration::due(shop, &state).is_none(),
        )
    };
    if !ready || !controller.settings.agents || assign::worked(shop) {
        return Ok(PageStatus::Works);
    }
    // Without its database no page works, and the condition of that says more.
    if !database {
        return Ok(PageStatus::Unknown);
    }
    agents::page(controller, name).await
}
