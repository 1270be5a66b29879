//! Selectors, volumes, mounts, updates, autoscalers and budgets.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn check(look: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    let spec = &look.value["spec"];
    if look.kind() == "Deployment" {
        selects(look, &spec["selector"]["matchLabels"], findings);
        let update = &spec["strategy"]["rollingUpdate"];
        if text(&spec["strategy"]["type"]) == "RollingUpdate"
            && zero(&update["maxSurge"])
            && zero(&update["maxUnavailable"])
        {
            look.find(
                "update",
                "maxSurge and maxUnavailable are both 0: no update could ever begin",
                findings,
            );
        }
    }
    if look.kind() == "HorizontalPodAutoscaler" {
        let (min, max) = (
            spec["minReplicas"].as_u64().unwrap_or(1),
            spec["maxReplicas"].as_u64().unwrap_or(0),
        );
        if min > max || min == 0 {
            look.find(
                "autoscaler",
                format!("minReplicas is {min}, maxReplicas {max}: expected 1 ≤ min ≤ max"),
                findings,
            );
        }
    }
    if let Some(template) = look.template() {
        mounts(look, &template["spec"], findings);
        probes(look, findings);
    }
}

fn zero(value: &Value) -> bool {
    value.as_u64() == Some(0) || matches!(text(value), "0" | "0%")
}

fn selects(look: &CheckedObject<'_>, selector: &Value, findings: &mut Vec<Finding>) {
    let Some(template) = look.template() else {
        return;
    };
    if !matches(selector, &template["metadata"]["labels"])
        || selector.as_object().is_none_or(serde_json::Map::is_empty)
    {
        look.find(
            "selector",
            format!("its selector {selector} is not among the labels of its pods"),
            findings,
        );
    }
}

/// Whether `labels` has all of `selector`.
fn matches(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| {
        wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    })
}

fn mounts(look: &CheckedObject<'_>, pod: &Value, findings: &mut Vec<Finding>) {
    let volumes = list(&pod["volumes"]);
    let names: Vec<&str> = volumes.iter().map(|volume| text(&volume["name"])).collect();
    let mut seen = BTreeSet::new();
    for name in names.iter().filter(|name| !seen.insert(**name)) {
        look.find("volume", format!("volume {name} is there twice"), findings);
    }
    let mut containers = BTreeSet::new();
    let mut used = BTreeSet::new();
    for container in look.containers() {
        let name = text(&container["name"]);
        if !containers.insert(name) {
            look.find(
                "container",
                format!("container {name} is there twice"),
                findings,
            );
        }
        let mounts = list(&container["volumeMounts"]);
        let mut places = BTreeSet::new();
        for mount in mounts {
            let (volume, path) = (text(&mount["name"]), text(&mount["mountPath"]));
            used.insert(volume);
            if !names.contains(&volume) {
                look.find(
                    "mount",
                    format!("container {name} mounts {volume}, which is no volume of its pod"),
                    findings,
                );
            }
            if !places.insert(path) {
                look.find(
                    "mount",
                    format!("container {name} mounts twice at {path}"),
                    findings,
                );
            }
            // The kubelet empties an emptyDir recursively: it would walk into whatever is mounted
            // there on the node.
            let propagates = text(&mount["mountPropagation"]) == "Bidirectional";
            let empty = |volume: &str| {
                volumes
                    .iter()
                    .any(|one| text(&one["name"]) == volume && one.get("emptyDir").is_some())
            };
            if propagates && empty(volume) {
                look.find(
                    "empty-dir",
                    format!(
                        "container {name} mounts for others in {volume}, an emptyDir, which is \
                         emptied recursively"
                    ),
                    findings,
                );
            }
            let above = mounts.iter().find(|other| {
                empty(text(&other["name"]))
                    && path.starts_with(&format!("{}/", text(&other["mountPath"])))
            });
            if let Some(above) = above {
                let above = text(&above["mountPath"]);
                look.find(
                    "empty-dir",
                    format!(
                        "container {name} mounts {path} below {above}, an emptyDir, which is \
                         emptied recursively"
                    ),
                    findings,
                );
            }
            if mount.get("subPathExpr").is_some() {
                expands(look, container, text(&mount["subPathExpr"]), findings);
            }
        }
    }
    for name in names.iter().filter(|name| !used.contains(*name)) {
        look.find(
            "volume",
            format!("volume {name} is mounted by no container"),
            findings,
        );
    }
}

/// Every `$(NAME)` of a path is a variable of the container: another one stays as it is, for all
/// pods in one directory.
fn expands(look: &CheckedObject<'_>, container: &Value, path: &str, findings: &mut Vec<Finding>) {
    let variables = list(&container["env"]);
    for name in path
        .split("$(")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(name, _)| name)
    {
        if !variables
            .iter()
            .any(|variable| text(&variable["name"]) == name)
        {
            look.find(
                "mount",
                format!(
                    "container {} has no variable {name} for the path {path}",
                    text(&container["name"])
                ),
                findings,
            );
        }
    }
}

/// A probe that names a port asks one of its own container.
fn probes(look: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    for container in look.containers() {
        let ports = list(&container["ports"]);
        for kind in ["startupProbe", "readinessProbe", "livenessProbe"] {
            for how in ["httpGet", "tcpSocket"] {
                let Some(Value::String(port)) = container[kind][how].get("port") else {
                    continue;
                };
                if !ports.iter().any(|one| text(&one["name"]) == port) {
                    let name = text(&container["name"]);
                    look.find(
                        "probe",
                        format!(
                            "{kind} of container {name} asks port {port}, which it does not have"
                        ),
                        findings,
                    );
                }
            }
        }
    }
}

/// What selects the pods of others: Services, budgets, autoscalers.
pub(super) fn scaled(looks: &[CheckedObject<'_>], findings: &mut Vec<Finding>) {
    let templates: Vec<&Value> = looks.iter().filter_map(CheckedObject::template).collect();
    for look in looks {
        let selector = match look.kind() {
            "Service" => &look.value["spec"]["selector"],
            "PodDisruptionBudget" => &look.value["spec"]["selector"]["matchLabels"],
            _ => continue,
        };
        // A suspended shop's Service stays for the day when it is served again.
        if !templates.is_empty()
            && !templates
                .iter()
                .any(|template| matches(selector, &template["metadata"]["labels"]))
        {
            look.find(
                "selector",
                format!("its selector {selector} finds no pods"),
                findings,
            );
        }
    }
    for scaler in looks
        .iter()
        .filter(|look| look.kind() == "HorizontalPodAutoscaler")
    {
        let target = text(&scaler.value["spec"]["scaleTargetRef"]["name"]);
        let Some(deployment) = looks
            .iter()
            .find(|look| look.kind() == "Deployment" && look.identity().name == target)
        else {
            continue;
        };
        if deployment.value["spec"].get("replicas").is_some() {
            deployment.find(
                "autoscaler",
                "it says replicas, which its HorizontalPodAutoscaler writes, too",
                findings,
            );
        }
        for metric in list(&scaler.value["spec"]["metrics"]) {
            let Some(wanted) = metric.pointer("/containerResource/container") else {
                continue;
            };
            if !deployment
                .containers()
                .any(|container| container["name"] == *wanted)
            {
                scaler.find(
                    "autoscaler",
                    format!("it measures container {wanted}, which the pods do not have"),
                    findings,
                );
            }
        }
    }
}
