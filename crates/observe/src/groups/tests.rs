use super::*;
use crate::{Record, page::LIMIT};
use proptest::prelude::*;

fn event(text: &str) -> Event {
    let record = Record {
        bytes: format!("[01-Dec-2026 03:00:00 UTC] PHP {text}").into_bytes(),
        cut: false,
    };
    Event::from_record(Source::Php, &record).unwrap()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn take(groups: &mut Groups, text: &str, sequence: u64, at: f64) -> LogAction {
    let now = Timestamp::UNIX_EPOCH + seconds(at);
    groups.take(&event(text), Some(sequence), now, seconds(at))
}

#[test]
fn ten_of_a_group_are_told_and_then_their_count() {
    let mut groups = Groups::default();
    let told = |groups: &mut Groups, at| take(groups, "Warning:  x", 1, at) == LogAction::Tell;
    assert_eq!((0..30).filter(|_| told(&mut groups, 1.0)).count(), 10);
    assert_eq!(groups.due(), Some(seconds(61.0)));
    assert!(groups.turn(seconds(60.9)).is_empty());
    let summaries = groups.turn(seconds(61.0));
    assert_eq!(
        summaries
            .iter()
            .map(|summary| summary.count)
            .collect::<Vec<_>>(),
        [20]
    );
    assert_eq!(groups.due(), None);
    // The next minute has its own.
    assert!(told(&mut groups, 61.5) && told(&mut groups, 500.0));
    assert_eq!(groups.page("run", 0).groups[0].count, 32);
    assert!(groups.end().is_empty());
}

#[test]
fn twenty_lines_a_second_leave_a_pod() {
    let mut groups = Groups::default();
    let mut told = Vec::new();
    for number in 0..10_000_u32 {
        let at = f64::from(number) / 1000.0;
        let text = format!("Warning:  {}", "x".repeat(number as usize % 50));
        if take(&mut groups, &text, 1, at) == LogAction::Tell {
            told.push(at);
        }
        told.extend(groups.turn(seconds(at)).iter().map(|_| at));
    }
    assert!(told.len() > 100);
    for window in told.windows(21) {
        assert!(window[20] - window[0] >= 0.999, "{window:?}");
    }
}

#[test]
fn a_page_has_what_changed_and_each_release_by_itself() {
    let mut groups = Groups::default();
    take(&mut groups, "Warning:  a", 1, 0.0);
    take(&mut groups, "Warning:  b", 1, 1.0);
    let page = groups.page("run", 0);
    assert_eq!(
        (page.groups.len(), page.cursor, page.run.as_str()),
        (2, 2, "run")
    );
    assert!(groups.page("run", page.cursor).groups.is_empty());
    take(&mut groups, "Warning:  b", 2, 2.0);
    take(&mut groups, "Warning:  b", 1, 3.0);
    let changed = groups.page("run", page.cursor).groups;
    assert_eq!(
        changed
            .iter()
            .map(|group| (group.sequence, group.count, group.last.as_second()))
            .collect::<Vec<_>>(),
        [(Some(1), 2, 3), (Some(2), 1, 2)]
    );
    assert_eq!(changed[0].fingerprint, changed[1].fingerprint);
    // The cursor of another run.
    assert_eq!(groups.page("run", 1000).groups.len(), 3);
}

#[test]
fn those_seen_last_stay_and_notices_go_first() {
    let mut groups = Groups::default();
    let name = |number: usize| "x".repeat(number + 1);
    take(&mut groups, "Notice:  odd", 1, 0.0);
    for number in 0..GROUPS - 1 {
        take(&mut groups, &format!("Warning:  {}", name(number)), 1, 1.0);
    }
    take(&mut groups, "Notice:  odd", 1, 2.0);
    take(&mut groups, "Warning:  new", 1, 3.0);
    let page = groups.page("run", 0);
    assert_eq!((page.groups.len(), page.dropped), (GROUPS, 2));
    assert!(
        page.groups
            .iter()
            .all(|group| group.severity == Severity::Warning)
    );
    take(&mut groups, "Warning:  newer", 1, 3.0);
    let page = groups.page("run", 0);
    assert!(!page.groups.iter().any(|group| group.message == name(0)));
    assert_eq!(page.dropped, 2, "it was on a page");
}

#[test]
fn a_page_is_within_its_bound() {
    let mut groups = Groups::default();
    for number in 0..100 {
        for worst in ["\"", "\\", "ü", "\n", "x'"] {
            let long = worst.repeat(20_000);
            let text = format!(
                "Fatal error:  Uncaught {}\\{}: {long}",
                "K".repeat(number),
                "\\".repeat(500)
            );
            take(&mut groups, &text, u64::MAX, 0.0);
        }
    }
    let page = serde_json::to_vec(&groups.page("0123456789abcdef", 0)).unwrap();
    assert!(
        page.len() <= LIMIT && page.len() > LIMIT / 2,
        "{}",
        page.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_error_is_told_or_counted_once(steps in prop::collection::vec((0..90_usize, 0..3_u64, 0..3000_u32), 1..300)) {
        let (mut groups, mut at) = (Groups::default(), 0.0);
        let (mut told, mut counted) = (0, 0);
        for (number, sequence, milliseconds) in &steps {
            at += f64::from(*milliseconds) / 1000.0;
            counted += groups.turn(seconds(at)).iter().map(|summary| summary.count).sum::<u64>();
            let text = format!("Warning:  {}", "y".repeat(*number));
            if take(&mut groups, &text, *sequence, at) == LogAction::Tell {
                told += 1;
            }
        }
        counted += groups.end().iter().map(|summary| summary.count).sum::<u64>();
        let page = groups.page("run", 0);
        let seen: u64 = page.groups.iter().map(|group| group.count).sum();
        let all = steps.len() as u64;
        prop_assert!(page.groups.len() <= GROUPS);
        prop_assert_eq!(seen + page.dropped, all);
        prop_assert!(told + counted <= all);
        prop_assert!(page.dropped > 0 || told + counted == all);
    }
}
