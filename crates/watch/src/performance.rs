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
/// How often a pod is asked. While the release of its shop is judged, it is asked each time that it
/// is asked for errors.
const EVERY: SignedDuration = SignedDuration::from_secs(15);
/// How long a release counts as being judged after somebody asked for evidence, which a rollout
/// does each few seconds.
const JUDGED: SignedDuration = SignedDuration::from_secs(30);
/// What a pod said longer ago says nothing of its workers now.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
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
    /// When somebody last asked how it does with a release.
    judged: Option<Timestamp>,
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
    /// Which share of them was busy the time before.
    before: Option<f64>,
    releases: Releases,
}

/// How busy a pod is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BusyPod<'a> {
    pub(crate) uid: &'a str,
    /// When it said so.
    pub(crate) at: Timestamp,
    /// Which share of its workers is busy, from 0 to 1.
    pub(crate) share: f64,
}

impl Performance {
    /// Whether a pod is to be asked again.
    #[must_use]
    pub(crate) fn is_due(&self, shop: &str, pod: &str, now: Timestamp) -> bool {
        let Some(shop) = self.shops.get(shop) else {
            return true;
        };
        let judged = shop
            .judged
            .is_some_and(|at| now.duration_since(at) < JUDGED);
        let known = shop.pods.get(pod);
        judged || known.is_none_or(|pod| now.duration_since(pod.at) >= EVERY)
    }

    /// Takes that somebody asks how these shops do with a release.
    pub(crate) fn judge<'a>(&mut self, shops: impl Iterator<Item = &'a str>, now: Timestamp) {
        for shop in shops {
            if let Some(shop) = self.shops.get_mut(shop) {
                shop.judged = Some(now);
            }
        }
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
            before: shop
                .pods
                .get(pod)
                .filter(|before| before.is_fresh(now))
                .and_then(Pod::share),
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
    pub(crate) fn busy_workers(&self, shop: &str, now: Timestamp) -> Option<f64> {
        let pods = self.shops.get(shop)?.pods.values();
        let (busy, most) = pods
            .filter(|pod| pod.is_fresh(now))
            .filter_map(|pod| pod.workers)
            .fold((0_u64, 0_u64), |(busy, most), workers| {
                (
                    busy + u64::from(workers.busy.min(workers.most)),
                    most + u64::from(workers.most),
                )
            });
        #[allow(clippy::cast_precision_loss, reason = "as many workers as pods have")]
        (most > 0).then(|| busy as f64 / most as f64)
    }

    /// How busy each pod of a shop is: the mean of what it said last and the time before, as one
    /// moment says little of a pod with few workers.
    pub(crate) fn busy_pods(
        &self,
        shop: &str,
        now: Timestamp,
    ) -> impl Iterator<Item = BusyPod<'_>> {
        let pods = self.shops.get(shop).into_iter().flat_map(|it| &it.pods);
        pods.filter(move |(_, pod)| pod.is_fresh(now))
            .filter_map(|(uid, pod)| {
                let share = pod.share()?;
                Some(BusyPod {
                    uid,
                    at: pod.at,
                    share: f64::midpoint(pod.before.unwrap_or(share), share),
                })
            })
    }

    /// Everything that a shop answered since the start.
    #[must_use]
    pub(crate) fn total(&self, shop: &str) -> Option<&Answered> {
        self.shops.get(shop).map(|shop| &shop.total)
    }
}

impl Pod {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) <= FRESH
    }

    /// Which share of its workers was busy. A pod may say anything, and has no more than all.
    fn share(&self) -> Option<f64> {
        let workers = self.workers.filter(|it| it.most > 0)?;
        Some(f64::from(workers.busy.min(workers.most)) / f64::from(workers.most))
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
mod tests;
