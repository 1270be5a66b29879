//! A publisher that dies or fails at any point, and the next one, which finishes.

use super::{publisher, refused, server, tell, verified};
use e2e::{
    process::{Ended, Outcome},
    shop::{Shop, json},
};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
/// How many failpoints one publication of a change passes.
fn points(shop: &Shop) -> usize {
    let trace = shop.path("trace");
    shop.edit(0, 0, 1.0);
    publisher(shop)
        .env("FAILPOINT_TRACE", &trace)
        .run()
        .expect(0);
    let names = fs::read_to_string(trace).unwrap();
    for step in ["cli.pack.rename", "store.put", "store.put.done"] {
        assert!(
            names.lines().any(|name| name == step),
            "build with the feature `failpoints`; passed were {names:?}"
        );
    }
    names.lines().count()
}

/// Runs a publisher that does not get further than point `n`, from the state `before`; then the
/// channel is on a complete release, and a second run finishes. Gives the state after that.
pub(super) fn interrupted(
    shop: &Shop,
    before: &Value,
    n: usize,
    action: &str,
    seed: u64,
    check: fn(&Outcome),
) -> Value {
    shop.edit(0, seed, 1.0);
    check(
        &publisher(shop)
            .env("FAILPOINT", format!("{n}:{action}"))
            .run(),
    );
    let after = verified(shop);
    let again = json(&publisher(shop).run().expect(0));
    if after["sequence"] == before["sequence"] {
        assert_eq!(
            after["manifest"], before["manifest"],
            "point {n}: half a release"
        );
        assert_ne!(
            again["outcome"], "unchanged",
            "point {n}: nothing was moved, so something is left to do"
        );
    } else {
        assert_eq!(
            (&again["outcome"], &again["manifest"]),
            (&"unchanged".into(), &after["manifest"]),
            "point {n}"
        );
    }
    let finally = verified(shop);
    assert_eq!(
        (&finally["sequence"], &finally["manifest"]),
        (&again["sequence"], &again["manifest"]),
        "point {n}"
    );
    let steps = finally["sequence"].as_u64().unwrap() - before["sequence"].as_u64().unwrap();
    assert_eq!(
        steps, 1,
        "point {n}: the second run goes on, it does not begin another release"
    );
    finally
}

pub(super) fn killed(outcome: &Outcome) {
    assert_eq!(
        outcome.ended,
        Ended::Signal(Signal::KILL.as_raw()),
        "{outcome:#?}"
    );
}

fn at_every_point(shop: &Shop) {
    shop.publish();
    let points = points(shop);
    let mut state = verified(shop);
    for n in 1..=points {
        state = interrupted(shop, &state, n, "kill", 2 * n as u64, killed);
        state = interrupted(shop, &state, n, "eio", 2 * n as u64 + 1, |outcome| {
            assert!(
                outcome.stderr.contains("Input/output error"),
                "{outcome:#?}"
            );
            refused(outcome, 74, "disk");
        });
    }
    tell(2 * points as u64);
}

#[test]
fn a_publisher_that_is_killed_or_fails_at_any_point_on_a_directory_is_finished_by_the_next() {
    at_every_point(&Shop::on_disk(1, 3));
}

#[test]
fn a_publisher_that_is_killed_or_fails_at_any_point_on_s3_is_finished_by_the_next() {
    let server = server();
    at_every_point(&Shop::on(&server, 1, 3));
}

#[test]
fn a_first_publication_that_is_killed_at_any_point_leaves_no_channel_or_a_complete_one() {
    let shop = Shop::on_disk(1, 3);
    let store = |name: &str| format!("file://{}", shop.path(name).display());
    let begin = |name: &str| {
        fs::create_dir(shop.path(name)).unwrap();
        publisher(&shop).env("LONGSHORE_STORE", store(name))
    };
    begin("counted")
        .env("FAILPOINT_TRACE", shop.path("trace"))
        .run()
        .expect(0);
    let counted = fs::read_to_string(shop.path("trace"))
        .unwrap()
        .lines()
        .count();
    for n in 1..=counted {
        let name = format!("store{n}");
        let outcome = begin(&name).env("FAILPOINT", format!("{n}:kill")).run();
        // Two uploads at once race to make the blobs' directories: whether one or both try changes
        // how many points there are.
        if !(n + 4 > counted && outcome.code() == Some(0)) {
            killed(&outcome);
        }
        let verify = || {
            shop.longshore_program(["verify", "--deep"])
                .env("LONGSHORE_STORE", store(&name))
                .run()
        };
        let seen = verify();
        if seen.code() != Some(0) {
            refused(&seen, 64, "channel-missing");
        }
        let again = json(
            &publisher(&shop)
                .env("LONGSHORE_STORE", store(&name))
                .run()
                .expect(0),
        );
        assert_eq!(again["sequence"], 1, "point {n}");
        verify().expect(0);
    }
    tell(counted as u64);
}
