//! The containers in which the tenant's code runs, and what stands in front of it. None holds a
//! key, a token, or a way to change the sources.

use super::{mount, plain, read_only, resources, restricted};
use crate::{amount, path, pod, shop_context::ShopContext};
use api::{ExtraContainer, Size, StorageMode};
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerPort, EnvVar, ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler,
        Probe, ResourceRequirements, SleepAction, VolumeMount,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

/// How long nginx goes on while proxies hear that the pod is leaving, in seconds.
pub(crate) const PRE_STOP: i64 = 10;
/// How long a request may take to finish when the pod ends, in seconds; php-fpm's
/// `process_control_timeout`.
pub const DRAIN: i64 = 60;

/// What every container of the tenant sees: sources it cannot change, what the shop writes, its
/// media, and room for temporary files.
fn mounts(context: &ShopContext<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![
        read_only("sources", path::ROOT),
        mount("writable", path::WRITABLE),
        mount("temporary", path::TEMPORARY),
    ];
    mounts.extend(shared(context));
    mounts
}

/// What PHP reads besides, and nginx has no need to see.
fn configuration(context: &ShopContext<'_>) -> Vec<VolumeMount> {
    let filled = context
        .configured()
        .map(|_| read_only("configured", path::CONFIGURED));
    [
        pod::application_mounts(context),
        filled
            .into_iter()
            .chain([read_only("php", path::PHP)])
            .collect(),
    ]
    .concat()
}

/// What a container may have of the node's disk besides volumes of a size that the class says: its
/// log, which the kubelet cuts at 50 MiB, and its part of the pod's logs, which are a volume of 96
/// MiB.
const OWN_DISK: &str = "128Mi";

/// The size and the part of the node's disk of a container that runs the shop's code: one of a pod,
/// which names its volumes for temporary files and for what the shop writes. What these may take is
/// asked for: a node that promised less evicts the pods of others, too.
fn writes(context: &ShopContext<'_>, size: &Size) -> ResourceRequirements {
    let disk = &context.class.disk;
    let room = amount::together(OWN_DISK, &amount::together(&disk.temporary, &disk.writable));
    resources(size, (&room, &room))
}

fn shared(context: &ShopContext<'_>) -> Option<VolumeMount> {
    context.media.as_ref()?;
    Some(match context.class.storage.mode {
        StorageMode::Agent => VolumeMount {
            // What the agent mounts on the node appears here, also when it had to mount again.
            mount_propagation: Some("HostToContainer".to_owned()),
            sub_path_expr: Some(format!("$({})", pod::POD_UID)),
            ..mount("shared", path::SHARED)
        },
        StorageMode::Csi => VolumeMount {
            sub_path: pod::sub_path(context),
            ..mount("shared", path::SHARED)
        },
    })
}

/// Variables of the tenant's containers.
fn variables(context: &ShopContext<'_>) -> Vec<EnvVar> {
    let mut variables = vec![
        // php.ini of this class, after those of the image.
        plain("PHP_INI_SCAN_DIR", format!(":{}", path::PHP)),
    ];
    if context.media.is_some() && context.class.storage.mode == StorageMode::Agent {
        variables.push(pod::uid_as(pod::POD_UID));
    }
    variables.extend(
        context
            .class
            .overlay
            .extra_env
            .iter()
            .map(|extra| plain(&extra.name, &extra.value)),
    );
    variables
}

fn tenant(context: &ShopContext<'_>, name: &str, size: &Size) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(context.class.images.shop.clone()),
        env: Some(variables(context)),
        resources: Some(resources(size, (OWN_DISK, OWN_DISK))),
        security_context: Some(restricted()),
        volume_mounts: Some(mounts(context)),
        ..Container::default()
    }
}

/// A sidecar, so that it starts before nginx and ends after nginx's last request: no arithmetic
/// with sleeps.
pub(crate) fn php_fpm(context: &ShopContext<'_>) -> Container {
    let config = format!("{}/php-fpm.conf", path::PHP);
    Container {
        resources: Some(writes(context, &context.class.sizes.php_fpm)),
        volume_mounts: Some(
            [
                mounts(context),
                configuration(context),
                vec![mount("socket", path::SOCKET), mount("logs", path::LOGS)],
            ]
            .concat(),
        ),
        command: Some(vec![
            format!("php-fpm{}", context.class.php.version),
            "--fpm-config".to_owned(),
            config,
        ]),
        restart_policy: Some("Always".to_owned()),
        startup_probe: Some(Probe {
            exec: Some(ExecAction {
                command: Some(pod::ping(context)),
            }),
            period_seconds: Some(1),
            failure_threshold: Some(60),
            ..Probe::default()
        }),
        ..tenant(context, "php-fpm", &context.class.sizes.php_fpm)
    }
}

pub(crate) fn nginx(context: &ShopContext<'_>) -> Container {
    let config = format!("{}/nginx.conf", path::NGINX);
    let asks = |page: &str| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(page.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    };
    let mut container = Container {
        command: Some(["nginx", "-c", &config].map(str::to_owned).into()),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: pod::HTTP_PORT,
            ..ContainerPort::default()
        }]),
        // Asked each second until it answers; readiness is asked at once then, and not up to five
        // seconds later.
        startup_probe: Some(Probe {
            period_seconds: Some(1),
            failure_threshold: Some(60),
            ..asks("/readyz")
        }),
        // nginx and php-fpm, and no database: when that moves to its standby, every pod of every
        // shop would leave its Service.
        readiness_probe: Some(Probe {
            period_seconds: Some(5),
            timeout_seconds: Some(3),
            ..asks("/readyz")
        }),
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            failure_threshold: Some(6),
            ..asks("/livez")
        }),
        lifecycle: Some(Lifecycle {
            // Until every proxy has heard that the pod is leaving. Then the image's SIGQUIT: nginx
            // finishes the requests that it has.
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: PRE_STOP }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        ..tenant(context, "nginx", &context.class.sizes.nginx)
    };
    // What the cluster says of the release: also whether visitors are kept out.
    container.volume_mounts.get_or_insert_default().extend([
        read_only("nginx", path::NGINX),
        read_only("state", path::STATE),
        // To connect takes no right to write to the directory.
        read_only("socket", path::SOCKET),
        mount("logs", path::LOGS),
    ]);
    // What the shop writes is served, and written by others. A csi volume is read-only here for
    // certain. What an agent mounts later comes with the rights that the agent gave it.
    let csi = context.class.storage.mode == StorageMode::Csi;
    let reads = |name: &str| name == "writable" || name == "shared" && csi;
    for mount in container
        .volume_mounts
        .iter_mut()
        .flatten()
        .filter(|mount| reads(&mount.name))
    {
        mount.read_only = Some(true);
    }
    container
}

/// A container that runs a program of the shop beside visitors, such as cron.
pub(crate) fn worker(
    context: &ShopContext<'_>,
    name: &str,
    size: &Size,
    command: Vec<String>,
) -> Container {
    let scripts = vec![read_only("scripts", path::SCRIPTS)];
    Container {
        command: Some(command),
        resources: Some(writes(context, size)),
        volume_mounts: Some([mounts(context), configuration(context), scripts].concat()),
        ..tenant(context, name, size)
    }
}

/// A container that the class adds, under the same restrictions, without the shop's files.
pub(crate) fn extra(extra: &ExtraContainer) -> Container {
    Container {
        name: extra.name.clone(),
        image: Some(extra.image.clone()),
        command: (!extra.command.is_empty()).then(|| extra.command.clone()),
        restart_policy: Some("Always".to_owned()),
        env: Some(
            extra
                .env
                .iter()
                .map(|variable| plain(&variable.name, &variable.value))
                .collect::<Vec<_>>(),
        )
        .filter(|env| !env.is_empty()),
        resources: Some(resources(&extra.size, (OWN_DISK, OWN_DISK))),
        security_context: Some(restricted()),
        volume_mounts: Some(vec![mount("temporary", path::TEMPORARY)]),
        ..Container::default()
    }
}
