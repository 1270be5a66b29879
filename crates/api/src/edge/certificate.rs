//! What is remembered of each host's certificate: written by `longshore-edge issue`, read by
//! itself after a restart, by the scheduler for the Shop's status, and by people.
//!
//! ```text
//!  Secret    certificates-<shard>   www.acme.example: private key, leaf, chain (PEM)
//!  ConfigMap certificates-<shard>   www.acme.example: {"state":"Issued","notAfter":…}
//! ```
//!
//! Both are in the namespace of the edge, and carry [`LABEL`]. A host has its shard by its own
//! hash, so that one host's change touches one object of each kind.

use crate::name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// How many shards there are. Another number moves every host: it never changes.
pub const SHARDS: u32 = 256;
/// The label, and its value, of Secrets and ConfigMaps of certificates.
pub const LABEL: (&str, &str) = ("app.kubernetes.io/component", "certificates");
/// How a key begins whose host is a wildcard: a key of a Secret holds no `*`.
const WILDCARD: &str = "_wildcard.";

/// The shard of a host.
#[must_use]
pub fn shard_of(host: &str) -> u32 {
    name::spread(host, SHARDS)
}

/// The name of a shard's Secret, and of its ConfigMap.
#[must_use]
pub fn shard_name(shard: u32) -> String {
    format!("certificates-{shard:02x}")
}

/// The key of a host in a shard.
///
/// ```
/// use api::edge::certificate::{host_of, key_of};
///
/// assert_eq!(key_of("*.shops.example"), "_wildcard.shops.example");
/// assert_eq!(host_of("_wildcard.shops.example"), "*.shops.example");
/// assert_eq!(host_of(&key_of("www.acme.example")), "www.acme.example");
/// ```
#[must_use]
pub fn key_of(host: &str) -> String {
    host.strip_prefix("*.")
        .map_or_else(|| host.to_owned(), |rest| format!("{WILDCARD}{rest}"))
}

/// The host of a key.
#[must_use]
pub fn host_of(key: &str) -> String {
    key.strip_prefix(WILDCARD)
        .map_or_else(|| key.to_owned(), |rest| format!("*.{rest}"))
}

/// How far a host's certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CertificateState {
    /// There is none yet, and nothing is wrong: its turn comes, or a limit of the CA ends.
    #[default]
    Waiting,
    /// It is there, and valid. A problem beside it is one of its renewal.
    Issued,
    /// There is none, or it is over, because of the problem.
    Failed,
    /// People bring it. A problem beside it is one of theirs.
    Own,
}

/// What is remembered of one host's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRecord {
    /// How far it is.
    pub state: CertificateState,
    /// Who issued it, such as `Let's Encrypt R11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// From when it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Until when it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// When it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// Its identifier for the CA (RFC 9773, section 4.1); the serial number is its second half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How often in a row it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// What failed, with which value, and what to do: a sentence for who manages the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The same as a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// Orders of the last hours that count against limits of the CA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Timestamp>,
    /// Certificates of the last week that do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Timestamp>,
    /// Validations that the CA failed in the last hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_validations: Vec<Timestamp>,
}

impl CertificateRecord {
    /// Whether there is a certificate that browsers accept now.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        matches!(self.state, CertificateState::Issued | CertificateState::Own)
            && self.not_after.is_some_and(|end| now < end)
            && (self.state == CertificateState::Issued || self.problem.is_none())
    }
}

/// What a person is told who asks why a host has, or has not, a certificate; one fact a line.
#[must_use]
pub fn why(host: &str, record: Option<&CertificateRecord>, now: Timestamp) -> String {
    let Some(record) = record else {
        return format!(
            "{host}: nothing is known of a certificate; either no shop has this host, or the \
             issuer has not seen it yet\n"
        );
    };
    let mut text = match record.state {
        CertificateState::Waiting => format!("{host}: waits for its certificate"),
        CertificateState::Issued if record.is_valid(now) => format!("{host}: has a certificate"),
        CertificateState::Issued => format!("{host}: its certificate is over"),
        CertificateState::Failed => format!("{host}: gets no certificate"),
        CertificateState::Own => format!("{host}: uses a certificate that people bring"),
    };
    // Writing to a String never fails.
    if let Some(issuer) = &record.issuer {
        write!(text, ", issued by {issuer}").ok();
    }
    if let Some(end) = record.not_after {
        write!(text, ", valid until {end}").ok();
    }
    text.push('\n');
    if let (Some(problem), code) = (&record.problem, record.code.as_deref()) {
        writeln!(text, "  {problem} ({})", code.unwrap_or("no code")).ok();
    }
    if record.failures > 0 {
        writeln!(text, "  failed {} times in a row", record.failures).ok();
    }
    match (record.next_try, record.renew_at) {
        (Some(next), _) if next > now => writeln!(text, "  tried again at {next}").ok(),
        (Some(_), _) => writeln!(text, "  tried again as soon as its turn comes").ok(),
        (None, Some(at)) if record.state == CertificateState::Issued => {
            writeln!(text, "  renewed at {at}").ok()
        }
        (None, _) => None,
    };
    text
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_record_is_short_and_an_older_one_is_read() {
        let record = CertificateRecord::default();
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"state":"Waiting"}"#);
        let read: CertificateRecord =
            serde_json::from_str(r#"{"state":"Issued","fieldOfTomorrow":1}"#).unwrap();
        assert_eq!(read.state, CertificateState::Issued);
    }

    #[test]
    fn why_says_what_failed_and_when_it_is_tried_again() {
        let now = at("2026-11-30T12:00:00Z");
        let record = CertificateRecord {
            state: CertificateState::Failed,
            failures: 3,
            problem: Some("www.a.example leads to 192.0.2.7, which is not the edge".to_owned()),
            code: Some("wrong-address".to_owned()),
            next_try: Some(at("2026-11-30T12:04:00Z")),
            ..CertificateRecord::default()
        };
        assert_eq!(
            why("www.a.example", Some(&record), now),
            "www.a.example: gets no certificate\n  \
             www.a.example leads to 192.0.2.7, which is not the edge (wrong-address)\n  \
             failed 3 times in a row\n  \
             tried again at 2026-11-30T12:04:00Z\n"
        );
        let issued = CertificateRecord {
            state: CertificateState::Issued,
            issuer: Some("Let's Encrypt R11".to_owned()),
            not_after: Some(at("2027-02-28T12:00:00Z")),
            renew_at: Some(at("2027-01-29T12:00:00Z")),
            ..CertificateRecord::default()
        };
        assert_eq!(
            why("www.a.example", Some(&issued), now),
            "www.a.example: has a certificate, issued by Let's Encrypt R11, valid until \
             2027-02-28T12:00:00Z\n  renewed at 2027-01-29T12:00:00Z\n"
        );
        assert!(why("x.example", None, now).starts_with("x.example: nothing is known"));
    }
}
