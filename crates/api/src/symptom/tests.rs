//! What pods say of themselves, in sentences.

use super::*;
use serde_json::{Value, json};

fn pod(name: &str, status: &Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": name }, "status": status })).unwrap()
}

fn told(status: &Value) -> Vec<Symptom> {
    symptoms(
        &[pod("web-1", status)],
        "2026-11-23T12:00:00Z".parse().unwrap(),
    )
}

fn container(name: &str, state: &Value, last: &Value) -> Value {
    json!({ "name": name, "image": "shop:1", "imageID": "", "ready": false, "restartCount": 4, "state": state, "lastState": last })
}

#[track_caller]
fn says(status: &Value, facts: &[&str], advice: &str) {
    let told = told(status);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in facts {
        assert!(told[0].fact.contains(part), "{part} in {told:?}");
    }
    assert!(
        told[0]
            .advice
            .as_deref()
            .unwrap_or_default()
            .contains(advice),
        "{advice} in {told:?}"
    );
}

#[test]
fn a_container_that_needs_too_much_memory_names_its_limit() {
    let killed = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-23T11:58:00Z" } });
    let waits = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container" } });
    let facts = ["pod web-1: php-fpm was OOMKilled", "4 times so far"];
    says(
        &json!({ "initContainerStatuses": [container("php-fpm", &waits, &killed)] }),
        &facts,
        "sizes.phpFpm",
    );
    // It runs again, and may do so for long.
    let runs = json!({ "running": { "startedAt": "2026-11-23T11:58:10Z" } });
    says(
        &json!({ "containerStatuses": [container("nginx", &runs, &killed)] }),
        &["at 2026-11-23T11:58:00Z"],
        "sizes.nginx",
    );
    let long_ago = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-23T10:58:00Z" } });
    assert_eq!(
        told(&json!({ "containerStatuses": [container("nginx", &runs, &long_ago)] })),
        []
    );
}

#[test]
fn our_programs_say_why_they_ended_and_what_to_do() {
    let message =
        "store-missing: cannot open the store s3://nothing\nhint: check LONGSHORE_STORE\n";
    let last = json!({ "terminated": { "exitCode": 64, "reason": "Error", "message": message, "finishedAt": "2026-11-23T11:58:00Z" } });
    let waits = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    let facts = [
        "pull ended with exit code 64",
        "store-missing: cannot open the store s3://nothing",
    ];
    says(
        &json!({ "initContainerStatuses": [container("pull", &waits, &last)] }),
        &facts,
        "store-missing: check LONGSHORE_STORE",
    );
    // The Job's pod is not started again, and its script speaks for itself.
    let ended = json!({ "terminated": { "exitCode": 3, "reason": "Error", "message": "database shop_acme is empty" } });
    let facts =
        ["migrate ended with exit code 3, and is not started again: database shop_acme is empty"];
    says(
        &json!({ "containerStatuses": [container("migrate", &ended, &json!({}))] }),
        &facts,
        "",
    );
}

#[test]
fn of_a_job_the_container_that_migrates_counts() {
    let ended = |code: i32, message: Option<&str>, reason: &str| json!({ "terminated": { "exitCode": code, "reason": reason, "message": message } });
    let nothing = json!({});
    let one = json!({ "initContainerStatuses": [container("pull", &ended(69, Some("unreachable: x"), "Error"), &nothing)] });
    let two = json!({ "containerStatuses": [container("migrate", &ended(3, Some("no tables\n"), "Error"), &nothing)],
        "initContainerStatuses": [container("agent", &ended(137, None, "OOMKilled"), &nothing)] });
    let found = |pods: &[Pod]| failure(pods, "migrate").map(|it| it.to_string());
    assert_eq!(
        found(&[pod("a", &one)]).as_deref(),
        Some("pull ended with exit code 69: unreachable: x")
    );
    assert_eq!(
        found(&[pod("a", &one), pod("b", &two)]).as_deref(),
        Some("migrate ended with exit code 3: no tables")
    );
    assert_eq!(found(&[]), None);
}

#[test]
fn what_keeps_a_pod_from_starting_is_named() {
    for (reason, message, fact, advice) in [
        (
            "ImagePullBackOff",
            "Back-off pulling image",
            "its image shop:1 cannot be pulled (ImagePullBackOff): Back-off",
            "`images` of the class",
        ),
        (
            "CreateContainerConfigError",
            "secret \"env\" not found",
            "cannot be made (CreateContainerConfigError): secret \"env\"",
            "config.secretRef",
        ),
        (
            "RunContainerError",
            "no such file",
            "cannot be started (RunContainerError): no such file",
            "",
        ),
    ] {
        let waits = json!({ "waiting": { "reason": reason, "message": message } });
        says(
            &json!({ "containerStatuses": [container("nginx", &waits, &json!({}))] }),
            &[fact],
            advice,
        );
    }
    let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes: Insufficient memory" });
    says(
        &json!({ "conditions": [condition] }),
        &["no node for it: 0/2 nodes: Insufficient memory"],
        "add nodes",
    );
    let evicted = json!({ "phase": "Failed", "reason": "Evicted", "message": "Usage of EmptyDir volume \"temporary\" exceeds the limit \"48Mi\"." });
    says(&evicted, &["evicted: Usage of EmptyDir volume"], "`disk`");
}

#[test]
fn pods_that_start_or_are_well_have_nothing() {
    let starts = json!({ "waiting": { "reason": "PodInitializing" } });
    let done = json!({ "terminated": { "exitCode": 0, "reason": "Completed" } });
    let status = json!({ "initContainerStatuses": [container("pull", &done, &json!({}))], "containerStatuses": [container("nginx", &starts, &json!({}))] });
    assert_eq!(told(&status), []);
}

#[test]
fn what_many_pods_have_is_told_once_and_a_hostile_message_is_short() {
    let said = format!("a\u{1b}[2J{}", "x".repeat(100_000));
    let waits = json!({ "waiting": { "reason": "ErrImagePull", "message": said } });
    let status = json!({ "containerStatuses": [container("nginx", &waits, &json!({}))] });
    let pods: Vec<_> = (0..30)
        .map(|number| pod(&format!("web-{number}"), &status))
        .collect();
    let told = symptoms(&pods, "2026-11-23T12:00:00Z".parse().unwrap());
    assert_eq!(told.len(), 1);
    assert!(
        told[0].fact.starts_with("30 pods, such as web-0: nginx")
            && told[0].fact.len() < 700
            && !told[0].fact.contains('\u{1b}')
    );
}

#[test]
fn a_pod_that_ended_well_and_was_to_run_for_ever_was_ended_by_its_node() {
    let ended = |policy: &str| {
        let pod = json!({
            "metadata": { "name": "web-1" },
            "spec": { "containers": [], "restartPolicy": policy },
            "status": { "phase": "Succeeded" },
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        symptoms(&[pod], "2026-11-23T12:00:00Z".parse().unwrap())
    };
    let told = ended("Always");
    assert!(told[0].fact.contains("evicted"), "{told:?}");
    assert_eq!(ended("Never"), Vec::new());
}
