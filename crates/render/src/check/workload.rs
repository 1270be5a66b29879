//! Selectors, volumes, mounts, updates, autoscalers and budgets.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn check(object: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    let spec = &object.value["spec"];
    if object.kind() == "Deployment" {
        selects(object, &spec["selector"]["matchLabels"], findings);
        let update = &spec["strategy"]["rollingUpdate"];
        if text(&spec["strategy"]["type"]) == "RollingUpdate"
            && zero(&update["maxSurge"])
            && zero(&update["maxUnavailable"])
        {
            object.find(
                "update",
                "maxSurge and maxUnavailable are both 0: no update could ever begin",
                findings,
            );
        }
    }
    if object.kind() == "HorizontalPodAutoscaler" {
        let (min, max) = (
            spec["minReplicas"].as_u64().unwrap_or(1),
            spec["maxReplicas"].as_u64().unwrap_or(0),
        );
        if min > max || min == 0 {
            object.find(
                "autoscaler",
                format!("minReplicas is {min}, maxReplicas {max}: expected 1 ≤ min ≤ max"),
                findings,
            );
        }
    }
    if let Some(template) = object.template() {
        mounts(object, &template["spec"], findings);
        probes(object, findings);
    }
}

fn zero(value: &Value) -> bool {
    value.as_u64() == Some(0) || matches!(text(value), "0" | "0%")
}

fn selects(object: &CheckedObject<'_>, selector: &Value, findings: &mut Vec<Finding>) {
    let Some(template) = object.template() else {
        return;
    };
    if !matches(selector, &template["metadata"]["labels"])
        || selector.as_object().is_none_or(serde_json::Map::is_empty)
    {
        object.find(
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

fn mounts(object: &CheckedObject<'_>, pod: &Value, findings: &mut Vec<Finding>) {
    let volumes = list(&pod["volumes"]);
    let names: Vec<&str> = volumes.iter().map(|volume| text(&volume["name"])).collect();
    let mut seen = BTreeSet::new();
    for name in names.iter().filter(|name| !seen.insert(**name)) {
        object.find("volume", format!("volume {name} is there twice"), findings);
    }
    let mut containers = BTreeSet::new();
    let mut used = BTreeSet::new();
    for container in object.containers() {
        let name = text(&container["name"]);
        if !containers.insert(name) {
            object.find(
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
                object.find(
                    "mount",
                    format!("container {name} mounts {volume}, which is no volume of its pod"),
                    findings,
                );
            }
            if !places.insert(path) {
                object.find(
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
                object.find(
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
                object.find(
                    "empty-dir",
                    format!(
                        "container {name} mounts {path} below {above}, an emptyDir, which is \
                         emptied recursively"
                    ),
                    findings,
                );
            }
            if mount.get("subPathExpr").is_some() {
                expands(object, container, text(&mount["subPathExpr"]), findings);
            }
        }
    }
    for name in names.iter().filter(|name| !used.contains(*name)) {
        object.find(
            "volume",
            format!("volume {name} is mounted by no container"),
            findings,
        );
    }
}

/// Every `$(NAME)` of a path is a variable of the container: another one stays as it is, for all
/// pods in one directory.
fn expands(object: &CheckedObject<'_>, container: &Value, path: &str, findings: &mut Vec<Finding>) {
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
            object.find(
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
fn probes(object: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    for container in object.containers() {
        let ports = list(&container["ports"]);
        for kind in ["startupProbe", "readinessProbe", "livenessProbe"] {
            for how in ["httpGet", "tcpSocket"] {
                let Some(Value::String(port)) = container[kind][how].get("port") else {
                    continue;
                };
                if !ports.iter().any(|one| text(&one["name"]) == port) {
                    let name = text(&container["name"]);
                    object.find(
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
pub(super) fn scaled(objects: &[CheckedObject<'_>], findings: &mut Vec<Finding>) {
    let templates: Vec<&Value> = objects.iter().filter_map(CheckedObject::template).collect();
    for object in objects {
        let selector = match object.kind() {
            "Service" => &object.value["spec"]["selector"],
            "PodDisruptionBudget" => &object.value["spec"]["selector"]["matchLabels"],
            _ => continue,
        };
        // A suspended shop's Service stays for the day when it is served again.
        if !templates.is_empty()
            && !templates
                .iter()
                .any(|template| matches(selector, &template["metadata"]["labels"]))
        {
            object.find(
                "selector",
                format!("its selector {selector} finds no pods"),
                findings,
            );
        }
    }
    for scaler in objects
        .iter()
        .filter(|object| object.kind() == "HorizontalPodAutoscaler")
    {
        let target = text(&scaler.value["spec"]["scaleTargetRef"]["name"]);
        let Some(deployment) = objects
            .iter()
            .find(|object| object.kind() == "Deployment" && object.identity().name == target)
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
