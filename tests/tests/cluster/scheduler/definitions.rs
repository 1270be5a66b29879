//! The definitions of Shops and their kin upgraded and downgraded, while shops are in place and the
//! scheduler runs or starts again.

use super::{Scheduler, shops};
use e2e::{
    cluster::{Cluster, eventually},
    faults::tell,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

const SHOPS: usize = 4;
const ROUNDS: u32 = 4;
const KINDS: [&str; 4] = ["shops", "shopclasses", "releases", "rollouts"];

/// The definitions as this version has them, each changed.
fn definitions(scheduler: &Scheduler<'_>, change: impl Fn(&mut Value)) -> String {
    let text = scheduler
        .program(&["crd", "--output", "json"])
        .run()
        .expect(0)
        .stdout;
    let all = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let changed = all.map(|mut definition| {
        for version in definition["spec"]["versions"].as_array_mut().unwrap() {
            change(&mut version["schema"]["openAPIV3Schema"]["properties"]);
        }
        definition.to_string()
    });
    changed.collect::<Vec<_>>().join("\n")
}

/// A newer version's: a field more in what people write and in what the scheduler does.
fn newer(schema: &mut Value) {
    for part in ["spec", "status"] {
        if schema[part]["properties"].is_object() {
            schema[part]["properties"]["ofTheNext"] = json!({ "type": "string" });
        }
    }
}

/// An older version's: without fields that no shop here sets.
fn older(schema: &mut Value) {
    for field in ["window", "freezes"] {
        if let Some(fields) = schema["spec"]["properties"].as_object_mut() {
            fields.remove(field);
        }
    }
}

/// What must not change: who all workloads are, and how often they were changed.
fn workloads(cluster: &Cluster) -> Vec<String> {
    let found = cluster.get(&["deployments", "--all-namespaces", "--selector", super::OURS]);
    let mut all: Vec<_> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["metadata"]["uid"], it["metadata"]["generation"]))
        .collect();
    all.sort();
    all
}

#[test]
fn shops_stay_as_they_are_through_upgrades_and_downgrades_of_the_definitions() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("crd", SHOPS));
    let mut running = scheduler.start();
    scheduler.converged(SHOPS);
    let before = workloads(&cluster);
    assert_eq!(before.len(), 2 * SHOPS);
    let current = definitions(&scheduler, |_| {});
    for round in 0..ROUNDS {
        for (what, text) in [
            ("newer", definitions(&scheduler, newer)),
            ("older", definitions(&scheduler, older)),
            ("this", current.clone()),
        ] {
            scheduler.apply(&text);
            cluster.ask(&[
                "wait",
                "--for=condition=Established",
                "crd",
                "--all",
                "--timeout=60s",
            ]);
            if what == "newer" {
                // As the next version writes: in the registry, and in a status.
                for (kind, name) in [("shop", "crd000"), ("shopclass", "php-plain")] {
                    eventually("the new field", Duration::from_secs(30), || {
                        let patch =
                            json!({ "spec": { "ofTheNext": format!("{round}") } }).to_string();
                        cluster.ask(&["patch", kind, name, "--type=merge", "--patch", &patch]);
                        (cluster.get(&[kind, name])["spec"]["ofTheNext"].as_str()
                            == Some(round.to_string().as_str()))
                        .then_some(())
                    });
                }
                let status = json!({ "status": { "ofTheNext": format!("{round}") } }).to_string();
                cluster.ask(&[
                    "patch",
                    "shop",
                    "crd001",
                    "--subresource=status",
                    "--type=merge",
                    "--patch",
                    &status,
                ]);
            }
            // One that runs goes on, and one that starts finds nothing to do.
            scheduler.converged(SHOPS);
            running
                .signal(if round % 2 == 0 {
                    Signal::TERM
                } else {
                    Signal::KILL
                })
                .unwrap();
            drop(running.wait());
            running = scheduler.start();
            scheduler.converged(SHOPS);
            eventually("a look at each shop", Duration::from_mins(1), || {
                scheduler
                    .metric("reconciles_total")
                    .filter(|looks| *looks >= SHOPS as u64)
            });
            assert_eq!(
                (
                    scheduler.metric("writes_total"),
                    scheduler.metric("deletes_total")
                ),
                (Some(0), Some(0)),
                "round {round}, {what}"
            );
            assert_eq!(workloads(&cluster), before, "round {round}, {what}");
            for kind in KINDS {
                drop(cluster.get(&[kind]));
            }
        }
    }
    // A change of the registry still arrives.
    let change =
        json!({ "spec": { "config": { "values": { "app/title": "after all" } } } }).to_string();
    cluster.ask(&[
        "patch",
        "shop",
        "crd000",
        "--type=merge",
        "--patch",
        &change,
    ]);
    eventually("a changed Deployment", Duration::from_mins(1), || {
        (workloads(&cluster) != before).then_some(())
    });
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
    tell(45, 3 * ROUNDS, 3 * ROUNDS).unwrap();
}
