//! The rule, case by case.

use super::*;

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn fatal(shop: &str, count: u64) -> Fatal {
    Fatal {
        fingerprint: Fingerprint::from(7),
        shop: shop.to_owned(),
        title: "Error: Call to undefined method".to_owned(),
        state: State::Open,
        count,
        first: now() - SignedDuration::from_mins(1),
        elsewhere: None,
    }
}

fn answered(count: u64) -> Answered {
    let mut answered = Answered::default();
    (0..count).for_each(|_| answered.count(200, 0.1));
    answered
}

fn traffic(with: u64, without: u64) -> Traffic {
    Traffic(vec![Minute {
        at: 0,
        with: answered(with),
        without: answered(without),
    }])
}

fn found(fatal: &[Fatal], traffic: &[(&'static str, Traffic)]) -> Vec<String> {
    let shops = Shops {
        moved: &BTreeSet::from(["a", "b", "c"]),
        canaries: &BTreeSet::from(["a"]),
        control: &BTreeSet::from(["y", "z"]),
    };
    let traffic = traffic.iter().cloned().collect();
    against(shops, fatal, &traffic, now())
        .into_iter()
        .map(|finding| finding.text)
        .collect()
}

#[test]
fn a_new_fatal_error_on_two_shops_or_in_one_percent_of_a_shop_counts() {
    assert_eq!(
        found(&[fatal("a", 1), fatal("b", 1)], &[]),
        [
            "a fatal error that no release had before: Error: Call to undefined method \
          (0000000000000007), 1 times on b, and on another shop"
        ]
    );
    let busy = [("a", traffic(300, 0))];
    assert_eq!(found(&[fatal("a", 3)], &busy).len(), 1);
    assert!(found(&[fatal("a", 2)], &busy).is_empty());
    // One shop that nobody chose stops nobody.
    let others = [("b", traffic(300, 0))];
    assert!(found(&[fatal("b", 300)], &others).is_empty());
    let busier = [("a", traffic(301, 0))];
    assert!(found(&[fatal("a", 3)], &busier).is_empty());
}

#[test]
fn what_others_have_as_well_or_had_lately_does_not_count() {
    let mut control = fatal("y", 0);
    control.elsewhere = Some(now());
    let everywhere = [fatal("a", 9), fatal("b", 9), control];
    assert!(found(&everywhere, &[]).is_empty());
    let at = |days: i64| {
        let mut old = fatal("q", 0);
        old.elsewhere = Some(now() - SignedDuration::from_hours(days * 24));
        found(&[fatal("a", 9), fatal("b", 9), old], &[]).len()
    };
    assert_eq!((at(1), at(13), at(15)), (0, 0, 1));
}

#[test]
fn what_a_person_ignores_or_resolved_does_not_count() {
    for state in [State::Ignored, State::Resolved] {
        let both = ["a", "b"].map(|shop| Fatal {
            state,
            ..fatal(shop, 9)
        });
        assert!(found(&both, &[]).is_empty());
    }
}

#[test]
fn what_the_control_would_have_by_now_is_waited_for() {
    let of = |moved: &[(&'static str, u64)], control: &[&'static str], seconds: i64| {
        let fatal: Vec<_> = moved
            .iter()
            .map(|(shop, count)| Fatal {
                first: now() - SignedDuration::from_secs(seconds),
                ..fatal(shop, *count)
            })
            .collect();
        let all = moved.iter().map(|(shop, _)| (*shop, traffic(100, 0)));
        let all: Vec<_> = all
            .chain(control.iter().map(|shop| (*shop, traffic(0, 100))))
            .collect();
        found(&fatal, &all).len()
    };
    // The control is asked within ten seconds.
    let both = [("b", 5), ("c", 5)];
    assert_eq!(
        (of(&both, &["y", "z"], 9), of(&both, &["y", "z"], 10)),
        (0, 1)
    );
    assert_eq!(
        (of(&[("a", 9)], &["y"], 9), of(&[("a", 9)], &["y"], 10)),
        (0, 1)
    );
    // Two shops of four have it: two errors say nothing, and five do.
    let (two, five) = ([("b", 1), ("c", 1)], [("b", 3), ("c", 2)]);
    assert_eq!(
        (of(&two, &["y", "z"], 60), of(&five, &["y", "z"], 60)),
        (0, 1)
    );
    // One visitor who tries a hundred times is no hundred.
    let one = [("b", 100), ("c", 1)];
    assert_eq!((of(&one, &["y"], 60), of(&one, &["y", "z"], 60)), (0, 1));
    // Without a control, nothing is expected of it.
    assert_eq!(of(&two, &[], 0), 1);
}
