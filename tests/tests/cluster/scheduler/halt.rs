//! A halt, beside a second process that waits for the Lease, over a restart, and where another cell
//! cannot be reached.

use super::{LISTEN, LONG, SECOND, Scheduler, played, release, shop};
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Shops, all of which are on their way at the same time.
const SHOPS: usize = 8;
/// Within which the cord stops everything, with what the test itself takes to ask.
const CORD: Duration = Duration::from_secs(10);

/// Shops whose agents are told to wait.
fn waiting(cluster: &Cluster) -> usize {
    let maps = cluster.get(&[
        "configmaps",
        "--all-namespaces",
        "--field-selector",
        "metadata.name=release",
    ]);
    maps["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|map| map["data"]["pause"].is_string())
        .count()
}

/// A kubeconfig with a second context, at whose address nobody answers.
fn with_a_dead_cell(scheduler: &Scheduler<'_>) -> String {
    let mut config: Value = serde_json::from_str(
        &scheduler
            .cluster
            .ask(&["config", "view", "--raw", "--minify", "--output", "json"]),
    )
    .unwrap();
    let user = config["contexts"][0]["context"]["user"].clone();
    config["clusters"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "dead", "cluster": { "server": "https://127.0.0.1:9" } }));
    config["contexts"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "dead", "context": { "cluster": "dead", "user": user } }));
    let path = scheduler.scratch.path().join("cells").display().to_string();
    scheduler
        .cluster
        .program("tee")
        .arg(&path)
        .input(config.to_string())
        .run()
        .expect(0);
    path
}

/// A cell that cannot be reached is named, and the others stop all the same.
fn halts(scheduler: &Scheduler<'_>) {
    let cluster = scheduler.cluster;
    let cells = with_a_dead_cell(scheduler);
    let pulled = Instant::now();
    let words = [
        "halt",
        "--why",
        "checkout fails",
        "--by",
        "anna",
        "--cell",
        "dead",
        "--patience",
        "3",
    ];
    let said = scheduler.program(&words).env("KUBECONFIG", &cells).run();
    assert!(
        said.code() != Some(0)
            && said.stderr.contains("1 cells were reached, and 1 were not")
            && said.stderr.contains("dead"),
        "{said:#?}"
    );
    eventually("every shop's agents told to wait", CORD, || {
        (waiting(cluster) == SHOPS).then_some(())
    });
    assert!(pulled.elapsed() < CORD * 2, "{:?}", pulled.elapsed());
    let parts = [LISTEN, SECOND].map(|listen| scheduler.metric_of(listen, "halted"));
    assert_eq!(parts, [Some(1), Some(1)]);
    let history = cluster.get(&["rollout", "r43"])["status"]["history"][0].clone();
    assert_eq!(
        (&history["what"], &history["by"], &history["why"]),
        (
            &"halted".into(),
            &"anna (admin)".into(),
            &"checkout fails".into()
        )
    );
}

#[test]
fn a_halt_stops_every_shop_and_outlives_a_restart() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.class("played", &json!({ "overlay": played() }));
    // Pods are played, and nobody answers as their agents: a shop that is told a release stays on
    // its way.
    let settings = ["--evidence", "agents"];
    let (first, second) = (
        scheduler.start_as(LISTEN, &settings),
        scheduler.start_as(SECOND, &settings),
    );
    scheduler.apply(
        &(0..SHOPS)
            .map(|index| shop(&format!("halt{index}"), "played", &json!({})))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let found = |sequence: u64| {
        let shops = cluster.get(&["shops"]);
        let told = |shop: &&Value| {
            shop["status"]["release"]["sequence"] == sequence
                && super::condition(shop, "WorkloadAvailable") == Some("True")
        };
        shops["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(told)
            .count()
    };
    eventually("shops with their pods", LONG, || {
        (found(42) == SHOPS).then_some(())
    });
    scheduler.apply(&release(43, "none"));
    let rollout = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r43" },
        "spec": { "release": "shops-acme-43", "waves": [{ "percent": 100, "soak": "1s" }] },
    });
    scheduler.apply(&rollout.to_string());
    eventually("all shops on their way", LONG, || {
        (found(43) == SHOPS).then_some(())
    });
    assert_eq!(waiting(&cluster), 0);

    halts(&scheduler);

    // Who starts while it is pulled tells nobody to go on.
    for running in [first, second] {
        running.signal(Signal::TERM).unwrap();
        running.wait().expect(0);
    }
    let running = scheduler.start_as(LISTEN, &settings);
    scheduler.converged(SHOPS);
    eventually("a whole pass", LONG, || {
        scheduler
            .metric("reconciles_total")
            .filter(|looks| *looks >= SHOPS as u64)
    });
    assert_eq!(
        (waiting(&cluster), scheduler.metric("writes_total")),
        (SHOPS, Some(0))
    );

    assert_eq!(
        scheduler
            .program(&["halt", "--lift", "--by", "anna"])
            .run()
            .expect(0)
            .stdout,
        "rollouts go on in 1 cell\n"
    );
    eventually("every shop's agents told to go on", LONG, || {
        (waiting(&cluster) == 0).then_some(())
    });
    let status = scheduler
        .program(&["rollout", "status", "r43"])
        .run()
        .expect(0)
        .stdout;
    assert!(
        status.contains("halted by anna (admin) at ")
            && status.contains("it was pulled by anna (admin) at "),
        "{status}"
    );
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}
