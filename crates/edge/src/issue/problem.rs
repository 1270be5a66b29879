//! What kept a host from its certificate: a stable word, a sentence for who manages the shop, and
//! whose fault it is, which decides who waits.

use super::limits::Scope;
use jiff::Timestamp;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The host's: it backs off.
    Host,
    /// The host's, and the CA counts it against a limit.
    Validation,
    /// A limit of the CA: whom it concerns waits until then.
    Limit(Scope, Timestamp),
    /// The CA, or the way to it: no host is to blame, and where it fails at two, everybody waits a
    /// moment.
    Ca,
    /// The CA does not know the account any more: there has to be a new one.
    Account,
    /// The CA does not take this as a renewal: the host is ordered for anew.
    Renewal,
    /// The API server, or this process, which no longer leads: the host is tried again soon.
    Us,
}

/// What kept a host from its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) text: String,
    pub(super) blame: Blame,
}

impl Problem {
    pub(super) fn host(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Blame::Host, code, text)
    }

    pub(super) fn ca(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Blame::Ca, code, text)
    }

    pub(super) fn us(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Blame::Us, code, text)
    }

    pub(super) fn new(blame: Blame, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            blame,
        }
    }
}

/// What a stranger says, such as a CA or a visitor's server: short, and in one line.
pub(super) fn quoted(text: &str) -> String {
    const LIMIT: usize = 300;
    let line: String = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .take(LIMIT)
        .collect();
    if text.chars().count() > LIMIT {
        format!("{line}…")
    } else {
        line
    }
}
