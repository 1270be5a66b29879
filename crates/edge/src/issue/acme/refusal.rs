//! What the CA says when it does not do what it is asked (RFC 8555, section 6.7): whose fault it
//! is, and what to do.

use crate::issue::{
    http::Busy,
    limits::{self, OrderKind},
    problem::{Blame, Problem, quoted},
};
use instant_acme::{Error, Problem as Said};
use jiff::{SignedDuration, Timestamp};

/// How long a limit is taken to last of which the CA does not say that, and the most that is
/// believed.
const UNSAID: SignedDuration = SignedDuration::from_mins(15);
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What an error of the crate for ACME means for a host; `""` where it is about none.
pub(super) fn problem(host: &str, error: &Error, now: Timestamp) -> Problem {
    match error {
        Error::Api(said) => of_said(host, said, None, now),
        Error::Other(other) => match other.downcast_ref::<Busy>() {
            Some(busy) => of_said(host, &busy.problem, busy.after, now),
            None => Problem::ca(
                "ca-unreachable",
                format!("the CA cannot be reached: {}", chain(other.as_ref())),
            ),
        },
        Error::Timeout(_) => Problem::ca("ca-slow", "the CA did not end an order in time"),
        Error::Json(_) | Error::Str(_) => {
            Problem::ca("ca-malformed", format!("the CA answers strangely: {error}"))
        }
        other => Problem::ca("ca-failed", format!("the CA cannot be asked: {other}")),
    }
}

/// The same for an order that was not made. That it is a renewal is all that can be wrong with one
/// that is refused as such.
pub(super) fn of_new_order(host: &str, error: &Error, order: OrderKind, now: Timestamp) -> Problem {
    let problem = problem(host, error, now);
    let kind = match error {
        Error::Api(said) => kind(said),
        Error::Unsupported(_) => "unsupported",
        // The crate says so where the answer does not repeat what is replaced.
        Error::Other(other) if other.to_string().starts_with("replaces field mismatch") => {
            "unsupported"
        }
        _ => "",
    };
    let refused = matches!(
        kind,
        "alreadyReplaced" | "conflict" | "malformed" | "notFound" | "unsupported" | "unauthorized"
    );
    if order == OrderKind::Renewal && refused {
        return Problem {
            blame: Blame::Renewal,
            code: "ca-no-renewal",
            ..problem
        };
    }
    problem
}

/// What the CA saw when it looked at a host.
pub(super) fn of_validation(host: &str, said: &Said) -> Problem {
    let detail = detail(said);
    let (code, text) = match kind(said) {
        "dns" => (
            "ca-dns",
            format!(
                "the CA cannot look {host} up in DNS; check the domain's name servers: {detail}"
            ),
        ),
        "connection" => (
            "ca-connection",
            format!(
                "the CA cannot connect to {host}; check its addresses in DNS, and firewalls: \
                 {detail}"
            ),
        ),
        "unauthorized" | "incorrectResponse" => (
            "ca-unauthorized",
            format!(
                "the CA found somebody else answering for {host}; check its addresses in DNS, also \
                 IPv6: {detail}"
            ),
        ),
        "caa" => (
            "ca-caa",
            format!("CAA records of {host} do not allow the CA: {detail}"),
        ),
        _ => (
            "ca-validation",
            format!("the CA could not validate {host}: {detail}"),
        ),
    };
    Problem::new(Blame::Validation, code, text)
}

fn of_said(host: &str, said: &Said, after: Option<SignedDuration>, now: Timestamp) -> Problem {
    let detail = detail(said);
    match kind(said) {
        "rateLimited" => {
            let wait = after.unwrap_or(UNSAID).min(LONGEST);
            Problem::new(
                Blame::Limit(limits::scope(host, &detail), now + wait),
                "ca-rate-limited",
                format!("the CA limits how much it issues: {detail}"),
            )
        }
        "accountDoesNotExist" => Problem::new(
            Blame::Account,
            "ca-account",
            format!("the CA does not know the account: {detail}"),
        ),
        "unauthorized" if detail.contains("deactivated") => Problem::new(
            Blame::Account,
            "ca-account",
            format!("the CA has closed the account: {detail}"),
        ),
        "rejectedIdentifier" => Problem::host(
            "ca-rejected-host",
            format!("the CA issues nothing for {host}: {detail}"),
        ),
        "unsupportedIdentifier" => Problem::host(
            "ca-rejected-host",
            format!("the CA does not issue for names such as {host}: {detail}"),
        ),
        "caa" => of_validation(host, said),
        "userActionRequired" => Problem::ca(
            "ca-user-action",
            format!("the operator has to do something at the CA: {detail}"),
        ),
        "externalAccountRequired" => Problem::ca(
            "ca-external-account",
            format!("the CA wants an external account, which the operator sets: {detail}"),
        ),
        "badNonce" => Problem::ca("ca-bad-nonce", "the CA forgot its nonces"),
        "serverInternal" => Problem::ca("ca-internal", format!("the CA failed: {detail}")),
        "invalidContact" | "unsupportedContact" => Problem::ca(
            "ca-contact",
            format!("the CA does not take the contact, which the operator sets: {detail}"),
        ),
        // An order that is gone, mostly, of one that another process began.
        _ if said.status == Some(404) => Problem::host(
            "ca-order-gone",
            format!("the CA does not know the order for {host} any more: {detail}"),
        ),
        _ if said.status.is_some_and(|code| code >= 500) => {
            let problem = Problem::ca("ca-failed", format!("the CA failed: {detail}"));
            match after {
                Some(after) => Problem {
                    blame: Blame::Limit(limits::Scope::Account, now + after.min(LONGEST)),
                    ..problem
                },
                None => problem,
            }
        }
        _ if host.is_empty() => Problem::ca("ca-refused", format!("the CA refuses: {detail}")),
        _ => Problem::host(
            "ca-refused",
            format!("the CA refuses a certificate for {host}: {detail}"),
        ),
    }
}

/// The last part of `urn:ietf:params:acme:error:rateLimited`.
fn kind(said: &Said) -> &str {
    let name = said.r#type.as_deref().unwrap_or_default();
    name.rsplit(':').next().unwrap_or_default()
}

/// What the CA says in words; where there is more than one thing, the first.
fn detail(said: &Said) -> String {
    let own = said.detail.as_deref();
    let below = said.subproblems.iter().find_map(|it| it.detail.as_deref());
    let text = match (own, below) {
        (Some(own), Some(below)) => format!("{own}; {below}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => kind(said).to_owned(),
    };
    quoted(&text)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let text = std::iter::successors(Some(error), |it| it.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    quoted(&text.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::Scope;

    fn now() -> Timestamp {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    fn said(kind: &str, detail: &str) -> Said {
        Said {
            r#type: Some(format!("urn:ietf:params:acme:error:{kind}")),
            detail: Some(detail.to_owned()),
            status: Some(400),
            subproblems: Vec::new(),
        }
    }

    #[test]
    fn each_refusal_has_a_code_and_somebody_to_blame() {
        let until = now() + UNSAID;
        for (kind, detail, code, blame) in [
            (
                "rateLimited",
                "too many new orders",
                "ca-rate-limited",
                Blame::Limit(Scope::Account, until),
            ),
            (
                "rejectedIdentifier",
                "policy forbids",
                "ca-rejected-host",
                Blame::Host,
            ),
            ("accountDoesNotExist", "", "ca-account", Blame::Account),
            ("badNonce", "", "ca-bad-nonce", Blame::Ca),
            ("serverInternal", "", "ca-internal", Blame::Ca),
            (
                "externalAccountRequired",
                "",
                "ca-external-account",
                Blame::Ca,
            ),
            ("malformed", "x", "ca-refused", Blame::Host),
            ("ofTomorrow", "x", "ca-refused", Blame::Host),
        ] {
            let problem = problem("a.example", &Error::Api(said(kind, detail)), now());
            assert_eq!((problem.code, problem.blame), (code, blame), "{kind}");
        }
        let problem = problem("a.example", &Error::Str("x"), now());
        assert_eq!(problem.blame, Blame::Ca);
    }

    #[test]
    fn the_wait_that_the_ca_asks_for_is_obeyed() {
        let busy = Busy {
            problem: said("rateLimited", "too many new orders"),
            after: Some(SignedDuration::from_hours(2)),
        };
        let problem = problem("a.example", &Error::Other(Box::new(busy)), now());
        let until = now() + SignedDuration::from_hours(2);
        assert_eq!(problem.blame, Blame::Limit(Scope::Account, until));
    }

    #[test]
    fn a_renewal_that_is_refused_as_one_is_ordered_for_anew() {
        let error = Error::Api(said("alreadyReplaced", "x"));
        assert_eq!(
            of_new_order("a.example", &error, OrderKind::Renewal, now()).blame,
            Blame::Renewal
        );
        assert_eq!(
            of_new_order("a.example", &error, OrderKind::New, now()).blame,
            Blame::Host
        );
        let limit = Error::Api(said("rateLimited", "x"));
        assert!(matches!(
            of_new_order("a.example", &limit, OrderKind::Renewal, now()).blame,
            Blame::Limit(..)
        ));
    }

    #[test]
    fn what_a_ca_writes_is_short_and_one_line() {
        let problem = of_validation("a.example", &said("dns", &"x\n".repeat(1000)));
        assert!(
            problem.text.len() < 500 && !problem.text.contains('\n'),
            "{}",
            problem.text
        );
        assert_eq!(problem.blame, Blame::Validation);
    }
}
