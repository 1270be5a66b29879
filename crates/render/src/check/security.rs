//! Kubernetes' restricted profile, for every container but those of ours that must mount.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use serde_json::Value;

/// Containers whose program is ours: no tenant's code runs in them.
const OURS: [&str; 2] = ["pull", "agent"];
/// The lowest user that a node has no account for.
const LOWEST_USER: u64 = 10_000;

pub(super) fn check(object: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    let Some(template) = object.template() else {
        return;
    };
    let pod = &template["spec"];
    let mut expect = |good: bool, problem: &str| {
        if !good {
            object.find("restricted", problem, findings);
        }
    };
    expect(
        pod["automountServiceAccountToken"] == false,
        "its pods get a token for the API server",
    );
    expect(
        pod["enableServiceLinks"] == false,
        "its pods get variables of each Service",
    );
    expect(
        pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
        "its pods have no seccomp profile",
    );
    let first =
        serde_json::json!([{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "1024" }]);
    let agent = list(&pod["initContainers"])
        .iter()
        .any(|container| container["name"] == "agent");
    expect(
        !agent || pod["securityContext"]["sysctls"] == first,
        "anything in its pods may listen on the agent's port",
    );
    for host in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
        expect(
            pod.get(host).is_none_or(|value| value == false),
            &format!("its pods have {host}"),
        );
    }
    let host_paths: Vec<&str> = list(&pod["volumes"])
        .iter()
        .filter(|volume| volume.get("hostPath").is_some())
        .map(|volume| text(&volume["name"]))
        .collect();
    for container in object.containers() {
        let name = text(&container["name"]);
        let context = &container["securityContext"];
        let mut expect = |good: bool, problem: &str| {
            if !good {
                object.find(
                    "restricted",
                    format!("container {name} {problem}"),
                    findings,
                );
            }
        };
        resources(container, &mut expect);
        expect(
            context["readOnlyRootFilesystem"] == true,
            "can write to its image's files",
        );
        expect(
            text(&container["image"]).contains("@sha256:"),
            "names its image without a digest",
        );
        if !OURS.contains(&name) {
            tenant(container, pod, &host_paths, &mut expect);
        }
    }
}

/// What a container that is not ours must not do.
fn tenant(
    container: &Value,
    pod: &Value,
    host_paths: &[&str],
    expect: &mut impl FnMut(bool, &str),
) {
    let (name, context) = (text(&container["name"]), &container["securityContext"]);
    expect(
        context.get("privileged").is_none_or(|value| value == false),
        "is privileged",
    );
    expect(
        context["allowPrivilegeEscalation"] == false,
        "can gain privileges",
    );
    expect(
        context["capabilities"]["drop"] == serde_json::json!(["ALL"]),
        "keeps capabilities",
    );
    expect(
        context["capabilities"].get("add").is_none(),
        "adds capabilities",
    );
    expect(context["runAsNonRoot"] == true, "may run as root");
    let user = context
        .get("runAsUser")
        .or_else(|| pod["securityContext"].get("runAsUser"))
        .and_then(Value::as_u64);
    expect(
        user.is_some_and(|user| user > LOWEST_USER),
        "runs as a user that a node may have",
    );
    for mount in list(&container["volumeMounts"]) {
        let (volume, path) = (text(&mount["name"]), text(&mount["mountPath"]));
        expect(
            text(&mount["mountPropagation"]) != "Bidirectional",
            "mounts for the whole node",
        );
        expect(
            volume != "socket" || name == "php-fpm" || mount["readOnly"] == true,
            "can put another socket in the place of php-fpm's",
        );
        expect(
            volume != "sources" || mount["readOnly"] == true,
            "can write to the sources",
        );
        expect(
            !["node", "identity"].contains(&volume) || name == "backup",
            &format!("sees {path}, which is not for tenants"),
        );
        let whole = mount.get("subPathExpr").is_none() && mount.get("subPath").is_none();
        expect(
            !host_paths.contains(&volume) || !whole,
            &format!("sees all of the node's directory at {path}"),
        );
    }
}

/// Without a request nothing is kept for it, and without a limit it takes the node with it.
fn resources(container: &Value, expect: &mut impl FnMut(bool, &str)) {
    for (part, amount) in [
        ("requests", "cpu"),
        ("requests", "memory"),
        ("requests", "ephemeral-storage"),
        ("limits", "memory"),
        ("limits", "ephemeral-storage"),
    ] {
        expect(
            container["resources"][part].get(amount).is_some(),
            &format!("has no {amount} in its {part}"),
        );
    }
}
