//! `agent`: longshore-agent, which mounts, follows releases, switches the running shop, and goes
//! back if it does not answer.

use super::{
    environment::{self, plain, setting},
    mount, probe, resources,
};
use crate::{path, pod, shop_context::ShopContext};
use api::StorageMode;
use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, EnvVar, HTTPGetAction, Probe, VolumeMount},
    apimachinery::pkg::util::intstr::IntOrString,
};
use runtime::variable;

/// Where health, metrics and status are served: a port that no container of the tenant may take,
/// also while the agent starts anew. [`restricted()`](super::restricted()) says from where on ports
/// are anybody's.
pub const AGENT_PORT: i32 = 980;

/// In a pod that serves visitors.
pub(crate) fn agent(context: &ShopContext<'_>) -> Container {
    let mut asks_shop = vec![setting(&variable::PHP, pod::FPM)];
    asks_shop.push(setting(
        &variable::WORKERS,
        context.class.php.workers.to_string(),
    ));
    asks_shop.extend(probe::settings(context));
    let mut agent = sidecar(context, asks_shop);
    agent
        .volume_mounts
        .get_or_insert_default()
        .push(super::read_only("socket", path::SOCKET));
    agent
}

/// In a pod without php-fpm, such as cron's: it mounts and follows, and has nobody to ask.
pub(crate) fn follower(context: &ShopContext<'_>) -> Container {
    sidecar(context, Vec::new())
}

fn sidecar(context: &ShopContext<'_>, asks_shop: Vec<EnvVar>) -> Container {
    let disk = &context.class.disk;
    let mut env = environment::shared(context);
    env.extend(asks_shop);
    env.extend([
        setting(&variable::LISTEN, format!("0.0.0.0:{AGENT_PORT}")),
        setting(&variable::CONTROL, path::RELEASE),
        // It is the last one to end, with what is left of the pod's grace period after nginx and
        // php-fpm.
        setting(&variable::GRACE, "10s"),
    ]);
    env.extend([
        setting(&variable::SHOP, context.shop),
        setting(&variable::POD_LOGS, path::LOGS),
    ]);
    let logs = context.logs();
    if !logs.is_empty() {
        env.push(setting(&variable::LOGS, logs.join(",")));
    }
    let mounting = context.media.is_some();
    if mounting {
        env.push(plain(
            "LONGSHORE_MOUNTS",
            format!("{}/{}", path::MOUNTS, path::MOUNTS_FILE),
        ));
    }
    let privileged = mounting && context.class.storage.mode == StorageMode::Agent;
    let mut mounts = pod::our_mounts(context);
    mounts.push(mount("logs", path::LOGS));
    if mounting {
        mounts.push(super::read_only("mounts", path::MOUNTS));
        mounts.push(if privileged {
            VolumeMount {
                // What is mounted below has to appear on the node, from where the kubelet takes it
                // for the shop's containers.
                mount_propagation: Some("Bidirectional".to_owned()),
                ..mount("shared", path::MOUNTED)
            }
        } else {
            VolumeMount {
                sub_path: pod::sub_path(context),
                ..mount("shared", path::SHARED)
            }
        });
        mounts.extend(pod::directory(context).map(|_| mount("directory", path::DIRECTORY)));
    }
    if privileged {
        env.push(pod::uid_as(variable::POD.name));
    }
    let security = if privileged {
        pod::privileged(context)
    } else {
        let mut security = pod::ours(context);
        let mut add = vec!["NET_BIND_SERVICE".to_owned()];
        if security.run_as_user == Some(0) {
            // What the shop wrote is its user's, and goes with the release that it was of.
            add.push("DAC_OVERRIDE".to_owned());
        }
        security.capabilities.get_or_insert_default().add = Some(add);
        security
    };
    Container {
        name: "agent".to_owned(),
        image: Some(context.class.images.longshore.clone()),
        command: Some(vec!["longshore-agent".to_owned()]),
        // A native sidecar: it starts before the shop and ends after it.
        restart_policy: Some("Always".to_owned()),
        env: Some(env),
        ports: Some(vec![ContainerPort {
            name: Some("agent".to_owned()),
            container_port: AGENT_PORT,
            ..ContainerPort::default()
        }]),
        // php-fpm starts when the mounts and a release are there, and not before.
        startup_probe: Some(Probe {
            period_seconds: Some(1),
            failure_threshold: Some(120),
            ..asks("/startupz")
        }),
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            failure_threshold: Some(6),
            ..asks("/livez")
        }),
        readiness_probe: Some(Probe {
            period_seconds: Some(5),
            ..asks("/readyz")
        }),
        resources: Some(resources(
            &context.class.sizes.agent,
            (&disk.sources, &disk.sources),
        )),
        security_context: Some(security),
        volume_mounts: Some(mounts),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn asks(page: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(page.to_owned()),
            port: IntOrString::String("agent".to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}
