//! Every name that an object gives exists among the others.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use serde_json::Value;
use std::collections::BTreeSet;

type Known<'a> = BTreeSet<(&'a str, &'a str)>;

pub(super) fn check(looks: &[CheckedObject<'_>], findings: &mut Vec<Finding>) {
    let known: Known<'_> = looks
        .iter()
        .map(|look| (look.kind(), look.identity().name.as_str()))
        .collect();
    for look in looks {
        if let Some(namespace) = &look.identity().namespace
            && !known.contains(&("Namespace", namespace))
        {
            look.find(
                "reference",
                format!("its namespace {namespace} is not among the objects"),
                findings,
            );
        }
        if let Some(template) = look.template() {
            pod(look, template, &known, findings);
        }
        match look.kind() {
            "HorizontalPodAutoscaler" => {
                let target = &look.value["spec"]["scaleTargetRef"];
                expect(
                    look,
                    &known,
                    text(&target["kind"]),
                    text(&target["name"]),
                    findings,
                );
            }
            "PersistentVolumeClaim" => expect(
                look,
                &known,
                "PersistentVolume",
                text(&look.value["spec"]["volumeName"]),
                findings,
            ),
            "PersistentVolume" => {
                expect(
                    look,
                    &known,
                    "PersistentVolumeClaim",
                    text(&look.value["spec"]["claimRef"]["name"]),
                    findings,
                );
            }
            "Ingress" => {
                for rule in list(&look.value["spec"]["rules"]) {
                    for path in list(&rule["http"]["paths"]) {
                        service(
                            looks,
                            look,
                            path.pointer("/backend/service/name"),
                            path.pointer("/backend/service/port/name"),
                            findings,
                        );
                    }
                }
            }
            "HTTPRoute" => {
                for rule in list(&look.value["spec"]["rules"]) {
                    for backend in list(&rule["backendRefs"]) {
                        service(looks, look, backend.get("name"), None, findings);
                    }
                }
            }
            _ => {}
        }
    }
}

fn expect(
    look: &CheckedObject<'_>,
    known: &Known<'_>,
    kind: &str,
    name: &str,
    findings: &mut Vec<Finding>,
) {
    if !known.contains(&(kind, name)) {
        look.find(
            "reference",
            format!("it names {kind} {name:?}, which is not among the objects"),
            findings,
        );
    }
}

fn pod(look: &CheckedObject<'_>, template: &Value, known: &Known<'_>, findings: &mut Vec<Finding>) {
    let spec = &template["spec"];
    expect(
        look,
        known,
        "ServiceAccount",
        text(&spec["serviceAccountName"]),
        findings,
    );
    for volume in list(&spec["volumes"]) {
        if let Some(map) = volume.pointer("/configMap/name") {
            expect(look, known, "ConfigMap", text(map), findings);
        }
        if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName") {
            expect(look, known, "PersistentVolumeClaim", text(claim), findings);
        }
        // Secrets are made by people or by an operator for secrets: nothing here knows their
        // contents.
    }
}

fn service(
    looks: &[CheckedObject<'_>],
    look: &CheckedObject<'_>,
    name: Option<&Value>,
    port: Option<&Value>,
    findings: &mut Vec<Finding>,
) {
    let name = name.map(text).unwrap_or_default();
    let Some(service) = looks
        .iter()
        .find(|other| other.kind() == "Service" && other.identity().name == name)
    else {
        look.find(
            "reference",
            format!("it names Service {name:?}, which is not among the objects"),
            findings,
        );
        return;
    };
    let Some(port) = port else { return };
    if !list(&service.value["spec"]["ports"])
        .iter()
        .any(|other| other["name"] == *port)
    {
        look.find(
            "reference",
            format!("it names port {port} of Service {name}, which has none of that name"),
            findings,
        );
    }
}
