//! etcd forgets what the scheduler's watches begin from, under a scheduler that goes on.

use super::{LONG, Scheduler, shops};
use e2e::{
    cluster::{Cluster, eventually},
    faults::tell,
};
use rustix::process::Signal;
use serde_json::json;

const SHOPS: usize = 20;
const ROUNDS: u32 = 6;

#[test]
fn watches_that_are_gone_begin_anew_and_nothing_is_deleted_or_missed() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("compact", SHOPS));
    let running = scheduler.start();
    scheduler.converged(SHOPS);
    // No ConfigMaps: each change makes a new one, and the one before stays for the pods that use
    // it.
    let kinds = ["namespaces", "deployments", "services"];
    let before = kinds.map(|kind| scheduler.objects(kind));
    let server = cluster.component("apiserver");
    for round in 0..ROUNDS {
        // A change that its watches have seen, one that they cannot have seen, and one after that.
        for (index, when) in ["before", "meanwhile", "after"].into_iter().enumerate() {
            if when == "meanwhile" {
                running.signal(Signal::STOP).unwrap();
            }
            let name = format!("compact{index:03}");
            let change = json!({
                "spec": { "config": { "values": { "app/title": format!("{when} {round}") } } },
            });
            let generation = || {
                cluster.get(&["deployment", "cron", "--namespace", &format!("shop-{name}")])
                    ["metadata"]["generation"]
                    .as_u64()
            };
            let was = generation();
            cluster.ask(&[
                "patch",
                "shop",
                &name,
                "--type=merge",
                "--patch",
                &change.to_string(),
            ]);
            if when == "meanwhile" {
                cluster.etcd_compact();
                // What a server that has just started knows begins with its start.
                server.kill();
                server.start(&[]);
                running.signal(Signal::CONT).unwrap();
            }
            eventually(
                &format!("round {round}: the change {when} it"),
                LONG,
                || (generation() != was).then_some(()),
            );
        }
        scheduler.converged(SHOPS);
        assert_eq!(
            (
                scheduler.metric("deletes_total"),
                kinds.map(|kind| scheduler.objects(kind))
            ),
            (Some(0), before),
            "round {round}"
        );
    }
    running.signal(Signal::TERM).unwrap();
    let ended = running.wait().expect(0);
    let gone = ended.stderr.matches("too old resource version").count();
    assert!(
        gone >= ROUNDS as usize,
        "{gone} watches were gone in {ROUNDS} rounds\n{}",
        ended.stderr
    );
    tell(46, ROUNDS, ROUNDS).unwrap();
}
