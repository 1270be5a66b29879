//! What a cluster has once, for all shops: the scheduler itself, priorities with headroom, its share of the API server, monitoring; and the maps
//! of the edge, which change with the shops.

mod access;
mod admission;
mod flow;
mod monitoring;
mod network;
mod priority;
mod scheduler;

use api::{Object, SYSTEM, name::system_labels};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::ObjectMeta;

/// The image that the committed manifests name; whoever installs them puts their own there.
pub(crate) const IMAGE: &str =
    "registry.example/longshore/scheduler@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// All parts, by the name of their file, in the order in which they are applied.
#[must_use]
pub(crate) fn parts(image: &str) -> Vec<(&'static str, Vec<Object>)> {
    vec![
        ("10-namespaces", namespaces()),
        ("20-access", [access::objects(), admission::objects()].concat()),
        ("30-priority", priority::objects()),
        ("40-flow", flow::objects()),
        ("45-network", network::objects()),
        ("50-scheduler", scheduler::objects(image)),
        ("60-monitoring", monitoring::objects()),
    ]
}

fn namespaces() -> Vec<Object> {
    [SYSTEM, render::BUILDS, render::edge::NAMESPACE]
        .map(|name| {
            let mut metadata = ObjectMeta { namespace: None, ..meta(name) };
            let labels = metadata.labels.get_or_insert_default();
            labels.insert("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
            Object::of(&Namespace { metadata, ..Namespace::default() })
        })
        .into()
}

/// An object in the scheduler's namespace.
fn meta(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), namespace: Some(SYSTEM.to_owned()), labels: Some(system_labels()), ..ObjectMeta::default() }
}

/// An object of the cluster.
fn cluster_meta(name: &str) -> ObjectMeta {
    ObjectMeta { namespace: None, ..meta(name) }
}
