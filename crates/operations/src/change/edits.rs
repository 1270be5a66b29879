//! The Shops as they would be once they are patched: the API server tries some of each kind of
//! patch, and all of a kind of which one turns out otherwise. The definitions are checked for all
//! others.

use super::{Basis, Edit, Planner, SAMPLES, edit, merge, moved, stored};
use crate::{OperationError, create::RULES, parallel::at_once};
use api::Shop;
use client::{Cluster, Mode};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use plan::{Field, Kinds, difference, kind_of_fields, tidy};
use serde_json::Value;
use tokio::task::yield_now;

/// A Shop as it would be.
pub(super) struct Then {
    pub(super) name: String,
    pub(super) shop: Shop,
    pub(super) fields: Vec<Field>,
}

/// The Shops as they would be.
///
/// # Errors
///
/// If a Shop is gone or at another generation than was shown, or if the API server refuses one or
/// does not answer.
pub(super) async fn then(
    planner: &mut Planner<'_>,
    basis: &Basis,
    edits: &[Edit],
) -> Result<Vec<Then>, OperationError> {
    let cluster = planner.cluster;
    // Of whoever may change single Shops, one says nothing about another.
    let alike = edits.len() > SAMPLES && may_all(cluster).await?;
    let (mut foreseen, mut unknown) = (Kinds::new(), Vec::new());
    for one in edits {
        let before = basis.shop(&one.shop)?;
        if before.metadata.generation != Some(one.generation) {
            return Err(moved(&one.shop));
        }
        match foresee(before, one).filter(|_| alike) {
            Some(then) => foreseen.push((kind_of_fields(&then.name, &then.fields), (one, then))),
            None => unknown.push(one),
        }
        // Thousands of shops take seconds: others go on in between.
        yield_now().await;
    }
    let (samples, rest) = planner.of_shops.choose(foreseen, SAMPLES);
    let of_samples: Vec<_> = samples.iter().map(|(_, (one, _))| *one).collect();
    let mut all = tried(cluster, basis, &of_samples).await?;
    for ((kind, (_, then)), tried) in samples.into_iter().zip(&all) {
        let confirmed = (then.fields == tried.fields).then_some(());
        planner.of_shops.learn(kind, confirmed);
    }
    for (kind, (one, then)) in rest {
        if planner.of_shops.common(kind).is_some() {
            all.push(then);
        } else {
            unknown.push(one);
        }
    }
    all.extend(tried(cluster, basis, &unknown).await?);
    Ok(all)
}

async fn tried(
    cluster: &Cluster,
    basis: &Basis,
    edits: &[&Edit],
) -> Result<Vec<Then>, OperationError> {
    let stored = at_once(edits.iter().map(|one| edit(cluster, one, Mode::Dry))).await;
    let mut all = Vec::new();
    for (one, value) in edits.iter().zip(stored) {
        let before = basis.shop(&one.shop)?;
        let was = serde_json::to_value(before).unwrap_or_default();
        all.push(read((before, was), one, value?)?);
    }
    Ok(all)
}

/// The Shop as it would be, unless the definitions say something against it.
fn foresee(before: &Shop, one: &Edit) -> Option<Then> {
    let was = serde_json::to_value(before).ok()?;
    let mut value = was.clone();
    merge(&mut value, &one.patch);
    let good = RULES.problems("Shop", &value, Some(&was)).is_empty();
    good.then(|| read((before, was), one, value).ok()).flatten()
}

fn read((before, was): (&Shop, Value), one: &Edit, value: Value) -> Result<Then, OperationError> {
    let name = &one.shop;
    let mut shop: Shop = serde_json::from_value(value)
        .map_err(|error| OperationError::Argument(format!("Shop {name}: {error}")))?;
    // What the scheduler found is its cache's to say, which is newer.
    shop.status.clone_from(&before.status);
    Ok(Then {
        name: name.clone(),
        fields: difference(&tidy(was), &stored(&shop)),
        shop,
    })
}

/// Whether the person may change any Shop, and so all of them.
async fn may_all(cluster: &Cluster) -> Result<bool, OperationError> {
    let attributes = ResourceAttributes {
        group: Some("longshore.dev".to_owned()),
        resource: Some("shops".to_owned()),
        verb: Some("patch".to_owned()),
        ..ResourceAttributes::default()
    };
    Ok(cluster.may(attributes).await?)
}
