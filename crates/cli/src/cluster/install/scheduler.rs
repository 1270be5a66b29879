//! The Deployment of the scheduler itself: two pods, of which one leads.

use super::{access::NAME, meta};
use api::Object;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{
            Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, PodSecurityContext, PodSpec,
            PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, TopologySpreadConstraint,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::core::ObjectMeta;
use render::restricted;

/// Where health and metrics are served.
pub(super) const PORT: i32 = 9809;

pub(super) fn objects(image: &str) -> Vec<Object> {
    let selector = LabelSelector { match_labels: Some(own_labels()), ..LabelSelector::default() };
    let spec = DeploymentSpec {
        // The second takes over within seconds when the first one's node goes.
        replicas: Some(2),
        selector: selector.clone(),
        revision_history_limit: Some(2),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(own_labels()), ..ObjectMeta::default() }),
            spec: Some(pod(image)),
        },
        ..DeploymentSpec::default()
    };
    let budget = PodDisruptionBudgetSpec {
        max_unavailable: Some(IntOrString::Int(1)),
        selector: Some(selector),
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        ..PodDisruptionBudgetSpec::default()
    };
    vec![
        Object::of(&Deployment { metadata: meta(NAME), spec: Some(spec), ..Deployment::default() }),
        Object::of(&PodDisruptionBudget { metadata: meta(NAME), spec: Some(budget), ..PodDisruptionBudget::default() }),
    ]
}

pub(super) fn own_labels() -> std::collections::BTreeMap<String, String> {
    let mut labels = api::name::system_labels();
    labels.insert("app.kubernetes.io/component".to_owned(), "scheduler".to_owned());
    labels
}

fn pod(image: &str) -> PodSpec {
    let spread = TopologySpreadConstraint {
        topology_key: "kubernetes.io/hostname".to_owned(),
        max_skew: 1,
        when_unsatisfiable: "DoNotSchedule".to_owned(),
        label_selector: Some(LabelSelector { match_labels: Some(own_labels()), ..LabelSelector::default() }),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    PodSpec {
        service_account_name: Some(NAME.to_owned()),
        // The one pod of Longshore that speaks to the API server.
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        priority_class_name: Some("system-cluster-critical".to_owned()),
        termination_grace_period_seconds: Some(30),
        topology_spread_constraints: Some(vec![spread]),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(10_002),
            run_as_group: Some(10_002),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(image)],
        ..PodSpec::default()
    }
}

fn container(image: &str) -> Container {
    let asks = |page: &str| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(page.to_owned()),
            port: IntOrString::String("metrics".to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    };
    let amounts = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), Quantity((*value).to_owned()))).collect();
    Container {
        name: "scheduler".to_owned(),
        image: Some(image.to_owned()),
        command: Some(["longshore-scheduler"].map(str::to_owned).into()),
        env: Some(vec![
            EnvVar {
                // Who holds the Leases.
                name: "POD_NAME".to_owned(),
                value: None,
                value_from: Some(EnvVarSource {
                    field_ref: Some(ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: "metadata.name".to_owned() }),
                    ..EnvVarSource::default()
                }),
            },
            // What the lists of a start needed is used again by whatever thread comes next, instead of once for each.
            EnvVar { name: "MALLOC_ARENA_MAX".to_owned(), value: Some("1".to_owned()), value_from: None },
        ]),
        ports: Some(vec![ContainerPort { name: Some("metrics".to_owned()), container_port: PORT, ..ContainerPort::default() }]),
        readiness_probe: Some(asks("/readyz")),
        liveness_probe: Some(Probe { failure_threshold: Some(6), ..asks("/livez") }),
        resources: Some(ResourceRequirements {
            requests: Some(amounts(&[("cpu", "100m"), ("memory", "150Mi"), ("ephemeral-storage", "16Mi")])),
            limits: Some(amounts(&[("memory", "300Mi"), ("ephemeral-storage", "64Mi")])),
            ..ResourceRequirements::default()
        }),
        security_context: Some(restricted()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}
