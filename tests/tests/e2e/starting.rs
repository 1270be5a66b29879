//! What a pod starts with while the release in force waits for the database, or was rejected by the
//! shop's running pods.

use crate::agent::Pod;
use e2e::{
    pod::{Agent, runs},
    web::Web,
};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

/// The sequence that a pod that starts now activates.
fn starts(pod: &Pod, name: &str) -> u64 {
    let init = pod
        .shop
        .init(name)
        .env("LONGSHORE_RELEASE", pod.shop.path("release"))
        .run();
    init.expect(0);
    running(&pod.shop.path(name))
}

fn running(root: &Path) -> u64 {
    let state: Value = serde_json::from_slice(&fs::read(root.join("state.json")).unwrap()).unwrap();
    state["active"]["sequence"].as_u64().unwrap()
}

/// What the cluster gives pods: this release in force, and the one of now before it.
fn next(pod: &Pod, name: &str, entry: &str) -> u64 {
    fs::copy(
        pod.shop.path("release/release.json"),
        pod.shop.path("release/previous.json"),
    )
    .unwrap();
    pod.release(name, entry)
}

#[test]
fn a_pod_that_starts_while_a_migration_waits_runs_what_the_others_run_and_follows_with_them() {
    let pod = Pod::new();
    pod.shop.describe(1, "migration = \"additive\"");
    let sequence = next(&pod, "2", "");
    assert_eq!(starts(&pod, "late"), 1);
    let program =
        e2e::process::Program::ours("longshore-agent").envs(pod.shop.pod_environment("late"));
    let mut late = Agent::default();
    late.start(
        program
            .env("LONGSHORE_RELEASE", pod.shop.path("release"))
            .env("LONGSHORE_POLL", "1s"),
    );
    late.until("it waits for the database", |status| {
        status["newer"]["why"] == "migration" && status["running"]["sequence"] == 1
    });
    // It is drained, and starts again elsewhere and here.
    late.end();
    assert_eq!((starts(&pod, "late"), starts(&pod, "later")), (1, 1));
    let program =
        e2e::process::Program::ours("longshore-agent").envs(pod.shop.pod_environment("late"));
    late.start(
        program
            .env("LONGSHORE_RELEASE", pod.shop.path("release"))
            .env("LONGSHORE_POLL", "1s"),
    );
    // The Job that migrates has the release in force, and then it is said to be done.
    let file = pod.shop.path("release/release.json");
    pod.shop
        .init("job")
        .env("LONGSHORE_RELEASE", file)
        .run()
        .expect(0);
    assert_eq!(running(&pod.shop.path("job")), sequence);
    fs::write(pod.shop.path("release/migrated"), format!("{sequence}\n")).unwrap();
    late.until("it follows", runs(sequence));
    assert_eq!(starts(&pod, "last"), sequence);
    late.end();
}

#[test]
fn a_pod_that_starts_does_not_pull_what_running_pods_rejected_and_the_cluster_takes_them_back() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web).env("LONGSHORE_POLL", "1s");
    pod.start(program);
    let good = next(&pod, "2", "");
    pod.agent.until("the good one runs", runs(good));
    let bad = next(&pod, "3", "missing_function();");
    let rejected =
        |status: &Value| status["newer"]["sequence"] == bad && status["newer"]["why"] == "rejected";
    let status = pod
        .agent
        .within(Duration::from_secs(10), "it is refused", rejected)
        .unwrap();
    let manifest = status["rejected"][0]["manifest"].as_str().unwrap();
    assert!(
        status["rejected"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("status 500"),
        "{status}"
    );
    // Nobody knows of it yet: that pod would have taken it.
    assert_eq!(starts(&pod, "early"), bad);
    fs::write(pod.shop.path("release/rejected"), format!("{manifest}\n")).unwrap();
    assert_eq!(starts(&pod, "late"), good);
    assert!(
        !pod.shop
            .path(format!("late/releases/{}", &manifest[..16]))
            .exists(),
        "not a byte of it"
    );
    // The pod that rejected it starts again, and keeps what it runs.
    pod.agent.end();
    assert_eq!(starts(&pod, "pod"), good);
    let program = pod.with_shop(&web).env("LONGSHORE_POLL", "1s");
    pod.agent.start(program);
    pod.agent.until("it goes on", rejected);

    // The shop goes back further, as an operator wants: the same pod, and nobody is left out.
    pod.sources("1", "");
    fs::remove_file(pod.shop.path("release/previous.json")).unwrap();
    let first = pod
        .server
        .get(&format!(
            "prod/{}",
            release::key::release(&e2e::shop::CHANNEL.parse().unwrap(), 1.try_into().unwrap())
        ))
        .unwrap();
    fs::write(pod.shop.path("release/chosen"), "1").unwrap();
    fs::write(pod.shop.path("release/next"), first).unwrap();
    fs::rename(
        pod.shop.path("release/next"),
        pod.shop.path("release/release.json"),
    )
    .unwrap();
    pod.agent.until("it went back", runs(1));
    assert!(web.get("/").unwrap().body.starts_with("entry=1 "));
    let state: Value =
        serde_json::from_slice(&fs::read(pod.root().join("state.json")).unwrap()).unwrap();
    assert_eq!(state["accepted"]["sequence"], good, "which stops a replay");
    pod.agent.end();
}

#[test]
fn a_page_that_has_never_worked_is_told_with_its_problem_until_it_does() {
    let pod = Pod::new();
    let database = pod.shop.path("database");
    let entry = format!(
        "if (!file_exists('{}')) {{ http_response_code(503); exit('no table core_config_data'); }}",
        database.display()
    );
    pod.release("2", &entry);
    assert_eq!(starts(&pod, "late"), 2, "a first pod rehearses nothing");
    let web = Web::start(&pod.shop.path("late"));
    let program =
        e2e::process::Program::ours("longshore-agent").envs(pod.shop.pod_environment("late"));
    let page = format!("http://127.0.0.1:{}/", web.port);
    let program = program
        .env("LONGSHORE_RELEASE", pod.shop.path("release"))
        .env("LONGSHORE_PHP", &web.php);
    let mut late = Agent::default();
    late.start(
        program
            .env("LONGSHORE_PROBE", page)
            .env("LONGSHORE_PROBE_STATUS", "200")
            .env("LONGSHORE_POLL", "1s"),
    );
    let status = late.until("it is told", |status| status["page"]["state"] == "bad");
    assert!(
        status["page"]["problem"].as_str().unwrap().contains("503"),
        "{status}"
    );
    fs::write(&database, "").unwrap();
    late.until("it works", |status| {
        status["page"]["state"] == "good" && status["page"]["problem"].is_null()
    });
    late.end();
}
