//! The containers of a shop's pods: two of ours, and those of the tenant.

mod agent;
mod environment;
mod probe;
mod pull;
mod restricted;
mod tenant;

pub use agent::AGENT_PORT;
pub(crate) use agent::{agent, follower};
pub(crate) use environment::{identity, plain};
pub(crate) use pull::{pull, pull_in_force};
pub(crate) use restricted::pod_security;
pub use restricted::restricted;
pub use tenant::DRAIN;
pub(crate) use tenant::{PRE_STOP, extra, nginx, php_fpm, worker};

use api::Size;
use k8s_openapi::{
    api::core::v1::{ResourceRequirements, VolumeMount},
    apimachinery::pkg::api::resource::Quantity,
};
use std::collections::BTreeMap;

/// What a container asks for, and what it gets at most. `disk` is its part of the node's disk:
/// (request, limit).
pub(crate) fn resources(size: &Size, disk: (&str, &str)) -> ResourceRequirements {
    let amounts = |pairs: Vec<(&str, &str)>| -> BTreeMap<String, Quantity> {
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned())))
            .collect()
    };
    let requests = vec![
        ("cpu", size.cpu.as_str()),
        ("memory", &size.memory),
        ("ephemeral-storage", disk.0),
    ];
    let mut limits = vec![
        (
            "memory",
            size.memory_limit.as_deref().unwrap_or(&size.memory),
        ),
        ("ephemeral-storage", disk.1),
    ];
    limits.extend(size.cpu_limit.as_deref().map(|cpu| ("cpu", cpu)));
    ResourceRequirements {
        requests: Some(amounts(requests)),
        limits: Some(amounts(limits)),
        ..ResourceRequirements::default()
    }
}

pub(crate) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

pub(crate) fn read_only(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    }
}
