//! Which shops have pods on a node.

use crate::OperationError;
use client::{Cluster, SHOP};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use std::collections::BTreeSet;

/// Pods of a page: a node seldom has as many.
const PAGE: u32 = 500;

/// The shops with a pod on the node of this name, as `kubectl get pods --all-namespaces
/// --field-selector spec.nodeName=NODE` finds them. Of a node that is not there: none.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn shops_on(cluster: &Cluster, node: &str) -> Result<BTreeSet<String>, OperationError> {
    let api: Api<Pod> = Api::all(cluster.client());
    let params = ListParams::default()
        .labels(SHOP)
        .fields(&format!("spec.nodeName={node}"))
        .limit(PAGE);
    let page = |params| {
        let api = api.clone();
        async move { api.list_metadata(&params).await }
    };
    let what = format!("list pods on node {node}");
    let found = cluster.pages(&what, params, page, |pod| {
        pod.metadata.labels.and_then(|mut it| it.remove(SHOP))
    });
    Ok(found.await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect, list};
    use serde_json::json;

    #[tokio::test]
    async fn each_shop_with_a_pod_on_the_node_is_there_once() {
        let pod = |shop: &str| json!({ "name": "web-1", "labels": { SHOP: shop } });
        let pods = ["vinyl", "acme", "acme"].map(pod);
        let script = Script::new([expect(
            "GET /api/v1/pods fieldSelector=spec.nodeName%3Dn1 labelSelector=longshore.dev%2Fshop",
        )
        .answers(list(&pods, None))]);
        let found = shops_on(&script.cluster(), "n1").await.unwrap();
        assert_eq!(found, ["acme", "vinyl"].map(str::to_owned).into());
        script.end();
    }
}
