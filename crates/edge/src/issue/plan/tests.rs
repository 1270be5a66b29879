//! When what is done, and what is remembered then.

use super::*;
use crate::issue::limits::Scope;
use jiff::ToSpan as _;

const HOST: &str = "www.a.example";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn certificate() -> Checked {
    Checked {
        issuer: "Let's Encrypt R11".to_owned(),
        not_before: now() - 1.hour(),
        not_after: now() + (90 * 24).hours(),
        id: Some("aki.serial".to_owned()),
        pem: String::new(),
    }
}

fn has() -> CertificateRecord {
    let mut record = CertificateRecord::default();
    certified(&mut record, now());
    issued(&mut record, HOST, &certificate());
    record
}

fn next_of(record: &CertificateRecord, at: Timestamp) -> Next {
    next(&Want::Certificate, Some(record), at)
}

#[test]
fn a_new_host_is_ordered_for_at_once_and_others_never() {
    assert_eq!(next(&Want::Certificate, None, now()), Next::Order(None));
    assert_eq!(next(&Want::Nothing, None, now()), Next::Never);
    assert_eq!(next(&Want::Own("x".to_owned()), None, now()), Next::Never);
}

#[test]
fn it_is_renewed_at_two_thirds_of_its_lifetime_and_says_what_it_replaces() {
    let record = has();
    let Next::At(at) = next_of(&record, now()) else {
        panic!("{record:?}")
    };
    let days = at.duration_since(now()).as_hours() / 24;
    assert!((56..=60).contains(&days), "{days}");
    assert_eq!(
        next_of(&record, at),
        Next::Order(Some("aki.serial".to_owned()))
    );
    let end = record.not_after.unwrap();
    assert_eq!(next_of(&record, end), Next::Order(None), "it is over");
}

#[test]
fn a_failed_renewal_keeps_the_certificate_until_it_is_over() {
    let mut record = has();
    let problem = Problem::host("wrong-address", "x");
    failed(
        &mut record,
        HOST,
        &problem,
        MINUTE,
        now() + (80 * 24).hours(),
    );
    assert_eq!(record.state, CertificateState::Issued);
    assert_eq!(record.code.as_deref(), Some("wrong-address"));
    failed(
        &mut record,
        HOST,
        &problem,
        MINUTE,
        now() + (91 * 24).hours(),
    );
    assert_eq!(record.state, CertificateState::Failed);
    assert_eq!(record.failures, 2);
    // A new one ends all that.
    issued(&mut record, HOST, &certificate());
    assert_eq!((record.failures, record.problem), (0, None));
}

#[test]
fn who_is_to_blame_decides_who_waits() {
    let later = now() + 2.hours();
    for (blame, failures, next) in [
        (Blame::Host, 1, true),
        (Blame::Validation, 1, true),
        (Blame::Limit(Scope::Host, later), 0, true),
        (Blame::Ca, 0, true),
        (Blame::Account, 0, false),
        (Blame::Us, 0, true),
    ] {
        let mut record = CertificateRecord::default();
        failed(
            &mut record,
            HOST,
            &Problem::new(blame, "x", "x"),
            MINUTE,
            now(),
        );
        assert_eq!(record.failures, failures, "{blame:?}");
        assert_eq!(record.next_try.is_some(), next, "{blame:?}");
    }
    let mut record = has();
    let due = record.renew_at.unwrap();
    failed(
        &mut record,
        HOST,
        &Problem::new(Blame::Renewal, "x", "x"),
        MINUTE,
        due,
    );
    assert_eq!(next_of(&record, due), Next::Order(None));
}

#[test]
fn a_restart_in_the_middle_of_a_wait_changes_nothing() {
    let mut record = CertificateRecord::default();
    failed(&mut record, HOST, &Problem::host("x", "x"), MINUTE, now());
    let text = serde_json::to_string(&record).unwrap();
    let read: CertificateRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(read, record);
    assert!(matches!(next_of(&read, now()), Next::At(at) if at > now() + 40.seconds()));
    assert_eq!(next_of(&read, now() + 61.seconds()), Next::Order(None));
}

#[test]
fn the_window_of_the_ca_is_met_and_hosts_are_spread_in_it() {
    let (start, end) = (now(), now() + 48.hours());
    let times: std::collections::BTreeSet<_> = (0..50)
        .map(|number| in_window(&format!("{number}.example"), start, end))
        .collect();
    assert!(times.len() > 40 && times.iter().all(|at| (start..end).contains(at)));
    assert_eq!(in_window(HOST, end, start), end, "a window that is none");
}

#[test]
fn polls_are_spread_and_a_restart_does_not_put_them_off() {
    let every = SignedDuration::from_hours(6);
    let first = next_poll(HOST, every, now());
    assert!(first > now() && first <= now() + every);
    assert_eq!(next_poll(HOST, every, first - 1.second()), first);
    assert_eq!(next_poll(HOST, every, first), first + every);
}

#[test]
fn what_people_bring_is_told_and_not_ordered_for() {
    let missing = own("brought", None, now());
    assert_eq!(missing.code.as_deref(), Some("own-missing"));
    let ended = CertificateProblem::Expired {
        at: now() - 1.hour(),
    };
    let ended = own("brought", Some(Err(ended)), now());
    assert_eq!(ended.code.as_deref(), Some("certificate-expired"));
    assert!(
        ended
            .problem
            .as_ref()
            .unwrap()
            .starts_with("Secret brought: the certificate ended")
    );
    assert!(!ended.is_valid(now()));
    let good = own("brought", Some(Ok(certificate())), now());
    assert!(good.is_valid(now()) && good.problem.is_none() && good.code.is_none());
    let soon = own(
        "brought",
        Some(Ok(certificate())),
        now() + (80 * 24).hours(),
    );
    assert_eq!(soon.code.as_deref(), Some("own-ends-soon"));
    // Once the platform shall get one, that is ordered for.
    assert_eq!(next_of(&good, now()), Next::Order(None));
}

#[test]
fn a_host_that_left_is_forgotten_when_nothing_counts_any_more() {
    let record = has();
    assert!(!is_over(&record, now() + 24.hours()));
    assert!(is_over(&record, now() + (91 * 24).hours()));
    let mut failed_once = CertificateRecord::default();
    let problem = Problem::new(Blame::Validation, "x", "x");
    failed(&mut failed_once, HOST, &problem, MINUTE, now());
    assert!(!is_over(&failed_once, now() + 5.minutes()));
    assert!(is_over(&failed_once, now() + 61.minutes()));
}
