//! Which hosts are looked up, and when; what the answers say of shops. Pure: the time is passed in.

use api::{Fleet, backoff, claims::Claims, name::spread, proof};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Lookups at once. A host whose name servers are silent takes 10 s.
const AT_ONCE: usize = 256;
/// How many of them are of hosts that failed before, or for which nobody waits: the other half of
/// the places is for hosts that were never looked up.
const AGAIN: usize = AT_ONCE / 2;
/// The first wait of a host that is not proven; it doubles up to 6 h.
const FIRST: Duration = Duration::from_mins(1);
/// How often a proven host is looked up.
const DAILY: Duration = Duration::from_hours(24);
/// The same for one that is proven for two shops.
const CONTESTED: Duration = Duration::from_mins(5);
/// How soon a host is looked up again whose Shop was changed: somebody waits, or asks in a loop.
const CHANGED: Duration = Duration::from_secs(10);
/// Within how many seconds proven hosts are looked up after a start.
const START: u32 = 3600;

/// What DNS says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsAnswer {
    /// The shops that its records name; none if there is no such record.
    Named(BTreeSet<String>),
    /// Nobody answered, and why.
    Unknown(String),
}

/// A host of which somebody wants to know whose it is.
#[derive(Debug, Default)]
pub struct HostToProve {
    /// The shops that name it, with the generations of their specs.
    shops: BTreeMap<String, i64>,
    /// How many of them it is proven for.
    proven: usize,
    /// Whether one of them gets no traffic before it is proven.
    waits: bool,
}

/// Hosts that need a proof.
#[must_use]
pub fn wanted(fleet: &Fleet, claims: &Claims) -> BTreeMap<String, HostToProve> {
    let mut hosts = BTreeMap::<String, HostToProve>::new();
    for (name, shop) in &fleet.shops {
        let proven = shop.status.as_ref().map(|status| &status.proven_hosts);
        let proven = |host: &str| proven.is_some_and(|all| all.iter().any(|it| it == host));
        for host in proof::needed(shop, fleet.classes.get(&shop.spec.class)) {
            let wanted = hosts.entry(host.to_owned()).or_default();
            let generation = shop.metadata.generation.unwrap_or_default();
            wanted.shops.insert(name.clone(), generation);
            wanted.proven += usize::from(proven(host));
            wanted.waits = claims.waits_for(host);
        }
    }
    hosts
}

/// What is known of one host.
#[derive(Debug)]
struct Lookup {
    shops: BTreeMap<String, i64>,
    asked: Option<Timestamp>,
    next: Timestamp,
    failures: u32,
    waits: bool,
    busy: bool,
    answer: Option<DnsAnswer>,
}

/// What is known of all hosts that need a proof.
#[derive(Debug, Default)]
pub struct Lookups(BTreeMap<String, Lookup>);

impl Lookups {
    /// Takes in which hosts are wanted. Gives those that are looked up now, and when the next one
    /// is due.
    pub fn due(
        &mut self,
        wanted: BTreeMap<String, HostToProve>,
        now: Timestamp,
    ) -> (Vec<String>, Option<Timestamp>) {
        self.0
            .retain(|host, lookup| lookup.busy || wanted.contains_key(host));
        for (host, wanted) in wanted {
            let HostToProve {
                shops,
                proven,
                waits,
            } = wanted;
            let settled = proven == shops.len();
            let later = || Duration::from_secs(spread(&host, START).into());
            let lookup = self.0.entry(host.clone()).or_insert_with(|| Lookup {
                shops: shops.clone(),
                asked: None,
                next: if settled { now + later() } else { now },
                failures: 0,
                waits,
                busy: false,
                answer: None,
            });
            lookup.waits = waits;
            let since = |wait| lookup.asked.map_or(now, |asked| asked + wait);
            if lookup.shops != shops {
                lookup.next = lookup.next.min(since(CHANGED));
                if !shops.keys().eq(lookup.shops.keys()) {
                    // It was not asked for them.
                    lookup.answer = None;
                }
                lookup.shops = shops;
            } else if proven > 1 {
                lookup.next = lookup.next.min(since(CONTESTED));
            }
        }
        let mut due: Vec<_> = self
            .0
            .iter()
            .filter(|(_, lookup)| !lookup.busy && lookup.next <= now)
            .map(|(host, lookup)| {
                let again = lookup.asked.is_some() || !lookup.waits;
                (again, lookup.failures, lookup.next, host)
            })
            .collect();
        due.sort_unstable();
        let mut busy = self.0.values().filter(|lookup| lookup.busy).count();
        let mut begun = Vec::new();
        for (again, _, _, host) in due {
            if busy < if again { AGAIN } else { AT_ONCE } {
                begun.push(host.clone());
                busy += 1;
            }
        }
        for host in &begun {
            if let Some(lookup) = self.0.get_mut(host) {
                (lookup.busy, lookup.asked) = (true, Some(now));
            }
        }
        let waits = self.0.values().filter(|lookup| !lookup.busy);
        (begun, waits.map(|lookup| lookup.next).min())
    }

    /// Takes in what DNS says of a host; says whether that is another answer than before.
    pub fn answered(&mut self, host: &str, answer: DnsAnswer, now: Timestamp) -> bool {
        let Some(lookup) = self.0.get_mut(host) else {
            return false;
        };
        // Others than those that were asked for fill no memory.
        let answer = match answer {
            DnsAnswer::Named(mut named) => {
                named.retain(|shop| lookup.shops.contains_key(shop));
                DnsAnswer::Named(named)
            }
            unknown @ DnsAnswer::Unknown(_) => unknown,
        };
        let all = matches!(&answer, DnsAnswer::Named(named) if named.len() == lookup.shops.len());
        let wait = if all {
            lookup.failures = 0;
            DAILY.saturating_sub(Duration::from_secs(spread(host, START).into()))
        } else {
            lookup.failures = lookup.failures.saturating_add(1);
            backoff::pause(host, lookup.failures, FIRST)
        };
        lookup.busy = false;
        lookup.next = now + wait;
        let answer = Some(answer);
        let news = lookup.answer != answer;
        lookup.answer = answer;
        news
    }

    /// The hosts of those that a shop needs a proof for which are proven, if `old` were. A proof is
    /// lost only by another shop's: a record that vanishes, or name servers that do not answer,
    /// take nothing from anybody.
    pub fn proven<'a>(
        &self,
        shop: &str,
        needed: impl Iterator<Item = &'a str>,
        old: &[String],
    ) -> Vec<String> {
        let proven = |host: &&str| {
            let lookup = self.0.get(*host);
            let old = || old.iter().any(|it| it == host);
            match lookup.and_then(|it| Some((it.answer.as_ref()?, &it.shops))) {
                Some((DnsAnswer::Named(named), _)) if named.contains(shop) => true,
                Some((DnsAnswer::Named(named), shops))
                    if shops.keys().any(|it| named.contains(it)) =>
                {
                    false
                }
                _ => old(),
            }
        };
        let proven: BTreeSet<_> = needed.filter(proven).map(str::to_owned).collect();
        proven.into_iter().collect()
    }

    /// Why nobody could say whose a host is, if that is so.
    #[must_use]
    pub fn unanswered(&self, host: &str) -> Option<&str> {
        match self.0.get(host)?.answer.as_ref()? {
            DnsAnswer::Unknown(why) => Some(why),
            DnsAnswer::Named(_) => None,
        }
    }

    /// Whether the record of a proven host is gone.
    #[must_use]
    pub fn gone(&self, host: &str, shop: &str) -> bool {
        let answer = self.0.get(host).and_then(|lookup| lookup.answer.as_ref());
        matches!(answer, Some(DnsAnswer::Named(named)) if !named.contains(shop))
    }
}

#[cfg(test)]
mod tests;
