//! Which builds are due, and which have ended.

use super::*;
use api::{ReleaseStatus, ResolvedRelease, Rollout, fixtures};

fn release(sequence: u64) -> ResolvedRelease {
    fixtures::release(sequence, release::Migration::None)
}

/// Shops of two classes that share a store, and the release 42.
fn state() -> State {
    let mut state = State::default();
    let build = json!({ "image": "b@sha256:0", "command": ["/build.sh"] });
    for name in ["large", "small"] {
        let class = fixtures::class(name, json!({ "build": build }));
        state.fleet.classes.insert(name.to_owned(), class);
        let shop = format!("of-{name}");
        let more = json!({ "class": name, "channel": "shops/acme", "domains": [] });
        let found = fixtures::shop(&shop, more);
        state.fleet.shops.insert(shop, found);
    }
    let channel = state
        .fleet
        .releases
        .entry("shops/acme".parse().unwrap())
        .or_default();
    channel.insert(42, release(42));
    state
}

fn jobs(state: &State) -> Vec<String> {
    due(state)
        .iter()
        .map(|due| due.job.identity().name.clone())
        .collect()
}

#[test]
fn a_release_is_built_once_for_the_classes_that_share_its_store() {
    let mut state = state();
    assert_eq!(jobs(&state), ["build-large-shops-acme-42"]);
    let begun = ReleaseBuild {
        class: "large".into(),
        job: "j".into(),
        state: BuildState::Failed,
        since: String::new(),
    };
    state.release_statuses.insert(
        "shops-acme-42".into(),
        ReleaseStatus {
            builds: vec![begun],
            ..ReleaseStatus::default()
        },
    );
    assert_eq!(
        jobs(&state),
        Vec::<String>::new(),
        "also one that failed is not made again by itself"
    );
    assert_eq!(failed(&state), 1);
}

#[test]
fn a_release_that_a_rollout_is_about_to_tell_is_built_before_and_others_are_not() {
    let mut state = state();
    state
        .fleet
        .releases
        .values_mut()
        .next()
        .unwrap()
        .insert(43, release(43));
    state
        .fleet
        .releases
        .values_mut()
        .next()
        .unwrap()
        .insert(41, release(41));
    let spec = json!({ "release": "shops-acme-43", "waves": [{ "percent": 100, "soak": "1s" }] });
    state.fleet.rollouts.insert(
        "r".into(),
        Rollout::new("r", serde_json::from_value(spec).unwrap()),
    );
    assert_eq!(
        jobs(&state),
        ["build-large-shops-acme-42", "build-large-shops-acme-43"]
    );
}

#[test]
fn what_became_of_a_job_is_recorded_once() {
    let mut state = state();
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let begun = |job: &str, since: &str| ReleaseBuild {
        class: job.into(),
        job: job.into(),
        state: BuildState::Running,
        since: since.into(),
    };
    let builds = vec![
        begun("done", "2026-11-23T11:00:00Z"),
        begun("lost", "2026-11-23T11:00:00Z"),
        begun("new", "2026-11-23T11:59:00Z"),
    ];
    state.release_statuses.insert(
        "r".into(),
        ReleaseStatus {
            builds,
            ..ReleaseStatus::default()
        },
    );
    state.builds.insert("done".into(), Progress::Done);
    let found = ended(&state, now);
    let states: Vec<_> = found[0].1.iter().map(|build| build.state).collect();
    assert_eq!(
        states,
        [BuildState::Done, BuildState::Failed, BuildState::Running]
    );
    state.release_statuses.insert(
        "r".into(),
        ReleaseStatus {
            builds: found[0].1.clone(),
            ..ReleaseStatus::default()
        },
    );
    assert_eq!(ended(&state, now), []);
}
