//! Who may speak to the scheduler and to builds: nobody but who reads metrics.

use super::{meta, scheduler};
use api::Object;
use api::SYSTEM;
use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::core::ObjectMeta;
use render::BUILDS;
use std::collections::BTreeMap;

/// What they may call is left open: nobody but the cloud knows the API server's addresses, and CI decides what a build asks.
pub(super) fn objects() -> Vec<Object> {
    let policy = |metadata: ObjectMeta, ingress: Vec<NetworkPolicyIngressRule>| {
        let spec = NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(ingress).filter(|rules| !rules.is_empty()),
            ..NetworkPolicySpec::default()
        };
        Object::of(&NetworkPolicy { metadata, spec: Some(spec) })
    };
    let monitoring = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), "monitoring".to_owned())]);
    let reads_metrics = NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector { match_labels: Some(monitoring), ..LabelSelector::default() }),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![NetworkPolicyPort { port: Some(IntOrString::Int(scheduler::PORT)), ..NetworkPolicyPort::default() }]),
    };
    vec![
        policy(ObjectMeta { namespace: Some(SYSTEM.to_owned()), ..meta("longshore") }, vec![reads_metrics]),
        policy(ObjectMeta { namespace: Some(BUILDS.to_owned()), ..meta("longshore") }, Vec::new()),
    ]
}
