//! Which shops are between two releases, and how each is.

use super::*;
use crate::observed::Pods;
use serde_json::{Value, json};
use std::path::Path;

const NOW: &str = "2026-11-23T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn release(sequence: u64, migration: release::Migration) -> ResolvedRelease {
    ResolvedRelease {
        name: format!("acme-{sequence}"),
        channel: "shops/acme".parse().unwrap(),
        sequence: sequence.try_into().unwrap(),
        manifest: release::Sha256::digest(b"m"),
        migration,
        envelope: String::new(),
        downloads: None,
    }
}

/// A shop of a class with a database, assigned sequence 43 a minute ago, with two pods that are
/// well; and the rollout that assigned it.
fn state(migration: release::Migration) -> State {
    let class =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/examples/shops/aws/class.yaml");
    let fleet = registry::read_fleet(&[class]).unwrap();
    let class = fleet.classes.keys().next().unwrap().clone();
    let mut state = State {
        fleet,
        ..State::default()
    };
    let spec = json!({"class": class, "channel": "shops/acme", "domains": [], "services": {"database": {"ref": "db1", "name": "a"}}});
    let mut shop = Shop::new("a", serde_json::from_value(spec).unwrap());
    let assigned = json!({"name": "acme-43", "sequence": 43, "manifest": "m", "since": "2026-11-23T11:59:00Z"});
    let applied = json!({"type": "Applied", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": NOW});
    shop.status = serde_json::from_value(
        json!({"release": assigned, "conditions": [applied], "migrated": 42}),
    )
    .unwrap();
    state.fleet.shops.insert("a".to_owned(), shop);
    let releases = state
        .fleet
        .releases
        .entry("shops/acme".parse().unwrap())
        .or_default();
    releases.extend([
        (42, release(42, release::Migration::None)),
        (43, release(43, migration)),
    ]);
    let rollout = Rollout::new(
        "r",
        serde_json::from_value(json!({"release": "acme-43", "deadline": "15m"})).unwrap(),
    );
    state.fleet.rollouts.insert("r".to_owned(), rollout);
    state.pods.insert(
        "a".to_owned(),
        Pods {
            wanted: 2,
            ready: 2,
            updated: 2,
            current: true,
        },
    );
    state
}

fn flies(state: &State, reports: Option<&BTreeMap<String, AgentsReport>>) -> bool {
    InProgress::new(state, reports, now()).all() == ["a"]
}

#[test]
fn who_is_on_its_way_is_told_from_what_is_stored() {
    let mut state = state(release::Migration::None);
    // By readiness alone it has arrived; where agents count, it has when they say so, or its
    // time is over.
    assert!(!flies(&state, None));
    let nothing = BTreeMap::new();
    assert!(flies(&state, Some(&nothing)));
    let said = |all| {
        BTreeMap::from([(
            "a".to_owned(),
            AgentsReport {
                sequence: 43,
                all,
                rejected: None,
            },
        )])
    };
    assert!(flies(&state, Some(&said(false))) && !flies(&state, Some(&said(true))));
    state
        .fleet
        .shops
        .get_mut("a")
        .unwrap()
        .status
        .as_mut()
        .unwrap()
        .release
        .as_mut()
        .unwrap()
        .since = Some("2026-11-23T11:45:00Z".to_owned());
    assert!(!flies(&state, Some(&nothing)));
    // Pods that are not ready are on their way for as long as that lasts.
    state.pods.get_mut("a").unwrap().ready = 1;
    assert!(flies(&state, None));
}

#[test]
fn nobody_is_on_its_way_by_a_rollout_that_is_over_or_another_one() {
    for change in [
        json!({"phase": "Completed", "counts": {"all": 1, "done": 1, "moving": 0, "waiting": 0, "failed": 0, "returned": 0}}),
        Value::Null,
    ] {
        let mut state = state(release::Migration::Additive);
        assert!(flies(&state, None), "its database is not migrated");
        match change {
            Value::Null => {
                state.fleet.rollouts.get_mut("r").unwrap().spec.release = "acme-44".to_owned();
            }
            status => {
                state.fleet.rollouts.get_mut("r").unwrap().status =
                    serde_json::from_value(status).unwrap();
            }
        }
        assert!(!flies(&state, None));
    }
}

#[test]
fn a_server_is_loaded_by_migrations_that_run_or_are_about_to() {
    let mut state = state(release::Migration::Additive);
    let load = |state: &State| migrating(state, now()).into_values().collect::<Vec<_>>();
    assert_eq!(load(&state), ["db1"]);
    for (progress, expected) in [
        (Progress::Runs, vec!["db1"]),
        (Progress::Failed, vec![]),
        (Progress::Done, vec![]),
    ] {
        state
            .migrations
            .insert("a".to_owned(), BTreeMap::from([(43, progress)]));
        assert_eq!(load(&state), expected, "{progress:?}");
    }
    state.migrations.clear();
    state
        .fleet
        .shops
        .get_mut("a")
        .unwrap()
        .status
        .as_mut()
        .unwrap()
        .migrated = Some(43);
    assert_eq!(load(&state), Vec::<String>::new());
}

#[test]
fn pods_that_went_a_moment_ago_are_no_reason_to_count_from_when_the_shop_was_told() {
    let mut state = state(release::Migration::None);
    let since = |state: &State| since("a", &state.fleet.shops["a"], state, now()).to_string();
    assert_eq!(since(&state), "2026-11-23T11:59:00Z");
    let available = |status: &str| {
        serde_json::from_value(json!({"type": "WorkloadAvailable", "status": status, "reason": "x", "message": "", "lastTransitionTime": "2026-11-23T11:59:30Z"}))
            .unwrap()
    };
    state.pods.get_mut("a").unwrap().ready = 1;
    let conditions = |state: &mut State, condition| {
        state
            .fleet
            .shops
            .get_mut("a")
            .unwrap()
            .status
            .as_mut()
            .unwrap()
            .conditions = vec![condition];
    };
    conditions(&mut state, available("True"));
    assert_eq!(since(&state), NOW);
    conditions(&mut state, available("False"));
    assert_eq!(since(&state), "2026-11-23T11:59:30Z");
}
