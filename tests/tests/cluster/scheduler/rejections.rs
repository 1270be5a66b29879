//! A release that a shop's agents reject: it is on record with its error, the shop goes back and
//! forth without a new pod, and a person may have it tried again.

use super::{LISTEN, LONG, Scheduler, condition, played, release, shop};
use e2e::{
    cluster::{Cluster, eventually},
    fleet::{Agents, manifest},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

const SHOPS: usize = 3;

/// The web pods of all shops, by what nobody gives twice.
fn pods(cluster: &Cluster) -> BTreeSet<String> {
    let found = cluster.get(&[
        "pods",
        "--all-namespaces",
        "--selector",
        "app.kubernetes.io/component=web",
    ]);
    let pods = found["items"].as_array().cloned().unwrap_or_default();
    pods.iter()
        .map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned())
        .collect()
}

fn told(cluster: &Cluster, shop: &str, file: &str) -> Value {
    cluster.get(&[
        "configmap",
        "release",
        "--namespace",
        &format!("shop-{shop}"),
    ])["data"][file]
        .clone()
}

fn start(scheduler: &Scheduler<'_>, name: &str, release: &str) {
    let waves = ["--wave", "100:1s", "--budget", "0", "--canary", "r0"];
    scheduler
        .program(
            &[
                &[
                    "rollout", "start", release, "--name", name, "--why", "checkout", "--by",
                    "anna",
                ],
                &waves[..],
            ]
            .concat(),
        )
        .run()
        .expect(0);
}

#[test]
fn a_rejected_release_is_on_record_and_the_way_back_and_the_next_rollouts_make_no_pod_anew() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let mended = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&mended);
    let agents = Agents::play(&cluster, move |namespace, sequence| {
        namespace == "shop-r0" && sequence == 43 && !works.load(SeqCst)
    });
    scheduler.class("played", &json!({ "overlay": played() }));
    let names: Vec<_> = (0..SHOPS).map(|index| format!("r{index}")).collect();
    scheduler.apply(
        &names
            .iter()
            .map(|name| shop(name, "played", &json!({})))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let running = scheduler.start_as(LISTEN, &[]);
    eventually("shops that work", LONG, || {
        let shops = cluster.get(&["shops"]);
        let worked = |shop: &&Value| {
            condition(shop, "Ready") == Some("True") && shop["status"]["worked"].is_string()
        };
        (shops["items"].as_array()?.iter().filter(worked).count() == SHOPS).then_some(())
    });
    let before = pods(&cluster);
    assert_eq!(before.len(), SHOPS);

    scheduler.apply(&release(43, "none"));
    start(&scheduler, "bad", "shops-acme-43");
    eventually("the rollout that stopped", LONG, || {
        (cluster.get(&["rollout", "bad"])["status"]["phase"] == "Stopped").then_some(())
    });
    let status = cluster.get(&["rollout", "bad"])["status"].clone();
    assert_eq!(status["failed"][0]["shop"], "r0", "{status}");
    let why = status["failed"][0]["why"].as_str().unwrap();
    assert!(
        why.starts_with("agent of pod web-")
            && why.ends_with(" rejected it: the shop answered 502"),
        "{why}"
    );
    on_record(&scheduler, why);

    // What was wrong is mended beside the release, and a person has it tried again, in the same
    // pods.
    mended.store(true, SeqCst);
    tried_again(&scheduler);

    scheduler.apply(&release(44, "none"));
    start(&scheduler, "next", "shops-acme-44");
    eventually("the next rollout", LONG, || {
        (cluster.get(&["rollout", "next"])["status"]["phase"] == "Completed").then_some(())
    });
    assert_eq!(
        (
            told(&cluster, "r0", "previous.json"),
            told(&cluster, "r0", "retry")
        ),
        (object(&cluster, 43), Value::Null)
    );
    assert_eq!(pods(&cluster), before, "no pod was made anew");
    drop(agents);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

/// The shop goes back, whoever starts there is told, and people read why.
fn on_record(scheduler: &Scheduler<'_>, why: &str) {
    let cluster = scheduler.cluster;
    eventually("the shop that went back", LONG, || {
        (told(cluster, "r0", "chosen") == "42").then_some(())
    });
    let shop = cluster.get(&["shop", "r0"]);
    let record = shop["status"]["rejected"][0].clone();
    assert_eq!(
        (&record["why"], &record["sequence"], &record["manifest"]),
        (
            &"the shop answered 502".into(),
            &43.into(),
            &manifest(43).into()
        )
    );
    assert_eq!(
        told(cluster, "r0", "rejected"),
        format!("{}\n", manifest(43))
    );
    let said = scheduler.program(&["why", "r0"]).run().expect(0).stdout;
    let pod = record["pod"].as_str().unwrap();
    assert!(
        said.contains(&format!("pod {pod} rejected sequence 43 at "))
            && said.contains(": the shop answered 502"),
        "{said}"
    );
    let shown = scheduler
        .program(&["rollout", "status", "bad"])
        .run()
        .expect(0)
        .stdout;
    assert!(shown.contains(&format!("failed r0: {why}")), "{shown}");
    let events = cluster.get(&[
        "events",
        "--all-namespaces",
        "--field-selector",
        "reason=Rejected,type=Warning",
    ]);
    assert_eq!(
        events["items"][0]["regarding"]["name"]
            .as_str()
            .or(events["items"][0]["involvedObject"]["name"].as_str()),
        Some("r0"),
        "{events}"
    );
}

fn tried_again(scheduler: &Scheduler<'_>) {
    let cluster = scheduler.cluster;
    scheduler
        .program(&["rollout", "resume", "bad", "--by", "anna"])
        .run()
        .expect(0);
    eventually("the rollout that goes through", LONG, || {
        (cluster.get(&["rollout", "bad"])["status"]["phase"] == "Completed").then_some(())
    });
    let retry = told(cluster, "r0", "retry");
    assert!(
        retry
            .as_str()
            .is_some_and(|retry| retry.starts_with(&manifest(43))),
        "{retry}"
    );
    assert_eq!(
        (
            told(cluster, "r0", "chosen"),
            told(cluster, "r0", "rejected")
        ),
        (Value::Null, Value::Null)
    );
    assert_eq!(told(cluster, "r0", "previous.json"), object(cluster, 42));
    assert_eq!(
        told(cluster, "r1", "retry"),
        Value::Null,
        "nobody rejected it there"
    );
}

/// The release object of a sequence.
fn object(cluster: &Cluster, sequence: u64) -> Value {
    let releases = cluster.get(&["releases.longshore.dev"]);
    let found = releases["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|release| release["spec"]["sequence"] == sequence)
        .cloned();
    found.unwrap()["spec"]["envelope"].clone()
}

/// A pod of a migration's Job that ended so: containers with exit codes, and what the one that
/// failed said.
fn ends(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    init: (&str, i32),
    main: Option<i32>,
    said: &str,
) {
    let ended = |name: &str, code: i32| {
        let terminated = json!({
            "exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
            "message": said,
        });
        json!({
            "name": name, "image": "x", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": terminated },
        })
    };
    let containers: Vec<_> = main
        .into_iter()
        .map(|code| ended("migrate", code))
        .collect();
    let status = json!({
        "phase": "Failed", "initContainerStatuses": [ended(init.0, init.1)],
        "containerStatuses": containers,
    });
    let patch = json!({ "status": status }).to_string();
    cluster.ask(&[
        "patch",
        "pod",
        pod,
        "--namespace",
        namespace,
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch,
    ]);
}

#[test]
fn a_migration_is_begun_again_where_only_the_pull_failed_and_names_what_an_empty_database_lacks() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.class(
        "migrated",
        &json!({ "engine": "Magento1", "overlay": played() }),
    );
    let player = cluster.component("kwok");
    player.freeze();
    // The first release of a shop, which says nothing of the database.
    scheduler.apply(&shop("m0", "migrated", &json!({})));
    let running = scheduler.start();
    let job = || cluster.get(&["job", "release-42", "--namespace", "shop-m0"]);
    let pod = |which: usize| {
        eventually(&format!("pod {which} of the Job"), LONG, || {
            let found = cluster.get(&[
                "pods",
                "--namespace",
                "shop-m0",
                "--selector",
                "app.kubernetes.io/component=migration",
            ]);
            let mut pods = found["items"].as_array()?.clone();
            pods.retain(|pod| {
                pod["status"]["phase"] == "Pending"
                    && pod["metadata"]["deletionTimestamp"].is_null()
            });
            (found["items"].as_array()?.len() > which)
                .then(|| {
                    pods.first()
                        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
                })
                .flatten()
        })
    };
    let first = pod(0);
    let environment =
        cluster.get(&["pod", &first, "--namespace", "shop-m0"])["spec"]["initContainers"][0]["env"]
            .clone();
    let names_the_file = |it: &Value| {
        it["name"] == "LONGSHORE_RELEASE" && it["value"] == "/etc/longshore/release/release.json"
    };
    assert!(
        environment.as_array().unwrap().iter().any(names_the_file),
        "{environment}"
    );
    ends(
        &cluster,
        "shop-m0",
        &first,
        ("pull", 69),
        None,
        "unreachable: the store did not answer in time",
    );
    let second = pod(1);
    assert_ne!(first, second);
    assert_eq!(job()["status"]["failed"], 1);
    let said = scheduler.program(&["why", "m0"]).run().expect(0).stdout;
    assert!(
        said.contains("pull ended with exit code 69")
            && said.contains("unreachable: the store did not answer"),
        "{said}"
    );

    ends(
        &cluster,
        "shop-m0",
        &second,
        ("pull", 0),
        Some(3),
        "no table core_resource, and the release has no installer",
    );
    eventually("the Job that failed", LONG, || {
        let conditions = job()["status"]["conditions"].as_array()?.clone();
        conditions
            .iter()
            .any(|it| it["type"] == "Failed" && it["reason"] == "PodFailurePolicy")
            .then_some(())
    });
    let message = eventually("what the database lacks", LONG, || {
        let shop = cluster.get(&["shop", "m0"]);
        let found = shop["status"]["conditions"]
            .as_array()?
            .iter()
            .find(|it| it["type"] == "DatabaseCurrent")?
            .clone();
        (found["reason"] == "MigrationFailed")
            .then(|| found["message"].as_str().unwrap().to_owned())
    });
    assert!(
        message.contains("database m0 on db is empty: no table core_resource"),
        "{message}"
    );
    let shop = cluster.get(&["shop", "m0"]);
    assert_eq!(condition(&shop, "Ready"), Some("False"), "{shop}");
    let said = scheduler.program(&["why", "m0"]).run().expect(0).stdout;
    assert!(said.contains("database m0 on db is empty"), "{said}");
    player.thaw();
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}
