//! One reconcile of one shop. Data flows in one direction, through five stages:
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
//! If a stage finds something wrong, it returns a [`ReconcileOutcome`] instead, which `status`
//! reports.

mod apply;
mod check;
mod failure;
mod initial_release;
mod maintenance;
mod migration_lock;
mod page;
mod render;
mod resolve;
mod status;

use super::{Controller, audit::Audits};
use api::{agent_status::PageStatus, name::spread};
use apply::Applied;
use cell::{ReconcileOutcome, migration::MigrationLock};
use client::{ApiError, ReconcileEnd};
use jiff::Timestamp;
use resolve::ResolvedShop;
use std::time::Duration;
use tracing::debug;

/// How often a shop without campaigns reconciles; with 5,000 of them, one reconciles in four
/// seconds.
const IDLE: Duration = Duration::from_hours(6);
/// The same for a shop with campaigns, which begin at a full minute.
const CAMPAIGN: Duration = Duration::from_mins(1);
/// How soon a shop reconciles again if a guard holds it.
const HELD: Duration = Duration::from_mins(10);
/// How soon a new shop reconciles again if it waits for other shops of its database server, of
/// which there may be thousands.
const CROWDED: Duration = Duration::from_mins(1);
/// How soon a shop reconciles again if its migration waits for its Lease.
const LOCKED: Duration = Duration::from_secs(2);

/// Reconciles a shop once.
pub(super) async fn reconcile(
    controller: &Controller,
    audits: &Audits,
    name: &str,
) -> ReconcileEnd {
    match stages(controller, audits, name).await {
        Ok(ended) => ended,
        Err(error) => {
            debug!(shop = name, error = %runtime::Chain(&error), "reconcile failed");
            ReconcileEnd::Failed
        }
    }
}

async fn stages(
    controller: &Controller,
    audits: &Audits,
    name: &str,
) -> Result<ReconcileEnd, ApiError> {
    let now = Timestamp::now();
    let Some(resolved) = resolve::resolve(controller, name, now).await? else {
        return Ok(ReconcileEnd::Settled);
    };
    let Some(rendered) = render::render(controller, &resolved, audits.due(name), now) else {
        return Ok(ReconcileEnd::Settled);
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
        (ReconcileEnd::Again(later), Some(look)) => ReconcileEnd::Again(later.min(look)),
        (ended, _) => ended,
    })
}

/// When the shop reconciles again, if nothing changes before.
fn next(
    resolved: &ResolvedShop,
    outcome: &ReconcileOutcome,
    closed: bool,
    page: &PageStatus,
    now: Timestamp,
) -> ReconcileEnd {
    let lock = &resolved.migration.lock;
    match outcome {
        // Only an event of a class or a release can help, and that asks for a reconcile.
        ReconcileOutcome::NotRendered(_)
        | ReconcileOutcome::Claimed(_)
        | ReconcileOutcome::NotApplied { .. } => ReconcileEnd::Failed,
        ReconcileOutcome::Held(_) => ReconcileEnd::Again(HELD),
        ReconcileOutcome::Applied { .. } if matches!(lock, MigrationLock::Crowded(_)) => {
            ReconcileEnd::Again(CROWDED)
        }
        // Its Lease was created a moment ago, somebody else holds it, or cron is ending.
        ReconcileOutcome::Applied { .. } if *lock != MigrationLock::Ours || closed => {
            ReconcileEnd::Again(LOCKED)
        }
        // Its page may work by now, and no event reports that.
        ReconcileOutcome::Applied { .. } if *page != PageStatus::Works => {
            ReconcileEnd::Again(page::again(&resolved.shop, now))
        }
        ReconcileOutcome::Applied { .. } if !resolved.shop.spec.scale.schedule.is_empty() => {
            ReconcileEnd::Again(CAMPAIGN)
        }
        ReconcileOutcome::Applied { .. } => {
            let spread = u64::from(spread(&resolved.name, 3600));
            ReconcileEnd::Again(IDLE + Duration::from_secs(spread))
        }
    }
}

#[cfg(test)]
mod tests;
