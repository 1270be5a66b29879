//! The limits of the CA, kept by ourselves: one that is met costs an hour or a week, and the CA
//! counts every try against the next one.
//!
//! The numbers are those of Let's Encrypt (letsencrypt.org/docs/rate-limits). Each is a bucket of
//! tokens that fills evenly. Renewals that ARI asks for do not count.

use crate::certificate::CertificateRecord;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A limit of the CA: so many at once, and one more after each interval.
#[derive(Debug, Clone, Copy)]
struct Limit {
    count: i32,
    each: SignedDuration,
}

/// New orders of an account: 300 in 3 hours.
const ORDERS: Limit = Limit {
    count: 300,
    each: SignedDuration::from_secs(36),
};
/// Certificates of a registered domain: 50 in a week.
const DOMAIN: Limit = Limit {
    count: 50,
    each: SignedDuration::from_secs(7 * 24 * 3600 / 50),
};
/// Certificates of exactly the same names: 5 in a week.
const SAME: Limit = Limit {
    count: 5,
    each: SignedDuration::from_secs(7 * 24 * 3600 / 5),
};
/// Failed validations of a host: 5 in an hour.
const FAILED: Limit = Limit {
    count: 5,
    each: SignedDuration::from_mins(12),
};
/// For how long an order counts.
pub(super) const ORDERS_COUNT: SignedDuration = SignedDuration::from_hours(3);
/// For how long a certificate counts.
pub(super) const CERTIFICATES_COUNT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For how long a failed validation counts.
pub(super) const FAILURES_COUNT: SignedDuration = SignedDuration::from_hours(1);

/// A bucket, as the time at which it is full again (GCRA): nothing has to be added while time goes
/// by.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Timestamp,
}

impl Default for Bucket {
    /// Full.
    fn default() -> Self {
        Self {
            full_at: Timestamp::UNIX_EPOCH,
        }
    }
}

impl Bucket {
    /// When there is a token.
    fn next(self, limit: Limit) -> Timestamp {
        self.full_at - limit.each * (limit.count - 1)
    }

    fn take(&mut self, limit: Limit, at: Timestamp) {
        // Never so deep that the bucket needs longer than it would from empty.
        let full = self.full_at.max(at) + limit.each;
        self.full_at = full.min(at + limit.each * limit.count);
    }

    /// How many tokens there are.
    fn tokens(self, limit: Limit, now: Timestamp) -> usize {
        let missing = (self.full_at - now)
            .total(jiff::Unit::Second)
            .unwrap_or(0.0);
        let each = limit.each.as_secs_f64();
        let tokens = f64::from(limit.count) - (missing / each).max(0.0);
        // A number from 0 to a count; the half keeps what is exactly whole from being rounded off.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 300"
        )]
        let whole = (tokens + 1e-6).floor().max(0.0) as usize;
        whole
    }
}

/// What is remembered of a host that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ordered,
    Certificate,
    Failed,
}

/// Whom a refusal of the CA concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// One host.
    Host,
    /// All hosts of its registered domain.
    Domain,
    /// Everything.
    Account,
}

/// Why an order has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    /// Until when.
    pub(super) until: Timestamp,
    /// A sentence.
    pub(super) why: String,
    /// The stable word.
    pub(super) code: &'static str,
}

/// What is left of each limit.
#[derive(Debug, Default)]
pub(super) struct Limits {
    orders: Bucket,
    domains: BTreeMap<String, Bucket>,
    same: BTreeMap<String, Bucket>,
    failed: BTreeMap<String, Bucket>,
    /// Until when the CA refuses, by account, domain or host.
    refused: BTreeMap<String, Timestamp>,
}

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderKind {
    /// A certificate that counts.
    New,
    /// A renewal that ARI asks for, which does not count.
    Renewal,
}

impl Limits {
    /// What is left after what is remembered of all hosts.
    pub(super) fn from_records(
        records: &BTreeMap<String, CertificateRecord>,
        now: Timestamp,
    ) -> Self {
        let mut limits = Self::default();
        // A bucket is told in the order in which it happened.
        let mut events: Vec<(Timestamp, &String, Event)> = Vec::new();
        for (host, record) in records {
            for (times, event) in [
                (&record.orders, Event::Ordered),
                (&record.certificates, Event::Certificate),
                (&record.failed_validations, Event::Failed),
            ] {
                // Records are text that somebody may have written: none is of the future.
                events.extend(times.iter().map(|at| (now.min(*at), host, event)));
            }
        }
        events.sort_unstable();
        for (at, host, event) in events {
            match event {
                Event::Ordered => limits.orders.take(ORDERS, at),
                Event::Certificate => limits.reserve(host, at),
                Event::Failed => limits.failed(host, at),
            }
        }
        limits
    }

    /// Whether a host may be ordered for now.
    pub(super) fn order(&self, host: &str, kind: OrderKind, now: Timestamp) -> Result<(), Wait> {
        let domain = registered(host);
        let mut waits: Vec<Wait> = Vec::new();
        let mut until = |until: Timestamp, code: &'static str, why: String| {
            if until > now {
                waits.push(Wait { until, why, code });
            }
        };
        for (name, what) in [
            ("", "the CA takes no orders now".to_owned()),
            (
                domain,
                format!("the CA issues no more certificates for {domain} now"),
            ),
            (host, format!("the CA issues no certificate for {host} now")),
        ] {
            if let Some(at) = self.refused.get(name) {
                until(*at, "ca-rate-limited", what);
            }
        }
        let bucket = |bucket: Option<&Bucket>| bucket.copied().unwrap_or_default();
        until(
            bucket(self.failed.get(host)).next(FAILED),
            "limit-failed-validations",
            format!("the CA failed to reach {host} 5 times in an hour"),
        );
        if kind == OrderKind::New {
            until(
                bucket(self.same.get(host)).next(SAME),
                "limit-same-host",
                format!("{host} had 5 certificates in a week"),
            );
            until(
                bucket(self.domains.get(domain)).next(DOMAIN),
                "limit-domain",
                format!("{domain} and the hosts below it had 50 certificates in a week"),
            );
            until(
                self.orders.next(ORDERS),
                "limit-orders",
                "300 certificates were ordered in 3 hours".to_owned(),
            );
        }
        let last = waits.into_iter().max_by_key(|wait| wait.until);
        last.map_or(Ok(()), Err)
    }

    /// Takes in an order that counts, and the certificate that comes of it.
    pub(super) fn ordered(&mut self, host: &str, at: Timestamp) {
        self.orders.take(ORDERS, at);
        self.reserve(host, at);
    }

    fn reserve(&mut self, host: &str, at: Timestamp) {
        let domain = registered(host).to_owned();
        self.domains.entry(domain).or_default().take(DOMAIN, at);
        self.same.entry(host.to_owned()).or_default().take(SAME, at);
    }

    /// An order that counted came to nothing: the CA counts it, but no certificate.
    pub(super) fn came_to_nothing(&mut self, host: &str) {
        for (bucket, limit) in [
            (self.domains.get_mut(registered(host)), DOMAIN),
            (self.same.get_mut(host), SAME),
        ] {
            if let Some(bucket) = bucket {
                bucket.full_at -= limit.each;
            }
        }
    }

    /// Takes in a validation that the CA failed.
    pub(super) fn failed(&mut self, host: &str, at: Timestamp) {
        let bucket = self.failed.entry(host.to_owned()).or_default();
        bucket.take(FAILED, at);
    }

    /// Takes in that the CA refuses until a time.
    pub(super) fn refused(&mut self, host: &str, scope: Scope, until: Timestamp) {
        let name = match scope {
            Scope::Host => host,
            Scope::Domain => registered(host),
            Scope::Account => "",
        };
        let known = self.refused.entry(name.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// Until when the CA refuses everything, where it does.
    pub(super) fn held(&self, now: Timestamp) -> Option<Timestamp> {
        self.refused.get("").copied().filter(|until| *until > now)
    }

    /// How many orders that count may be made at once.
    pub(super) fn left(&self, now: Timestamp) -> usize {
        self.orders.tokens(ORDERS, now)
    }

    /// Forgets what counts no more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        for buckets in [&mut self.domains, &mut self.same, &mut self.failed] {
            buckets.retain(|_, bucket| bucket.full_at > now);
        }
        self.refused.retain(|_, until| *until > now);
    }
}

/// The domain that somebody registered, such as `acme.co.uk` of `www.acme.co.uk`; the host itself
/// where it is none.
pub(super) fn registered(host: &str) -> &str {
    psl::domain_str(host.trim_start_matches("*.")).unwrap_or(host)
}

/// Whom a refusal concerns, by what the CA says: it names the host, or its domain, where it means
/// that. A host that nobody is sure of must not hold all others, and the CA is asked at most once
/// a minute by those.
pub(super) fn scope(host: &str, detail: &str) -> Scope {
    let named = |name: &str| {
        detail
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.*".contains(letter)))
            .any(|word| word.trim_matches('.').eq_ignore_ascii_case(name))
    };
    let exact = detail.contains("exact set");
    if exact || detail.contains("failed authorizations") {
        Scope::Host
    } else if named(registered(host)) {
        Scope::Domain
    } else if named(host) {
        Scope::Host
    } else {
        Scope::Account
    }
}

#[cfg(test)]
mod tests;
