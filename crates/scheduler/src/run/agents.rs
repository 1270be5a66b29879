//! What a shop's agents say they run: asked through the API server, only of shops that are on their way.

use super::Controller;
use crate::{
    api::{ApiError, Cluster},
    evidence::{AgentStatus, Said},
    render::namespace,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

/// Pods of one shop that are asked at most: that many tell for all.
const PODS: u32 = 20;
/// Where agents serve their status.
const PORT: u16 = 9808;
/// The annotation by which a pod object changes, so that its kubelet refreshes the release at once instead of within a minute.
const TOUCHED: &str = "longshore.dev/release";

/// What the agents of a shop said about one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The sequence that was asked about.
    pub(crate) sequence: u64,
    /// All of them run it.
    pub(crate) all: bool,
    /// Why one of them rejected it.
    pub(crate) rejected: Option<String>,
}

/// Asks the agents of a shop's web pods whether they run `sequence`, and touches pods that have not been told of it.
pub(super) async fn ask(controller: &Controller, shop: &str, sequence: u64, manifest: &str) -> Result<Report, ApiError> {
    let (namespace, cluster) = (namespace(shop), controller.reader(shop));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default().labels("app.kubernetes.io/component=web").limit(PODS);
    let listed = cluster.call(&format!("list pods of {namespace}"), || pods.list_metadata(&params)).await?;
    let (mut all, mut rejected) = (!listed.items.is_empty(), None);
    let told = told(controller, shop, sequence);
    for pod in listed.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let name = pod.metadata.name.unwrap_or_default();
        let touched = pod.metadata.annotations.as_ref().and_then(|all| all.get(TOUCHED)).is_some_and(|text| *text == told);
        if !touched {
            touch(&cluster, &pods, &name, &told).await;
        }
        // An agent that cannot be asked has said nothing.
        match status(&cluster, &namespace, &name).await.map_or(Said::Waits, |agent| agent.says(sequence, manifest)) {
            Said::Runs => {}
            Said::Waits => all = false,
            Said::Rejected(why) => {
                all = false;
                rejected = Some(format!("agent of pod {name} rejected it: {why}"));
            }
        }
    }
    Ok(Report { sequence, all, rejected })
}

async fn status(cluster: &Cluster, namespace: &str, pod: &str) -> Option<AgentStatus> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{PORT}/proxy/status");
    let client = cluster.client();
    let call = || async {
        let request = http::Request::get(&path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request_text(request).await
    };
    let text = cluster.once(&format!("status of pod {namespace}/{pod}"), call).await.ok()?;
    AgentStatus::read(&text)
}

/// What pods are told, as far as it has been applied: the release, and later that its migration is done. Each is a reason to touch them.
fn told(controller: &Controller, shop: &str, sequence: u64) -> String {
    let state = controller.lock();
    let status = state.fleet.shops.get(shop).and_then(|shop| shop.status.as_ref());
    let applied = status.and_then(|status| status.applied.as_deref()).and_then(|digest| digest.get(..8)).unwrap_or_default();
    format!("{sequence}-{applied}")
}

async fn touch(cluster: &Cluster, pods: &Api<Pod>, name: &str, told: &str) {
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { TOUCHED: told } } }));
    let params = PatchParams::default();
    let touched = cluster.once(&format!("touch pod {name}"), || async { pods.patch_metadata(name, &params, &patch).await.map(drop) }).await;
    if let Err(error) = touched {
        tracing::debug!(pod = name, %error, "pod not touched; its kubelet refreshes within a minute");
    }
}
