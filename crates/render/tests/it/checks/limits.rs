//! The restricted profile, sizes and names.

use super::*;

#[test]
fn the_restricted_profile() {
    let context = "/spec/template/spec/containers/0/securityContext";
    for (field, value, problem) in [
        ("privileged", json!(true), "is privileged"),
        (
            "allowPrivilegeEscalation",
            json!(true),
            "can gain privileges",
        ),
        (
            "readOnlyRootFilesystem",
            json!(false),
            "can write to its image's files",
        ),
        ("runAsNonRoot", json!(false), "may run as root"),
        (
            "runAsUser",
            json!(1000),
            "runs as a user that a node may have",
        ),
        (
            "capabilities",
            json!({ "drop": ["NET_RAW"] }),
            "keeps capabilities",
        ),
        (
            "capabilities",
            json!({ "drop": ["ALL"], "add": ["NET_ADMIN"] }),
            "adds capabilities",
        ),
    ] {
        let objects = spoilt("aws", "Deployment", "web", |object| {
            object.pointer_mut(context).unwrap()[field] = value;
        });
        rings(
            &objects,
            "restricted",
            &format!("container nginx {problem}"),
        );
    }
}

#[test]
fn the_restricted_profile_of_pods() {
    for (field, value, problem) in [
        (
            "automountServiceAccountToken",
            json!(true),
            "get a token for the API server",
        ),
        (
            "enableServiceLinks",
            json!(true),
            "get variables of each Service",
        ),
        (
            "securityContext",
            json!({ "runAsUser": 10001 }),
            "have no seccomp profile",
        ),
        (
            "securityContext",
            json!({ "seccompProfile": { "type": "RuntimeDefault" } }),
            "may listen on the agent's port",
        ),
        ("hostNetwork", json!(true), "have hostNetwork"),
        (
            "shareProcessNamespace",
            json!(true),
            "have shareProcessNamespace",
        ),
    ] {
        let objects = spoilt("aws", "Deployment", "web", |object| {
            object.pointer_mut(POD).unwrap()[field] = value;
        });
        rings(&objects, "restricted", problem);
    }
    let container = "/spec/template/spec/containers/0";
    for (mount, problem) in [
        (
            json!({ "name": "sources", "mountPath": "/x" }),
            "can write to the sources",
        ),
        (
            json!({ "name": "socket", "mountPath": "/x" }),
            "can put another socket in the place of php-fpm's",
        ),
        (
            json!({ "name": "node", "mountPath": "/x", "subPath": "y" }),
            "which is not for tenants",
        ),
        (
            json!({ "name": "shared", "mountPath": "/x" }),
            "sees all of the node's directory",
        ),
    ] {
        let objects = spoilt("aws", "Deployment", "web", |object| {
            object.pointer_mut(container).unwrap()["volumeMounts"]
                .as_array_mut()
                .unwrap()
                .push(mount);
        });
        rings(&objects, "restricted", problem);
    }
    let greedy = spoilt(
        "aws",
        "Deployment",
        "cron",
        set("/spec/template/spec/containers/0/resources", json!({})),
    );
    rings(
        &greedy,
        "restricted",
        "container cron has no memory in its limits",
    );
    let tagged = spoilt(
        "aws",
        "Deployment",
        "web",
        set("/spec/template/spec/containers/0/image", json!("shop:1")),
    );
    rings(&tagged, "restricted", "names its image without a digest");
}

#[test]
fn sizes_and_names() {
    let long = "x".repeat(64);
    let renamed = spoilt("aws", "LimitRange", "shop", |object| {
        object["metadata"]["name"] = json!(long);
    });
    rings(
        &renamed,
        "name",
        "its name has 64 characters, expected 1 to 63",
    );
    let cron = spoilt("aws", "CronJob", "backup", |object| {
        object["metadata"]["name"] = json!("b".repeat(53));
    });
    rings(&cron, "name", "expected 1 to 52");
    rings(
        &spoilt("aws", "LimitRange", "shop", |object| {
            object["metadata"]["name"] = json!("Shop_");
        }),
        "name",
        "not lower-case letters",
    );
    let large = spoilt("aws", "ConfigMap", "release", |object| {
        object["data"]["x"] = json!("y".repeat(256 << 10));
    });
    rings(&large, "bytes", "over the limit of 262144");
    let labelled = spoilt("aws", "LimitRange", "shop", |object| {
        object["metadata"]["labels"]["x"] = json!("a b");
    });
    rings(&labelled, "label", "x=\"a b\" is no value of a label");
    let mut twice = rendered("aws", |_, _, _| {});
    twice.push(twice[1].clone());
    rings(&twice, "twice", "there twice");
    let elsewhere = spoilt("aws", "Service", "web", |object| {
        object["metadata"]["namespace"] = json!("shop-zzz");
    });
    rings(&elsewhere, "namespace", "in several namespaces");
    rings(&elsewhere, "reference", "its namespace shop-zzz");
}

#[test]
fn a_finding_names_its_object() {
    let objects = spoilt(
        "aws",
        "CronJob",
        "backup",
        set("/spec/schedule", json!("never")),
    );
    let finding = check::shop(&objects).remove(0);
    assert_eq!(
        finding.object,
        Identity {
            api_version: "batch/v1".into(),
            kind: "CronJob".into(),
            namespace: Some("shop-acme".into()),
            name: "backup".into()
        }
    );
    assert!(
        finding
            .to_string()
            .starts_with("CronJob shop-acme/backup: cron=\"never\" is not a time"),
        "{finding}"
    );
}
