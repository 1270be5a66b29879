//! What a rollout's status says.

use crate::run::Controller;
use api::{Phase, Rollout, RolloutStatus, Truth};
use cell::{ConditionSet, Verdict};
use client::ApiError;
use jiff::Timestamp;
use kube::runtime::events::EventType;
use plan::rollout::Decision;
use serde_json::json;
use tracing::info;

/// Records what was decided, if it is news, and tells it as an event.
pub(super) async fn record(
    controller: &Controller,
    name: &str,
    rollout: &Rollout,
    old: &RolloutStatus,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), ApiError> {
    let mut status = decision.status.clone();
    status.observed_generation = rollout.metadata.generation;
    let bad = matches!(
        status.phase,
        Some(Phase::Stopped | Phase::Returning | Phase::Aborted)
    );
    let done = status.phase == Some(Phase::Completed);
    let truth = |yes: bool| if yes { Truth::True } else { Truth::False };
    let reason = format!("{:?}", status.phase.unwrap_or(Phase::Pending));
    let mut conditions = ConditionSet::new(&old.conditions, rollout.metadata.generation, now);
    let progressing = truth(!done && !bad);
    conditions.update(
        "Progressing",
        Verdict::new(progressing, &reason, &decision.why),
    );
    conditions.update("Completed", Verdict::new(truth(done), &reason, ""));
    let degraded = truth(bad || status.counts.failed > 0);
    conditions.update("Degraded", Verdict::new(degraded, &reason, ""));
    status.conditions = conditions.finish();
    if status == *old {
        return Ok(());
    }
    let mut patch = serde_json::to_value(&status).unwrap_or_default();
    // In a merge patch what is missing stays; what is over has to be said.
    if status.soaking_since.is_none() {
        patch["soakingSince"] = serde_json::Value::Null;
    }
    // What people said is theirs to write.
    patch.as_object_mut().map(|patch| patch.remove("history"));
    if status.failed.is_empty() {
        patch["failed"] = json!([]);
    }
    controller
        .connections
        .fleet_writer()
        .merge(
            &client::longshore("Rollout", name),
            Some("status"),
            &json!({ "status": patch }),
        )
        .await?;
    if old.phase != status.phase {
        info!(
            rollout = name,
            phase = reason,
            why = decision.why,
            "rollout"
        );
        let type_ = if bad {
            EventType::Warning
        } else {
            EventType::Normal
        };
        controller
            .events
            .rollout(type_, rollout, &reason, &decision.why)
            .await;
    }
    if let Some(stored) = controller.lock().fleet.rollouts.get_mut(name) {
        stored.status = Some(status);
    }
    Ok(())
}
