//! Two schedulers: one takes over from the other.

use super::{LISTEN, SECOND, Scheduler, shop, shops};
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::json;
use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

#[test]
fn a_second_scheduler_takes_over_at_once_when_the_first_ends_and_soon_when_it_is_killed() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("hand", 4));
    let settings = ["--evidence", "readiness"];
    let first = scheduler.start_as(LISTEN, &settings);
    scheduler.converged(4);
    let second = scheduler.start_as(SECOND, &settings);
    let leads = |listen: &str| scheduler.metric_of(listen, "leads") == Some(1);
    assert!(leads(LISTEN) && !leads(SECOND));

    // Asked to end, it gives its Lease back.
    first.signal(Signal::TERM).unwrap();
    first.wait().expect(0);
    let begin = Instant::now();
    eventually("the second one leading", Duration::from_secs(10), || {
        leads(SECOND).then_some(())
    });
    let given = begin.elapsed();
    assert_eq!(
        scheduler.metric_of(SECOND, "writes_total"),
        Some(0),
        "a handover is no reason to write"
    );

    // Killed, its Lease runs out.
    let third = scheduler.start_as(LISTEN, &settings);
    second.signal(Signal::KILL).unwrap();
    drop(second);
    let begin = Instant::now();
    scheduler.apply(&shop("late", "php-plain", &json!({ "state": "Suspended" })));
    eventually("the third one leading", Duration::from_secs(40), || {
        leads(LISTEN).then_some(())
    });
    let lost = begin.elapsed();
    writeln!(
        io::stderr(),
        "took over after {given:?} where the Lease was given back, and after {lost:?} where its \
         holder was killed"
    )
    .unwrap();
    scheduler.converged(5);
    third.signal(Signal::TERM).unwrap();
    third.wait().expect(0);
}
