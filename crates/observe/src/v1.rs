//! The answers of `longshore-watch`, version 1, as JSON.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/shops` | [`Shops`]: all shops, in short |
//! | `GET /v1/shops/SHOP/errors` | [`Errors`]: open groups, or with `?all=true` all of them |
//! | `PUT /v1/shops/SHOP/errors/FINGERPRINT/state` with a [`StateChange`] | [`ErrorGroup`] |
//! | `GET /v1/shops/SHOP/uptime` | [`Uptime`] |
//! | `GET /v1/shops/SHOP/performance` | [`Performance`]: of the last hour, or with `?minutes=15` of less |
//! | `POST /v1/evidence` with a [`Trial`] | [`Evidence`] |
//!
//! Who is refused gets a [`Problem`]. New fields may come; a reader ignores what it does not know.

use crate::{Fingerprint, Severity, Source};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All shops, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shops {
    /// Each of them.
    pub shops: Vec<ShopSummary>,
}

/// A shop in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopSummary {
    /// The shop.
    pub shop: String,
    /// How many open groups it has, by severity; those that it has none of are missing.
    pub open: BTreeMap<Severity, u64>,
    /// How many of its domains are probed.
    pub hosts: u64,
    /// How many of those are down, from inside or from outside.
    pub hosts_down: u64,
    /// What is wrong, in one line; nothing is if this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The errors of a shop, worst and latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Errors {
    /// The shop.
    pub shop: String,
    /// When its agents were asked last; none of them yet if this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Its groups.
    pub groups: Vec<ErrorGroup>,
}

/// Errors that are the same but for the values in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorGroup {
    /// Its name.
    pub fingerprint: Fingerprint,
    /// Where it was written.
    pub source: Source,
    /// How bad it is.
    pub severity: Severity,
    /// The exception's class, or PHP's word for the kind of error.
    pub class: String,
    /// The message without the values in it.
    pub message: String,
    /// Whether somebody has to look at it.
    pub state: State,
    /// The sequence of the release in which it came back after it had been resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_since: Option<u64>,
    /// When it was seen first.
    pub first: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
    /// How often it was seen in each release, newest first; releases of long ago are left out.
    pub releases: Vec<ReleaseCount>,
    /// One of them, with secrets and personal data masked.
    pub sample: String,
}

/// How often a group was seen in a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseCount {
    /// The sequence of the release, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// How often.
    pub count: u64,
}

/// Whether somebody has to look at a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Yes.
    Open,
    /// Somebody mended it. If it is seen in a newer release, it is open again.
    Resolved,
    /// Nobody wants to hear of it.
    Ignored,
}

/// What a person says of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateChange {
    /// Its state from now on.
    pub state: State,
}

/// Whether a shop's domains answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uptime {
    /// The shop.
    pub shop: String,
    /// Its domains.
    pub hosts: Vec<HostUptime>,
    /// What went wrong, newest first.
    pub incidents: Vec<Incident>,
    /// The last months, newest first.
    pub months: Vec<Month>,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostUptime {
    /// The domain.
    pub host: String,
    /// The last answer at each vantage point.
    pub probes: Vec<ProbeResult>,
    /// When its certificate ends, as the last handshake showed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_end: Option<Timestamp>,
}

/// From where a domain is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vantage {
    /// At the edge's own address: what fails here is the shop, or the edge.
    Inside,
    /// Through DNS, as visitors come: what fails here alone is DNS, a CDN or a certificate.
    Outside,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeResult {
    /// From where.
    pub vantage: Vantage,
    /// When.
    pub at: Timestamp,
    /// The status of the answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long the answer took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What was wrong, as a sentence; nothing was if this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A time in which a domain did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// The domain.
    pub host: String,
    /// From where it was seen.
    pub vantage: Vantage,
    /// What caused it, as a word that stays the same: see [`Cause`].
    pub cause: Cause,
    /// What was wrong, as a sentence.
    pub problem: String,
    /// When it was seen first.
    pub begin: Timestamp,
    /// When the domain answered again; it does not yet if this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

/// What makes a domain not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// DNS knows no address, or does not answer.
    Dns,
    /// Nobody takes the connection.
    Connect,
    /// The certificate is over, of another name, or of nobody who is trusted.
    Certificate,
    /// There was no answer in time.
    Timeout,
    /// The answer was an error, such as 502.
    Status,
    /// The connection ended before the answer.
    Broken,
}

/// A month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Month {
    /// Its first day.
    pub month: Date,
    /// Probes that were answered as they should be, of those that were made: from 0 to 1. They are
    /// those from inside; those from outside for shops that the edge does not serve.
    pub up: f64,
    /// How many probes that is of.
    pub probes: u64,
}

/// How fast a shop answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Performance {
    /// The shop.
    pub shop: String,
    /// Over how many minutes, up to now.
    pub minutes: u32,
    /// The share of php-fpm's workers that is busy at this moment, over all pods, from 0 to 1; not
    /// known if this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_workers: Option<f64>,
    /// By release, newest first.
    pub releases: Vec<ReleasePerformance>,
    /// Requests that took too long, grouped by where they were then, worst first.
    pub slow: Vec<ErrorGroup>,
}

/// How fast a release answers. Times are in seconds, of requests that PHP answered; each is missing
/// if there were none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasePerformance {
    /// The sequence of the release, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Requests.
    pub requests: u64,
    /// Those that were answered with an error of the server, 5xx.
    pub failed: u64,
    /// Within what time half of them were answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// Within what time 95 % were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// Within what time 99 % were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}

/// A release on its way through shops, of which somebody asks how it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trial {
    /// The sequence of the release.
    pub sequence: u64,
    /// Shops that run it.
    pub moved: Vec<String>,
    /// Those of them that were chosen to show how it does: the word of one of these is enough.
    pub canaries: Vec<String>,
    /// Shops of the same channel that do not run it yet: what is wrong with them, too, is not the
    /// release's doing.
    pub control: Vec<String>,
}

/// What is held against a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// When agents were asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Requests that the shops which moved answered with the release: few are no evidence.
    pub requests: u64,
    /// What is held against it; nothing is if this is empty.
    pub against: Vec<Finding>,
}

/// Something that is held against a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// A shop where it was seen.
    pub shop: String,
    /// The group of errors, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// What it is, as a sentence.
    pub text: String,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A sentence.
    pub problem: String,
}

impl State {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Open, Self::Resolved, Self::Ignored];

    /// The word for it, in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
        }
    }
}

impl Vantage {
    /// Both.
    pub const ALL: &[Self] = &[Self::Inside, Self::Outside];

    /// The word for it, in JSON and on labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

impl Cause {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Dns,
        Self::Connect,
        Self::Certificate,
        Self::Timeout,
        Self::Status,
        Self::Broken,
    ];

    /// The word for it, in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Certificate => "certificate",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Broken => "broken",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
        for vantage in Vantage::ALL {
            assert_eq!(serde_json::to_value(vantage).unwrap(), vantage.word());
        }
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.word());
        }
    }
}
