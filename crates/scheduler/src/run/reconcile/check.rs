//! The third stage: decides what has to be written, unless a check or a guard refuses it.

use super::{render::Rendered, resolve::ResolvedShop};
use crate::run::Controller;
use api::Step;
use cell::ReconcileOutcome;
use jiff::{SignedDuration, Timestamp};
use plan::{gate, guard::Limit};
use render::{assign::AssignError, check};
use tracing::warn;

/// The steps that make the cluster equal to what was rendered.
///
/// # Errors
///
/// If the shop cannot be rendered, its objects are wrong, or a guard holds it.
pub(super) fn check<'a>(
    controller: &Controller,
    resolved: &ResolvedShop,
    rendered: &'a Rendered,
    now: Timestamp,
) -> Result<Vec<Step<'a>>, ReconcileOutcome> {
    let objects = match &rendered.objects {
        Ok(objects) => objects,
        Err(error @ AssignError::Claimed { .. }) => {
            return Err(ReconcileOutcome::Claimed(error.to_string()));
        }
        Err(error) => {
            return Err(ReconcileOutcome::NotRendered(
                runtime::Chain(error).to_string(),
            ));
        }
    };
    let ours = |identity: &_| rendered.ours.get(identity).copied();
    let steps = gate(objects, &rendered.live, ours, now);
    // Checked only if something is about to be written, so that a pass over shops that are as they
    // should be does not pay for it.
    if let Some(wrong) = check::before(objects, &steps) {
        return Err(ReconcileOutcome::NotRendered(wrong));
    }
    match held(controller, &resolved.name, &steps, now) {
        Some(held) => Err(ReconcileOutcome::Held(held)),
        None => Ok(steps),
    }
}

/// A shop that loses its Deployment, such as one that becomes archived, counts as taken down,
/// because a thousand at once are a mistake.
fn held(controller: &Controller, name: &str, steps: &[Step<'_>], now: Timestamp) -> Option<String> {
    let loses = |step: &Step<'_>| matches!(step, Step::Delete(deletion) if deletion.identity.kind == "Deployment" && deletion.identity.name == "web");
    if !steps.iter().any(loses) {
        return None;
    }
    let mut state = controller.lock();
    state
        .removed
        .retain(|at| now.duration_since(*at) < SignedDuration::from_hours(1));
    let limit = controller.settings.limit.shops(state.fleet.shops.len());
    if state.removed.len() >= limit {
        let hint = if controller.settings.limit == Limit::Default {
            "; allow more with --delete-at-most"
        } else {
            ""
        };
        return Some(format!(
            "{limit} shops lost their workloads in the last hour, which is the limit{hint}"
        ));
    }
    state.removed.push(now);
    warn!(shop = name, "workloads are removed; the data stays");
    None
}
