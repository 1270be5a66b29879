//! What would change in the registry itself, were the files' resources stored.

use super::{Action, Change, ObjectVersion, difference, tidy};
use api::Object;
use api::ObjectMetaSummary;
use client::{ApiError, Cluster, Conflicts, Mode};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kube::core::ObjectMeta;
use serde_json::Value;

/// Resources that are looked at, at the same time.
const AT_ONCE: usize = 16;

/// The changes, in the order of the resources; one that is stored as it is has none.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn changes(
    cluster: &Cluster,
    resources: &[Object],
    conflicts: Conflicts,
) -> Result<Vec<Change>, ApiError> {
    // Not a stream that maps: the closure would keep the future from moving between threads.
    let changes: Vec<_> = resources
        .iter()
        .map(|resource| change(cluster, resource, conflicts))
        .collect();
    stream::iter(changes)
        .buffered(AT_ONCE)
        .try_filter_map(|change| async move { Ok(change) })
        .try_collect()
        .await
}

async fn change(
    cluster: &Cluster,
    resource: &Object,
    conflicts: Conflicts,
) -> Result<Option<Change>, ApiError> {
    let identity = resource.identity();
    let before = cluster.get(identity).await?;
    let seen = before
        .as_ref()
        .map(|before| ObjectVersion::new(&identity.kind, &live(before)));
    let mut change = Change {
        object: identity.clone(),
        action: if before.is_some() {
            Action::Change
        } else {
            Action::Create
        },
        seen,
        desired: Some(resource.digest()),
        fields: Vec::new(),
        refused: None,
    };
    match (cluster.put(resource, Mode::Dry, conflicts).await, before) {
        (Ok(after), Some(before)) => {
            change.fields = difference(&tidy(before), &tidy(after));
            Ok((!change.fields.is_empty()).then_some(change))
        }
        (Ok(_), None) => Ok(Some(change)),
        (Err(error), _) if error.is_transient() => Err(error),
        (Err(error), _) => Ok(Some(Change {
            refused: Some(error.to_string()),
            ..change
        })),
    }
}

fn live(found: &Value) -> ObjectMetaSummary {
    let meta: ObjectMeta = serde_json::from_value(found["metadata"].clone()).unwrap_or_default();
    ObjectMetaSummary::new(&meta)
}
