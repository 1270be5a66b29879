//! What a host needs next, and what is remembered of it then. Pure: the time is passed in.

use super::{
    hosts::Want,
    limits::{CERTIFICATES_COUNT, FAILURES_COUNT, ORDERS_COUNT, Wait},
    problem::{Blame, Problem},
};
use crate::certificate::{CertificateProblem, CertificateRecord, CertificateState, Checked};
use api::{backoff, name};
use jiff::{SignedDuration, Timestamp};

/// How long before its end a certificate that people bring is told to end.
const OWN_ENDS: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a host waits where nobody is to blame but ourselves.
const US: SignedDuration = SignedDuration::from_secs(30);
/// The most that is kept of each list of times.
const KEPT: usize = 16;

/// What a host needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Never,
    /// Nothing before then.
    At(Timestamp),
    /// An order; in place of the certificate with this identifier, where it is a renewal.
    Order(Option<String>),
}

pub(super) fn next(want: &Want, record: Option<&CertificateRecord>, now: Timestamp) -> Next {
    let Want::Certificate = want else {
        return Next::Never;
    };
    let Some(record) = record else {
        return Next::Order(None);
    };
    if let Some(at) = record.next_try.filter(|at| *at > now) {
        return Next::At(at);
    }
    // One that people brought counts no more.
    let Some(end) = record
        .not_after
        .filter(|_| record.state != CertificateState::Own)
    else {
        return Next::Order(None);
    };
    match record.renew_at {
        Some(at) if at > now && end > now => Next::At(at),
        // The CA need not know one that is over.
        _ if end <= now => Next::Order(None),
        _ => Next::Order(record.id.clone()),
    }
}

/// When a certificate is renewed of which the CA says nothing: at two thirds of its lifetime, up to
/// a thirtieth of it earlier, by host, so that hosts that were new together are not renewed
/// together.
pub(super) fn renew_at(host: &str, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let lifetime = not_after.duration_since(not_before);
    let earlier = (lifetime / 30) * share(host, "renew") / 1000;
    not_before + lifetime / 3 * 2 - earlier
}

/// When a certificate is renewed in the window that the CA suggests (RFC 9773, section 4.2): at a
/// time in it that is the same whenever it is asked for.
pub(super) fn in_window(host: &str, start: Timestamp, end: Timestamp) -> Timestamp {
    let length = end.duration_since(start).max(SignedDuration::ZERO);
    second(start + length / 1000 * share(host, "window"))
}

/// When the CA is asked for its window next: at the same moments of each `every`, by host, whenever
/// this process started.
pub(super) fn next_poll(host: &str, every: SignedDuration, now: Timestamp) -> Timestamp {
    let every = every.as_secs().max(1);
    let offset = i64::from(name::spread(host, u32::try_from(every).unwrap_or(u32::MAX)));
    let passed = (now.as_second() - offset).rem_euclid(every);
    Timestamp::from_second(now.as_second() - passed + every).unwrap_or(now)
}

/// From 0 to 999, by host.
fn share(host: &str, what: &str) -> i32 {
    i32::try_from(name::spread(&format!("{host} {what}"), 1000)).unwrap_or(0)
}

/// An order that counts was made.
pub(super) fn ordered(record: &mut CertificateRecord, now: Timestamp) {
    note(&mut record.orders, ORDERS_COUNT, now);
}

/// A certificate that counts was issued.
pub(super) fn certified(record: &mut CertificateRecord, now: Timestamp) {
    note(&mut record.certificates, CERTIFICATES_COUNT, now);
}

/// There is a new certificate.
pub(super) fn issued(record: &mut CertificateRecord, host: &str, new: &Checked) {
    *record = CertificateRecord {
        state: CertificateState::Issued,
        issuer: Some(new.issuer.clone()),
        not_before: Some(new.not_before),
        not_after: Some(new.not_after),
        renew_at: Some(second(renew_at(host, new.not_before, new.not_after))),
        id: new.id.clone(),
        orders: std::mem::take(&mut record.orders),
        certificates: std::mem::take(&mut record.certificates),
        ..CertificateRecord::default()
    };
}

/// The certificate is not there any more.
pub(super) fn lost(record: &mut CertificateRecord) {
    record.state = CertificateState::Waiting;
    (record.not_before, record.not_after) = (None, None);
    (record.renew_at, record.id, record.issuer) = (None, None, None);
}

/// Adds a time to those that count.
fn note(times: &mut Vec<Timestamp>, count: SignedDuration, now: Timestamp) {
    times.retain(|at| *at > now - count);
    times.push(second(now));
    let surplus = times.len().saturating_sub(KEPT);
    times.drain(..surplus);
}

/// It has to wait, and nothing is wrong.
pub(super) fn waits(record: &mut CertificateRecord, wait: &Wait, now: Timestamp) {
    told(record, now, wait.code, wait.why.clone());
    record.next_try = Some(second(wait.until));
    if record.state != CertificateState::Issued {
        record.state = CertificateState::Waiting;
    }
}

/// Something is wrong.
pub(super) fn failed(
    record: &mut CertificateRecord,
    host: &str,
    problem: &Problem,
    first: SignedDuration,
    now: Timestamp,
) {
    told(record, now, problem.code, problem.text.clone());
    let next = match problem.blame {
        Blame::Host | Blame::Validation => {
            record.failures = record.failures.saturating_add(1);
            if problem.blame == Blame::Validation {
                note(&mut record.failed_validations, FAILURES_COUNT, now);
            }
            if record.state != CertificateState::Issued {
                record.state = CertificateState::Failed;
            }
            Some(now + backoff::pause(host, record.failures, first.unsigned_abs()))
        }
        Blame::Limit(_, until) => Some(until),
        Blame::Us => Some(now + US.min(first)),
        Blame::Renewal => {
            record.id = None;
            None
        }
        // Where all wait for the CA, that is told elsewhere; this one may be all that it fails at.
        Blame::Ca => Some(now + first),
        Blame::Account => None,
    };
    if record.state == CertificateState::Own {
        record.state = CertificateState::Waiting;
    }
    record.next_try = next.map(second);
}

fn told(record: &mut CertificateRecord, now: Timestamp, code: &str, text: String) {
    if record.state == CertificateState::Issued && !record.is_valid(now) {
        record.state = CertificateState::Failed;
    }
    record.code = Some(code.to_owned());
    record.problem = Some(text);
}

/// What is said of a certificate that people bring, in the Secret `secret`; `found` is nothing
/// where there is no such Secret.
pub(super) fn own(
    secret: &str,
    found: Option<Result<Checked, CertificateProblem>>,
    now: Timestamp,
) -> CertificateRecord {
    let mut record = CertificateRecord {
        state: CertificateState::Own,
        ..CertificateRecord::default()
    };
    let mut say = |code: &str, text: String| {
        record.code = Some(code.to_owned());
        record.problem = Some(text);
    };
    match found {
        None => say(
            "own-missing",
            format!(
                "there is no Secret {secret} of type kubernetes.io/tls in the namespace {}; create \
                 it, or let the platform get a certificate",
                api::edge::NAMESPACE
            ),
        ),
        Some(Err(problem)) => {
            say(problem.code(), format!("Secret {secret}: {problem}"));
            if let CertificateProblem::Expired { at } = problem {
                record.not_after = Some(at);
            }
        }
        Some(Ok(checked)) => {
            record.issuer = Some(checked.issuer);
            record.not_before = Some(checked.not_before);
            record.not_after = Some(checked.not_after);
            record.id = checked.id;
            // It still works: whoever reads the code finds that it is no failure.
            if checked.not_after.duration_since(now) < OWN_ENDS {
                record.code = Some("own-ends-soon".to_owned());
            }
        }
    }
    record
}

/// Whether nothing is lost with what is remembered of a host that nobody wants any more: the CA
/// counts nothing of it, and it has no certificate that would be used if the host came back.
pub(super) fn is_over(record: &CertificateRecord, now: Timestamp) -> bool {
    let past = |at: Option<Timestamp>| at.is_none_or(|at| at <= now);
    let counts = |all: &[Timestamp], count: SignedDuration| all.iter().any(|at| *at > now - count);
    let own = record.state == CertificateState::Own;
    own || (past(record.not_after)
        && past(record.next_try)
        && !counts(&record.orders, ORDERS_COUNT)
        && !counts(&record.certificates, CERTIFICATES_COUNT)
        && !counts(&record.failed_validations, FAILURES_COUNT))
}

/// Whole seconds: what people read.
fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
