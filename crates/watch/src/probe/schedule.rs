//! When each host is probed: its moment of the minute is its hash, so that probes are spread, and
//! the same after a restart. Pure.

use crate::fleet::Target;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A path of every shop that asks php-fpm and no database: `images/shop/nginx/server.inc`.
const CHEAP: &str = "/readyz";
const PAGE: &str = "/";

/// Hosts, by their moment.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Milliseconds after which it is a host's turn again.
    period: u64,
    /// Each such turn is for the page itself.
    page_every: u64,
    turns: BTreeMap<u64, Vec<Arc<str>>>,
    targets: HashMap<Arc<str>, Target>,
}

/// A probe that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueProbe {
    pub(crate) host: Arc<str>,
    pub(crate) target: Target,
    /// Milliseconds for which it has been due.
    pub(crate) late: u64,
    pub(crate) path: &'static str,
}

impl Schedule {
    /// Nobody.
    pub(crate) fn new(period: u64, page_every: u32) -> Self {
        Self {
            period: period.max(1),
            page_every: u64::from(page_every.max(1)),
            turns: BTreeMap::new(),
            targets: HashMap::new(),
        }
    }

    /// These hosts, and no others.
    pub(crate) fn set(&mut self, targets: BTreeMap<String, Target>) {
        self.targets.clear();
        self.turns.clear();
        for (host, target) in targets {
            let host: Arc<str> = host.into();
            let moment = hash(&host) % self.period;
            self.turns
                .entry(moment)
                .or_default()
                .push(Arc::clone(&host));
            self.targets.insert(host, target);
        }
    }

    /// A host, if it is probed.
    pub(crate) fn target(&self, host: &str) -> Option<&Target> {
        self.targets.get(host)
    }

    /// Hosts whose turn came after `from` and up to `to`, in milliseconds of the epoch. One whose
    /// turn came twice is there once.
    pub(crate) fn due(&self, from: u64, to: u64) -> Vec<DueProbe> {
        let from = from.max(to.saturating_sub(self.period));
        let (begin, end) = (from % self.period, to % self.period);
        let at = |moment: u64| (end + self.period - moment) % self.period;
        if from == to {
            return Vec::new();
        }
        // A whole period begins and ends at the same moment of it.
        let (wrapped, till) = if begin < end {
            (None, self.turns.range(begin + 1..=end))
        } else {
            (
                Some(self.turns.range(begin + 1..)),
                self.turns.range(..=end),
            )
        };
        let turns = wrapped.into_iter().flatten().chain(till);
        turns
            .flat_map(|(moment, hosts)| hosts.iter().map(move |host| (*moment, host)))
            .filter_map(|(moment, host)| {
                let late = at(moment);
                Some(DueProbe {
                    host: Arc::clone(host),
                    target: self.targets.get(host)?.clone(),
                    late,
                    path: self.path(host, to.saturating_sub(late)),
                })
            })
            .collect()
    }

    /// What a host is asked for at its turn.
    fn path(&self, host: &str, at: u64) -> &'static str {
        let own = hash(host) / self.period;
        if (at / self.period)
            .wrapping_add(own)
            .is_multiple_of(self.page_every)
        {
            PAGE
        } else {
            CHEAP
        }
    }
}

/// FNV-1a, which never changes: a host keeps its moment.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Expect;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000;

    fn schedule(hosts: usize) -> Schedule {
        let mut schedule = Schedule::new(MINUTE, 5);
        let target = Target {
            shop: "acme".to_owned(),
            expect: Expect::Page,
            at_edge: true,
        };
        let all = (0..hosts).map(|it| (format!("www{it}.acme.example"), target.clone()));
        schedule.set(all.collect());
        schedule
    }

    #[test]
    fn hosts_are_spread_over_the_minute() {
        let schedule = schedule(10_000);
        let most = (0..600)
            .map(|it| schedule.due(it * 100, it * 100 + 100).len())
            .max();
        assert!(most.unwrap() < 50, "{most:?} of 17 in a tenth of a second");
    }

    #[test]
    fn every_fifth_turn_is_for_the_page_and_not_for_all_hosts_at_once() {
        let schedule = schedule(1000);
        for minute in 0..10 {
            let turns = schedule.due(minute * MINUTE, (minute + 1) * MINUTE);
            let pages = turns.iter().filter(|it| it.path == PAGE).count();
            assert!((120..280).contains(&pages), "{pages}");
        }
        let one: Vec<_> = (0..10)
            .map(|minute| schedule.due(minute * MINUTE, (minute + 1) * MINUTE)[0].clone())
            .collect();
        assert_eq!(one.iter().filter(|it| it.path == PAGE).count(), 2);
    }

    #[test]
    fn a_host_that_is_gone_has_no_turn() {
        let mut schedule = schedule(2);
        schedule.set(BTreeMap::new());
        assert!(schedule.target("www0.acme.example").is_none());
        assert_eq!(schedule.due(0, MINUTE), []);
    }

    proptest! {
        /// However time is cut into ticks, each host has one turn a minute.
        #[test]
        fn each_host_has_one_turn_a_minute(
            start in 0..10 * MINUTE,
            ticks in prop::collection::vec(0..3000_u64, 1..80),
        ) {
            let schedule = schedule(50);
            let mut counts = HashMap::<Arc<str>, u64>::new();
            let mut now = start;
            for tick in ticks {
                for turn in schedule.due(now, now + tick) {
                    prop_assert!(turn.late < tick, "{} {tick}", turn.late);
                    *counts.entry(turn.host).or_default() += 1;
                }
                now += tick;
            }
            let passed = now - start;
            for host in schedule.targets.keys() {
                let turns = counts.get(host).copied().unwrap_or(0);
                prop_assert!(turns == passed / MINUTE || turns == passed / MINUTE + 1);
            }
        }
    }
}
