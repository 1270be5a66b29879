//! Thousands of shops, and a scheduler of this profile that runs them: what benchmarks begin with.

use super::{example, shop};
use crate::{
    chart,
    cluster::{Cluster, eventually},
    process::{Running, binary},
    web,
};
use serde_json::json;
use std::{thread, time::Duration};

/// Longer than any part of a benchmark may take.
pub const LONG: Duration = Duration::from_hours(1);
/// Longer than all of it may take.
pub const WHOLE: Duration = Duration::from_hours(4);
/// kubectl makes one request after another; so many of them side by side.
pub const WRITERS: usize = 8;
/// The port of the scheduler's metrics.
const LISTEN: u16 = 19810;

/// A shop with one pod. Closed for work it has no pod for cron, of which a rollout says nothing.
#[must_use]
pub fn closed_shop(name: &str, class: &str) -> String {
    shop(name, class, &json!({ "state": "Maintenance" }))
}

/// Applies objects as one who owns them.
pub fn apply(cluster: &Cluster, text: &str) {
    let words = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename",
        "-",
    ];
    let kubectl = cluster.kubectl(words).input(text).deadline(LONG);
    kubectl.run().expect(0);
}

/// What the shops need: definitions, a class, a release.
pub fn install(cluster: &Cluster) {
    chart::install(cluster, &chart::without_pods());
    apply(cluster, &example("plain/class.yaml"));
    apply(cluster, &example("release.yaml"));
}

/// Writes the registry, as an import does: shops s0000, s0001, …
pub fn register(cluster: &Cluster, shops: usize) {
    let all: Vec<_> = (0..shops)
        .map(|index| closed_shop(&format!("s{index:04}"), "php-plain"))
        .collect();
    thread::scope(|scope| {
        for part in all.chunks(shops.div_ceil(WRITERS).max(1)) {
            let words = ["create", "--validate=false", "--filename", "-"];
            let kubectl = cluster.kubectl(words).input(part.join("\n")).deadline(LONG);
            scope.spawn(move || drop(kubectl.run().expect(0)));
        }
    });
}

/// Starts the scheduler as its Deployment does.
#[must_use]
pub fn scheduler(cluster: &Cluster, arguments: &[&str]) -> Running {
    let listen = format!("127.0.0.1:{LISTEN}");
    let program = cluster
        .program(&binary("longshore-scheduler").display().to_string())
        .args(["--listen", &listen, "--log", "warn"])
        .args(arguments)
        .env("MALLOC_ARENA_MAX", "1");
    program.deadline(WHOLE).start()
}

/// One of the scheduler's figures, by what follows `longshore_scheduler_`.
#[must_use]
pub fn of_scheduler(name: &str) -> Option<u64> {
    metric(LISTEN, &format!("longshore_scheduler_{name}"))
}

/// A figure without labels of the program that has its metrics at this port.
#[must_use]
pub fn metric(port: u16, name: &str) -> Option<u64> {
    let page = web::get(port, "/metrics").ok()?.body;
    page.lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")))?
        .parse()
        .ok()
}

/// Waits until the scheduler has looked at every shop, and nothing waits. One that lost its Lease
/// has nothing that waits, either.
pub fn settled(shops: usize) {
    eventually("every shop looked at", LONG, || {
        let all = of_scheduler("reconciles_total")? >= shops as u64
            && of_scheduler("failing_shops")? == 0
            && of_scheduler("leads")? > 0;
        (all && of_scheduler("queue_shops")? + of_scheduler("running_reconciles")? == 0)
            .then_some(())
    });
}
