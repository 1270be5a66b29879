//! Why the Job of a migration failed, in the words of its pod: read once, as the pod goes with the
//! Job.

use crate::run::Controller;
use api::{
    namespace,
    symptom::{self, Failure},
};
use cell::Progress;
use client::ApiError;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use release::Sequence;

/// Pods of one Job that are read: it makes few.
const PODS: u32 = 20;

/// Why the migration of the release that a shop is assigned failed, if it did and its pod said so.
pub(super) async fn learn(
    controller: &Controller,
    name: &str,
    sequence: Option<Sequence>,
    job: Option<Progress>,
) -> Result<Option<Failure>, ApiError> {
    let failed = job == Some(Progress::Failed);
    let Some(sequence) = sequence.filter(|_| failed).map(Sequence::get) else {
        return Ok(None);
    };
    if let Some((known, failure)) = controller.lock().failures.get(name)
        && *known == sequence
    {
        return Ok(failure.clone());
    }
    let (namespace, cluster) = (namespace(name), controller.connections.reader(name));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default()
        .labels(&format!("batch.kubernetes.io/job-name=release-{sequence}"))
        .limit(PODS);
    let listed = cluster
        .call(&format!("list pods of {namespace}"), || pods.list(&params))
        .await?;
    let failure = symptom::failure(&listed.items, "migrate");
    let mut state = controller.lock();
    state
        .failures
        .insert(name.to_owned(), (sequence, failure.clone()));
    Ok(failure)
}
