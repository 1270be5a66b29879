//! What pages hear of, and what is known.

use super::*;
use api::{Phase, fixtures};
use serde_json::json;

#[test]
fn a_page_hears_of_each_change_and_of_nothing_else() {
    let registry = Registry::default();
    let mut changes = registry.changes().0;
    registry.applied(fixtures::shop("acme", json!({})));
    registry.halt(Ok(None));
    registry.deleted(&fixtures::shop("acme", json!({})));
    let halt = Halt {
        by: "anna".to_owned(),
        at: "2026-12-01T10:00:00Z".to_owned(),
        why: "checkout fails".to_owned(),
    };
    registry.halt(Ok(Some(halt)));
    let heard: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok())
        .map(|key| key.to_string())
        .collect();
    assert_eq!(heard, ["shop/acme", "shop/acme", "halt"]);
    assert!(registry.read().fleet.shops.is_empty());
}

#[test]
fn what_shops_claim_is_known_as_of_the_last_change() {
    let registry = Registry::default();
    let shop = |name: &str, host: &str| {
        let domains = json!({ "domains": [{ "host": host, "primary": true }] });
        fixtures::shop(name, domains)
    };
    let is_current = || {
        let known = registry.read();
        let (kept, anew) = (&known.claims, Claims::new(&known.fleet));
        for name in ["acme", "vinyl"] {
            assert_eq!(kept.texts(name), anew.texts(name));
            assert_eq!(kept.refused(name), anew.refused(name));
        }
        anew.refused("vinyl").len()
    };
    registry.all(vec![
        shop("acme", "one.example"),
        shop("vinyl", "one.example"),
    ]);
    assert_eq!(is_current(), 1);
    let more = json!({ "backends": { "databases": [{ "name": "db", "host": "db.internal" }] } });
    registry.applied(fixtures::class("php", more));
    is_current();
    registry.applied(shop("acme", "two.example"));
    assert_eq!(is_current(), 0);
    registry.applied(shop("acme", "one.example"));
    registry.deleted(&shop("acme", ""));
    assert_eq!(is_current(), 0);
    registry.all(vec![shop("vinyl", "one.example")]);
    assert_eq!(is_current(), 0);
}

#[test]
fn shops_hear_which_rollouts_move_them_and_not_how_far_those_are() {
    let registry = Registry::default();
    let release = fixtures::release(3, release::Migration::None);
    let mut known = registry.known.write();
    let place = Stored::new(&release, None);
    known.stored.insert(release.name.clone(), place);
    let channel = release.channel.clone();
    known.fleet.releases.insert(channel, [(3, release)].into());
    drop(known);
    let mut changes = registry.changes().0;
    let mut rollout = Rollout::new("r", operations::rollout::defaults("shops-acme-3"));
    for (phase, done) in [(Phase::Moving, 1), (Phase::Moving, 2), (Phase::Soaking, 3)] {
        let status = rollout.status.get_or_insert_default();
        (status.phase, status.counts.done) = (Some(phase), done);
        registry.applied(rollout.clone());
    }
    let heard = std::iter::from_fn(|| changes.try_recv().ok());
    let heard: Vec<_> = heard.map(|key| key.to_string()).collect();
    let (of_shops, own) = ("channel/shops/acme", "rollout/r");
    assert_eq!(heard, [own, of_shops, own, own, of_shops]);
}

#[test]
fn what_was_known_of_the_halt_stays_while_nobody_can_say() {
    let registry = Registry::default();
    let halt = Halt {
        by: "anna".to_owned(),
        at: String::new(),
        why: String::new(),
    };
    registry.halt(Ok(Some(halt.clone())));
    registry.halt(Err("forbidden".to_owned()));
    let known = registry.read();
    assert_eq!(known.halt.as_ref(), Some(&halt));
    assert_eq!(known.halt_unknown.as_deref(), Some("forbidden"));
}

#[test]
fn a_release_that_cannot_be_read_is_named_until_it_is_gone() {
    let spec = json!({ "channel": "shops/acme", "sequence": 1, "envelope": "{}" });
    let release = Release::new("shops-acme-1", serde_json::from_value(spec).unwrap());
    let registry = Registry::default();
    registry.applied(release.clone());
    assert!(registry.read().unreadable["shops-acme-1"].contains("spec.envelope"));
    registry.deleted(&release);
    assert!(registry.read().unreadable.is_empty());
}
