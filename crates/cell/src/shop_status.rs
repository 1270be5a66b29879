//! What a Shop's status says, made from what was found. Pure.

use crate::{
    conditions::{ConditionSet, Verdict},
    data::KINDS,
    observed::Pods,
    outcome::ReconcileOutcome,
};
use api::{Condition, Shop, ShopStatus, Truth, agent_status::PageStatus};
use jiff::Timestamp;
use render::assign::worked;

/// What was found of a shop after it was applied.
#[derive(Debug)]
pub struct ObservedShop {
    /// Pods of its Deployment, if there is one.
    pub pods: Option<Pods>,
    /// It counts until the shop has worked once: later a database that fails over must not make
    /// every shop look broken.
    pub page: PageStatus,
    /// Verdicts on its routes, its database and its backup, by condition.
    pub data: Vec<(&'static str, Verdict)>,
}

/// The new status. What did not change keeps its time, so that it is written only if something
/// did.
#[must_use]
pub fn status(
    shop: &Shop,
    outcome: &ReconcileOutcome,
    observed: ObservedShop,
    now: Timestamp,
) -> ShopStatus {
    let old = shop.status.clone().unwrap_or_default();
    let generation = shop.metadata.generation;
    let ObservedShop { pods, page, data } = observed;
    let (rendered, applied) = written(outcome);
    let available = available(pods);
    let missing = if worked(shop) {
        None
    } else {
        missing(&page, &data)
    };
    let ready = match (rendered.status, applied.status, pods) {
        (Truth::True, Truth::True, Some(pods)) if pods.wanted == 0 => Verdict::yes("Serving"),
        (Truth::True, Truth::True, Some(pods)) if pods.ready > 0 => {
            missing.unwrap_or_else(|| Verdict::yes("Serving"))
        }
        (Truth::True, Truth::True, _) => available.passed_on(),
        (Truth::True, ..) => applied.passed_on(),
        _ => rendered.passed_on(),
    };
    let serves = ready.status == Truth::True && pods.is_some_and(|pods| pods.wanted > 0);
    let mut conditions = ConditionSet::new(&old.conditions, generation, now);
    conditions.update("Ready", ready);
    conditions.update("Rendered", rendered);
    conditions.update("Applied", applied);
    conditions.update("WorkloadAvailable", available);
    for (kind, verdict) in data {
        conditions.update(kind, verdict);
    }
    conditions.update("Degraded", degraded(conditions.so_far()));
    let conditions = conditions.finish_beside_others(&KINDS);
    ShopStatus {
        worked: old
            .worked
            .clone()
            .or_else(|| serves.then(|| now.to_string())),
        observed_generation: generation,
        pods: pods.map(|pods| format!("{}/{}", pods.ready, pods.wanted)),
        applied: match outcome {
            ReconcileOutcome::Applied { digest, .. } => Some(digest.clone()),
            _ => old.applied.clone(),
        },
        conditions,
        ..old
    }
}

/// Whether the shop was rendered, and whether it was applied.
fn written(outcome: &ReconcileOutcome) -> (Verdict, Verdict) {
    let not_rendered = || Verdict::no("NotRendered", "what was applied before still runs");
    let rendered = || Verdict::yes("Rendered");
    match outcome {
        ReconcileOutcome::Applied { taken, .. } if taken.is_empty() => {
            (rendered(), Verdict::yes("Applied"))
        }
        ReconcileOutcome::Applied { taken, .. } => (
            rendered(),
            Verdict::new(Truth::True, "TakenOver", taken.join("; ")),
        ),
        ReconcileOutcome::NotRendered(why) => (Verdict::no("Invalid", why), not_rendered()),
        ReconcileOutcome::Claimed(why) => (Verdict::no("Claimed", why), not_rendered()),
        ReconcileOutcome::NotApplied { reason, message } => {
            (rendered(), Verdict::no(reason, message))
        }
        ReconcileOutcome::Held(why) => (rendered(), Verdict::no("Held", why)),
    }
}

/// Whether the pods that are wanted are ready.
fn available(pods: Option<Pods>) -> Verdict {
    match pods {
        None => Verdict::unknown("NoDeployment", "there is no Deployment web yet"),
        Some(pods) if pods.wanted == 0 => Verdict::new(Truth::True, "NoPods", "none are wanted"),
        Some(pods) if pods.ready >= pods.wanted => Verdict::yes("Ready"),
        Some(pods) if pods.ready == 0 => Verdict::no("NoPodReady", "no pod is ready"),
        Some(_) => Verdict::no("SomePodsNotReady", "some pods are not ready"),
    }
}

/// What a shop still needs that has never worked: its database first, as no page works without it.
fn missing(page: &PageStatus, data: &[(&'static str, Verdict)]) -> Option<Verdict> {
    let database = data
        .iter()
        .find(|(kind, it)| *kind == "DatabaseCurrent" && it.status == Truth::False);
    if let Some((_, database)) = database {
        return Some(database.clone());
    }
    match page {
        PageStatus::Works => None,
        PageStatus::Unknown => Some(Verdict::no("PageUnknown", "no agent has seen its page yet")),
        PageStatus::Fails(why) => Some(Verdict::no("PageFails", why)),
    }
}

/// What is not as it should be, in one condition: it tells a shop that serves and still needs
/// somebody from one that does not.
fn degraded(conditions: &[Condition]) -> Verdict {
    let bad: Vec<_> = conditions
        .iter()
        .filter(|it| it.status == Truth::False && it.kind != "Ready")
        .collect();
    let Some(first) = bad.first() else {
        return Verdict::new(Truth::False, "AsExpected", "");
    };
    let message: Vec<_> = bad
        .iter()
        .map(|it| format!("{}: {}", it.kind, it.reason))
        .collect();
    Verdict::new(Truth::True, &first.reason, message.join("; "))
}

#[cfg(test)]
mod tests;
