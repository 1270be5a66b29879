//! What is known of the certificates of hosts: what `longshore-edge issue` remembers of each, as a
//! Shop's status says it.

use crate::conditions::Verdict;
use api::{
    DomainCertificate, Shop,
    edge::certificate::{CertificateRecord, shard_name, shard_of},
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Records by ConfigMap, and by host.
#[derive(Debug, Default)]
pub struct Certificates(BTreeMap<String, BTreeMap<String, CertificateRecord>>);

impl Certificates {
    fn record(&self, host: &str) -> Option<&CertificateRecord> {
        self.0.get(&shard_name(shard_of(host)))?.get(host)
    }

    /// The ConfigMaps of which something is remembered.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Takes in a ConfigMap, or that it is gone; gives the hosts of which something else is
    /// remembered now.
    pub fn take(
        &mut self,
        name: &str,
        records: BTreeMap<String, CertificateRecord>,
    ) -> BTreeSet<String> {
        let old = self.0.remove(name).unwrap_or_default();
        let hosts: BTreeSet<_> = old.keys().chain(records.keys()).cloned().collect();
        let changed = hosts
            .into_iter()
            .filter(|host| old.get(host).map(told) != records.get(host).map(told))
            .collect();
        if !records.is_empty() {
            self.0.insert(name.to_owned(), records);
        }
        changed
    }
}

/// What a status says of a record; the rest is the issuer's own.
fn told(record: &CertificateRecord) -> (Option<&String>, Option<Timestamp>, Option<&String>) {
    (
        record.issuer.as_ref(),
        record.not_after,
        record.problem.as_ref(),
    )
}

/// The certificates of a shop's hosts, as far as something is remembered of them.
#[must_use]
pub fn of_shop(shop: &Shop, known: &Certificates) -> Vec<DomainCertificate> {
    let one = |host: &str| {
        let record = known.record(host)?;
        Some(DomainCertificate {
            host: host.to_owned(),
            issuer: record.issuer.clone(),
            not_after: record.not_after.map(|end| end.to_string()),
            problem: record.problem.clone(),
        })
    };
    let hosts = shop.spec.domains.iter().map(|domain| domain.host.as_str());
    hosts.filter_map(one).collect()
}

/// Whether browsers accept the certificate of each host; `None` where nobody gets any.
#[must_use]
pub fn valid(shop: &Shop, known: &Certificates, now: Timestamp) -> Option<Verdict> {
    let hosts = shop.spec.domains.iter().map(|domain| domain.host.as_str());
    let records: Vec<_> = hosts
        .filter_map(|host| Some((host, known.record(host)?)))
        .collect();
    let bad = records.iter().find(|(_, record)| !record.is_valid(now));
    match bad {
        _ if records.is_empty() => None,
        None => Some(Verdict::yes("Valid")),
        Some((host, record)) => {
            let waits = || "it waits for its turn at the certificate authority".to_owned();
            let why = record.problem.clone().unwrap_or_else(waits);
            Some(Verdict::no("NotValid", format!("{host}: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Truth, edge::certificate::CertificateState, fixtures};

    #[test]
    fn a_shops_status_says_what_is_remembered_of_its_hosts() {
        let now = Timestamp::UNIX_EPOCH;
        let mut known = Certificates::default();
        let shop = fixtures::shop("acme", serde_json::json!({}));
        let host = shop.spec.domains[0].host.clone();
        assert_eq!(of_shop(&shop, &known), []);
        assert!(valid(&shop, &known, now).is_none(), "nobody gets any here");

        let shard = shard_name(shard_of(&host));
        let failed = CertificateRecord {
            state: CertificateState::Failed,
            problem: Some("its A record leads to 192.0.2.1".into()),
            failures: 1,
            ..CertificateRecord::default()
        };
        let hosts = |records: &[(&str, &CertificateRecord)]| {
            let record = |(host, record): &(&str, &CertificateRecord)| {
                ((*host).to_owned(), (*record).clone())
            };
            records.iter().map(record).collect::<BTreeMap<_, _>>()
        };
        let changed = known.take(&shard, hosts(&[(&host, &failed)]));
        assert_eq!(changed, BTreeSet::from([host.clone()]));
        let verdict = valid(&shop, &known, now).unwrap();
        assert_eq!(verdict.status, Truth::False);
        assert!(verdict.message.contains("192.0.2.1"), "{}", verdict.message);
        // Only the issuer's own.
        let again = CertificateRecord {
            failures: 2,
            ..failed
        };
        let changed = known.take(&shard, hosts(&[(&host, &again)]));
        assert_eq!(changed, BTreeSet::new());

        let issued = CertificateRecord {
            state: CertificateState::Issued,
            issuer: Some("Let's Encrypt R11".into()),
            not_after: Some(now + std::time::Duration::from_mins(1)),
            ..CertificateRecord::default()
        };
        known.take(&shard, hosts(&[(&host, &issued)]));
        assert_eq!(valid(&shop, &known, now).unwrap().status, Truth::True);
        assert_eq!(
            of_shop(&shop, &known)[0].not_after.as_deref(),
            Some("1970-01-01T00:01:00Z")
        );
        assert_eq!(known.names(), [shard.as_str()]);
        assert_eq!(known.take(&shard, BTreeMap::new()).len(), 1);
        assert_eq!(known.names(), [""; 0]);
        assert_eq!(of_shop(&shop, &known), []);
    }
}
