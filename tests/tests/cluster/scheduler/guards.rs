//! A hundred broken shops beside good ones, and a last backup that nothing passes by.

use super::{LISTEN, LONG, Scheduler, played, shop, shops};
use e2e::{
    cluster::{Cluster, eventually},
    faults::tell,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

/// How often the latency of a change is measured.
const CHANGES: usize = 15;

/// Times from a person's change of a shop to the change of its Deployment, the median and the
/// longest.
fn latency(scheduler: &Scheduler<'_>, begin: usize) -> (Duration, Duration) {
    let mut times: Vec<_> = (begin..begin + CHANGES)
        .map(|index| {
            let name = format!("good{index:03}");
            let generation = || {
                scheduler.cluster.get(&[
                    "deployment",
                    "cron",
                    "--namespace",
                    &format!("shop-{name}"),
                ])["metadata"]["generation"]
                    .as_u64()
            };
            let before = generation();
            let change = json!({
                "spec": {
                    "modules": { "enable": [format!("Acme_Module{index}")] },
                    "config": { "values": { "app/title": name } },
                },
            });
            scheduler.cluster.ask(&[
                "patch",
                "shop",
                &name,
                "--type=merge",
                "--patch",
                &change.to_string(),
            ]);
            let start = Instant::now();
            eventually("a changed Deployment", Duration::from_secs(30), || {
                (generation() != before).then_some(())
            });
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[CHANGES / 2], times[CHANGES - 1])
}

/// What the API server says of workloads of some shops.
const REFUSED: &str = "the policy of the test lets no workload in";

/// A policy of the API server that refuses Deployments of shops whose names begin with `bad`, as
/// long as this is there.
struct Refusal<'a>(&'a Cluster);

impl<'a> Refusal<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let refusal = Self(cluster);
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": "bad-shops" },
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [
                    { "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"] },
                ] },
                "validations": [{ "expression": "!object.metadata.namespace.startsWith('shop-bad')", "message": REFUSED }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": "bad-shops" },
            "spec": { "policyName": "bad-shops", "validationActions": ["Deny"] },
        });
        let probe = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop-bad-probe", "labels": { "longshore.dev/shop": "" } },
        });
        for object in [policy, binding, probe] {
            cluster
                .kubectl(["apply", "--server-side", "--filename", "-"])
                .input(object.to_string())
                .run()
                .expect(0);
        }
        // It holds a moment after it was stored.
        eventually("a policy in force", Duration::from_mins(1), || {
            let words = [
                "create",
                "deployment",
                "probe",
                "--image=none",
                "--dry-run=server",
                "--namespace",
                "shop-bad-probe",
            ];
            cluster
                .kubectl(words)
                .run()
                .stderr
                .contains(REFUSED)
                .then_some(())
        });
        refusal
    }
}

impl Drop for Refusal<'_> {
    fn drop(&mut self) {
        let kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy";
        drop(
            self.0
                .kubectl(["delete", kinds, "bad-shops", "--ignore-not-found"])
                .run(),
        );
        drop(
            self.0
                .kubectl([
                    "delete",
                    "namespace",
                    "shop-bad-probe",
                    "--ignore-not-found",
                    "--wait=false",
                ])
                .run(),
        );
    }
}

#[test]
fn a_hundred_broken_shops_do_not_slow_the_others() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("good", 3 * CHANGES));
    let running = scheduler.start();
    scheduler.converged(3 * CHANGES);
    let alone = latency(&scheduler, 0);
    // Half of them cannot be rendered, and the API server refuses the others.
    let policy = Refusal::new(&cluster);
    let broken = |index: usize| {
        let class = if index.is_multiple_of(2) {
            "nobody"
        } else {
            "php-plain"
        };
        shop(
            &format!("bad{index:03}"),
            class,
            &json!({ "state": "Suspended" }),
        )
    };
    scheduler.apply(&(0..100).map(broken).collect::<Vec<_>>().join("\n"));
    eventually("a hundred failing shops", LONG, || {
        scheduler
            .metric("failing_shops")
            .filter(|failing| *failing == 100)
    });
    let beside = latency(&scheduler, CHANGES);
    // A place that a broken shop holds would cost ten seconds; what is less is the noise of a busy
    // machine.
    assert!(
        beside.0 < alone.0 + Duration::from_secs(5),
        "median and longest: alone {alone:?}, beside broken shops {beside:?}"
    );
    writeln!(
        io::stderr(),
        "change to Deployment, median and longest: alone {alone:?}, beside a hundred broken shops \
         {beside:?}"
    )
    .unwrap();
    let changes = u32::try_from(CHANGES).unwrap();
    tell(29, changes, changes).unwrap();
    let answer = scheduler.program(&["why", "bad000"]).run().expect(0).stdout;
    assert!(
        answer.contains("its class nobody does not exist"),
        "{answer}"
    );
    let answer = scheduler.program(&["why", "bad001"]).run().expect(0).stdout;
    assert!(
        answer.contains("not Applied") && answer.contains(REFUSED),
        "{answer}"
    );
    drop(policy);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

#[test]
fn a_shop_with_a_snapshot_policy_is_taken_down_after_its_last_backup_and_not_before() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let backup = |image: &str| {
        json!({
            "backup": {
                "image": format!("registry.example/{image}@sha256:{:064x}", 1),
                "bucket": "s3://backups",
            },
            "overlay": played(),
        })
    };
    scheduler.class("backed", &backup("backup"));
    let one = |name: &str| {
        shop(
            name,
            "backed",
            &json!({ "state": "Suspended", "deletionPolicy": "Snapshot" }),
        )
    };
    scheduler.apply(&[one("stays"), one("leaves"), one("other")].join("\n"));
    let refused = json!({ "deletionPolicy": "Snapshot", "backup": { "schedule": "never" } });
    let refused = cluster
        .kubectl(["apply", "--server-side", "--filename", "-"])
        .input(shop("never", "backed", &refused))
        .run();
    assert!(
        refused
            .stderr
            .contains("deletionPolicy Snapshot needs a backup that is scheduled"),
        "{refused:#?}"
    );
    let running = scheduler.start_as(LISTEN, &["--evidence", "readiness"]);
    scheduler.converged(3);

    // Who plays the pods stands still, so the backup does not end.
    let player = cluster.component("kwok");
    player.freeze();
    cluster.ask(&["delete", "shop", "leaves"]);
    let namespace = ["--namespace", "shop-leaves"];
    let jobs = || {
        cluster.get(&[&["jobs"][..], &namespace].concat())["items"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let job = eventually("the Job of its last backup", Duration::from_mins(1), || {
        jobs().into_iter().next()
    });
    let name = job["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(
        name.starts_with("last-backup-")
            && job["spec"]["template"]["spec"]["containers"][0]["command"][0] == "longshore-backup",
        "{job:#}"
    );
    let left = || {
        cluster.get(
            &[
                &["deployments,services,serviceaccounts"][..],
                &namespace,
                &["--selector", "longshore.dev/shop"],
            ]
            .concat(),
        )["items"]
            .as_array()
            .map_or(0, Vec::len)
    };
    let before = left();
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(left(), before, "something went before the backup ended");
    player.thaw();
    eventually("its workloads gone", Duration::from_mins(1), || {
        (left() == 0).then_some(())
    });
    cluster.ask(&["get", "namespace", "shop-leaves"]);
    let found: Value = cluster.get(&["shop", "stays"]);
    assert_eq!(super::condition(&found, "Applied"), Some("True"));
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}
