//! Why the Job of a migration failed, in the words of its pod: read once, as the pod goes with the
//! Job.

use super::{Controller, state::Progress};
use api::{namespace, symptom};
use client::ApiError;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use render::assign;

/// Pods of one Job that are looked at: it makes few.
const PODS: u32 = 20;

/// Reads why the migration of the release that the shop is assigned failed, where it did and nobody has
/// read it yet.
pub(super) async fn learn(controller: &Controller, name: &str) -> Result<(), ApiError> {
    let sequence = {
        let state = controller.lock();
        let told = state
            .fleet
            .shops
            .get(name)
            .and_then(|shop| assign::assigned(shop, &state.fleet).ok().flatten());
        let Some(sequence) = told.map(|release| release.sequence.get()) else {
            return Ok(());
        };
        let failed = state
            .migrations
            .get(name)
            .and_then(|jobs| jobs.get(&sequence))
            == Some(&Progress::Failed);
        if !failed
            || state
                .failures
                .get(name)
                .is_some_and(|(known, _)| *known == sequence)
        {
            return Ok(());
        }
        sequence
    };
    let (namespace, cluster) = (namespace(name), controller.reader(name));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default()
        .labels(&format!("batch.kubernetes.io/job-name=release-{sequence}"))
        .limit(PODS);
    let listed = cluster
        .call(&format!("list pods of {namespace}"), || pods.list(&params))
        .await?;
    controller.lock().failures.insert(
        name.to_owned(),
        (sequence, symptom::failure(&listed.items, "migrate")),
    );
    Ok(())
}
