//! How fast shops answer, by release, of the last hour. Pure.
//!
//! It is kept in memory alone: an hour after a start all of it is there again.

use jiff::{SignedDuration, Timestamp};
use observe::{
    evidence::{Minute, Traffic},
    requests::{Answered, Page, Workers},
    v1::ReleasePerformance,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Minutes that are kept.
pub(crate) const MINUTES: u32 = 60;
/// Releases of a shop that a minute has at most. There are two while one is replaced.
const RELEASES: usize = 8;
/// How often a pod is asked.
const EVERY: SignedDuration = SignedDuration::from_secs(15);
/// Pods of a shop that are looked at.
const PODS: usize = 1000;

/// What each release answered, by sequence; what is of an unknown one is together.
type Releases = BTreeMap<Option<u64>, Answered>;

/// All shops.
#[derive(Debug, Default)]
pub(crate) struct Performance {
    shops: BTreeMap<String, Shop>,
}

#[derive(Debug, Default)]
struct Shop {
    pods: BTreeMap<String, Pod>,
    /// The newest at the end.
    minutes: VecDeque<(i64, Releases)>,
    /// Since the start, of all releases.
    total: Answered,
}

/// What a pod said last.
#[derive(Debug)]
struct Pod {
    at: Timestamp,
    run: String,
    workers: Option<Workers>,
    releases: Releases,
}

impl Performance {
    /// Whether a pod is to be asked again.
    #[must_use]
    pub(crate) fn is_due(&self, shop: &str, pod: &str, now: Timestamp) -> bool {
        let known = self.shops.get(shop).and_then(|shop| shop.pods.get(pod));
        known.is_none_or(|pod| now.duration_since(pod.at) >= EVERY)
    }

    /// Takes what a pod of `shop` says, or that it says nothing. The first page of a run is only
    /// what the next is compared with: when it was counted is not known.
    pub(crate) fn take(&mut self, shop: &str, pod: &str, page: Option<&Page>, now: Timestamp) {
        let shop = self.shops.entry(shop.to_owned()).or_default();
        if !shop.pods.contains_key(pod) && shop.pods.len() >= PODS {
            return;
        }
        let mut releases = Releases::new();
        for answered in page.map_or(&[][..], |page| &page.releases) {
            let sum = releases.entry(answered.sequence).or_default();
            sum.add(answered);
            sum.sequence = answered.sequence;
        }
        let said = Pod {
            at: now,
            run: page.map(|page| page.run.clone()).unwrap_or_default(),
            workers: page.and_then(|page| page.workers),
            releases,
        };
        if let Some(before) = shop.pods.get(pod).filter(|before| before.run == said.run) {
            let new = news(&before.releases, &said.releases);
            shop.count(new, now);
        }
        shop.pods.insert(pod.to_owned(), said);
    }

    /// Forgets shops that are gone, and pods that are not among these.
    pub(crate) fn retain(&mut self, shop: impl Fn(&str) -> bool, pods: &BTreeSet<String>) {
        self.shops.retain(|name, _| shop(name));
        for shop in self.shops.values_mut() {
            shop.pods.retain(|pod, _| pods.contains(pod));
        }
    }

    /// What each release of a shop answered in the last minutes, newest first.
    #[must_use]
    pub(crate) fn releases(
        &self,
        shop: &str,
        minutes: u32,
        now: Timestamp,
    ) -> Vec<ReleasePerformance> {
        let sums = self.sums(shop, minutes, now);
        let one = |(sequence, answered): (&Option<u64>, &Answered)| ReleasePerformance {
            sequence: *sequence,
            requests: answered.all(),
            failed: answered.failed(),
            p50: answered.quantile(0.5),
            p95: answered.quantile(0.95),
            p99: answered.quantile(0.99),
        };
        sums.iter().rev().map(one).collect()
    }

    /// The same, as they were counted.
    #[must_use]
    pub(crate) fn sums(
        &self,
        shop: &str,
        minutes: u32,
        now: Timestamp,
    ) -> BTreeMap<Option<u64>, Answered> {
        let mut sums = Releases::new();
        for (_, releases) in self.kept(shop, minutes, now) {
            for (sequence, answered) in releases {
                sums.entry(*sequence).or_default().add(answered);
            }
        }
        sums
    }

    /// What a shop answered in each minute of the last hour with a release, and without it.
    #[must_use]
    pub(crate) fn traffic(&self, shop: &str, sequence: u64, now: Timestamp) -> Traffic {
        let one = |(at, releases): &(i64, Releases)| {
            let mut minute = Minute {
                at: *at,
                ..Minute::default()
            };
            for (of, answered) in releases {
                if *of == Some(sequence) {
                    minute.with.add(answered);
                } else {
                    minute.without.add(answered);
                }
            }
            minute
        };
        Traffic(self.kept(shop, MINUTES, now).map(one).collect())
    }

    /// The last minutes that are kept of a shop, oldest first.
    fn kept(
        &self,
        shop: &str,
        minutes: u32,
        now: Timestamp,
    ) -> impl Iterator<Item = &(i64, Releases)> {
        let oldest = minute(now) - i64::from(minutes.min(MINUTES)) + 1;
        let shop = self.shops.get(shop).into_iter();
        shop.flat_map(|shop| &shop.minutes)
            .filter(move |(minute, _)| *minute >= oldest)
    }

    /// Which share of the workers of all pods is busy, as they said last.
    #[must_use]
    pub(crate) fn busy_workers(&self, shop: &str) -> Option<f64> {
        let pods = self.shops.get(shop)?.pods.values();
        let (busy, most) =
            pods.filter_map(|pod| pod.workers)
                .fold((0_u64, 0_u64), |(busy, most), workers| {
                    (
                        busy + u64::from(workers.busy.min(workers.most)),
                        most + u64::from(workers.most),
                    )
                });
        #[allow(clippy::cast_precision_loss, reason = "as many workers as pods have")]
        (most > 0).then(|| busy as f64 / most as f64)
    }

    /// Everything that a shop answered since the start.
    #[must_use]
    pub(crate) fn total(&self, shop: &str) -> Option<&Answered> {
        self.shops.get(shop).map(|shop| &shop.total)
    }
}

impl Shop {
    fn count(&mut self, new: Releases, now: Timestamp) {
        let number = minute(now);
        if self.minutes.back().is_none_or(|(last, _)| *last < number) {
            self.minutes.push_back((number, Releases::new()));
        }
        let oldest = number - i64::from(MINUTES) + 1;
        while self
            .minutes
            .front()
            .is_some_and(|(first, _)| *first < oldest)
        {
            self.minutes.pop_front();
        }
        let Some((_, minute)) = self.minutes.back_mut() else {
            return;
        };
        for (sequence, answered) in new {
            self.total.add(&answered);
            // A pod that makes releases up fills no memory.
            let place = if minute.contains_key(&sequence) || minute.len() < RELEASES {
                sequence
            } else {
                None
            };
            minute.entry(place).or_default().add(&answered);
        }
    }
}

/// What was answered between two pages of a run.
fn news(before: &Releases, now: &Releases) -> Releases {
    // A release whose sequence was not known yet is known by it later, with all that it answered.
    let named = before.get(&None).filter(|_| !now.contains_key(&None));
    now.iter()
        .filter_map(|(sequence, answered)| {
            let new = match before.get(sequence).or(named) {
                Some(before) => answered.since(before),
                None => answered.clone(),
            };
            (new.all() > 0).then_some((*sequence, new))
        })
        .collect()
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::requests::VERSION;

    fn page(run: &str, releases: &[(Option<u64>, u32)]) -> Page {
        let answered = |(sequence, count): &(Option<u64>, u32)| {
            let mut answered = Answered {
                sequence: *sequence,
                ..Answered::default()
            };
            (0..*count).for_each(|_| answered.count(200, 0.3));
            answered
        };
        Page {
            version: VERSION,
            run: run.to_owned(),
            workers: Some(Workers { busy: 2, most: 8 }),
            releases: releases.iter().map(answered).collect(),
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn requests(performance: &Performance, minutes: u32, now: i64) -> Vec<(Option<u64>, u64)> {
        let releases = performance.releases("acme", minutes, at(now));
        releases
            .iter()
            .map(|it| (it.sequence, it.requests))
            .collect()
    }

    #[test]
    fn what_is_new_between_pages_is_counted_in_its_minute() {
        let mut all = Performance::default();
        all.take("acme", "a", Some(&page("x", &[(Some(1), 100)])), at(0));
        assert_eq!(requests(&all, 60, 0), []);
        all.take("acme", "a", Some(&page("x", &[(Some(1), 110)])), at(0));
        all.take(
            "acme",
            "a",
            Some(&page("x", &[(Some(1), 115), (Some(2), 3)])),
            at(1),
        );
        assert_eq!(requests(&all, 1, 1), [(Some(2), 3), (Some(1), 5)]);
        assert_eq!(requests(&all, 60, 1), [(Some(2), 3), (Some(1), 15)]);
        assert_eq!(requests(&all, 60, 60), [(Some(2), 3), (Some(1), 5)]);
        assert_eq!(requests(&all, 60, 61), []);
        assert_eq!(all.total("acme").unwrap().all(), 18);
    }

    #[test]
    fn an_agent_that_starts_again_counts_from_there() {
        let mut all = Performance::default();
        all.take("acme", "a", Some(&page("x", &[(Some(1), 100)])), at(0));
        all.take("acme", "a", Some(&page("y", &[(Some(1), 7)])), at(0));
        all.take("acme", "a", Some(&page("y", &[(Some(1), 9)])), at(0));
        assert_eq!(requests(&all, 60, 0), [(Some(1), 2)]);
    }

    #[test]
    fn a_release_that_gets_its_sequence_late_is_not_counted_twice() {
        let mut all = Performance::default();
        all.take("acme", "a", Some(&page("x", &[])), at(0));
        all.take("acme", "a", Some(&page("x", &[(None, 4)])), at(0));
        all.take("acme", "a", Some(&page("x", &[(Some(2), 6)])), at(0));
        assert_eq!(requests(&all, 60, 0), [(Some(2), 2), (None, 4)]);
    }

    #[test]
    fn a_pod_that_lies_fills_no_memory_and_breaks_no_sum() {
        let mut all = Performance::default();
        all.take("acme", "a", Some(&page("x", &[])), at(0));
        let many: Vec<_> = (0..100).map(|sequence| (Some(sequence), 1)).collect();
        all.take("acme", "a", Some(&page("x", &many)), at(0));
        assert!(requests(&all, 60, 0).len() <= RELEASES + 1);
        assert_eq!(all.total("acme").unwrap().all(), 100);
        let mut huge = page("x", &[(Some(1), 0)]);
        huge.releases[0].buckets = [u64::MAX; 11];
        all.take("acme", "a", Some(&huge), at(0));
        all.take("acme", "b", Some(&page("x", &[])), at(0));
        all.take("acme", "b", Some(&huge), at(0));
        assert_eq!(all.total("acme").unwrap().all(), u64::MAX);
    }

    #[test]
    fn pods_and_shops_that_are_gone_are_forgotten() {
        let mut all = Performance::default();
        all.take("acme", "a", Some(&page("x", &[])), at(0));
        all.take("acme", "b", Some(&page("x", &[])), at(0));
        all.take("gone", "c", Some(&page("x", &[])), at(0));
        assert_eq!(all.busy_workers("acme"), Some(0.25));
        all.retain(|shop| shop == "acme", &BTreeSet::from(["a".to_owned()]));
        assert!(all.total("gone").is_none() && all.busy_workers("acme").is_some());
        all.retain(|_| true, &BTreeSet::new());
        assert_eq!(all.busy_workers("acme"), None);
    }
}
