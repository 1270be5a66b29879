//! Two schedulers: one takes over from the other, and two share the work.

use super::{LISTEN, LONG, SECOND, Scheduler, shop, shops};
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::json;
use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

const SHOPS: usize = 40;

/// Objects of a suspended shop of the example's class.
fn objects(scheduler: &Scheduler<'_>) -> u64 {
    let kinds = "namespaces,serviceaccounts,resourcequotas,limitranges,networkpolicies,configmaps,\
                 services,ingresses,leases,jobs,deployments,horizontalpodautoscalers,\
                 poddisruptionbudgets,cronjobs";
    scheduler.objects(kinds) as u64
}

#[test]
fn a_second_scheduler_takes_over_at_once_when_the_first_ends_and_soon_when_it_is_killed() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("hand", 4));
    let settings = ["--evidence", "readiness"];
    let first = scheduler.start_as(LISTEN, &settings);
    scheduler.converged(4);
    let second = scheduler.start_as(SECOND, &settings);
    let leads = |listen: &str| scheduler.metric_of(listen, "shards_led") == Some(1);
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

#[test]
fn two_schedulers_share_the_shards_and_each_shop_is_written_by_one() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let settings = ["--evidence", "readiness", "--shards", "4"];
    let (first, second) = (
        scheduler.start_as(LISTEN, &settings),
        scheduler.start_as(SECOND, &settings),
    );
    let led = || {
        (
            scheduler.metric_of(LISTEN, "shards_led"),
            scheduler.metric_of(SECOND, "shards_led"),
        )
    };
    // The first one took them all; the second one asks for its share.
    eventually("two shards each", Duration::from_mins(2), || {
        (led() == (Some(2), Some(2))).then_some(())
    });

    scheduler.apply(&shops("share", SHOPS));
    let written =
        || [LISTEN, SECOND].map(|listen| scheduler.metric_of(listen, "writes_total").unwrap_or(0));
    scheduler.converged(SHOPS);
    eventually("nothing left to do for the second one", LONG, || {
        scheduler.metric_of(SECOND, "queue_shops").filter(|depth| {
            *depth == 0 && scheduler.metric_of(SECOND, "running_reconciles") == Some(0)
        })
    });
    let parts = written();
    assert!(parts.iter().all(|part| *part > 0), "{parts:?}");
    assert_eq!(
        parts.iter().sum::<u64>(),
        objects(&scheduler),
        "each object written once: {parts:?}"
    );
    assert_eq!(led(), (Some(2), Some(2)), "shards went to and fro");

    // Shops of all shards leave: the one that leads the first takes them down, as many as may go in
    // an hour.
    let gone: Vec<_> = (0..5).map(|index| format!("share{index:03}")).collect();
    let names: Vec<_> = gone.iter().map(String::as_str).collect();
    cluster.ask(&[&["delete", "shops"][..], &names].concat());
    eventually("their workloads gone", LONG, || {
        let left = cluster.get(&[
            "deployments,services",
            "--all-namespaces",
            "--selector",
            &format!("longshore.dev/shop in ({})", gone.join(",")),
        ]);
        left["items"]
            .as_array()
            .is_some_and(Vec::is_empty)
            .then_some(())
    });
    assert_eq!(scheduler.objects("services"), SHOPS - gone.len());

    // One ends: the other one does all.
    second.signal(Signal::TERM).unwrap();
    second.wait().expect(0);
    scheduler.apply(&shops("more", SHOPS));
    scheduler.converged(2 * SHOPS - gone.len());
    first.signal(Signal::TERM).unwrap();
    first.wait().expect(0);
}
