//! What a shop's agents say they run: asked through the API server, only of shops that are on their
//! way.

use super::Controller;
use api::{
    agent_status::{AgentStatus, AgentVerdict, PageStatus, ReleaseQuery},
    namespace,
};
use cell::{AgentsReport, Rejection};
use client::{ApiError, Cluster};
use futures_util::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    api::{Api, ListParams, Patch, PatchParams},
    core::PartialObjectMeta,
};
use render::AGENT_PORT;
use serde_json::json;

/// Pods of one shop that are asked at most: that many tell for all.
const PODS: u32 = 20;
/// Bytes of a status page that are read: the tenant's code may answer in the agent's place.
const PAGE: usize = 256 << 10;
/// The annotation by which a pod object changes, so that its kubelet refreshes the release at once
/// instead of within a minute.
const TOUCHED: &str = "longshore.dev/release";

/// Asks the agents of a shop's web pods whether they run `sequence`, and touches pods that have not
/// been told of it. All at once: pods that never answer hold the rollout up for no longer than one
/// of them.
pub(super) async fn ask(
    controller: &Controller,
    shop: &str,
    sequence: u64,
    manifest: &str,
) -> Result<AgentsReport, ApiError> {
    let (namespace, cluster) = (namespace(shop), controller.connections.reader(shop));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let listed = list(&cluster, &pods, &namespace).await?;
    let (mut all, mut rejected) = (!listed.is_empty(), None);
    let assigned = assigned(controller, shop, sequence);
    let asked = listed.iter().map(|pod| async {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let touched = pod
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(TOUCHED))
            .is_some_and(|text| *text == assigned.text);
        if !touched {
            touch(&cluster, &pods, name, &assigned.text).await;
        }
        (name, status(&cluster, &namespace, name).await)
    });
    let question = ReleaseQuery {
        sequence,
        manifest,
        newer: &assigned.newer,
        retried: assigned.retried,
    };
    for (name, agent) in join_all(asked).await {
        // An agent that cannot be asked has said nothing.
        match agent.map_or(AgentVerdict::Waits, |agent| agent.says(&question)) {
            AgentVerdict::Runs => {}
            AgentVerdict::Waits => all = false,
            AgentVerdict::Rejected(why) => {
                all = false;
                rejected.get_or_insert(Rejection {
                    pod: name.to_owned(),
                    why,
                });
            }
        }
    }
    Ok(AgentsReport {
        sequence,
        all,
        rejected,
    })
}

/// What the agents of a shop have seen of its page: one that works is enough, and the first that
/// does not says why.
pub(super) async fn page(controller: &Controller, shop: &str) -> Result<PageStatus, ApiError> {
    let (namespace, cluster) = (namespace(shop), controller.connections.reader(shop));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let mut seen = PageStatus::Unknown;
    let listed = list(&cluster, &pods, &namespace).await?;
    let asked = listed.iter().map(|pod| async {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        (name, status(&cluster, &namespace, name).await)
    });
    for (name, agent) in join_all(asked).await {
        match agent.map_or(PageStatus::Unknown, |agent| agent.page()) {
            PageStatus::Works => return Ok(PageStatus::Works),
            PageStatus::Fails(why) if seen == PageStatus::Unknown => {
                seen = PageStatus::Fails(format!("the page of pod {name}: {why}"));
            }
            PageStatus::Fails(_) | PageStatus::Unknown => {}
        }
    }
    Ok(seen)
}

/// Touches the pods of a shop that may have been told of something else by now, and asks
/// nobody.
pub(super) async fn touch_all(
    controller: &Controller,
    shop: &str,
    sequence: u64,
) -> Result<(), ApiError> {
    let (namespace, cluster) = (namespace(shop), controller.connections.reader(shop));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let assigned = assigned(controller, shop, sequence).text;
    for pod in list(&cluster, &pods, &namespace).await? {
        touch(
            &cluster,
            &pods,
            &pod.metadata.name.unwrap_or_default(),
            &assigned,
        )
        .await;
    }
    Ok(())
}

/// The shop's web pods that are not about to go.
async fn list(
    cluster: &Cluster,
    pods: &Api<Pod>,
    namespace: &str,
) -> Result<Vec<PartialObjectMeta<Pod>>, ApiError> {
    let params = ListParams::default()
        .labels("app.kubernetes.io/component=web")
        .limit(PODS);
    let listed = cluster
        .call(&format!("list pods of {namespace}"), || {
            pods.list_metadata(&params)
        })
        .await?;
    Ok(listed
        .items
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect())
}

async fn status(cluster: &Cluster, namespace: &str, pod: &str) -> Option<AgentStatus> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{AGENT_PORT}/proxy/status");
    let page = cluster
        .answer(&format!("status of pod {namespace}/{pod}"), &path, PAGE)
        .await
        .ok()?;
    AgentStatus::read(&page)
}

/// What the pods of a shop are told.
struct Assigned {
    /// As far as it has been applied: the release, and later that its migration is done. Each is a
    /// reason to touch them.
    text: String,
    /// Since when they are to try again what they rejected, if they are.
    retried: Option<Timestamp>,
    /// Releases above the one that is asked about, up to the one that the shop is assigned by now:
    /// no agent has another one from us.
    newer: Vec<(u64, String)>,
}

fn assigned(controller: &Controller, shop: &str, sequence: u64) -> Assigned {
    let state = controller.lock();
    let shop = state.fleet.shops.get(shop);
    let status = shop.and_then(|shop| shop.status.as_ref());
    let applied = status
        .and_then(|status| status.applied.as_deref())
        .and_then(|digest| digest.get(..8))
        .unwrap_or_default();
    let release = status.and_then(|status| status.release.as_ref());
    let retried = release
        .filter(|assigned| assigned.retried)
        .and_then(|assigned| assigned.since.as_deref());
    let last = release.map_or(0, |assigned| assigned.sequence.unsigned_abs());
    let channel = shop.and_then(|shop| shop.spec.channel.parse::<release::ChannelName>().ok());
    let releases = channel
        .and_then(|channel| state.fleet.releases.get(&channel))
        .filter(|_| last > sequence);
    let newer = releases
        .into_iter()
        .flat_map(|all| all.range(sequence + 1..=last));
    Assigned {
        text: format!("{sequence}-{applied}"),
        retried: retried.and_then(|since| since.parse().ok()),
        newer: newer
            .map(|(sequence, release)| (*sequence, release.manifest.to_string()))
            .collect(),
    }
}

async fn touch(cluster: &Cluster, pods: &Api<Pod>, name: &str, assigned: &str) {
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { TOUCHED: assigned } } }));
    let params = PatchParams::default();
    let touched = cluster
        .once(&format!("touch pod {name}"), || async {
            pods.patch_metadata(name, &params, &patch).await.map(drop)
        })
        .await;
    if let Err(error) = touched {
        tracing::debug!(pod = name, %error, "pod not touched; its kubelet refreshes within a minute");
    }
}

#[cfg(test)]
mod tests;
