//! Visitors of a fleet, played: what they meet, and what `longshore-watch` says of it.

use super::{Assigned, Evidence, World};
use jiff::{SignedDuration, Timestamp};
use observe::{
    Fingerprint,
    evidence::{Fatal, Minute, Shops, Traffic, against},
    requests::Answered,
    v1::{self, State},
};
use std::collections::{BTreeMap, BTreeSet};

/// How often agents are asked, and the scheduler asks.
pub(super) const STEP: i64 = 5;
/// The hour that traffic is of, in minutes.
const KEPT: usize = 60;

/// What is wrong with the release.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    None,
    /// One request in so many ends with an error that no release had.
    Throws(u64),
    /// Pages take twice as long.
    Slow,
}

/// Numbers that are the same in each run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

pub(super) struct Visitors {
    pub(super) random: Random,
    pub(super) fault: Fault,
    /// Requests of each shop in a step, in thousandths, and how many milliseconds its pages take.
    shops: BTreeMap<String, (u64, u64)>,
    /// From which step to which a payment provider is away, and a database is slow.
    pub(super) outages: Vec<(i64, i64)>,
    pub(super) slow: Vec<(i64, i64)>,
    /// Until which step nobody answers who would know.
    pub(super) away: Vec<(i64, i64)>,
    traffic: BTreeMap<String, Traffic>,
    /// What agents have counted, with the release or without it, and were not asked for yet.
    untold: BTreeMap<String, BTreeMap<(u64, bool), u64>>,
    known: BTreeMap<(u64, String), Fatal>,
    since: Option<Timestamp>,
    step: i64,
}

impl Visitors {
    pub(super) fn new(world: &World, seed: u64, fault: Fault) -> Self {
        let mut random = Random(seed);
        let shops = world.fates.keys().map(|shop| {
            // One in four has a request a minute, and the others up to one and a half a second.
            let requests = match random.below(4) {
                0 => 80,
                _ => 1000 + random.below(6000),
            };
            (shop.clone(), (requests, 60 + random.below(250)))
        });
        let shops = shops.collect();
        Self {
            random,
            fault,
            shops,
            outages: Vec::new(),
            slow: Vec::new(),
            away: Vec::new(),
            traffic: BTreeMap::new(),
            untold: BTreeMap::new(),
            known: BTreeMap::new(),
            since: None,
            step: 0,
        }
    }

    pub(super) fn minute(&self) -> i64 {
        self.step / (60 / STEP)
    }

    /// What the scheduler knows after the next step, which it asks for.
    pub(super) fn step(&mut self, world: &World) -> Evidence {
        let now = world.now + SignedDuration::from_secs(self.step % 12 * STEP);
        self.step += 1;
        let names: Vec<_> = self.shops.keys().cloned().collect();
        for shop in names {
            let with = world.assigned[&shop].0 == Assigned::This;
            self.visit(&shop, with);
            // An agent has had its turn in this step before the error, or after it.
            if self.random.below(2) == 0 {
                self.tell(&shop, now);
            }
        }
        let in_one = |all: &[(i64, i64)]| all.iter().any(|it| (it.0..it.1).contains(&self.step));
        if in_one(&self.away) {
            return Evidence::Away(*self.since.get_or_insert(now));
        }
        self.since = None;
        self.ask(world, now)
    }

    fn visit(&mut self, shop: &str, with: bool) {
        let (requests, usual) = self.shops[shop];
        let (mut answers, mut errors) = (Answered::default(), Vec::new());
        let is = |all: &[(i64, i64)], at| all.iter().any(|it| (it.0..it.1).contains(&at));
        let (away, slow) = (is(&self.outages, self.step), is(&self.slow, self.step));
        let whole = requests / 1000 + u64::from(self.random.below(1000) < requests % 1000);
        for _ in 0..whole {
            let spread = usual + self.random.below(usual) + self.random.below(usual);
            let slower = if slow { 3 } else { 1 };
            let doubled = if with && self.fault == Fault::Slow {
                2
            } else {
                1
            };
            let milliseconds = u32::try_from(spread * slower * doubled).unwrap();
            answers.count(200, f64::from(milliseconds) / 1000.0);
            let mut meets = |name: u64| errors.push(name);
            // What each release has, a robot that finds something new, a payment that fails.
            if self.random.below(300) == 0 {
                meets(1 + self.random.below(5));
            }
            if self.random.below(4000) == 0 {
                meets(1_000_000 + self.random.below(1_000_000));
            }
            if away && self.random.below(12) == 0 {
                meets(100 + self.outage());
            }
            if let (true, Fault::Throws(of)) = (with, self.fault)
                && self.random.below(of) == 0
            {
                meets(7777);
            }
        }
        let untold = self.untold.entry(shop.to_owned()).or_default();
        for name in errors {
            *untold.entry((name, with)).or_default() += 1;
        }
        let at = self.minute();
        let minutes = &mut self.traffic.entry(shop.to_owned()).or_default().0;
        if minutes.last().is_none_or(|last| last.at < at) {
            minutes.push(Minute {
                at,
                ..Minute::default()
            });
        }
        minutes.drain(..minutes.len().saturating_sub(KEPT));
        if let Some(last) = minutes.last_mut() {
            let side = if with {
                &mut last.with
            } else {
                &mut last.without
            };
            side.add(&answers);
        }
    }

    /// Each outage has words of its own.
    fn outage(&self) -> u64 {
        let at = self.outages.iter().position(|it| self.step < it.1);
        at.unwrap_or_default() as u64
    }

    fn tell(&mut self, shop: &str, now: Timestamp) {
        for ((name, with), count) in self.untold.remove(shop).unwrap_or_default() {
            let group = self.known.entry((name, shop.to_owned())).or_insert(Fatal {
                fingerprint: Fingerprint::from(name),
                shop: shop.to_owned(),
                title: format!("error {name}"),
                state: State::Open,
                count: 0,
                first: now,
                elsewhere: None,
            });
            if with {
                group.count += count;
            } else {
                group.elsewhere = Some(now);
            }
        }
    }

    fn ask(&self, world: &World, now: Timestamp) -> Evidence {
        let side = |assigned| -> BTreeSet<&str> {
            let of = world.assigned.iter().filter(|it| it.1.0 == assigned);
            of.map(|(shop, _)| shop.as_str()).collect()
        };
        let (moved, control) = (side(Assigned::This), side(Assigned::Other));
        if moved.is_empty() {
            return Evidence::NotAsked;
        }
        let canaries = world.spec.canaries.iter().map(String::as_str);
        let canaries = canaries.filter(|shop| moved.contains(shop)).collect();
        let traffic = self.traffic.iter();
        let traffic: BTreeMap<_, _> = traffic
            .map(|(shop, of)| (shop.as_str(), of.clone()))
            .collect();
        let fatal: Vec<_> = self.known.values().cloned().collect();
        let shops = Shops {
            moved: &moved,
            canaries: &canaries,
            control: &control,
        };
        let requests = moved.iter().map(|shop| traffic[shop].with()).sum();
        Evidence::from(&v1::Evidence {
            as_of: Some(now),
            requests,
            against: against(shops, &fatal, &traffic, now),
        })
    }
}
