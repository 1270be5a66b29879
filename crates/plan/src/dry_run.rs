//! The plan of a fleet against a cluster: what the gate lets through is shown to the API server,
//! which stores nothing.

mod trial;

pub(crate) use trial::{Sample, Trial, Work, rendered};

use super::{
    Plan, gate,
    sampling::{self, Samples},
};
use crate::guard::{Limit, Missing, PruneDecision, Registry, Removal, prune, removal};
use api::{Fleet, Identity, Object, ObjectMetaSummary, claims::Claims};
use client::{ApiError, Cluster, Conflicts};
use jiff::{SignedDuration, Timestamp};
use render::check;
use std::collections::{BTreeMap, BTreeSet};

pub use super::sampling::TRIES;

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    /// The registry.
    pub fleet: &'a Fleet,
    /// What its shops claim.
    pub claims: &'a Claims,
    /// The registry as it is stored, without what is asked about.
    pub before: &'a Fleet,
    /// How many shops of one kind of change are tried.
    pub tries: usize,
    /// Shops to plan; all if this is empty.
    pub shops: &'a BTreeSet<String>,
    /// Whether the registry was read whole.
    pub registry: Registry,
    /// How many shops that are not in it may be taken down; none are if this is missing.
    pub remove: Option<Limit>,
    /// The files' resources, which are stored before anything is made of them.
    pub resources: &'a [Object],
    /// What happens to fields that others own.
    pub conflicts: Conflicts,
    /// Whether fields are looked at: the digests alone tell which objects would be written.
    pub fields: bool,
    /// The time.
    pub now: Timestamp,
}

/// Makes the plan. Refusals of single objects are part of it; it fails only where the cluster
/// cannot be asked.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn plan(cluster: &Cluster, question: &PlanRequest<'_>) -> Result<Plan, ApiError> {
    let one = (question.shops.len() == 1)
        .then(|| question.shops.first().map(String::as_str))
        .flatten();
    let mut world = cluster.world(one).await?;
    let wanted = |shop: &str| question.shops.is_empty() || question.shops.contains(shop);
    let resources =
        super::registry::changes(cluster, question.resources, question.conflicts).await?;
    let mut plan = Plan {
        resources,
        ..Plan::default()
    };
    let shops = question.fleet.shops.iter().filter(|(name, _)| wanted(name));
    let mut work: Vec<Work<'_>> = shops
        .map(|(name, shop)| {
            (
                name.clone(),
                Some(shop),
                world.remove(name).unwrap_or_default(),
            )
        })
        .collect();
    plan.looked_at = work.len();
    take_down(
        question,
        world.into_iter().filter(|(shop, _)| wanted(shop)).collect(),
        &mut plan,
        &mut work,
    );

    let (unknown, foreseen) = sort(question, work, &mut plan);
    let trial = Trial {
        fleet: question.fleet,
        claims: question.claims,
        conflicts: question.conflicts,
        fields: question.fields,
        tries: question.tries,
        only: None,
        now: question.now,
    };
    let mut samples = Samples::default();
    trial
        .settle(cluster, unknown, foreseen, &mut samples, &mut plan)
        .await?;
    Ok(plan)
}

/// Renders each shop, tells the unchanged ones and those that cannot be planned from the others,
/// and those of which it can be foreseen what would change from those of which it cannot. What is
/// rendered is not kept: the objects of all shops together would be gigabytes.
fn sort<'a>(
    question: &PlanRequest<'_>,
    work: Vec<Work<'a>>,
    plan: &mut Plan,
) -> (Vec<Work<'a>>, Vec<Sample<'a>>) {
    let (mut unknown, mut foreseen) = (Vec::new(), Vec::new());
    let claims = Claims::new(question.before);
    for (name, found, live) in work {
        let PlanRequest { fleet, now, .. } = *question;
        let objects = match rendered(fleet, question.claims, &name, found, now) {
            Ok(objects) => objects,
            Err(why) => {
                plan.failed.insert(name, why);
                continue;
            }
        };
        let steps = gate(&objects, &live, |_| None, question.now);
        if let Some(wrong) = check::before(&objects, &steps) {
            plan.failed
                .insert(name.clone(), format!("shop {name}: {wrong}"));
            continue;
        }
        if steps.is_empty() {
            continue;
        }
        let before = question.before.shops.get(&name).filter(|_| question.fields);
        let before =
            before.and_then(|shop| rendered(question.before, &claims, &name, Some(shop), now).ok());
        match before.and_then(|before| sampling::predicted(&name, &steps, &before, &live)) {
            Some(expected) => {
                let kind = sampling::kind(&name, &expected);
                let changes = expected.into_iter().map(|one| one.change).collect();
                foreseen.push((kind, ((name, found, live), changes)));
            }
            None => unknown.push((name, found, live)),
        }
    }
    (unknown, foreseen)
}

/// Shops with objects that are no longer in the registry.
fn take_down(
    question: &PlanRequest<'_>,
    rest: BTreeMap<String, BTreeMap<Identity, ObjectMetaSummary>>,
    plan: &mut Plan,
    work: &mut Vec<Work<'_>>,
) {
    // Shops in the registry that are not asked for are no missing ones.
    let rest: BTreeMap<_, _> = rest
        .into_iter()
        .filter(|(shop, live)| !question.fleet.shops.contains_key(shop) && goes(live, question.now))
        .collect();
    let Some(limit) = question.remove else {
        if !rest.is_empty() {
            plan.held.push(format!(
                "{} shops have objects and are not in the registry; --prune would take them down, \
                 and keep their data",
                rest.len()
            ));
        }
        return;
    };
    let long_ago = question.now - SignedDuration::from_hours(1);
    let missing: Missing = rest.keys().map(|shop| (shop.clone(), long_ago)).collect();
    match removal(
        question.registry,
        &missing,
        &[],
        limit,
        SignedDuration::ZERO,
        question.now,
    ) {
        Removal::Remove(_) => work.extend(rest.into_iter().map(|(shop, live)| (shop, None, live))),
        Removal::Nothing => {}
        Removal::Held(held) => plan.held.push(held.to_string()),
    }
}

/// Whether anything of a shop would be deleted: its namespace and its data are all that is left of
/// one that was taken down.
#[must_use]
pub fn goes(live: &BTreeMap<Identity, ObjectMetaSummary>, now: Timestamp) -> bool {
    prune(&BTreeSet::new(), live, now)
        .iter()
        .any(|decision| matches!(decision, PruneDecision::Delete(_)))
}

#[cfg(test)]
mod tests;
