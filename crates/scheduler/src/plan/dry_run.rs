//! The plan of a fleet against a cluster: what the gate lets through is shown to the API server, which stores nothing.

use super::{Action, Change, Field, Plan, Seen, Step, difference, gate, tidy};
use crate::{
    api::{ApiError, Cluster, Conflicts},
    assign::{Known, desired},
    check,
    crd::Shop,
    file::Fleet,
    guard::{Doomed, Limit, Missing, Registry, Removal, Verdict, prune, removal},
    plan::Live,
    render::{Identity, Object},
};
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Shops that are looked at, at the same time.
const AT_ONCE: usize = 16;

/// What a plan is made for.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) fleet: &'a Fleet,
    /// Shops to plan; all, where this is empty.
    pub(crate) shops: &'a BTreeSet<String>,
    /// Whether the registry was read whole.
    pub(crate) registry: Registry,
    /// How many shops that are not in it may be taken down; none are, where this is missing.
    pub(crate) remove: Option<Limit>,
    /// The files' resources, which are stored before anything is made of them.
    pub(crate) resources: &'a [Object],
    pub(crate) conflicts: Conflicts,
    /// Whether fields are looked at: the digests alone tell which objects would be written.
    pub(crate) fields: bool,
    pub(crate) now: Timestamp,
}

/// Makes the plan. Refusals of single objects are part of it; it fails only where the cluster cannot be asked.
pub(crate) async fn plan(cluster: &Cluster, question: &Question<'_>) -> Result<Plan, ApiError> {
    let one = (question.shops.len() == 1).then(|| question.shops.first().map(String::as_str)).flatten();
    let mut world = cluster.world(one).await?;
    let wanted = |shop: &str| question.shops.is_empty() || question.shops.contains(shop);
    let resources = super::registry::changes(cluster, question.resources, question.conflicts).await?;
    let mut plan = Plan { resources, ..Plan::default() };
    let shops = question.fleet.shops.iter().filter(|(name, _)| wanted(name));
    // Rendered when its turn comes: the objects of all shops together would be gigabytes.
    let mut work: Vec<Work<'_>> = shops.map(|(name, shop)| (name.clone(), Some(shop), world.remove(name).unwrap_or_default())).collect();
    plan.looked_at = work.len();
    take_down(question, world.into_iter().filter(|(shop, _)| wanted(shop)).collect(), &mut plan, &mut work);
    let planned = stream::iter(work).map(|(name, found, live)| async move {
        let objects = found.map_or(Ok(Vec::new()), |found| desired(&name, found, question.fleet, &Known::recorded(found), question.now));
        let changes = match &objects {
            Ok(objects) => match check::before(objects, &gate(objects, &live, |_| None, question.now)) {
                None => Ok(shop(cluster, question, objects, &live).await?),
                Some(wrong) => Err(format!("shop {name}: {wrong}")),
            },
            Err(error) => Err(runtime::Chain(error).to_string()),
        };
        Ok::<_, ApiError>((name, changes))
    });
    let mut planned = planned.buffer_unordered(AT_ONCE);
    while let Some(one) = planned.next().await {
        match one? {
            (_, Ok(changes)) if changes.is_empty() => {}
            (name, Ok(changes)) => drop(plan.shops.insert(name, changes)),
            (name, Err(why)) => drop(plan.failed.insert(name, why)),
        }
    }
    Ok(plan)
}

/// A shop, what is asked for, where it is in the registry, and what is there.
type Work<'a> = (String, Option<&'a Shop>, BTreeMap<Identity, Live>);

/// Shops with objects that are no longer in the registry.
fn take_down(question: &Question<'_>, rest: BTreeMap<String, BTreeMap<Identity, Live>>, plan: &mut Plan, work: &mut Vec<Work<'_>>) {
    // Shops in the registry that are not asked for are no missing ones.
    let rest: BTreeMap<_, _> =
        rest.into_iter().filter(|(shop, live)| !question.fleet.shops.contains_key(shop) && goes(live, question.now)).collect();
    let Some(limit) = question.remove else {
        if !rest.is_empty() {
            plan.held.push(format!(
                "{} shops have objects and are not in the registry; --prune would take them down, and keep their data",
                rest.len()
            ));
        }
        return;
    };
    let long_ago = question.now - SignedDuration::from_hours(1);
    let missing: Missing = rest.keys().map(|shop| (shop.clone(), long_ago)).collect();
    match removal(question.registry, &missing, &[], limit, SignedDuration::ZERO, question.now) {
        Removal::Remove(_) => work.extend(rest.into_iter().map(|(shop, live)| (shop, None, live))),
        Removal::Nothing => {}
        Removal::Held(held) => plan.held.push(held.to_string()),
    }
}

/// Whether anything of a shop would be deleted: its namespace and its data are all that is left of one that was taken down.
pub(crate) fn goes(live: &BTreeMap<Identity, Live>, now: Timestamp) -> bool {
    prune(&BTreeSet::new(), live, now).iter().any(|verdict| matches!(verdict, Verdict::Delete(_)))
}

async fn shop(
    cluster: &Cluster,
    question: &Question<'_>,
    objects: &[Object],
    live: &BTreeMap<Identity, Live>,
) -> Result<Vec<Change>, ApiError> {
    let fresh = objects.first().is_some_and(|namespace| !live.contains_key(namespace.identity()));
    let mut changes = Vec::new();
    for step in gate(objects, live, |_| None, question.now) {
        changes.push(match step {
            Step::Delete(Doomed { identity, .. }) => deletion(&identity, live),
            // Nothing can be tried in a namespace that is not there yet.
            Step::Create(object) if fresh && object.identity().namespace.is_some() => written(object, None),
            Step::Create(object) | Step::Write(object) => change(cluster, question, object, live.get(object.identity())).await?,
        });
    }
    Ok(changes)
}

fn deletion(identity: &Identity, live: &BTreeMap<Identity, Live>) -> Change {
    let seen = live.get(identity).map(|live| Seen::of(&identity.kind, live));
    Change { object: identity.clone(), action: Action::Delete, seen, desired: None, fields: Vec::new(), refused: None }
}

fn written(object: &Object, live: Option<&Live>) -> Change {
    let identity = object.identity();
    Change {
        object: identity.clone(),
        action: if live.is_some() { Action::Change } else { Action::Create },
        seen: live.map(|live| Seen::of(&identity.kind, live)),
        desired: Some(object.digest()),
        fields: Vec::new(),
        refused: None,
    }
}

async fn change(cluster: &Cluster, question: &Question<'_>, object: &Object, live: Option<&Live>) -> Result<Change, ApiError> {
    let mut change = written(object, live);
    if !question.fields {
        return Ok(change);
    }
    let before = match live {
        Some(_) => cluster.get(object.identity()).await?,
        None => None,
    };
    match cluster.try_apply(object, question.conflicts).await {
        Ok(after) => {
            if let Some(before) = before {
                change.fields = fields(before, after);
                if change.fields.is_empty() {
                    change.action = Action::Adopt;
                }
            }
        }
        // The API server that cannot be asked is no refusal.
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => change.refused = Some(error.to_string()),
    }
    Ok(change)
}

fn fields(before: Value, after: Value) -> Vec<Field> {
    difference(&tidy(before), &tidy(after))
}
