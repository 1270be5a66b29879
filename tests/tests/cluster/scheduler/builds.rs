//! Builds: once for each release, however many shops run it.

use super::{LONG, Scheduler, played, release, shop};
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

fn jobs(cluster: &Cluster) -> Vec<String> {
    let found = cluster.get(&["jobs", "--namespace", "longshore-builds"]);
    let name = |job: &Value| job["metadata"]["name"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect();
    names.sort();
    names
}

fn builds(cluster: &Cluster, name: &str) -> Value {
    cluster.get(&["release", name])["status"]["builds"].clone()
}

#[test]
fn a_release_is_built_once_and_before_a_rollout_has_moved_a_shop_to_it() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let image = format!("registry.example/build@sha256:{:064x}", 1);
    scheduler.class(
        "builds",
        &json!({ "build": { "image": image, "command": ["/build.sh"] }, "overlay": played() }),
    );
    let one = |name: &str| shop(name, "builds", &json!({ "scale": { "min": 1, "max": 1 } }));
    scheduler.apply(&[one("a"), one("b"), one("c")].join("\n"));
    let running = scheduler.start();
    eventually("one build for three shops", LONG, || {
        (jobs(&cluster) == ["build-builds-shops-acme-42"]).then_some(())
    });
    eventually("its record", LONG, || {
        (builds(&cluster, "shops-acme-42")[0]["class"] == "builds").then_some(())
    });

    // It is not made again when its Job is gone, also by another process; that nobody knows what
    // became of it is a failure.
    cluster.ask(&[
        "delete",
        "job",
        "build-builds-shops-acme-42",
        "--namespace",
        "longshore-builds",
    ]);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
    let running = scheduler.start();
    scheduler.converged(3);
    scheduler.apply(&release(43, "none"));
    let rollout = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r43" },
        "spec": { "release": "shops-acme-43", "paused": true, "waves": [{ "percent": 100, "soak": "1s" }] },
    });
    scheduler.apply(&rollout.to_string());
    eventually("the build of what a rollout is about to tell", LONG, || {
        (jobs(&cluster) == ["build-builds-shops-acme-43"]).then_some(())
    });

    // What became of it is on record: kwok plays its pod, which ends well.
    eventually("the record of its end", LONG, || {
        (builds(&cluster, "shops-acme-43")[0]["state"] == "Done").then_some(())
    });
    assert_eq!(scheduler.metric("failed_builds"), Some(0));
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}
