//! Each limit is kept to the second, and refills.

use super::*;
use jiff::ToSpan as _;
use proptest::prelude::*;

fn start() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

/// Orders as many as are allowed now, for hosts of distinct domains; how many that were.
fn rush(limits: &mut Limits, at: Timestamp, first: usize) -> usize {
    (first..first + 1000)
        .take_while(|number| {
            let host = format!("www.a{number}.example");
            let allowed = limits.order(&host, OrderKind::New, at).is_ok();
            if allowed {
                limits.ordered(&host, at);
            }
            allowed
        })
        .count()
}

#[test]
fn an_account_orders_300_times_and_then_once_in_36_seconds() {
    let mut limits = Limits::default();
    assert_eq!(limits.left(start()), 300);
    assert_eq!(rush(&mut limits, start(), 0), 300);
    assert_eq!(limits.left(start()), 0);
    let wait = limits
        .order("www.x.example", OrderKind::New, start())
        .unwrap_err();
    assert_eq!(wait.code, "limit-orders");
    assert_eq!(wait.until, start() + 36.seconds());
    assert_eq!(rush(&mut limits, start() + 35.seconds(), 1000), 0);
    assert_eq!(rush(&mut limits, start() + 36.seconds(), 1000), 1);
    assert_eq!(rush(&mut limits, start() + 4.hours(), 2000), 300);
}

#[test]
fn what_ari_asks_for_does_not_count() {
    let mut limits = Limits::default();
    rush(&mut limits, start(), 0);
    assert_eq!(
        limits.order("www.x.example", OrderKind::Renewal, start()),
        Ok(())
    );
}

#[test]
fn a_registered_domain_has_50_a_week_and_others_are_not_concerned() {
    let mut limits = Limits::default();
    for number in 0..50 {
        let host = format!("{number}.shops.co.uk");
        assert_eq!(limits.order(&host, OrderKind::New, start()), Ok(()));
        limits.ordered(&host, start());
    }
    let wait = limits
        .order("www.shops.co.uk", OrderKind::New, start())
        .unwrap_err();
    assert_eq!(wait.code, "limit-domain");
    assert!(wait.why.starts_with("shops.co.uk and"), "{}", wait.why);
    assert!(wait.until > start() + 3.hours() && wait.until < start() + 4.hours());
    assert_eq!(
        limits.order("www.other.co.uk", OrderKind::New, start()),
        Ok(())
    );
}

#[test]
fn a_host_has_5_failed_validations_an_hour() {
    let mut limits = Limits::default();
    for minute in 0..5 {
        assert_eq!(
            limits.order("a.example", OrderKind::New, start() + minute.minutes()),
            Ok(())
        );
        limits.failed("a.example", start() + minute.minutes());
    }
    let wait = limits
        .order("a.example", OrderKind::New, start() + 5.minutes())
        .unwrap_err();
    assert_eq!(wait.code, "limit-failed-validations");
    assert_eq!(wait.until, start() + 12.minutes());
    assert_eq!(
        limits.order("b.example", OrderKind::New, start() + 5.minutes()),
        Ok(())
    );
}

#[test]
fn one_host_has_5_certificates_a_week() {
    let mut limits = Limits::default();
    for _ in 0..5 {
        limits.ordered("a.example", start());
    }
    assert_eq!(
        limits
            .order("a.example", OrderKind::New, start())
            .unwrap_err()
            .code,
        "limit-same-host"
    );
}

#[test]
fn an_order_that_comes_to_nothing_is_no_certificate() {
    let mut limits = Limits::default();
    for _ in 0..20 {
        limits.ordered("a.example", start());
        limits.came_to_nothing("a.example");
    }
    assert_eq!(limits.order("a.example", OrderKind::New, start()), Ok(()));
    assert_eq!(limits.left(start()), 280);
}

#[test]
fn a_restart_forgets_no_order_and_no_failed_validation() {
    let record = |orders: usize, failures: usize| CertificateRecord {
        orders: vec![start(); orders],
        certificates: vec![start(); 50 * failures],
        failed_validations: vec![start(); failures],
        ..CertificateRecord::default()
    };
    let mut records: BTreeMap<String, CertificateRecord> = (0..100)
        .map(|number| (format!("www.a{number}.example"), record(2, 0)))
        .collect();
    records.insert("b.example".to_owned(), record(0, 5));
    let mut strange = record(0, 0);
    strange.orders = vec![Timestamp::MAX, Timestamp::MIN];
    records.insert("www.strange.example".to_owned(), strange);
    let limits = Limits::from_records(&records, start());
    assert_eq!(limits.left(start()), 99);
    let code = |host: &str| {
        limits
            .order(host, OrderKind::New, start())
            .map_err(|it| it.code)
    };
    assert_eq!(code("b.example"), Err("limit-same-host"));
    assert_eq!(code("www.b.example"), Err("limit-domain"));
    assert_eq!(code("c.example"), Ok(()));
}

#[test]
fn the_word_of_the_ca_is_obeyed_and_concerns_whom_it_names() {
    for (detail, expected) in [
        (
            "too many certificates (50) already issued for \"acme.example\" in the last 168h0m0s, \
             retry after 2026-12-01 00:00:00 UTC",
            Scope::Domain,
        ),
        (
            "too many failed authorizations (5) for \"www.acme.example\" in the last 1h0m0s",
            Scope::Host,
        ),
        (
            "too many certificates (5) already issued for this exact set of identifiers in the \
             last 168h0m0s",
            Scope::Host,
        ),
        (
            "too many new orders (300) from this account in the last 3h0m0s",
            Scope::Account,
        ),
        ("Service busy; retry later.", Scope::Account),
    ] {
        assert_eq!(scope("www.acme.example", detail), expected, "{detail}");
    }
    let mut limits = Limits::default();
    let until = start() + 2.hours();
    limits.refused("www.acme.example", Scope::Domain, until);
    assert_eq!(
        limits
            .order("b.acme.example", OrderKind::Renewal, start())
            .unwrap_err()
            .until,
        until
    );
    assert_eq!(
        limits.order("b.other.example", OrderKind::New, start()),
        Ok(())
    );
    assert_eq!(limits.held(start()), None);
    limits.refused("www.acme.example", Scope::Account, until);
    assert_eq!(limits.held(start()), Some(until));
    assert_eq!(limits.held(until), None);
    limits.forget(until);
    assert_eq!(
        limits.order("b.acme.example", OrderKind::New, until),
        Ok(())
    );
}

proptest! {
    /// Whatever comes when, no window of 3 hours has more than 300 beside what refills meanwhile.
    #[test]
    fn no_window_has_more_than_the_limit(pauses in prop::collection::vec(0_i64..120, 1..900)) {
        let (mut limits, mut at, mut orders) = (Limits::default(), start(), Vec::new());
        for (number, pause) in pauses.into_iter().enumerate() {
            at += pause.seconds();
            let host = format!("www.a{number}.example");
            if limits.order(&host, OrderKind::New, at).is_ok() {
                limits.ordered(&host, at);
                orders.push(at);
            }
        }
        for first in &orders {
            let end = *first + 36.seconds();
            let count = orders.iter().filter(|it| (*first..end).contains(it)).count();
            prop_assert!(count <= 301, "{count}");
            let end = *first + 3.hours();
            let count = orders.iter().filter(|it| (*first..end).contains(it)).count();
            prop_assert!(count <= 600, "{count}");
        }
    }
}
