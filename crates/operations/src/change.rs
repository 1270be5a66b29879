//! A change of Shops: first the plan, as the API server says it, then the change, if nobody changed
//! the Shop in between.

mod basis;
mod edits;

pub use basis::Basis;

use crate::{
    OperationError,
    create::object,
    parallel::{at_once, one_by_one},
};
use api::{ResolvedRelease, Shop, ShopSpec, namespace};
use client::{Cluster, Conflicts, Mode, shop as identity};
use futures_util::Stream;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use plan::{Action, Change, Edited, Field, Plan, Samples, Tried, difference, tidy};
use release::Reason;
use render::assign;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a plan says that nobody tried.
pub const NOT_TRIED: &str = "The API server did not try it, since you may not write what the shop is made of: this is what \
     the scheduler would write.";
/// Shops that are planned together: so many thousands at once would take a hundred megabytes.
pub const PART: usize = 500;
/// Shops of one kind of change that are tried. What is equal in all of them but for their names is
/// refused in all, or in none.
const SAMPLES: usize = 25;
/// How often it is tried while the scheduler writes the Shop's status at the same moment.
const TRIES: usize = 5;

/// The JSON merge patch (RFC 7396) that makes `after` of `before`. Nothing in a Shop may be null,
/// which such a patch could not say.
#[must_use]
pub fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return after.clone();
    };
    let mut patch = Map::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in after {
        match before.get(name) {
            Some(was) if was == value => {}
            Some(was) => {
                patch.insert(name.clone(), merge_patch(was, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

/// The patch of a Shop that makes `after` of its spec.
///
/// # Errors
///
/// If either cannot be written as JSON.
pub fn spec_patch(before: &ShopSpec, after: &ShopSpec) -> Result<Value, OperationError> {
    let json = |spec: &ShopSpec| {
        serde_json::to_value(spec).map_err(|error| OperationError::Argument(error.to_string()))
    };
    Ok(json!({ "spec": merge_patch(&json(before)?, &json(after)?) }))
}

/// A change of one Shop.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The Shop.
    pub shop: String,
    /// Its generation when it was shown: at another one, nothing is done.
    pub generation: i64,
    /// The JSON merge patch.
    pub patch: Value,
}

/// Makes `patch` of `before`: RFC 7396.
fn merge(before: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        before.clone_from(patch);
        return;
    };
    if !before.is_object() {
        *before = json!({});
    }
    let Value::Object(before) = before else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            before.remove(name);
        } else {
            merge(before.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Makes plans of changes, of many Shops part by part: what the API server said of a kind of change
/// counts for all parts that follow.
#[derive(Debug)]
pub struct Planner<'a> {
    cluster: &'a Cluster,
    of_shops: Samples<()>,
    of_objects: Tried,
}

impl<'a> Planner<'a> {
    /// For a change of so many Shops in all.
    #[must_use]
    pub fn new(cluster: &'a Cluster, shops: usize) -> Self {
        Self {
            cluster,
            of_shops: Samples::default(),
            of_objects: Tried::new(shops),
        }
    }

    /// What would change if the Shops were patched: each Shop itself, and the objects that are made
    /// of it. What other parts would claim is not looked at: whatever changes hosts, directories or
    /// databases of several Shops is one part.
    ///
    /// # Errors
    ///
    /// If a Shop is gone or at another generation than was shown, or if the API server refuses a
    /// Shop or does not answer. What it refuses of other objects is part of the plan.
    pub async fn edits(&mut self, basis: &Basis, edits: &[Edit]) -> Result<Plan, OperationError> {
        let (mut changed, mut of_shops) = (BTreeMap::new(), Vec::new());
        for then in edits::then(self, basis, edits).await? {
            if !then.fields.is_empty() {
                of_shops.push(of_shop(&then.name, Action::Change, then.fields));
            }
            changed.insert(then.name, then.shop);
        }
        Ok(with_shops(self.objects(basis, &changed).await?, of_shops))
    }

    async fn objects(
        &mut self,
        basis: &Basis,
        shops: &BTreeMap<String, Shop>,
    ) -> Result<Plan, OperationError> {
        let cluster = self.cluster;
        let then = basis.claims_of(shops);
        let edited = Edited {
            fleet: &basis.fleet,
            claims: &basis.claims,
            claims_then: then.as_ref().unwrap_or(&basis.claims),
            shops,
            tries: SAMPLES,
            now: Timestamp::now(),
        };
        if may_try(cluster, shops).await? {
            let foreseen = edited.foresee().await;
            match edited.tried(cluster, foreseen, &mut self.of_objects).await {
                // It may also be that the program may not do this as the person.
                Err(error) if error.reason() == Reason::ApiForbidden => {}
                planned => return Ok(planned?),
            }
        }
        let mut plan = edited.foresee().await.untried();
        plan.held.push(NOT_TRIED.to_owned());
        Ok(plan)
    }
}

/// What would change if the shop moved to `release`.
///
/// # Errors
///
/// If there is no such shop, or if the API server does not answer.
pub async fn plan_release(
    cluster: &Cluster,
    basis: &Basis,
    name: &str,
    release: &ResolvedRelease,
) -> Result<Plan, OperationError> {
    let mut changed = basis.shop(name)?.clone();
    let next = assign::forward(&changed, release, &basis.fleet, Timestamp::now());
    let status = changed.status.get_or_insert_default();
    (status.release, status.previous, status.rejected) =
        (Some(next.release), next.previous, next.rejected);
    let mut planner = Planner::new(cluster, 1);
    planner
        .objects(basis, &[(name.to_owned(), changed)].into())
        .await
}

/// Patches the Shop, if it is still at the generation that was shown.
///
/// # Errors
///
/// If it is not, or if the API server refuses it or does not answer.
pub async fn apply(cluster: &Cluster, one: &Edit) -> Result<(), OperationError> {
    edit(cluster, one, Mode::Real).await.map(drop)
}

/// Patches many Shops, each if it is still at its generation: what became of each, as it is done.
/// Once `stop` says so, no further one is begun.
pub fn apply_each(
    cluster: Cluster,
    edits: Vec<Edit>,
    stop: impl Fn() -> bool,
) -> impl Stream<Item = (Edit, Result<(), OperationError>)> {
    one_by_one(edits, stop, move |one| {
        let cluster = cluster.clone();
        async move {
            let done = apply(&cluster, &one).await;
            (one, done)
        }
    })
}

/// What would be there if these Shops were stored: each Shop itself, and the objects that are made
/// of it.
///
/// # Errors
///
/// If the API server refuses a Shop or does not answer.
pub async fn plan_new(
    cluster: &Cluster,
    basis: &Basis,
    shops: &[Value],
) -> Result<Plan, OperationError> {
    let objects = shops.iter().map(object).collect::<Result<Vec<_>, _>>()?;
    let tried = at_once(
        objects
            .iter()
            .map(|shop| cluster.put(shop, Mode::Dry, Conflicts::Refuse)),
    );
    let (mut changed, mut of_shops) = (BTreeMap::new(), Vec::new());
    for (object, value) in objects.iter().zip(tried.await) {
        let name = object.identity().name.clone();
        let mut after: Shop = serde_json::from_value(value?)
            .map_err(|error| OperationError::Argument(format!("Shop {name}: {error}")))?;
        // Of a dry run, there is none.
        after.status = None;
        let fields = difference(&json!({}), &json!({ "spec": stored(&after)["spec"] }));
        of_shops.push(of_shop(&name, Action::Create, fields));
        changed.insert(name, after);
    }
    let mut planner = Planner::new(cluster, changed.len());
    let plan = planner.objects(basis, &changed).await?;
    Ok(with_shops(plan, of_shops))
}

/// What becomes of a Shop itself.
fn of_shop(name: &str, action: Action, fields: Vec<Field>) -> (String, Change) {
    let change = Change {
        object: identity(name),
        action,
        seen: None,
        desired: None,
        fields,
        refused: None,
    };
    (name.to_owned(), change)
}

fn with_shops(mut plan: Plan, of_shops: Vec<(String, Change)>) -> Plan {
    for (name, change) in of_shops {
        plan.shops.entry(name).or_default().insert(0, change);
    }
    plan
}

/// Whether the person may let the API server try what shops are made of: to look at it everywhere,
/// as a plan does, and to write it. Whoever changes Shops alone needs neither.
async fn may_try(
    cluster: &Cluster,
    shops: &BTreeMap<String, Shop>,
) -> Result<bool, OperationError> {
    let Some(shop) = shops.keys().next() else {
        return Ok(true);
    };
    let right = |verb: &str, namespace: Option<String>| ResourceAttributes {
        group: Some("apps".to_owned()),
        resource: Some("deployments".to_owned()),
        verb: Some(verb.to_owned()),
        namespace,
        ..ResourceAttributes::default()
    };
    Ok(cluster.may(right("list", None)).await?
        && cluster.may(right("patch", Some(namespace(shop)))).await?)
}

fn stored(shop: &Shop) -> Value {
    tidy(serde_json::to_value(shop).unwrap_or_default())
}

/// The Shop as it is stored then, or would be. The API server compares versions, and each status
/// that the scheduler writes is a new one; so the generation is compared here, and the version
/// there.
async fn edit(cluster: &Cluster, one: &Edit, mode: Mode) -> Result<Value, OperationError> {
    let Edit {
        shop: name,
        generation,
        patch,
    } = one;
    for _ in 0..TRIES {
        let Some(found) = cluster.get(&identity(name)).await? else {
            return Err(OperationError::Missing(format!("Shop {name} is gone")));
        };
        if found["metadata"]["generation"].as_i64() != Some(*generation) {
            return Err(moved(name));
        }
        let version = found["metadata"]["resourceVersion"].as_str();
        let version = version.unwrap_or_default();
        let edited = cluster.edit(&identity(name), version, patch, mode).await?;
        if let Some(edited) = edited {
            return Ok(edited);
        }
    }
    Err(OperationError::Moved(format!(
        "Shop {name} is written all the time; try again in a moment"
    )))
}

fn moved(name: &str) -> OperationError {
    OperationError::Moved(format!(
        "Shop {name} was changed since it was shown; look at the plan again"
    ))
}

#[cfg(test)]
mod tests;
