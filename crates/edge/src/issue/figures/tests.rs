//! What is counted.

use super::*;
use jiff::SignedDuration;

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

/// Of 60 days, of which so many are left.
fn issued(left: i64) -> CertificateRecord {
    let day = SignedDuration::from_hours(24);
    let end = now() + day * i32::try_from(left).unwrap();
    CertificateRecord {
        state: CertificateState::Issued,
        not_before: Some(end - day * 60),
        not_after: Some(end),
        renew_at: Some(end - day * 20),
        ..CertificateRecord::default()
    }
}

fn counted(records: &[Option<CertificateRecord>]) -> Counts {
    let figures = Figures::default();
    let hosts = records
        .iter()
        .map(|record| (&Want::Certificate, record.as_ref()));
    figures.look(hosts, 3, now());
    figures.counts().unwrap()
}

#[test]
fn hosts_are_counted_by_state_and_those_that_need_somebody_by_themselves() {
    let failed = CertificateRecord {
        state: CertificateState::Failed,
        failures: 2,
        next_try: Some(now() + SignedDuration::from_mins(1)),
        ..CertificateRecord::default()
    };
    let counts = counted(&[
        None,
        Some(issued(59)),
        Some(issued(15)),
        Some(issued(9)),
        Some(failed),
    ]);
    assert_eq!(counts.states, [1, 3, 1, 0]);
    // The one without a record, and those whose renewal is due.
    assert_eq!((counts.due, counts.failing, counts.busy), (3, 1, 3));
    assert_eq!(counts.late, 1, "ten days of sixty are a sixth");
    assert_eq!(counts.newest, issued(59).not_before);
}

#[test]
fn a_host_that_nobody_answers_for_needs_nothing() {
    let figures = Figures::default();
    figures.look([(&Want::Nothing, None)].into_iter(), 0, now());
    assert_eq!(figures.counts(), Some(Counts::default()));
    figures.rests();
    assert_eq!(figures.counts(), None);
}

#[test]
fn every_result_is_counted_by_a_name_that_is_served() {
    let figures = Figures::default();
    for blame in [
        Blame::Host,
        Blame::Validation,
        Blame::Ca,
        Blame::Account,
        Blame::Renewal,
        Blame::Us,
    ] {
        figures.turn(result(blame));
    }
    figures.turn(ISSUED);
    figures.turn(LIMITED);
    let counts = figures.turns();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 8);
    assert!(counts.iter().all(|(_, count)| *count > 0), "{counts:?}");
}
