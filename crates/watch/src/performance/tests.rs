//! Pages of pods, and what is known by them.

use super::*;
use observe::requests::VERSION;

fn page(run: &str, releases: &[(Option<u64>, u32)]) -> Page {
    let answered = |(sequence, count): &(Option<u64>, u32)| {
        let mut answered = Answered {
            sequence: *sequence,
            ..Answered::default()
        };
        (0..*count).for_each(|_| answered.count(200, 0.3));
        answered
    };
    Page {
        version: VERSION,
        run: run.to_owned(),
        workers: Some(Workers { busy: 2, most: 8 }),
        releases: releases.iter().map(answered).collect(),
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn requests(performance: &Performance, minutes: u32, now: i64) -> Vec<(Option<u64>, u64)> {
    let releases = performance.releases("acme", minutes, at(now));
    releases
        .iter()
        .map(|it| (it.sequence, it.requests))
        .collect()
}

#[test]
fn what_is_new_between_pages_is_counted_in_its_minute() {
    let mut all = Performance::default();
    all.take("acme", "a", Some(&page("x", &[(Some(1), 100)])), at(0));
    assert_eq!(requests(&all, 60, 0), []);
    all.take("acme", "a", Some(&page("x", &[(Some(1), 110)])), at(0));
    all.take(
        "acme",
        "a",
        Some(&page("x", &[(Some(1), 115), (Some(2), 3)])),
        at(1),
    );
    assert_eq!(requests(&all, 1, 1), [(Some(2), 3), (Some(1), 5)]);
    assert_eq!(requests(&all, 60, 1), [(Some(2), 3), (Some(1), 15)]);
    assert_eq!(requests(&all, 60, 60), [(Some(2), 3), (Some(1), 5)]);
    assert_eq!(requests(&all, 60, 61), []);
    assert_eq!(all.total("acme").unwrap().all(), 18);
}

#[test]
fn pods_of_a_shop_whose_release_is_judged_are_asked_each_time() {
    let mut all = Performance::default();
    assert!(all.is_due("acme", "a", at(0)));
    all.take("acme", "a", Some(&page("x", &[])), at(0));
    all.take("other", "b", Some(&page("x", &[])), at(0));
    let soon = |seconds| at(0) + SignedDuration::from_secs(seconds);
    assert!(!all.is_due("acme", "a", soon(5)));
    all.judge(["acme", "unknown"].into_iter(), soon(5));
    assert!(all.is_due("acme", "a", soon(6)));
    assert!(!all.is_due("other", "b", soon(6)));
    all.take("acme", "a", Some(&page("x", &[])), soon(34));
    // Nobody asked again.
    assert!(!all.is_due("acme", "a", soon(35)));
    assert!(all.is_due("acme", "a", soon(49)));
}

#[test]
fn an_agent_that_starts_again_counts_from_there() {
    let mut all = Performance::default();
    all.take("acme", "a", Some(&page("x", &[(Some(1), 100)])), at(0));
    all.take("acme", "a", Some(&page("y", &[(Some(1), 7)])), at(0));
    all.take("acme", "a", Some(&page("y", &[(Some(1), 9)])), at(0));
    assert_eq!(requests(&all, 60, 0), [(Some(1), 2)]);
}

#[test]
fn a_release_that_gets_its_sequence_late_is_not_counted_twice() {
    let mut all = Performance::default();
    all.take("acme", "a", Some(&page("x", &[])), at(0));
    all.take("acme", "a", Some(&page("x", &[(None, 4)])), at(0));
    all.take("acme", "a", Some(&page("x", &[(Some(2), 6)])), at(0));
    assert_eq!(requests(&all, 60, 0), [(Some(2), 2), (None, 4)]);
}

#[test]
fn a_pod_that_lies_fills_no_memory_and_breaks_no_sum() {
    let mut all = Performance::default();
    all.take("acme", "a", Some(&page("x", &[])), at(0));
    let many: Vec<_> = (0..100).map(|sequence| (Some(sequence), 1)).collect();
    all.take("acme", "a", Some(&page("x", &many)), at(0));
    assert!(requests(&all, 60, 0).len() <= RELEASES + 1);
    assert_eq!(all.total("acme").unwrap().all(), 100);
    let mut huge = page("x", &[(Some(1), 0)]);
    huge.releases[0].buckets = [u64::MAX; 11];
    all.take("acme", "a", Some(&huge), at(0));
    all.take("acme", "b", Some(&page("x", &[])), at(0));
    all.take("acme", "b", Some(&huge), at(0));
    assert_eq!(all.total("acme").unwrap().all(), u64::MAX);
}

#[test]
fn pods_and_shops_that_are_gone_are_forgotten() {
    let mut all = Performance::default();
    all.take("acme", "a", Some(&page("x", &[])), at(0));
    all.take("acme", "b", Some(&page("x", &[])), at(0));
    all.take("gone", "c", Some(&page("x", &[])), at(0));
    assert_eq!(all.busy_workers("acme", at(0)), Some(0.25));
    all.retain(|shop| shop == "acme", &BTreeSet::from(["a".to_owned()]));
    assert!(all.total("gone").is_none() && all.busy_workers("acme", at(0)).is_some());
    all.retain(|_| true, &BTreeSet::new());
    assert_eq!(all.busy_workers("acme", at(0)), None);
}

#[test]
fn a_pod_is_as_busy_as_it_said_twice_and_not_for_longer_than_a_minute() {
    let mut all = Performance::default();
    let mut say = |busy, most, minute| {
        let mut page = page("x", &[]);
        page.workers = Some(Workers { busy, most });
        all.take("acme", "a", Some(&page), at(minute));
        let pods: Vec<_> = all.busy_pods("acme", at(minute)).collect();
        pods.first().map(|pod| (pod.uid.to_owned(), pod.share))
    };
    let busy = |share| Some(("a".to_owned(), share));
    assert_eq!(say(0, 8, 0), busy(0.0));
    assert_eq!(say(8, 8, 0), busy(0.5));
    assert_eq!(say(8, 8, 1), busy(1.0));
    // It has more than it has, or none; and what is old is not counted in.
    assert_eq!(say(u32::MAX, 8, 3), busy(1.0));
    assert_eq!(say(1, 0, 3), None);
    assert_eq!(say(2, 8, 3), busy(0.25));
    assert_eq!(all.busy_pods("acme", at(4)).count(), 1);
    assert_eq!(all.busy_pods("acme", at(5)).count(), 0);
    assert_eq!(all.busy_workers("acme", at(5)), None);
}
