//! What ails a shop's pods: what [`plan::why`] cannot know, because it asks nobody.

use api::{namespace, symptom::symptoms};
use client::Cluster;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use plan::why::Answer;

/// Pods that are looked at: those of one shop are seldom more, and what ails them is seldom
/// different.
const PODS: u32 = 100;

/// Adds what is wrong with the pods. Who may not look at them is told the rest.
pub async fn pods(cluster: &Cluster, answer: &mut Answer) {
    let namespace = namespace(&answer.shop);
    let api: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default().limit(PODS);
    let what = format!("list pods of {namespace}");
    match cluster.call(&what, || api.list(&params)).await {
        Ok(listed) => answer.pods(symptoms(&listed.items, Timestamp::now())),
        Err(error) => answer.facts.push(format!(
            "how its pods are is not known: {}",
            runtime::Chain(&error)
        )),
    }
}
