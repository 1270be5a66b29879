//! When hosts are looked up, and what becomes of proofs.

use super::*;
use crate::State;
use api::fixtures;
use jiff::SignedDuration;
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// Hosts that these shops name, in a class that asks.
fn hosts(shops: &[(&str, &[&str], &[&str])]) -> BTreeMap<String, HostToProve> {
    all(&state(shops))
}

fn state(shops: &[(&str, &[&str], &[&str])]) -> State {
    let mut state = State::default();
    state.class(fixtures::class("php", json!({ "domainProof": {} })));
    for (name, hosts, proven) in shops {
        let domains: Vec<_> = hosts.iter().map(|host| json!({ "host": host })).collect();
        let mut shop = fixtures::shop(name, json!({ "domains": domains }));
        shop.metadata.uid = Some("1".to_owned());
        let status = shop.status.get_or_insert_default();
        status.proven_hosts = proven.iter().map(|host| (*host).to_owned()).collect();
        state.shop(shop);
    }
    state
}

fn all(state: &State) -> BTreeMap<String, HostToProve> {
    wanted(&state.fleet, &state.claims)
}

fn named(shops: &[&str]) -> DnsAnswer {
    DnsAnswer::Named(shops.iter().map(|shop| (*shop).to_owned()).collect())
}

fn unknown() -> DnsAnswer {
    DnsAnswer::Unknown("no name server answers in time".to_owned())
}

#[test]
fn a_host_is_looked_up_once_for_all_who_name_it() {
    let state = state(&[
        ("a", &["x.example"], &[]),
        ("b", &["x.example", "y.example"], &[]),
    ]);
    let hosts = all(&state);
    let names = |host: &str| hosts[host].shops.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (names("x.example"), names("y.example")),
        (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()])
    );
}

#[test]
fn a_host_that_is_not_proven_waits_from_a_minute_to_six_hours() {
    let mut lookups = Lookups::default();
    let shops: [(&str, &[&str], &[&str]); 1] = [("a", &["x.example"], &[])];
    let mut at = now();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (due, _) = lookups.due(hosts(&shops), at);
        assert_eq!(due, ["x.example"]);
        assert_eq!(
            lookups.due(hosts(&shops), at).0,
            [""; 0],
            "it is on its way"
        );
        lookups.answered("x.example", unknown(), at);
        let (due, next) = lookups.due(hosts(&shops), at);
        assert_eq!(due, [""; 0]);
        waits.push(next.unwrap().duration_since(at).as_secs());
        at = next.unwrap();
    }
    assert!((48..=60).contains(&waits[0]), "{waits:?}");
    assert!(
        waits.is_sorted_by(|one, two| one < two || *two > 17_000),
        "{waits:?}"
    );
    assert!((17_280..=21_600).contains(&waits[11]), "{waits:?}");
}

#[test]
fn a_proven_host_is_looked_up_daily_and_within_the_first_hour_of_a_process() {
    let mut lookups = Lookups::default();
    let shops: [(&str, &[&str], &[&str]); 1] = [("a", &["x.example"], &["x.example"])];
    let (due, next) = lookups.due(hosts(&shops), now());
    assert_eq!(due, [""; 0]);
    let first = next.unwrap();
    assert!(first <= after(3600));
    assert_eq!(lookups.due(hosts(&shops), first).0, ["x.example"]);
    lookups.answered("x.example", named(&["a"]), first);
    let wait = lookups
        .due(hosts(&shops), first)
        .1
        .unwrap()
        .duration_since(first);
    assert!((23 * 3600..=24 * 3600).contains(&wait.as_secs()), "{wait}");
}

#[test]
fn a_new_claimant_and_a_changed_shop_are_looked_up_soon_and_no_sooner_than_after_ten_seconds() {
    let mut lookups = Lookups::default();
    let mut state = state(&[("a", &["x.example"], &[])]);
    lookups.due(all(&state), now());
    lookups.answered("x.example", named(&["a", "b"]), now());
    let mut other = state.fleet.shops["a"].clone();
    other.metadata.name = Some("b".to_owned());
    state.shop(other);
    assert_eq!(lookups.due(all(&state), after(9)).0, [""; 0]);
    let earlier = lookups.proven("b", ["x.example"].into_iter(), &[]);
    assert_eq!(
        earlier, [""; 0],
        "an answer proves nothing for a shop that was not asked for"
    );
    assert_eq!(lookups.due(all(&state), after(10)).0.len(), 1);
    lookups.answered("x.example", unknown(), after(10));

    state.fleet.shops.get_mut("a").unwrap().metadata.generation = Some(2);
    assert_eq!(lookups.due(all(&state), after(19)).0, [""; 0]);
    assert_eq!(lookups.due(all(&state), after(20)).0.len(), 1);
}

#[test]
fn dead_hosts_leave_half_of_the_places_to_new_ones() {
    let dead: Vec<_> = (0..1000)
        .map(|number| format!("{number}.dead.example"))
        .collect();
    let dead: Vec<_> = dead.iter().map(String::as_str).collect();
    let mut lookups = Lookups::default();
    let mut at = now();
    // They fail once each, and then all are due again.
    for _ in 0..4 {
        let (due, _) = lookups.due(hosts(&[("a", &dead, &[])]), at);
        assert!(due.len() <= AT_ONCE);
        for host in due {
            lookups.answered(&host, unknown(), at);
        }
    }
    at += SignedDuration::from_hours(1);
    let (due, _) = lookups.due(hosts(&[("a", &dead, &[])]), at);
    assert_eq!(due.len(), AGAIN);
    let both: [(&str, &[&str], &[&str]); 2] = [("a", &dead, &[]), ("b", &["good.example"], &[])];
    assert_eq!(lookups.due(hosts(&both), at).0, ["good.example"]);

    // So do hosts that get traffic already when their class begins to ask.
    let mut state = state(&both);
    let mut had = state.fleet.shops["a"].clone();
    let claims = dead.iter().map(|host| format!("host {host}"));
    had.status.get_or_insert_default().claims = claims.collect();
    state.shop(had);
    let (due, _) = Lookups::default().due(all(&state), at);
    assert_eq!(due.len(), AGAIN);
    assert!(due.contains(&"good.example".to_owned()));
}

#[test]
fn a_proof_is_lost_to_another_shops_and_to_nothing_else() {
    for (answer, old, a, b) in [
        (named(&["a"]), false, true, false),
        (named(&["a"]), true, true, false),
        (named(&["b"]), true, false, true),
        (named(&["a", "b"]), false, true, true),
        // The record is gone, or names a shop that does not ask for the host.
        (named(&[]), true, true, true),
        (named(&[]), false, false, false),
        (named(&["c"]), true, true, true),
        (unknown(), true, true, true),
        (unknown(), false, false, false),
    ] {
        let mut lookups = Lookups::default();
        lookups.due(
            hosts(&[("a", &["x.example"], &[]), ("b", &["x.example"], &[])]),
            now(),
        );
        lookups.answered("x.example", answer.clone(), now());
        let old: &[String] = if old { &["x.example".to_owned()] } else { &[] };
        let proven = |shop| {
            !lookups
                .proven(shop, ["x.example"].into_iter(), old)
                .is_empty()
        };
        assert_eq!((proven("a"), proven("b")), (a, b), "{answer:?} {old:?}");
    }
    // What the shop does not name any more is proven no more.
    let old = ["x.example".to_owned()];
    assert_eq!(
        Lookups::default().proven("a", [].into_iter(), &old),
        [""; 0]
    );
}

#[test]
fn a_host_that_is_proven_twice_is_looked_up_until_one_is_left() {
    let mut lookups = Lookups::default();
    let both: [(&str, &[&str], &[&str]); 2] = [
        ("a", &["x.example"], &["x.example"]),
        ("b", &["x.example"], &["x.example"]),
    ];
    let (due, next) = lookups.due(hosts(&both), now());
    let first = if due.is_empty() { next.unwrap() } else { now() };
    lookups.due(hosts(&both), first);
    lookups.answered("x.example", named(&["a", "b"]), first);
    let next = lookups.due(hosts(&both), first).1.unwrap();
    assert_eq!(next, first + CONTESTED);
}
