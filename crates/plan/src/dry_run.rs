//! The plan of a fleet against a cluster: what the gate lets through is shown to the API server,
//! which stores nothing.

use super::{Action, Change, Field, Plan, difference, gate, sampling, tidy};
use crate::guard::{Limit, Missing, Registry, Removal, Verdict, prune, removal};
use api::{Deletion, Step};
use api::{Fleet, Identity, Object, ObjectMetaSummary, Shop, claims::Claims};
use client::{ApiError, Cluster, Conflicts};
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use release::Sha256;
use render::{
    assign::{Known, Resolution, desired},
    check,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub use super::sampling::TRIES;

/// Shops that are looked at, at the same time.
const AT_ONCE: usize = 16;

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
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
pub async fn plan(cluster: &Cluster, question: &Question<'_>) -> Result<Plan, ApiError> {
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

    let (mut unknown, foreseen) = sort(question, work, &mut plan);
    let (samples, rest) = sampled(foreseen, question.tries);
    let tried = try_all(
        cluster,
        question,
        samples.iter().map(|(_, (work, _))| work.clone()).collect(),
        &mut plan,
    )
    .await?;
    let confirmed = |(_, ((name, ..), changes)): &&Sample<'_>| {
        tried
            .get(name)
            .is_some_and(|tried| sampling::confirmed(changes, tried))
    };
    let otherwise: BTreeSet<_> = samples
        .iter()
        .filter(|sample| !confirmed(sample))
        .map(|(kind, _)| *kind)
        .collect();
    plan.shops.extend(tried);
    for (kind, ((name, shop, live), changes)) in rest {
        if otherwise.contains(&kind) {
            unknown.push((name, shop, live));
        } else {
            plan.alike += 1;
            plan.shops.insert(name, changes);
        }
    }
    let tried = try_all(cluster, question, unknown, &mut plan).await?;
    plan.shops.extend(tried);
    Ok(plan)
}

/// The first shops of each kind of change, and all others.
fn sampled(foreseen: Vec<Sample<'_>>, tries: usize) -> (Vec<Sample<'_>>, Vec<Sample<'_>>) {
    let mut seen: BTreeMap<Sha256, usize> = BTreeMap::new();
    foreseen.into_iter().partition(|(kind, _)| {
        let count = seen.entry(*kind).or_default();
        *count += 1;
        *count <= tries
    })
}

/// Renders each shop, tells the unchanged ones and those that cannot be planned from the others,
/// and those of which it can be foreseen what would change from those of which it cannot. What is
/// rendered is not kept: the objects of all shops together would be gigabytes.
fn sort<'a>(
    question: &Question<'_>,
    work: Vec<Work<'a>>,
    plan: &mut Plan,
) -> (Vec<Work<'a>>, Vec<Sample<'a>>) {
    let (mut unknown, mut foreseen) = (Vec::new(), Vec::new());
    let claims = Claims::of(question.before);
    for (name, found, live) in work {
        let objects = match objects(question, &name, found) {
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
        let before = before.and_then(|shop| {
            desired(
                &Resolution::new(&name, shop, question.before),
                &claims,
                &Known::recorded(shop),
                question.now,
            )
            .ok()
        });
        match before.and_then(|before| sampling::predicted(&steps, &before, &live)) {
            Some(changes) => {
                foreseen.push((
                    sampling::kind(&name, &changes),
                    ((name, found, live), changes),
                ));
            }
            None => unknown.push((name, found, live)),
        }
    }
    (unknown, foreseen)
}

pub(crate) fn objects(
    question: &Question<'_>,
    name: &str,
    shop: Option<&Shop>,
) -> Result<Vec<Object>, String> {
    let rendered = shop.map_or(Ok(Vec::new()), |shop| {
        desired(
            &Resolution::new(name, shop, question.fleet),
            question.claims,
            &Known::recorded(shop),
            question.now,
        )
    });
    rendered.map_err(|error| runtime::Chain(&error).to_string())
}

/// The changes of shops, as the API server says.
async fn try_all(
    cluster: &Cluster,
    question: &Question<'_>,
    work: Vec<Work<'_>>,
    plan: &mut Plan,
) -> Result<BTreeMap<String, Vec<Change>>, ApiError> {
    // Not a stream that maps: the closure would keep the future from moving between threads.
    let tried: Vec<_> = work
        .into_iter()
        .map(|work| try_one(cluster, question, work))
        .collect();
    let mut tried = stream::iter(tried).buffer_unordered(AT_ONCE);
    let mut all = BTreeMap::new();
    while let Some(one) = tried.next().await {
        match one? {
            (name, Ok(changes)) => {
                all.insert(name, changes);
            }
            (name, Err(why)) => {
                plan.failed.insert(name, why);
            }
        }
    }
    Ok(all)
}

async fn try_one(
    cluster: &Cluster,
    question: &Question<'_>,
    (name, found, live): Work<'_>,
) -> Result<(String, Result<Vec<Change>, String>), ApiError> {
    let changes = match objects(question, &name, found) {
        Ok(objects) => Ok(shop(cluster, question, &objects, &live).await?),
        Err(why) => Err(why),
    };
    Ok((name, changes))
}

/// A shop whose changes can be foreseen, by their kind.
type Sample<'a> = (Sha256, (Work<'a>, Vec<Change>));

/// A shop, what is asked for, if it is in the registry, and what is there.
type Work<'a> = (
    String,
    Option<&'a Shop>,
    BTreeMap<Identity, ObjectMetaSummary>,
);

/// Shops with objects that are no longer in the registry.
fn take_down(
    question: &Question<'_>,
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
        .any(|verdict| matches!(verdict, Verdict::Delete(_)))
}

async fn shop(
    cluster: &Cluster,
    question: &Question<'_>,
    objects: &[Object],
    live: &BTreeMap<Identity, ObjectMetaSummary>,
) -> Result<Vec<Change>, ApiError> {
    let fresh = objects
        .first()
        .is_some_and(|namespace| !live.contains_key(namespace.identity()));
    let mut changes = Vec::new();
    for step in gate(objects, live, |_| None, question.now) {
        changes.push(match step {
            Step::Delete(Deletion { identity, .. }) => sampling::deletion(&identity, live),
            // Nothing can be tried in a namespace that is not there yet.
            Step::Create(object) if fresh && object.identity().namespace.is_some() => {
                sampling::written(object, None)
            }
            Step::Create(object) | Step::Write(object) => {
                change(cluster, question, object, live.get(object.identity())).await?
            }
        });
    }
    Ok(changes)
}

async fn change(
    cluster: &Cluster,
    question: &Question<'_>,
    object: &Object,
    live: Option<&ObjectMetaSummary>,
) -> Result<Change, ApiError> {
    let mut change = sampling::written(object, live);
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

#[cfg(test)]
mod tests;
