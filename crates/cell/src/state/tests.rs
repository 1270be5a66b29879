//! What watches tell, and what is forgotten.

use super::*;
use api::fixtures::live;

fn identity(kind: &'static str, name: &str) -> Identity {
    Identity {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: Some("shop-a".to_owned()),
        name: name.to_owned(),
    }
}

fn found(version: u64, applied: &[u8]) -> ObjectMetaSummary {
    let applied = Some(release::Sha256::digest(applied));
    ObjectMetaSummary {
        version: version.to_string(),
        applied,
        ..live("release", Timestamp::UNIX_EPOCH)
    }
}

#[test]
fn what_a_broken_watch_missed_is_forgotten_with_the_next_list() {
    let mut state = State::default();
    for shop in ["a", "b"] {
        state.pods.insert(shop.to_owned(), Pods::default());
        state.crons.insert(shop.to_owned());
        state.migrations.insert(
            shop.to_owned(),
            BTreeMap::from([(42, Progress::Done), (43, Progress::Runs)]),
        );
        state.last_backups.insert(
            shop.to_owned(),
            BTreeMap::from([("last-backup-20261123".to_owned(), Progress::Runs)]),
        );
        state.backups.insert(shop.to_owned(), None);
    }
    let listed = |names: &[(&str, &str)]| {
        names
            .iter()
            .map(|(shop, name)| ((*shop).to_owned(), (*name).to_owned()))
            .collect()
    };
    state.forget("Deployment", &listed(&[("a", "web"), ("b", "cron")]));
    state.forget(
        "Job",
        &listed(&[("a", "release-43"), ("b", "last-backup-20261123")]),
    );
    state.forget("CronJob", &listed(&[("b", "backup")]));
    assert_eq!(state.pods.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(state.crons.iter().collect::<Vec<_>>(), ["b"]);
    assert_eq!(state.backups.keys().collect::<Vec<_>>(), ["b"]);
    let jobs = |shop| {
        (
            state.migrations[shop].keys().copied().collect::<Vec<_>>(),
            state.last_backups[shop].len(),
        )
    };
    assert_eq!((jobs("a"), jobs("b")), ((vec![43], 0), (vec![], 1)));
}

#[test]
fn a_config_map_that_somebody_else_edits_is_news_and_what_we_write_is_not() {
    let (mut state, map) = (State::default(), identity("ConfigMap", "release"));
    assert!(state.see("a", map.clone(), found(5, b"one")));
    assert!(!state.see("a", map.clone(), found(5, b"one")), "told twice");
    state.wrote("a", vec![(map.clone(), found(6, b"two"))], &[]);
    assert!(
        !state.see("a", map.clone(), found(5, b"one")),
        "older than what we wrote"
    );
    assert!(!state.see("a", map.clone(), found(6, b"two")));
    assert!(state.see("a", map.clone(), found(7, b"two")), "edited");
    assert_eq!(state.world["a"][&map].ours, Some(6));
    // Another process writes it: no edit, whoever takes over.
    assert!(state.see("a", map.clone(), found(8, b"three")));
    assert_eq!(state.world["a"][&map].ours, Some(8));
    // Its status changes all the time, and it counts no generations: the audit alone writes it.
    let quota = identity("ResourceQuota", "quota");
    state.see("a", quota.clone(), found(5, b"one"));
    assert!(!state.see("a", quota, found(6, b"one")));
}

#[test]
fn while_shops_come_back_the_others_are_missing_since_a_moment_ago() {
    let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let later = now + jiff::SignedDuration::from_hours(1);
    let mut state = State::default();
    for shop in ["a", "b", "c"] {
        let web = Identity {
            api_version: "apps/v1".into(),
            ..identity("Deployment", "web")
        };
        state.see(shop, web, live(shop, Timestamp::UNIX_EPOCH));
    }
    state.note_missing(now);
    state.note_missing(later);
    assert_eq!(state.missing.values().collect::<Vec<_>>(), [&now; 3]);
    let spec = serde_json::json!({ "class": "c", "channel": "x", "domains": [], "services": {} });
    state.shop(Shop::new("a", serde_json::from_value(spec).unwrap()));
    state.note_missing(later);
    let since: Vec<_> = state
        .missing
        .iter()
        .map(|(shop, at)| (shop.as_str(), at))
        .collect();
    assert_eq!(since, [("b", &later), ("c", &later)]);
}
