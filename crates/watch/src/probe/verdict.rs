//! What a probe comes to: decisions, without IO.

use crate::fleet::Expect;
use jiff::Timestamp;
use observe::v1::Cause;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// DNS knows no address, or does not answer; as a sentence.
    Dns(String),
    /// Our own way to DNS, or to anybody: it says nothing of the host.
    Ours(String),
    /// Nobody takes the connection; as a sentence.
    Connect(String),
    /// The server has no certificate for the host, and so shakes no hands.
    NoCertificate,
    /// Nothing came in time, of this.
    Timeout(&'static str),
    /// The connection ended; as a sentence.
    Broken(String),
}

/// The certificate, as the handshake showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) end: Option<Timestamp>,
    /// Why a browser does not take it, as a sentence.
    pub(crate) problem: Option<String>,
}

/// What a probe measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measurement {
    pub(crate) certificate: Option<Certificate>,
    /// The status, if one was asked for.
    pub(crate) answer: Result<Option<u16>, Failure>,
    pub(crate) took: Duration,
}

/// What it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Up,
    /// It is not, why, and that as a sentence.
    Down(Cause, String),
    /// It says nothing of the host; as a sentence.
    Unknown(String),
}

/// Judges what a probe measured.
pub(crate) fn judge(expect: Expect, measured: &Measurement) -> Verdict {
    let bad = measured
        .certificate
        .as_ref()
        .and_then(|it| it.problem.clone());
    let answered = match &measured.answer {
        Err(failure) => return failed(failure),
        Ok(status) => status.map_or(Verdict::Up, |status| answered(expect, status)),
    };
    match (answered, bad) {
        // A shop that does not answer is worse than one that browsers warn of.
        (Verdict::Up, Some(problem)) => Verdict::Down(Cause::Certificate, problem),
        (verdict, _) => verdict,
    }
}

fn answered(expect: Expect, status: u16) -> Verdict {
    match (expect, status) {
        // The edge says so of an address that asks too often: ours.
        (_, 429) => Verdict::Unknown("the answer is 429: probes are too many for the edge".into()),
        (Expect::Redirect, 301 | 308) => Verdict::Up,
        (Expect::Redirect, status) => Verdict::Down(
            Cause::Status,
            format!("the answer is {status}, and not a redirect"),
        ),
        (_, 200..=399 | 401 | 403 | 404) => Verdict::Up,
        (_, status) => Verdict::Down(Cause::Status, format!("the answer is {status}")),
    }
}

fn failed(failure: &Failure) -> Verdict {
    let (cause, problem) = match failure {
        Failure::Ours(why) => return Verdict::Unknown(why.clone()),
        Failure::Dns(why) => (Cause::Dns, why.clone()),
        Failure::Connect(why) => (Cause::Connect, why.clone()),
        Failure::NoCertificate => (
            Cause::Certificate,
            "the server has no certificate for this name".to_owned(),
        ),
        Failure::Timeout(what) => (Cause::Timeout, format!("no {what} in time")),
        Failure::Broken(why) => (Cause::Broken, why.clone()),
    };
    Verdict::Down(cause, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(problem: Option<&str>, answer: Result<Option<u16>, Failure>) -> Measurement {
        Measurement {
            certificate: Some(Certificate {
                end: None,
                problem: problem.map(str::to_owned),
            }),
            answer,
            took: Duration::ZERO,
        }
    }

    fn cause(expect: Expect, it: &Measurement) -> Option<Cause> {
        match judge(expect, it) {
            Verdict::Down(cause, _) => Some(cause),
            Verdict::Up | Verdict::Unknown(_) => None,
        }
    }

    #[test]
    fn answers_of_a_shop_that_works_are_up_and_errors_are_down() {
        for (status, expected) in [
            (200, None),
            (204, None),
            (302, None),
            (401, None),
            (403, None),
            (404, None),
            (400, Some(Cause::Status)),
            (421, Some(Cause::Status)),
            (500, Some(Cause::Status)),
            (502, Some(Cause::Status)),
            (503, Some(Cause::Status)),
        ] {
            let it = measured(None, Ok(Some(status)));
            assert_eq!(cause(Expect::Page, &it), expected, "{status}");
        }
        let busy = measured(None, Ok(Some(429)));
        assert!(matches!(judge(Expect::Page, &busy), Verdict::Unknown(_)));
        for (status, expected) in [(301, None), (308, None), (200, Some(Cause::Status))] {
            let it = measured(None, Ok(Some(status)));
            assert_eq!(cause(Expect::Redirect, &it), expected, "{status}");
        }
        assert_eq!(
            judge(Expect::Handshake, &measured(None, Ok(None))),
            Verdict::Up
        );
    }

    #[test]
    fn a_certificate_and_the_shop_are_told_apart() {
        let over = Some("the certificate ended");
        let certificate = measured(over, Ok(Some(200)));
        assert_eq!(cause(Expect::Page, &certificate), Some(Cause::Certificate));
        let shop = measured(over, Ok(Some(502)));
        assert_eq!(cause(Expect::Page, &shop), Some(Cause::Status));
        let asleep = measured(over, Ok(None));
        assert_eq!(cause(Expect::Handshake, &asleep), Some(Cause::Certificate));
    }

    #[test]
    fn each_failure_has_its_cause_and_what_is_ours_has_none() {
        for (failure, expected) in [
            (Failure::Dns("no address".into()), Some(Cause::Dns)),
            (Failure::Connect("refused".into()), Some(Cause::Connect)),
            (Failure::NoCertificate, Some(Cause::Certificate)),
            (Failure::Timeout("answer"), Some(Cause::Timeout)),
            (Failure::Broken("ended".into()), Some(Cause::Broken)),
            (Failure::Ours("no descriptor".into()), None),
        ] {
            assert_eq!(cause(Expect::Page, &measured(None, Err(failure))), expected);
        }
    }
}
