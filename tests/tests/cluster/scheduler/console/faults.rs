//! The console is killed, or stopped, or the API server is away, while it changes sixty Shops: each
//! is as it was or as was asked for, and the log tells of it.

use super::{Console, LONG, PEOPLE, SHOPS, Scheduler, logged, shops, writes};
use e2e::{
    cluster::{Cluster, eventually},
    faults::tell,
    process::Outcome,
};
use rustix::process::Signal;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread::{self, sleep},
    time::Duration,
};

/// How often it is stopped, and how often it is killed.
const TRIES: u32 = 6;
/// How far apart these moments are: the change takes some 200 ms.
const STEP: Duration = Duration::from_millis(40);
/// Requests that are on their way at once: what was killed may have stored these without a word.
const AT_ONCE: usize = 16;
/// As the cluster begins.
const SCALE: u64 = 10;

/// The most pods of each Shop.
fn most(cluster: &Cluster) -> BTreeMap<String, u64> {
    let found = cluster.get(&["shops"]);
    let shops = found["items"].as_array().unwrap().iter();
    let of = |shop: &serde_json::Value| {
        let name = shop["metadata"]["name"].as_str().unwrap().to_owned();
        (name, shop["spec"]["scale"]["max"].as_u64().unwrap())
    };
    shops.map(of).collect()
}

/// Leads to the plan of a change of all Shops.
fn plan(console: &mut Console<'_>, max: u64) {
    let browser = &mut console.browser;
    browser.visit("/many?all=found");
    browser.submit("Show the plan", &[("max", &max.to_string())]);
    assert!(browser.offers("Apply"), "{}", browser.page);
}

/// Applies a change of all Shops, and sends the console a signal a moment later: the page, and how
/// the console ended.
fn cut(mut console: Console<'_>, max: u64, signal: Signal, after: Duration) -> (String, Outcome) {
    plan(&mut console, max);
    let sent = console.browser.form("Apply", &[("why", "a sale")]);
    thread::scope(|scope| {
        let page = scope.spawn(move || sent.run().stdout);
        sleep(after);
        console.running.signal(signal).unwrap();
        let outcome = console.running.wait();
        (page.join().unwrap(), outcome)
    })
}

/// One try; how many Shops are new.
fn each_shop_is_old_or_new(
    scheduler: &Scheduler<'_>,
    max: u64,
    signal: Signal,
    after: Duration,
) -> usize {
    let cluster = scheduler.cluster;
    let (before, on_record) = (most(cluster), writes(cluster, "manager").len());
    let console = Console::start(scheduler, "manager");
    let (page, outcome) = cut(console, max, signal, after);
    // What was on its way to the API server arrives.
    sleep(Duration::from_secs(1));
    let shops = most(cluster);
    let new: BTreeSet<_> = shops
        .iter()
        .filter(|(_, found)| **found == max)
        .map(|(name, _)| format!("shops/{name}"))
        .collect();
    for (name, found) in &shops {
        let was = before[name];
        assert!([was, max].contains(found), "{name}: {was}, then {found}");
    }
    let told = logged(&outcome.stderr);
    assert!(told.is_subset(&new), "{told:?}");
    if signal == Signal::KILL {
        // Nor does the API server's own log tell of a change whose sender was gone when it was
        // stored.
        let silent = new.difference(&told).count();
        assert!(silent <= AT_ONCE, "{silent} writes that no line tells of");
        return new.len();
    }
    let stored: BTreeSet<_> = writes(cluster, "manager")
        .into_iter()
        .skip(on_record)
        .collect();
    assert_eq!((&stored, &told), (&new, &new));
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    // What came after the stop was not let in.
    let said = format!("{} of {SHOPS} shops are changed", new.len());
    assert!(
        new.is_empty() && page.starts_with("\n000 ") || page.contains(&said),
        "{said}: {page}"
    );
    new.len()
}

/// While the API server does not answer, pages show what was known, nothing is begun any more, and
/// it is told. Afterwards, the same is done.
fn an_api_server_that_is_away_is_told(scheduler: &Scheduler<'_>, max: u64) {
    let cluster = scheduler.cluster;
    let mut console = Console::start(scheduler, "manager");
    plan(&mut console, max);
    let before = most(cluster);
    let server = cluster.component("apiserver");
    server.freeze();
    console.browser.submit("Apply", &[("why", "a sale")]);
    let page = console.browser.page.clone();
    console.sees_at("/shops", "Whether rollouts are halted is not known");
    let table = console.browser.page.clone();
    console.browser.visit("/shops/c001/edit/scale");
    console
        .browser
        .submit("Show the plan", &[("max", &max.to_string())]);
    let refused = (console.browser.code, console.browser.page.clone());
    server.thaw();
    assert!(
        page.contains("The API server does not answer, so no further shop was begun."),
        "{page}"
    );
    assert!(table.contains("60 of 60 shops"), "{table}");
    assert_eq!(refused.0, 502, "{}", refused.1);
    assert!(
        refused.1.contains("Reason code: <code>api-"),
        "{}",
        refused.1
    );

    // What hung in the API server may be stored yet.
    let wanted = max.to_string();
    eventually("the change is made", LONG, || {
        console.browser.visit("/many?all=found");
        console.browser.submit("Show the plan", &[("max", &wanted)]);
        if console.browser.offers("Apply") {
            console.browser.submit("Apply", &[("why", "a sale")]);
        }
        let shops = most(cluster);
        shops.values().all(|found| *found == max).then_some(())
    });
    assert_eq!(most(cluster).len(), before.len());
}

#[test]
fn a_change_of_many_is_whole_for_each_shop_whatever_becomes_of_the_console() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("c", SHOPS));
    scheduler.apply(PEOPLE);
    let mut max = SCALE;
    for signal in [Signal::TERM, Signal::KILL] {
        for step in 0..TRIES {
            max += 1;
            let after = STEP * step;
            let new = each_shop_is_old_or_new(&scheduler, max, signal, after);
            println!("{signal:?} after {after:?}: {new} of {SHOPS}");
        }
    }
    an_api_server_that_is_away_is_told(&scheduler, max + 1);
    tell(48, 2 * TRIES + 1, 2 * TRIES + 1).unwrap();
}
