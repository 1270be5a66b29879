//! Who waits when nodes are short, and the room that is kept so that nobody has to.
//!
//! A new node takes minutes. Pods of the lowest priority that do nothing hold a little room: a shop that grows takes theirs at once, they
//! become pending, and that makes the cluster's autoscaler fetch the node.

use super::{cluster_meta, meta};
use api::{Object, Priority};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{Container, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements, SeccompProfile},
        scheduling::v1::PriorityClass,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::LabelSelector},
};
use kube::core::ObjectMeta;
use render::{priority_class, restricted};
use std::collections::BTreeMap;

/// The priority of pods that only keep room.
const HEADROOM: &str = "longshore-headroom";
/// Kubernetes' own image of a program that sleeps.
const PAUSE: &str = "registry.k8s.io/pause@sha256:278fb9dbcca9518083ad1e11276933a2e96f23de604a3a08cc3c80002767d24c";

pub(super) fn objects() -> Vec<Object> {
    let class = |name: &str, value: i32, preempts: bool, about: &str| {
        Object::of(&PriorityClass {
            metadata: cluster_meta(name),
            value: Some(value),
            preemption_policy: Some(if preempts { "PreemptLowerPriority" } else { "Never" }.to_owned()),
            description: Some(about.to_owned()),
            global_default: Some(false),
        })
    };
    vec![
        class(priority_class(Priority::Gold), 100_000, true, "Shops that never wait for others."),
        class(priority_class(Priority::Standard), 10_000, true, "Most shops."),
        class(priority_class(Priority::Idle), 1_000, false, "Shops that wait for all others; backups and builds."),
        // Below zero, so that they go before anything that somebody wants.
        class(HEADROOM, -10, false, "Pods that keep room for shops that grow."),
        headroom(),
    ]
}

fn headroom() -> Object {
    let amounts = |cpu: &str, memory: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)].map(|(key, value)| (key.to_owned(), Quantity(value.to_owned()))).into()
    };
    let mut labels = api::name::system_labels();
    labels.insert("app.kubernetes.io/component".to_owned(), "headroom".to_owned());
    let container = Container {
        name: "pause".to_owned(),
        image: Some(PAUSE.to_owned()),
        // About two pods of a shop each.
        resources: Some(ResourceRequirements {
            requests: Some(amounts("1", "2Gi")),
            limits: Some(amounts("1", "2Gi")),
            ..ResourceRequirements::default()
        }),
        security_context: Some(restricted()),
        ..Container::default()
    };
    let pod = PodSpec {
        containers: vec![container],
        priority_class_name: Some(HEADROOM.to_owned()),
        automount_service_account_token: Some(false),
        // They have nothing to finish.
        termination_grace_period_seconds: Some(0),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(65_535),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    };
    let spec = DeploymentSpec {
        replicas: Some(2),
        selector: LabelSelector { match_labels: Some(labels.clone()), ..LabelSelector::default() },
        revision_history_limit: Some(1),
        template: PodTemplateSpec { metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }), spec: Some(pod) },
        ..DeploymentSpec::default()
    };
    Object::of(&Deployment { metadata: meta("headroom"), spec: Some(spec), ..Deployment::default() })
}
