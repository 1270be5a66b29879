//! Every name that an object gives exists among the others.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use serde_json::Value;
use std::collections::BTreeSet;

type Names<'a> = BTreeSet<(&'a str, &'a str)>;

pub(super) fn check(objects: &[CheckedObject<'_>], findings: &mut Vec<Finding>) {
    let known: Names<'_> = objects
        .iter()
        .map(|object| (object.kind(), object.identity().name.as_str()))
        .collect();
    for object in objects {
        if let Some(namespace) = &object.identity().namespace
            && !known.contains(&("Namespace", namespace))
        {
            object.find(
                "reference",
                format!("its namespace {namespace} is not among the objects"),
                findings,
            );
        }
        if let Some(template) = object.template() {
            pod(object, template, &known, findings);
        }
        match object.kind() {
            "HorizontalPodAutoscaler" => {
                let target = &object.value["spec"]["scaleTargetRef"];
                expect(
                    object,
                    &known,
                    text(&target["kind"]),
                    text(&target["name"]),
                    findings,
                );
            }
            "PersistentVolumeClaim" => expect(
                object,
                &known,
                "PersistentVolume",
                text(&object.value["spec"]["volumeName"]),
                findings,
            ),
            "PersistentVolume" => {
                expect(
                    object,
                    &known,
                    "PersistentVolumeClaim",
                    text(&object.value["spec"]["claimRef"]["name"]),
                    findings,
                );
            }
            "Ingress" => {
                for rule in list(&object.value["spec"]["rules"]) {
                    for path in list(&rule["http"]["paths"]) {
                        service(
                            objects,
                            object,
                            path.pointer("/backend/service/name"),
                            path.pointer("/backend/service/port/name"),
                            findings,
                        );
                    }
                }
            }
            "HTTPRoute" => {
                for rule in list(&object.value["spec"]["rules"]) {
                    for backend in list(&rule["backendRefs"]) {
                        service(objects, object, backend.get("name"), None, findings);
                    }
                }
            }
            _ => {}
        }
    }
}

fn expect(
    object: &CheckedObject<'_>,
    known: &Names<'_>,
    kind: &str,
    name: &str,
    findings: &mut Vec<Finding>,
) {
    if !known.contains(&(kind, name)) {
        object.find(
            "reference",
            format!("it names {kind} {name:?}, which is not among the objects"),
            findings,
        );
    }
}

fn pod(
    object: &CheckedObject<'_>,
    template: &Value,
    known: &Names<'_>,
    findings: &mut Vec<Finding>,
) {
    let spec = &template["spec"];
    expect(
        object,
        known,
        "ServiceAccount",
        text(&spec["serviceAccountName"]),
        findings,
    );
    for volume in list(&spec["volumes"]) {
        if let Some(map) = volume.pointer("/configMap/name") {
            expect(object, known, "ConfigMap", text(map), findings);
        }
        if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName") {
            expect(
                object,
                known,
                "PersistentVolumeClaim",
                text(claim),
                findings,
            );
        }
        // Secrets are made by people or by an operator for secrets: nothing here knows their
        // contents.
    }
}

fn service(
    objects: &[CheckedObject<'_>],
    object: &CheckedObject<'_>,
    name: Option<&Value>,
    port: Option<&Value>,
    findings: &mut Vec<Finding>,
) {
    let name = name.map(text).unwrap_or_default();
    let Some(service) = objects
        .iter()
        .find(|other| other.kind() == "Service" && other.identity().name == name)
    else {
        object.find(
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
        object.find(
            "reference",
            format!("it names port {port} of Service {name}, which has none of that name"),
            findings,
        );
    }
}
