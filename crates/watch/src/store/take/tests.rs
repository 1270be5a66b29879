//! Pages, taken in: nothing twice, nothing without a bound.

use super::super::{
    groups::{GroupFilter, figures, is_full, judge, keep_pods, of_shop, prune, squeeze},
    open,
};
use super::*;
use observe::{
    Fingerprint, Severity, Source,
    v1::{ErrorGroup, State},
};
use proptest::prelude::*;

fn db() -> (tempfile::TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let db = open::open(directory.path(), 256 << 20).unwrap().0;
    (directory, db)
}

fn now() -> Timestamp {
    "2026-12-01T04:00:00Z".parse().unwrap()
}

fn seen(name: u64, sequence: Option<u64>, count: u64) -> Observed {
    Observed {
        fingerprint: Fingerprint::from(name),
        source: Source::Php,
        severity: Severity::Error,
        class: "Error".to_owned(),
        message: format!("message {name}"),
        sequence,
        count,
        first: now(),
        last: now(),
        sample: format!("sample of {sequence:?}"),
    }
}

fn page(run: &str, groups: Vec<Observed>) -> Page {
    Page {
        version: 1,
        run: run.to_owned(),
        cursor: 1,
        dropped: 0,
        groups,
    }
}

fn took(db: &Connection, uid: &str, run: &str, groups: Vec<Observed>) -> Taken {
    take(db, "acme", uid, &page(run, groups), now()).unwrap()
}

fn all(db: &Connection) -> Vec<ErrorGroup> {
    of_shop(db, "acme", GroupFilter::All).unwrap()
}

fn total(db: &Connection) -> u64 {
    let groups = all(db);
    groups
        .iter()
        .flat_map(|it| &it.releases)
        .map(|it| it.count)
        .sum()
}

#[test]
fn counts_of_pods_add_up_and_nothing_is_counted_twice() {
    let (_directory, db) = db();
    let taken = took(&db, "a", "r1", vec![seen(1, Some(7), 3)]);
    assert_eq!((taken.events, taken.new), (3, 1));
    // The answer was lost, and comes again.
    assert_eq!(took(&db, "a", "r1", vec![seen(1, Some(7), 3)]).events, 0);
    assert_eq!(took(&db, "a", "r1", vec![seen(1, Some(7), 5)]).events, 2);
    assert_eq!(took(&db, "b", "r9", vec![seen(1, Some(7), 4)]).events, 4);
    // Another run of the agent counts from 1 again.
    assert_eq!(took(&db, "a", "r2", vec![seen(1, Some(7), 2)]).events, 2);
    assert_eq!(took(&db, "a", "r2", vec![seen(1, Some(8), 1)]).events, 1);
    let groups = all(&db);
    assert_eq!(groups.len(), 1);
    let releases: Vec<_> = groups[0]
        .releases
        .iter()
        .map(|it| (it.sequence, it.count))
        .collect();
    assert_eq!(releases, [(Some(8), 1), (Some(7), 11)]);
    assert_eq!(groups[0].sample, "sample of Some(8)");
    let figures = figures(&db).unwrap();
    assert_eq!(figures.events["acme"][&Severity::Error], 12);
    assert_eq!(figures.open["acme"][&Severity::Error], 1);
}

#[test]
fn a_resolved_group_comes_back_with_new_events_of_a_newer_release_alone() {
    let (_directory, db) = db();
    let name = Fingerprint::from(1);
    took(&db, "a", "r1", vec![seen(1, Some(7), 3)]);
    let judged = judge(&db, "acme", name, State::Resolved).unwrap().unwrap();
    assert_eq!((judged.state, judged.back_since), (State::Resolved, None));
    assert_eq!(of_shop(&db, "acme", GroupFilter::Open).unwrap(), []);
    took(&db, "a", "r1", vec![seen(1, Some(7), 4)]);
    assert_eq!((all(&db)[0].state, total(&db)), (State::Resolved, 4));
    assert_eq!(took(&db, "a", "r1", vec![seen(1, Some(8), 1)]).back, 1);
    let back = &all(&db)[0];
    assert_eq!((back.state, back.back_since), (State::Open, Some(8)));
    // What was known when it was resolved again does not bring it back.
    judge(&db, "acme", name, State::Resolved).unwrap();
    took(&db, "a", "r1", vec![seen(1, Some(8), 1)]);
    assert_eq!(all(&db)[0].state, State::Resolved);
    assert_eq!(
        judge(&db, "acme", Fingerprint::from(2), State::Open).unwrap(),
        None
    );
    assert_eq!(judge(&db, "other", name, State::Open).unwrap(), None);
}

#[test]
fn a_pod_adds_64_groups_a_page_and_a_shop_has_500_of_which_open_ones_stay_longest() {
    let (_directory, db) = db();
    let many = |from: u64| {
        (from..from + 100)
            .map(|it| seen(it, Some(1), 1))
            .collect::<Vec<_>>()
    };
    let taken = took(&db, "a", "r1", many(0));
    assert_eq!((taken.new, taken.left_out), (64, 36));
    // What was left out is not counted as known.
    assert_eq!(took(&db, "a", "r1", many(0)).new, 36);
    judge(&db, "acme", Fingerprint::from(5), State::Ignored).unwrap();
    for page in 1..30 {
        took(&db, &format!("p{page}"), "r1", many(page * 100));
    }
    let groups = all(&db);
    assert_eq!(groups.len(), 500);
    assert!(groups.iter().all(|it| it.state == State::Open));
    let counted: i64 = db
        .query_row("SELECT count(*) FROM counted", [], |row| row.get(0))
        .unwrap();
    assert!(counted <= 30 * COUNTED, "{counted}");
}

#[test]
fn a_hostile_pod_fills_nothing_but_its_own_bounds() {
    let (_directory, db) = db();
    for round in 0..40 {
        let groups = (0..64).map(|it| seen(round * 64 + it, Some(round + 1), u64::from(u32::MAX)));
        took(&db, "a", "r1", groups.collect());
    }
    let count = |table: &str| -> i64 {
        let text = format!("SELECT count(*) FROM {table}");
        db.query_row(&text, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(
        (count("groups"), count("counted"), count("pods")),
        (500, COUNTED, 1)
    );
    for sequence in 1..40 {
        took(&db, "b", "r1", vec![seen(1, Some(sequence), 1)]);
    }
    let releases = &all(&db)
        .into_iter()
        .find(|it| it.fingerprint == Fingerprint::from(1))
        .unwrap()
        .releases;
    assert_eq!((releases.len(), releases[0].sequence), (10, Some(39)));
}

#[test]
fn groups_that_nobody_sees_go_after_90_days() {
    let (_directory, db) = db();
    took(&db, "a", "r1", vec![seen(1, Some(7), 3)]);
    let day = jiff::SignedDuration::from_hours(24);
    assert_eq!(prune(&db, now() + day * 90).unwrap(), 0);
    assert_eq!(prune(&db, now() + day * 91).unwrap(), 1);
    assert_eq!(all(&db), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever answers come again, and however agents are started anew, the sum is that of events.
    #[test]
    fn what_is_counted_is_what_happened(
        steps in prop::collection::vec((0..3_usize, 0..4_u64, 1..3_u64, 1..50_u64, any::<bool>(), 0..20_u8), 1..60),
    ) {
        let (_directory, db) = db();
        let mut pods = [(0, std::collections::BTreeMap::<(u64, u64), u64>::new()), Default::default(), Default::default()];
        let mut sum = 0;
        for (pod, name, sequence, more, twice, anew) in steps {
            let (run, counts) = &mut pods[pod];
            if anew == 0 {
                *run += 1;
                counts.clear();
            }
            let count = counts.entry((name, sequence)).or_default();
            *count += more;
            sum += more;
            for _ in 0..=u8::from(twice) {
                took(&db, &pod.to_string(), &run.to_string(), vec![seen(name, Some(sequence), *count)]);
            }
        }
        prop_assert_eq!(total(&db), sum);
    }
}

#[test]
fn a_tenth_goes_where_there_is_no_room_and_open_ones_stay_longest() {
    let (_directory, db) = db();
    took(
        &db,
        "a",
        "r1",
        (0..40).map(|it| seen(it, Some(1), 1)).collect(),
    );
    for name in [3, 30] {
        judge(&db, "acme", Fingerprint::from(name), State::Resolved).unwrap();
    }
    assert!(!is_full(&db).unwrap());
    assert_eq!(squeeze(&db).unwrap(), 5);
    let left = all(&db);
    assert!(left.len() == 35 && left.iter().all(|it| it.state == State::Open));
}

#[test]
fn counts_of_pods_that_are_gone_go_after_a_week() {
    let (_directory, db) = db();
    took(&db, "a", "r1", vec![seen(1, Some(7), 3)]);
    took(&db, "b", "r1", vec![seen(1, Some(7), 3)]);
    let day = jiff::SignedDuration::from_hours(24);
    let there = ["b".to_owned()].into();
    let count = |table: &str| -> i64 {
        let text = format!("SELECT count(*) FROM {table}");
        db.query_row(&text, [], |row| row.get(0)).unwrap()
    };
    keep_pods(&db, &there, now() + day * 6).unwrap();
    assert_eq!((count("pods"), count("counted")), (2, 2));
    keep_pods(&db, &there, now() + day * 8).unwrap();
    assert_eq!((count("pods"), count("counted")), (1, 1));
    assert_eq!(took(&db, "b", "r1", vec![seen(1, Some(7), 3)]).events, 0);
}
