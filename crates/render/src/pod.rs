//! What the pods of a shop have in common: volumes, mounts, who runs what, and where on the
//! cluster.

use super::{
    config::Names,
    container::{self, pod_security, restricted},
    namespace::ACCOUNT,
    path,
    shop_context::ShopContext,
};
use api::{Overlay, Priority, StorageMode};
use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, HostAlias,
        HostPathVolumeSource, KeyToPath, ObjectFieldSelector, PersistentVolumeClaimVolumeSource,
        PodSpec, PodTemplateSpec, ProjectedVolumeSource, SecretVolumeSource, SecurityContext,
        ServiceAccountTokenProjection, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
        VolumeProjection,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::core::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};

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

/// Two pods never share a node, and share a zone only where there is no other: the shop survives
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

/// What these containers mount.
pub(crate) fn volumes<'a>(
    context: &ShopContext<'_>,
    names: &Names,
    containers: impl Iterator<Item = &'a Container>,
) -> Vec<Volume> {
    let mounted: BTreeSet<&str> = containers
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .map(|it| it.name.as_str())
        .collect();
    let volume = |name: &str| Volume {
        name: name.to_owned(),
        ..Volume::default()
    };
    let config_map = |name: &str, map: &str| Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: map.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..volume(name)
    };
    let room = |name: &str, size: &str, medium: Option<&str>| Volume {
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size.to_owned())),
            medium: medium.map(str::to_owned),
        }),
        ..volume(name)
    };
    let of_node = |name: &str, path: &str, kind: &str| Volume {
        host_path: Some(HostPathVolumeSource {
            path: path.to_owned(),
            type_: Some(kind.to_owned()),
        }),
        ..volume(name)
    };
    let mut volumes = Vec::with_capacity(mounted.len());
    let mut add = |name: &str, make: &dyn Fn(&str) -> Option<Volume>| {
        if mounted.contains(name) {
            volumes.extend(make(name));
        }
    };
    // The node's own disk. Nothing is ever mounted in it: the kubelet empties it recursively when
    // the pod goes.
    add("sources", &|name| {
        Some(room(name, &context.class.disk.sources, None))
    });
    add("temporary", &|name| {
        Some(room(name, &context.class.disk.temporary, None))
    });
    add("trust", &|name| Some(config_map(name, &names.trust)));
    add("release", &|name| {
        Some(config_map(name, super::release::RELEASE))
    });
    // What the release is, and why agents wait, is no business of nginx.
    add("state", &|name| {
        let closed = KeyToPath {
            key: path::CLOSED_FILE.to_owned(),
            path: path::CLOSED_FILE.to_owned(),
            mode: None,
        };
        let source = ConfigMapVolumeSource {
            name: super::release::RELEASE.to_owned(),
            items: Some(vec![closed]),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        };
        Some(Volume {
            config_map: Some(source),
            ..volume(name)
        })
    });
    add("app", &|name| Some(config_map(name, &names.app)));
    add("php", &|name| Some(config_map(name, &names.php)));
    add("nginx", &|name| Some(config_map(name, &names.nginx)));
    add("scripts", &|name| Some(config_map(name, &names.scripts)));
    add("writable", &|name| {
        Some(room(name, &context.class.disk.writable, None))
    });
    // A socket and nothing else; a file system of its own, so that what else is written there takes
    // no room of others.
    add("socket", &|name| Some(room(name, "64Ki", Some("Memory"))));
    // In memory, as passwords are in it.
    add("configured", &|name| {
        Some(room(name, "4Mi", Some("Memory")))
    });
    add("secret", &|name| {
        let secret = context.spec.config.secret_ref.as_ref()?;
        let source = SecretVolumeSource {
            secret_name: Some(secret.name.clone()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        };
        Some(Volume {
            secret: Some(source),
            ..volume(name)
        })
    });
    add("mounts", &|name| {
        context.media.map(|_| config_map(name, &names.mounts))
    });
    add("shared", &|name| {
        context.media.map(|_| match context.class.storage.mode {
            StorageMode::Agent => {
                of_node(name, &context.class.storage.directory, "DirectoryOrCreate")
            }
            StorageMode::Csi => Volume {
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: CLAIM.to_owned(),
                    read_only: None,
                }),
                ..volume(name)
            },
        })
    });
    // It has to be there: an empty directory in its place would look like a shop that lost its
    // media.
    add("directory", &|name| {
        context
            .media
            .and_then(|_| directory(context))
            .map(|path| of_node(name, path, "Directory"))
    });
    add("node", &|name| {
        context
            .class
            .node_cache
            .as_ref()
            .map(|cache| of_node(name, &cache.directory, "DirectoryOrCreate"))
    });
    add("identity", &|_| token(context));
    volumes
}

/// A token for the store alone: the API server does not take it.
fn token(context: &ShopContext<'_>) -> Option<Volume> {
    let identity = &context.class.identity;
    let audience = match (&identity.web_identity, &identity.azure, &identity.google) {
        (Some(web), ..) => web.audience.clone(),
        (None, None, None) => return None,
        _ => "sts.amazonaws.com".to_owned(),
    };
    let projection = ServiceAccountTokenProjection {
        audience: Some(audience),
        expiration_seconds: Some(3600),
        path: "token".to_owned(),
    };
    let sources = vec![VolumeProjection {
        service_account_token: Some(projection),
        ..VolumeProjection::default()
    }];
    Some(Volume {
        name: "identity".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            default_mode: Some(0o440),
        }),
        ..Volume::default()
    })
}

/// Mounts of `pull` and `agent`: what they write, and what no tenant sees.
pub(crate) fn our_mounts(context: &ShopContext<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![
        container::mount("sources", path::ROOT),
        container::mount("writable", path::WRITABLE),
        container::read_only("trust", path::TRUST),
        container::read_only("release", path::RELEASE),
    ];
    if context.configured().is_some() {
        mounts.extend(application_mounts(context));
        mounts.push(container::mount("configured", path::CONFIGURED));
    }
    if context.class.node_cache.is_some() {
        mounts.push(container::mount("node", path::NODE));
    }
    if token(context).is_some() {
        mounts.push(container::read_only("identity", path::IDENTITY));
    }
    mounts
}

/// Mounts of the shop's own configuration and its Secret.
pub(crate) fn application_mounts(context: &ShopContext<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![container::read_only("app", path::APP)];
    mounts.extend(
        context
            .spec
            .config
            .secret_ref
            .as_ref()
            .map(|_| container::read_only("secret", path::SECRET)),
    );
    mounts
}

/// As whom our own two containers run.
///
/// They share the node cache, which belongs to one user; so where the agent has to be root to
/// mount, `pull` is root too, without a single capability.
pub(crate) fn ours(context: &ShopContext<'_>, privileged: bool) -> SecurityContext {
    let mounts = context.media.is_some() && context.class.storage.mode == StorageMode::Agent;
    let root = (mounts || context.class.node_cache.is_some()).then_some(0);
    if privileged {
        return SecurityContext {
            privileged: Some(true),
            run_as_non_root: Some(false),
            run_as_user: root,
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        };
    }
    SecurityContext {
        run_as_non_root: Some(root.is_none()),
        run_as_user: root,
        ..restricted()
    }
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

/// The node's directory that stands in for a file server, where the agent mounts and the class says
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
