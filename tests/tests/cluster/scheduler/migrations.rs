//! Migrations: one Job a shop under its Lease, so many at a time for each database server.

use super::{LONG, Scheduler, condition, played, release, shop};
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Shops of one database server.
const SHOPS: usize = 6;
/// Migrations at the same time, for each server.
const PER_DATABASE: usize = 2;

fn migrating(cluster: &Cluster, sequence: u64) -> Vec<Value> {
    let found = cluster.get(&[
        "jobs",
        "--all-namespaces",
        "--selector",
        "longshore.dev/shop",
    ]);
    let jobs = found["items"].as_array().cloned().unwrap_or_default();
    jobs.into_iter()
        .filter(|job| job["metadata"]["name"] == format!("release-{sequence}"))
        .collect()
}

fn runs(job: &Value) -> bool {
    !job["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|it| ["Complete", "Failed"].contains(&it["type"].as_str().unwrap()))
}

fn holder(cluster: &Cluster, shop: &str) -> Option<String> {
    let lease = cluster.get(&["lease", "migration", "--namespace", &format!("shop-{shop}")]);
    lease["spec"]["holderIdentity"]
        .as_str()
        .filter(|holder| !holder.is_empty())
        .map(str::to_owned)
}

/// How many migrations run.
fn at_once(cluster: &Cluster) -> usize {
    migrating(cluster, 44)
        .iter()
        .filter(|job| runs(job))
        .count()
}

/// Every database is migrated, and every Lease is given back.
fn the_rest_follow(cluster: &Cluster, names: &[String]) {
    let mut most = 0;
    eventually("every database migrated", LONG, || {
        most = most.max(at_once(cluster));
        let shops = cluster.get(&["shops"]);
        let done: BTreeMap<_, _> = shops["items"]
            .as_array()?
            .iter()
            .map(|shop| {
                (
                    shop["metadata"]["name"].to_string(),
                    shop["status"]["migrated"].clone(),
                )
            })
            .collect();
        done.values().all(|migrated| *migrated == 44).then_some(())
    });
    assert!(
        most <= PER_DATABASE,
        "{most} migrations at once on one server"
    );
    for name in names {
        assert_eq!(holder(cluster, name), None, "{name}");
        assert_eq!(
            condition(&cluster.get(&["shop", name]), "DatabaseCurrent"),
            Some("True")
        );
    }
}

#[test]
fn migrations_hold_their_lease_and_spare_their_database_server() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.class(
        "migrated",
        &json!({ "engine": "Magento1", "overlay": played() }),
    );
    scheduler.apply(&release(43, "none"));
    let names: Vec<_> = (0..SHOPS).map(|index| format!("m{index}")).collect();
    // Suspended shops are not waited for: what counts here is the Job alone.
    let state = json!({ "state": "Suspended" });
    scheduler.apply(
        &names
            .iter()
            .map(|name| shop(name, "migrated", &state))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let running = scheduler.start();
    scheduler.converged(SHOPS);

    // A person holds every Lease; nobody plays the pods, so that Jobs last.
    let hold = |shop: &str, holder: Value| {
        let patch = json!({ "spec": { "holderIdentity": holder } }).to_string();
        cluster.ask(&[
            "patch",
            "lease",
            "migration",
            "--namespace",
            &format!("shop-{shop}"),
            "--type=merge",
            "--patch",
            &patch,
        ]);
    };
    for name in &names {
        hold(name, "anna".into());
    }
    let player = cluster.component("kwok");
    player.freeze();
    scheduler.apply(&release(44, "additive"));
    let rollout = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r44" },
        "spec": { "release": "shops-acme-44", "waves": [{ "percent": 100, "soak": "1s" }], "perDatabase": PER_DATABASE, "canaries": ["m0"] },
    });
    scheduler.apply(&rollout.to_string());
    eventually("the shop that waits for anna", LONG, || {
        let shop = cluster.get(&["shop", "m0"]);
        let found = shop["status"]["conditions"]
            .as_array()?
            .iter()
            .find(|it| it["type"] == "DatabaseCurrent")?
            .clone();
        (found["reason"] == "LeaseHeld" && found["message"].as_str()?.contains("anna"))
            .then_some(())
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(migrating(&cluster, 44), Vec::<Value>::new());
    hold("m0", Value::Null);
    eventually("its Job", LONG, || {
        (migrating(&cluster, 44).len() == 1).then_some(())
    });
    assert_eq!(
        holder(&cluster, "m0").as_deref(),
        Some("longshore-scheduler/release-44")
    );
    player.thaw();
    eventually("the canary's database", LONG, || {
        (cluster.get(&["shop", "m0"])["status"]["migrated"] == 44).then_some(())
    });

    // The others come by twos, and no third one while these last.
    player.freeze();
    for name in &names[1..] {
        hold(name, Value::Null);
    }
    eventually("as many as their server takes", LONG, || {
        (at_once(&cluster) == PER_DATABASE).then_some(())
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(
        at_once(&cluster),
        PER_DATABASE,
        "migrations at once on one server"
    );
    player.thaw();

    the_rest_follow(&cluster, &names);
    eventually("the rollout's end", LONG, || {
        (cluster.get(&["rollout", "r44"])["status"]["phase"] == "Completed").then_some(())
    });
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}
