//! What containers may do: Kubernetes' restricted profile, for every one that a tenant's code runs
//! in.

use crate::shop_context::USER;
use k8s_openapi::api::core::v1::{
    Capabilities, PodSecurityContext, SeccompProfile, SecurityContext, Sysctl,
};

/// The first port that anybody in a pod may listen on. Kernels begin with the same; container
/// runtimes give all ports to everybody, unless a pod says otherwise (`enable_unprivileged_ports`
/// of containerd 2, `default_sysctls` of CRI-O).
const FIRST_FREE_PORT: &str = "1024";

/// No capability, no way to more of them, no file of the image to write to.
#[must_use]
pub fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        ..SecurityContext::default()
    }
}

/// The whole pod's part. The group owns the volumes, so that `pull` can write where the shop can
/// only read.
pub(crate) fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        // Media has millions of files: changing their group at each start would take hours.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        // Nobody but the agent listens on the agent's port.
        sysctls: Some(vec![Sysctl {
            name: "net.ipv4.ip_unprivileged_port_start".to_owned(),
            value: FIRST_FREE_PORT.to_owned(),
        }]),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}
