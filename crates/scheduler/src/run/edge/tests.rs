//! What the maps are made of, and what is said of a shop's part in them.

use super::*;
use api::{
    Identity, ObjectMetaSummary, Truth,
    fixtures::{self, live},
};
use cell::edge::programmed;
use client::KINDS;
use render::edge::{NAMESPACE, shard_name, shard_of};
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn class(state: &mut State, name: &str, route: &serde_json::Value) {
    state.class(fixtures::class(name, json!({ "route": route })));
}

fn shop(state: &mut State, name: &str, class: &str, host: &str) {
    let domains = json!([{ "host": host, "primary": true }]);
    let more = json!({ "class": class, "domains": domains });
    state.shop(fixtures::shop(name, more));
    // It has something to take down.
    let kind = KINDS.iter().find(|kind| kind.name == "Deployment").unwrap();
    let identity = kind.identity(Some(format!("shop-{name}")), "web".to_owned());
    state.see(name, identity, live(name, Timestamp::UNIX_EPOCH));
}

fn fleet() -> State {
    let mut state = State::default();
    class(&mut state, "mapped", &json!({ "map": { "weight": 100 } }));
    class(
        &mut state,
        "ingress",
        &json!({ "ingress": { "className": "nginx" } }),
    );
    shop(&mut state, "a", "mapped", "www.a.example");
    shop(&mut state, "b", "mapped", "www.b.example");
    shop(&mut state, "c", "ingress", "www.c.example");
    state
}

/// A pass, as the leader makes it; what is written is in the cluster at once.
fn pass(state: &mut State) -> Vec<String> {
    let names: Vec<_> = state.fleet.shops.keys().cloned().collect();
    for name in &names {
        state.edge.see(name);
    }
    let sites = sites(state, now()).unwrap();
    let of_shops = sites.iter().map(|(shop, site)| (shop.as_str(), site));
    let shards = edge::maps(of_shops, &["console.host.example=console".parse().unwrap()]).unwrap();
    state.edge.want(sites, &shards);
    let differ: Vec<&Object> = shards
        .iter()
        .filter(|shard| !state.edge.holds(shard))
        .collect();
    let written: Vec<(Identity, ObjectMetaSummary)> = differ
        .iter()
        .map(|shard| {
            (
                shard.identity().clone(),
                ObjectMetaSummary {
                    applied: Some(shard.digest()),
                    ..live("x", now())
                },
            )
        })
        .collect();
    let names = differ
        .iter()
        .map(|shard| shard.identity().name.clone())
        .collect();
    state.edge.wrote(written);
    state.edge.settle(now());
    names
}

fn said_of(state: &State, name: &str) -> Option<(Truth, String)> {
    programmed(&state.fleet.shops[name], state).map(|it| (it.status, it.reason))
}

fn verdict(truth: Truth, reason: &str) -> (Truth, String) {
    (truth, reason.to_owned())
}

/// The shards of lines that begin with these.
fn shards(keys: &[&str]) -> Vec<String> {
    let shards: BTreeSet<_> = keys.iter().map(|key| edge::shard_of(key)).collect();
    shards.into_iter().map(edge::shard_name).collect()
}

#[test]
fn nothing_is_written_twice_and_one_host_is_one_shard() {
    let mut state = fleet();
    assert_eq!(said_of(&state, "a"), None, "nobody can tell yet");
    assert_eq!(pass(&mut state).len(), 64);
    assert_eq!(pass(&mut state), Vec::<String>::new());
    assert_eq!(
        said_of(&state, "a"),
        Some(verdict(Truth::True, "Programmed"))
    );
    assert_eq!(
        said_of(&state, "c"),
        Some(verdict(Truth::Unknown, "NotReported")),
        "its Ingress has a controller of its own"
    );
    shop(&mut state, "d", "mapped", "www.d.example");
    assert_eq!(pass(&mut state), shards(&["www.d.example", "shop-d"]));
}

#[test]
fn a_shop_that_left_the_registry_keeps_its_lines_until_it_is_taken_down() {
    let mut state = fleet();
    pass(&mut state);
    state.only(&BTreeSet::new());
    assert_eq!(
        pass(&mut state),
        Vec::<String>::new(),
        "an empty registry changes nothing"
    );
    // Another shop has one of their hosts once it is taken down.
    shop(&mut state, "0", "mapped", "www.a.example");
    assert_eq!(pass(&mut state), Vec::<String>::new());
    state.world.remove("a");
    assert_eq!(
        pass(&mut state),
        shards(&["www.a.example", "shop-a", "shop-0"])
    );
}

#[test]
fn hosts_that_nobody_knows_hold_the_maps() {
    let mut state = fleet();
    state.left("a");
    assert_eq!(
        sites(&state, now()),
        Err(Problem::Unknown(vec!["a".to_owned()]))
    );
}

#[test]
fn the_newcomer_to_a_host_is_told_and_the_maps_go_on() {
    let mut state = fleet();
    pass(&mut state);
    shop(&mut state, "d", "mapped", "www.a.example");
    // Also to one that another class routes by an Ingress.
    shop(&mut state, "e", "mapped", "www.c.example");
    shop(&mut state, "f", "mapped", "www.f.example");
    assert_eq!(pass(&mut state), shards(&["www.f.example", "shop-f"]));
    for (name, expected) in [
        ("a", Some(verdict(Truth::True, "Programmed"))),
        ("b", Some(verdict(Truth::True, "Programmed"))),
        ("d", Some(verdict(Truth::False, "HostClaimed"))),
        ("e", Some(verdict(Truth::False, "HostClaimed"))),
        ("f", Some(verdict(Truth::True, "Programmed"))),
    ] {
        assert_eq!(said_of(&state, name), expected, "{name}");
    }
}

#[test]
fn a_shard_that_is_late_is_told_and_one_that_is_about_to_be_written_is_not() {
    let mut state = fleet();
    pass(&mut state);
    // Somebody deletes it.
    let kind = KINDS.iter().find(|kind| kind.name == "ConfigMap").unwrap();
    let name = shard_name(shard_of("www.a.example"));
    state.edge.forget(&ObjectSummary {
        shop: None,
        identity: kind.identity(Some(NAMESPACE.to_owned()), name),
        live: live("edge", now()),
    });
    state.edge.settle(now());
    assert_eq!(
        said_of(&state, "a"),
        Some(verdict(Truth::True, "Programmed"))
    );
    state
        .edge
        .settle(now() + jiff::SignedDuration::from_mins(2));
    assert_eq!(
        said_of(&state, "a"),
        Some(verdict(Truth::False, "NotWritten"))
    );
}

#[test]
fn a_host_that_is_not_proven_is_in_no_map_and_one_that_is_leaves_whoever_had_it() {
    let mut state = fleet();
    pass(&mut state);
    // The class begins to ask: what gets traffic keeps it.
    for name in ["a", "b"] {
        let mut stored = state.fleet.shops[name].clone();
        stored.metadata.uid = Some(name.to_owned());
        let host = format!("host www.{name}.example");
        stored.status.get_or_insert_default().claims = vec![host];
        state.shop(stored);
    }
    let asks = json!({ "route": { "map": {} }, "domainProof": {} });
    state.class(fixtures::class("mapped", asks));
    let weights = shards(&["shop-a", "shop-b"]);
    assert!(pass(&mut state).iter().all(|shard| weights.contains(shard)));
    assert_eq!(
        said_of(&state, "a"),
        Some(verdict(Truth::True, "Programmed"))
    );

    // A newcomer has nothing but what the platform gives it.
    shop(&mut state, "d", "mapped", "www.a.example");
    let mut stored = state.fleet.shops["d"].clone();
    stored.metadata.uid = Some("d".to_owned());
    state.shop(stored.clone());
    assert_eq!(pass(&mut state), Vec::<String>::new());
    assert_eq!(
        said_of(&state, "d"),
        Some(verdict(Truth::False, "HostNotProven"))
    );
    // The owner of the domain names it.
    stored.status.get_or_insert_default().proven_hosts = vec!["www.a.example".to_owned()];
    state.shop(stored);
    assert_eq!(
        pass(&mut state),
        shards(&["www.a.example", "shop-a", "shop-d"])
    );
    assert_eq!(
        said_of(&state, "d"),
        Some(verdict(Truth::True, "Programmed"))
    );
    let lost = programmed(&state.fleet.shops["a"], &state).unwrap();
    assert_eq!(lost.reason, "HostNotProven");
    assert!(
        lost.message.contains("its DNS names shop d"),
        "{}",
        lost.message
    );
    assert_eq!(
        said_of(&state, "b"),
        Some(verdict(Truth::True, "Programmed"))
    );
}
