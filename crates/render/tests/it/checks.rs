//! Each check, made to ring: an object that is right, spoilt in one place.

mod limits;

use crate::made::rendered;
use api::{Identity, Object};
use kube::core::DynamicObject;
use render::check;
use serde_json::{Value, json};

/// The objects of the example, the one of this kind and name spoilt.
fn spoilt(platform: &str, kind: &str, name: &str, spoil: impl FnOnce(&mut Value)) -> Vec<Object> {
    let mut spoil = Some(spoil);
    let objects = rendered(platform, |_, _, _| {});
    let objects = objects.into_iter().map(|object| {
        let is_it = object.identity().kind == kind && object.identity().name == name;
        match spoil.take_if(|_| is_it) {
            Some(spoil) => {
                let mut value = object.value();
                spoil(&mut value);
                changed(&value)
            }
            None => object,
        }
    });
    let objects = objects.collect();
    assert!(spoil.is_none(), "no {kind} {name}");
    objects
}

fn changed(value: &Value) -> Object {
    let dynamic: DynamicObject = serde_json::from_value(value.clone()).unwrap();
    Object::dynamic(&dynamic)
}

fn set(pointer: &'static str, value: Value) -> impl FnOnce(&mut Value) {
    move |object| {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        match object
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("no {parent}"))
        {
            Value::Array(items) => match field.parse::<usize>() {
                Ok(index) => items[index] = value,
                Err(_) => items.push(value),
            },
            parent => parent[field] = value,
        }
    }
}

fn rings(objects: &[Object], rule: &str, problem: &str) {
    let findings = check::shop(objects);
    let found = findings
        .iter()
        .any(|finding| finding.rule == rule && finding.problem.contains(problem));
    assert!(found, "[{rule}] {problem:?} is not among {findings:#?}");
}

const POD: &str = "/spec/template/spec";

#[test]
fn references_and_selectors() {
    let deployment = |pointer, value| spoilt("aws", "Deployment", "web", set(pointer, value));
    rings(
        &deployment(
            "/spec/selector/matchLabels/app.kubernetes.io~1name",
            json!("other"),
        ),
        "selector",
        "is not among the labels of its pods",
    );
    rings(
        &deployment("/spec/template/spec/serviceAccountName", json!("other")),
        "reference",
        "names ServiceAccount \"other\"",
    );
    rings(
        &deployment(
            "/spec/template/spec/volumes/2/configMap/name",
            json!("trust-0"),
        ),
        "reference",
        "names ConfigMap \"trust-0\"",
    );
    let hpa = |pointer, value| spoilt("aws", "HorizontalPodAutoscaler", "web", set(pointer, value));
    rings(
        &hpa("/spec/scaleTargetRef/name", json!("wbe")),
        "reference",
        "names Deployment \"wbe\"",
    );
    rings(
        &hpa("/spec/metrics/0/containerResource/container", json!("php")),
        "autoscaler",
        "measures container \"php\"",
    );
    rings(
        &spoilt(
            "aws",
            "Service",
            "web",
            set("/spec/selector/app.kubernetes.io~1component", json!("wbe")),
        ),
        "selector",
        "finds no pods",
    );
    rings(
        &spoilt(
            "aws",
            "PodDisruptionBudget",
            "web",
            set("/spec/selector/matchLabels/x", json!("y")),
        ),
        "selector",
        "finds no pods",
    );
    rings(
        &spoilt(
            "azure",
            "Ingress",
            "web",
            set(
                "/spec/rules/0/http/paths/0/backend/service/name",
                json!("x"),
            ),
        ),
        "reference",
        "names Service",
    );
    let port = set(
        "/spec/rules/0/http/paths/0/backend/service/port/name",
        json!("https"),
    );
    rings(
        &spoilt("azure", "Ingress", "web", port),
        "reference",
        "names port \"https\"",
    );
    rings(
        &spoilt(
            "gcp",
            "HTTPRoute",
            "web",
            set("/spec/rules/0/backendRefs/0/name", json!("x")),
        ),
        "reference",
        "names Service \"x\"",
    );
    rings(
        &spoilt(
            "gcp",
            "PersistentVolumeClaim",
            "media",
            set("/spec/volumeName", json!("x")),
        ),
        "reference",
        "names PersistentVolume \"x\"",
    );
}

#[test]
fn updates_autoscalers_and_times() {
    let stuck = set(
        "/spec/strategy/rollingUpdate",
        json!({ "maxSurge": 0, "maxUnavailable": "0%" }),
    );
    rings(
        &spoilt("aws", "Deployment", "web", stuck),
        "update",
        "both 0",
    );
    rings(
        &spoilt(
            "aws",
            "HorizontalPodAutoscaler",
            "web",
            set("/spec/minReplicas", json!(13)),
        ),
        "autoscaler",
        "minReplicas is 13",
    );
    rings(
        &spoilt("aws", "Deployment", "web", set("/spec/replicas", json!(3))),
        "autoscaler",
        "replicas",
    );
    rings(
        &spoilt(
            "aws",
            "CronJob",
            "backup",
            set("/spec/schedule", json!("61 2 * * *")),
        ),
        "cron",
        "61 2 * * *",
    );
    rings(
        &spoilt(
            "aws",
            "CronJob",
            "backup",
            set("/spec/schedule", json!("0 0 31 2 *")),
        ),
        "cron",
        "never comes",
    );
    rings(
        &spoilt(
            "aws",
            "CronJob",
            "backup",
            set("/spec/timeZone", json!("Europe/Bukarest")),
        ),
        "time-zone",
        "Europe/Bukarest",
    );
    let impatient = set(
        "/spec/template/spec/terminationGracePeriodSeconds",
        json!(70),
    );
    rings(
        &spoilt("aws", "Deployment", "web", impatient),
        "grace",
        "waits 10 s and its requests 60 s, and the pod is killed after 70 s",
    );
}

#[test]
fn every_pod_has_a_policy_and_every_policy_has_pods() {
    let other = |object: &mut Value| {
        object["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] =
            json!("corn");
    };
    rings(
        &spoilt("aws", "Deployment", "cron", other),
        "policy",
        "no NetworkPolicy lets its pods out",
    );
    let nobody = json!({ "matchLabels": { "app.kubernetes.io/component": "wbe" } });
    rings(
        &spoilt(
            "aws",
            "NetworkPolicy",
            "shop",
            set("/spec/podSelector", nobody.clone()),
        ),
        "policy",
        "it selects no pods",
    );
    rings(
        &spoilt(
            "aws",
            "NetworkPolicy",
            "deny",
            set("/spec/podSelector", nobody),
        ),
        "policy",
        "it selects no pods",
    );
    let exotic = json!({ "matchExpressions": [{ "key": "app.kubernetes.io/component", "operator": "NotIn", "values": ["web"] }] });
    rings(
        &spoilt(
            "aws",
            "NetworkPolicy",
            "shop",
            set("/spec/podSelector", exotic),
        ),
        "policy",
        "lets its pods out",
    );
}

#[test]
fn volumes_and_mounts() {
    let web = |spoil: Box<dyn FnOnce(&mut Value)>| spoilt("aws", "Deployment", "web", spoil);
    let nginx = "/spec/template/spec/containers/0/volumeMounts/-";
    rings(
        &web(Box::new(set(
            nginx,
            json!({ "name": "x", "mountPath": "/x" }),
        ))),
        "mount",
        "mounts x, which is no volume",
    );
    rings(
        &web(Box::new(set(
            nginx,
            json!({ "name": "php", "mountPath": "/srv/shop" }),
        ))),
        "mount",
        "mounts twice at /srv/shop",
    );
    rings(
        &web(Box::new(set(
            nginx,
            json!({ "name": "php", "mountPath": "/srv/shop/media" }),
        ))),
        "empty-dir",
        "below /srv/shop, an emptyDir",
    );
    rings(
        &web(Box::new(set(
            "/spec/template/spec/volumes/-",
            json!({ "name": "x", "emptyDir": {} }),
        ))),
        "volume",
        "mounted by no container",
    );
    rings(
        &web(Box::new(set(
            "/spec/template/spec/volumes/-",
            json!({ "name": "php", "emptyDir": {} }),
        ))),
        "volume",
        "there twice",
    );
    let propagates =
        json!({ "name": "temporary", "mountPath": "/mnt/x", "mountPropagation": "Bidirectional" });
    rings(
        &web(Box::new(set(
            "/spec/template/spec/initContainers/2/volumeMounts/-",
            propagates,
        ))),
        "empty-dir",
        "mounts for others",
    );
    let nowhere = json!({ "name": "shared", "mountPath": "/x", "subPathExpr": "$(POD_NAME)" });
    rings(
        &web(Box::new(set(nginx, nowhere))),
        "mount",
        "has no variable POD_NAME",
    );
    let deaf = set(
        "/spec/template/spec/containers/0/readinessProbe/httpGet/port",
        json!("https"),
    );
    rings(&web(Box::new(deaf)), "probe", "asks port https");
    let same = |object: &mut Value| {
        object["spec"]["template"]["spec"]["initContainers"][0]["name"] = json!("nginx");
    };
    rings(&web(Box::new(same)), "container", "nginx is there twice");
}
