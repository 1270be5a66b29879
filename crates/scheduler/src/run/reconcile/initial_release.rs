//! The release of a shop that is assigned none.

use crate::run::Controller;
use api::{Identity, namespace};
use client::ApiError;
use jiff::Timestamp;
use render::assign;
use serde_json::json;

/// The ConfigMap that tells pods which release to run.
pub(super) fn release_map(shop: &str) -> Identity {
    Identity {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(namespace(shop)),
        name: "release".to_owned(),
    }
}

/// A shop that is assigned nothing gets its initial release; one whose status was lost gets back
/// what its pods are told.
pub(super) async fn assign(
    controller: &Controller,
    name: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let map = release_map(name);
    let (channel, running) = {
        let state = controller.lock();
        let Some(shop) = state.fleet.shops.get(name) else {
            return Ok(());
        };
        if shop
            .status
            .as_ref()
            .is_some_and(|status| status.release.is_some())
        {
            return Ok(());
        }
        (
            shop.spec.channel.clone(),
            state
                .world
                .get(name)
                .is_some_and(|objects| objects.contains_key(&map)),
        )
    };
    let found = if running {
        controller.connections.reader(name).get(&map).await?
    } else {
        None
    };
    let (record, previous) = {
        let state = controller.lock();
        let recorded = |file: &str| {
            let envelope = found.as_ref()?["data"][file].as_str()?;
            let mut all = state
                .fleet
                .releases
                .values()
                .flat_map(|channel| channel.values());
            all.find(|release| release.envelope == *envelope)
                .filter(|release| release.channel.as_str() == channel)
        };
        let first =
            recorded("release.json").or_else(|| assign::initial_release(&channel, &state.fleet));
        (
            first.map(|release| assign::record(release, now)),
            recorded("previous.json").map(|release| assign::record(release, now)),
        )
    };
    let Some(record) = record else { return Ok(()) };
    // First the record, then the pods: a crash between must not lose which release was chosen.
    let patch = json!({ "status": { "release": record, "previous": previous } });
    if controller
        .connections
        .writer(name)
        .merge(&client::shop(name), Some("status"), &patch)
        .await?
        && let Some(shop) = controller.lock().fleet.shops.get_mut(name)
    {
        let status = shop.status.get_or_insert_default();
        (status.release, status.previous) = (Some(record), previous);
    }
    Ok(())
}
