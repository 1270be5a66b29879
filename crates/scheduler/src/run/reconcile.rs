//! One reconcile of one shop. Data goes one way, through five stages:
//!
//! ```text
//!  resolve ──► ResolvedShop   the Shop, its class, the release that it is assigned, its migration,
//!     │                       and whether visitors are kept out: looked up once
//!  render  ──► Rendered       every object that is asked for
//!  check   ──► steps          what has to be written, unless something is wrong with it
//!  apply   ──► Applied        what was written
//!  status  ──► conditions     what the Shop says of all this; Events
//! ```
//!
//! A stage that finds something wrong gives an [`Outcome`] instead, and `status` tells it.

mod apply;
mod check;
mod data;
mod failure;
mod initial_release;
mod maintenance;
mod migration_lock;
mod outcome;
mod page;
mod render;
mod resolve;
mod shop_status;
mod status;

use super::{Controller, audit::Audits, migration::MigrationLock, queue::Ended};
use api::{agent_status::PageStatus, name::spread};
use apply::Applied;
use client::ApiError;
use jiff::Timestamp;
use outcome::Outcome;
use resolve::ResolvedShop;
use std::time::Duration;
use tracing::debug;

/// How often a shop without campaigns reconciles; 5,000 of them are one in four seconds.
const IDLE: Duration = Duration::from_hours(6);
/// The same for one with campaigns, which begin at a full minute.
const CAMPAIGN: Duration = Duration::from_mins(1);
/// How soon a shop reconciles again that a guard holds.
const HELD: Duration = Duration::from_mins(10);
/// How soon a new shop reconciles again that waits for others of its database server: there may be
/// thousands of them.
const CROWDED: Duration = Duration::from_mins(1);
/// How soon a shop reconciles again whose migration waits for its Lease.
const LOCKED: Duration = Duration::from_secs(2);

/// Reconciles a shop once.
pub(super) async fn reconcile(controller: &Controller, audits: &Audits, name: &str) -> Ended {
    match stages(controller, audits, name).await {
        Ok(ended) => ended,
        Err(error) => {
            debug!(shop = name, error = %runtime::Chain(&error), "reconcile failed");
            Ended::Failed
        }
    }
}

async fn stages(controller: &Controller, audits: &Audits, name: &str) -> Result<Ended, ApiError> {
    let now = Timestamp::now();
    let Some(resolved) = resolve::resolve(controller, name, now).await? else {
        return Ok(Ended::Settled);
    };
    let Some(rendered) = render::render(controller, &resolved, audits.due(name), now) else {
        return Ok(Ended::Settled);
    };
    let applied = match check::check(controller, &resolved, &rendered, now) {
        Ok(steps) => apply::apply(controller, name, &rendered, steps).await,
        Err(outcome) => Applied::nothing(outcome),
    };
    let page = page::of_new(controller, &resolved).await?;
    status::write(controller, &resolved, &rendered, &applied, &page, now).await?;
    let closed = rendered.known.closed;
    let ended = next(&resolved, &applied.outcome, closed, &page, now);
    Ok(match (ended, rendered.look) {
        (Ended::Again(later), Some(look)) => Ended::Again(later.min(look)),
        (ended, _) => ended,
    })
}

/// When the shop reconciles again, if nothing of it changes before.
fn next(
    resolved: &ResolvedShop,
    outcome: &Outcome,
    closed: bool,
    page: &PageStatus,
    now: Timestamp,
) -> Ended {
    let lock = &resolved.migration.lock;
    match outcome {
        // An event of a class or a release brings it back; nothing else helps.
        Outcome::NotRendered(_) | Outcome::Claimed(_) | Outcome::NotApplied { .. } => Ended::Failed,
        Outcome::Held(_) => Ended::Again(HELD),
        Outcome::Applied { .. } if matches!(lock, MigrationLock::Crowded(_)) => {
            Ended::Again(CROWDED)
        }
        // Its Lease was made a moment ago, somebody else holds it, or cron ends.
        Outcome::Applied { .. } if *lock != MigrationLock::Ours || closed => Ended::Again(LOCKED),
        // Its page may work by now, which nobody tells.
        Outcome::Applied { .. } if *page != PageStatus::Works => {
            Ended::Again(page::again(&resolved.shop, now))
        }
        Outcome::Applied { .. } if !resolved.shop.spec.scale.schedule.is_empty() => {
            Ended::Again(CAMPAIGN)
        }
        Outcome::Applied { .. } => {
            let spread = u64::from(spread(&resolved.name, 3600));
            Ended::Again(IDLE + Duration::from_secs(spread))
        }
    }
}

#[cfg(test)]
mod tests;
