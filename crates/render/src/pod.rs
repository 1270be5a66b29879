//! What the pods of a shop have in common: volumes, mounts, who runs what, and where on the
//! cluster.

mod volumes;

pub(crate) use volumes::{application_mounts, our_mounts, volumes};

use super::{
    config::Names,
    container::{pod_security, restricted},
    namespace::ACCOUNT,
    path,
    shop_context::ShopContext,
};
use api::{Overlay, Priority, StorageMode};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, HostAlias, ObjectFieldSelector, PodSpec, PodTemplateSpec,
    SecurityContext, Toleration, TopologySpreadConstraint,
};
use kube::core::ObjectMeta;
use std::collections::BTreeMap;

/// Where nginx listens.
pub(crate) const HTTP_PORT: i32 = 8080;
/// Where php-fpm listens, in [`path::SOCKET`]: a port would be one that a shop can be made to send
/// requests to, and each of them runs code.
pub(crate) const FPM: &str = "/run/shop/php-fpm.sock";
/// The variable that names the pod's directory on its node.
pub(crate) const POD_UID: &str = "POD_UID";
/// The claim of the shop's volume.
pub(crate) const CLAIM: &str = "media";

/// Which pods these are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The label's value: `web`, `cron`, `migration`.
    pub(crate) component: &'a str,
    /// Seconds that the pod may take to end.
    pub(crate) grace: i64,
    /// `Always`, or for jobs `Never`.
    pub(crate) restart: &'static str,
    /// Whether pods avoid each other's nodes and zones.
    pub(crate) spread: bool,
}

/// A pod of the shop: `init` in their order, sidecars among them, and one main container.
pub(crate) fn template(
    context: &ShopContext<'_>,
    names: &Names,
    part: Part<'_>,
    init: Vec<Container>,
    main: Container,
) -> PodTemplateSpec {
    let overlay = &context.class.overlay;
    let mut annotations = overlay.pod_annotations.clone();
    // The clouds' webhooks hand out credentials to every container that is not named here.
    let extra = overlay
        .extra_containers
        .iter()
        .map(|extra| extra.name.as_str());
    let tenants: Vec<&str> = ["cron", "migrate", "nginx", "php-fpm"]
        .into_iter()
        .chain(extra)
        .collect();
    if context.class.identity.azure.is_some() {
        annotations.insert(
            "azure.workload.identity/skip-containers".to_owned(),
            tenants.join(";"),
        );
    }
    if context.class.identity.pod_identity.is_some() {
        annotations.insert(
            "eks.amazonaws.com/skip-containers".to_owned(),
            tenants.join(","),
        );
    }
    let (node_selector, tolerations) = place(&context.class.overlay);
    let spec = PodSpec {
        service_account_name: Some(ACCOUNT.to_owned()),
        automount_service_account_token: Some(false),
        // Otherwise a Service called `longshore` would set variables that look like misspelt
        // settings.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(part.grace),
        restart_policy: Some(part.restart.to_owned()),
        priority_class_name: Some(
            overlay
                .priority_class_name
                .clone()
                .unwrap_or_else(|| priority_class(context.class.priority).to_owned()),
        ),
        security_context: Some(pod_security()),
        volumes: Some(volumes(context, names, init.iter().chain([&main]))),
        init_containers: Some(init),
        containers: vec![main],
        host_aliases: context
            .class
            .network
            .own
            .as_ref()
            .map(|own| vec![own_domains(context, &own.address)]),
        node_selector,
        tolerations,
        topology_spread_constraints: part.spread.then(|| spread(context, part.component)),
        ..PodSpec::default()
    };
    let metadata = ObjectMeta {
        labels: Some(context.pod_labels(part.component)),
        annotations: (!annotations.is_empty()).then_some(annotations),
        ..ObjectMeta::default()
    };
    PodTemplateSpec {
        metadata: Some(metadata),
        spec: Some(spec),
    }
}

/// All of the shop's domains, at this address.
fn own_domains(context: &ShopContext<'_>, address: &str) -> HostAlias {
    HostAlias {
        ip: address.to_owned(),
        hostnames: Some(
            context
                .spec
                .domains
                .iter()
                .map(|domain| domain.host.clone())
                .collect(),
        ),
    }
}

/// The PriorityClass of a priority; `cluster::priority` makes them.
#[must_use]
pub fn priority_class(priority: Priority) -> &'static str {
    match priority {
        Priority::Gold => "longshore-gold",
        Priority::Standard => "longshore-standard",
        Priority::Idle => "longshore-idle",
    }
}

/// Where pods may run, as the class says: labels of nodes, and taints that are tolerated.
pub(crate) fn place(
    overlay: &Overlay,
) -> (Option<BTreeMap<String, String>>, Option<Vec<Toleration>>) {
    let selector = &overlay.node_selector;
    (
        (!selector.is_empty()).then(|| selector.clone()),
        Some(tolerations(overlay)).filter(|all| !all.is_empty()),
    )
}

fn tolerations(overlay: &Overlay) -> Vec<Toleration> {
    let given = overlay.tolerations.iter();
    given
        .map(|given| Toleration {
            key: Some(given.key.clone()),
            operator: Some(
                if given.value.is_some() {
                    "Equal"
                } else {
                    "Exists"
                }
                .to_owned(),
            ),
            value: given.value.clone(),
            effect: given.effect.map(|effect| format!("{effect:?}")),
            toleration_seconds: None,
        })
        .collect()
}

/// Two pods never share a node, and share a zone only if there is no other: the shop survives
/// the loss of either.
fn spread(context: &ShopContext<'_>, component: &str) -> Vec<TopologySpreadConstraint> {
    let over = |key: &str, otherwise: &str| TopologySpreadConstraint {
        topology_key: key.to_owned(),
        max_skew: 1,
        when_unsatisfiable: otherwise.to_owned(),
        label_selector: Some(context.selector(component)),
        // Pods of the template before do not count: during an update there would be no node left to
        // spread over.
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    vec![
        over("kubernetes.io/hostname", "DoNotSchedule"),
        over("topology.kubernetes.io/zone", "ScheduleAnyway"),
    ]
}

/// As whom our own two containers run.
pub(crate) fn ours(context: &ShopContext<'_>) -> SecurityContext {
    let root = root(context);
    SecurityContext {
        run_as_non_root: Some(root.is_none()),
        run_as_user: root,
        ..restricted()
    }
}

/// As whom the agent runs if it is privileged.
pub(crate) fn privileged(context: &ShopContext<'_>) -> SecurityContext {
    SecurityContext {
        privileged: Some(true),
        run_as_non_root: Some(false),
        run_as_user: root(context),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

/// Root, if our own two containers have to be it.
///
/// They share the node cache, which belongs to one user; so where the agent has to be root to
/// mount, `pull` is root too, without a single capability.
fn root(context: &ShopContext<'_>) -> Option<i64> {
    let mounts = context.media.is_some() && context.class.storage.mode == StorageMode::Agent;
    (mounts || context.class.node_cache.is_some()).then_some(0)
}

/// The pod's own name for its directory on the node.
pub(crate) fn uid_as(variable: &str) -> EnvVar {
    EnvVar {
        name: variable.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: "metadata.uid".to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    }
}

/// The node's directory that stands in for a file server, if the agent mounts and the class says
/// so.
pub(crate) fn directory<'a>(context: &ShopContext<'a>) -> Option<&'a str> {
    let (media, _) = context.media?;
    let directory = media.directory.as_ref()?;
    (context.class.storage.mode == StorageMode::Agent).then_some(directory.path.as_str())
}

/// The shop's directory in a csi volume that is a whole file system.
pub(crate) fn sub_path(context: &ShopContext<'_>) -> Option<String> {
    let (media, wanted) = context.media?;
    media
        .nfs
        .as_ref()
        .filter(|nfs| nfs.csi.is_some())
        .map(|_| wanted.path.trim_start_matches('/').to_owned())
}

/// Asks php-fpm whether it answers. The kubelet does not speak FastCGI.
pub(crate) fn ping(context: &ShopContext<'_>) -> Vec<String> {
    [
        format!("php{}", context.class.php.version),
        "-n".to_owned(),
        format!("{}/ping.php", path::PHP),
    ]
    .into()
}
