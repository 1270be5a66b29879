//! How long it takes from `kubectl apply` until visitors notice. `make bench-edge` has the figures
//! of a quiet machine; here it must only be a matter of moments.

use super::{LONG, NAME, domains, ready};
use crate::scheduler::Scheduler;
use e2e::{
    cluster::Cluster,
    haproxy::{Backend, Edge},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

/// How often pods take each other's place.
const PODS: usize = 30;
/// How many hosts are added, one after another.
const HOSTS: usize = 5;

/// The median; prints it, and the longest.
fn median(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let median = times[times.len() / 2];
    println!(
        "{what}: after {median:.2?} in the median of {}, and {:.2?} at most",
        times.len(),
        times[times.len() - 1]
    );
    median
}

/// Asks without a pause, so that it knows to some 20 ms.
#[track_caller]
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !look() {
        assert!(begin.elapsed() < LONG, "not within {LONG:?}: {what}");
    }
}

/// The one that is Ready is asked, and the other one is not any more.
pub(super) fn pods_take_each_others_place(cluster: &Cluster, edge: &Edge, pods: [&Backend; 2]) {
    let one = |turn: usize| {
        let (next, before) = (pods[turn % 2], pods[(turn + 1) % 2]);
        let begin = Instant::now();
        ready(cluster, next);
        let asked = next.requests.load(Relaxed);
        until("a visitor at the new pod", || {
            edge.get(NAME, "/", &[]);
            next.requests.load(Relaxed) > asked
        });
        let took = begin.elapsed();
        let left = before.requests.load(Relaxed);
        for _ in 0..3 {
            edge.get(NAME, "/", &[]);
        }
        assert_eq!(before.requests.load(Relaxed), left, "it has left");
        took
    };
    let times = (1..=PODS).map(one).collect();
    assert!(median("a pod takes another's place", times) < Duration::from_secs(1));
}

/// Each is known to the edge soon.
pub(super) fn hosts_are_added(scheduler: &Scheduler<'_>, edge: &Edge) {
    let mut hosts: Vec<Value> = Vec::new();
    let mut one = |number: usize| {
        let host = format!("{number}.issued.example");
        hosts.push(json!({ "host": host, "redirectTo": NAME }));
        let begin = Instant::now();
        domains(scheduler, &Value::from(hosts.clone()));
        until("the host", || {
            edge.get(&host, "/", &[]).status == "HTTP/2 301"
        });
        begin.elapsed()
    };
    let times = (0..HOSTS).map(&mut one).collect();
    // Twice what it should take, as clusters of other tests share the machine.
    assert!(median("a host is added", times) < Duration::from_secs(4));
}
