//! What is held against a release that is on its way through shops. Pure.
//!
//! Shops that did not move yet are the control: an outage of a payment provider, or a robot, meets
//! both, and is not the release's doing. Too little traffic is no evidence.

mod slow;

use crate::{
    Fingerprint,
    requests::Answered,
    v1::{Finding, State},
};
use jiff::{SignedDuration, Timestamp};
use slow::slower;
use std::collections::{BTreeMap, BTreeSet};

/// An error that no other release had for so long is new.
pub const FORGOTTEN: SignedDuration = SignedDuration::from_hours(14 * 24);
/// On so many shops a new fatal error is the release's doing.
const SHOPS: usize = 2;
/// So many of a shop's requests, as one in this number, are enough on one shop.
const SHARE: u64 = 100;
/// Fewer fatal errors than these may be one visitor's doing.
const FEW: u64 = 3;
/// Until a shop's agent has been asked twice: what the control has as well is known by then.
const HEARD: SignedDuration = SignedDuration::from_secs(10);
/// Of one shop, so many errors count at most where it is asked whether the control would have had
/// them, too: one visitor who tries again is no second one.
const EACH: u64 = 5;
/// So many errors are expected in the control if they are nobody's doing, before it says something
/// that there is none: fewer than one outage in a hundred then misses it by chance.
const EXPECTED: u64 = 5;

/// A group of fatal errors, as it was seen in one shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// The group.
    pub fingerprint: Fingerprint,
    /// The shop.
    pub shop: String,
    /// Its class and message.
    pub title: String,
    /// What people said of it.
    pub state: State,
    /// How often it was seen with the release.
    pub count: u64,
    /// When it was first seen in this shop.
    pub first: Timestamp,
    /// When it was last seen with any other release.
    pub elsewhere: Option<Timestamp>,
}

/// What one shop answered in a minute.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Minute {
    /// Which minute of the epoch.
    pub at: i64,
    /// With the release.
    pub with: Answered,
    /// Without it.
    pub without: Answered,
}

/// What one shop answered in the last hour, oldest minute first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Traffic(pub Vec<Minute>);

impl Traffic {
    /// How many requests it answered with the release.
    #[must_use]
    pub fn with(&self) -> u64 {
        self.sum(|minute| &minute.with)
    }

    fn without(&self) -> u64 {
        self.sum(|minute| &minute.without)
    }

    fn sum(&self, of: fn(&Minute) -> &Answered) -> u64 {
        let all = self.0.iter().map(|minute| of(minute).all());
        all.fold(0, u64::saturating_add)
    }
}

/// The shops of a rollout.
#[derive(Debug, Clone, Copy)]
pub struct Shops<'a> {
    /// Those that run the release.
    pub moved: &'a BTreeSet<&'a str>,
    /// Those of them that a person chose to show how it does.
    pub canaries: &'a BTreeSet<&'a str>,
    /// Those that do not run it yet.
    pub control: &'a BTreeSet<&'a str>,
}

/// What is held against the release of a rollout; `fatal` is of all shops that have its errors, and
/// `traffic` of the rollout's. A shop's code can make up errors and figures of its own shop: so one
/// shop alone is believed only where a person chose it, and of figures the median of shops counts.
#[must_use]
pub fn against(
    shops: Shops<'_>,
    fatal: &[Fatal],
    traffic: &BTreeMap<&str, Traffic>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut groups = BTreeMap::<Fingerprint, Vec<&Fatal>>::new();
    for seen in fatal {
        groups.entry(seen.fingerprint).or_default().push(seen);
    }
    let errors = groups
        .into_values()
        .filter_map(|seen| new_error(shops, &seen, traffic, now));
    errors.chain(slower(shops, traffic)).collect()
}

/// A group that is new, where it is bad enough.
fn new_error(
    shops: Shops<'_>,
    seen: &[&Fatal],
    traffic: &BTreeMap<&str, Traffic>,
    now: Timestamp,
) -> Option<Finding> {
    let recent = |at: Timestamp| now.duration_since(at) < FORGOTTEN;
    let known = seen.iter().any(|it| it.elsewhere.is_some_and(recent));
    let here: Vec<_> = seen
        .iter()
        .filter(|it| shops.moved.contains(it.shop.as_str()))
        .filter(|it| it.count > 0 && it.state == State::Open)
        .collect();
    let often = |it: &&&&Fatal| {
        let shop = it.shop.as_str();
        let requests = traffic.get(shop).map_or(0, Traffic::with);
        let share = it.count.saturating_mul(SHARE) >= requests;
        shops.canaries.contains(shop) && it.count >= FEW && requests > 0 && share
    };
    let expected = Expected::new(shops, &here, traffic, now);
    if !expected.is_heard {
        return None;
    }
    let worst = if here.len() >= SHOPS && expected.is_enough {
        here.iter().max_by_key(|it| it.count)
    } else {
        here.iter().find(often)
    }?;
    if known {
        return None;
    }
    let others = match here.len() - 1 {
        0 => String::new(),
        1 => ", and on another shop".to_owned(),
        others => format!(", and on {others} other shops"),
    };
    Some(Finding {
        shop: worst.shop.clone(),
        fingerprint: Some(worst.fingerprint),
        text: format!(
            "a fatal error that no release had before: {} ({}), {} times on {}{others}",
            worst.title, worst.fingerprint, worst.count, worst.shop
        ),
    })
}

/// What is expected of the control if the errors are not the release's doing. Where all shops moved
/// there is no control, and nothing is expected.
struct Expected {
    /// It was asked since.
    is_heard: bool,
    /// It would have had some.
    is_enough: bool,
}

impl Expected {
    fn new(
        shops: Shops<'_>,
        here: &[&&Fatal],
        traffic: &BTreeMap<&str, Traffic>,
        now: Timestamp,
    ) -> Self {
        let visited = |shops: &BTreeSet<&str>, of: fn(&Traffic) -> u64| {
            let all = shops.iter().filter_map(|shop| traffic.get(shop));
            all.filter(|traffic| of(traffic) > 0).count() as u64
        };
        let moved = visited(shops.moved, Traffic::with).max(here.len() as u64);
        let control = visited(shops.control, Traffic::without);
        let errors: u64 = here.iter().map(|it| it.count.min(EACH)).sum();
        let since = here.iter().map(|it| it.first).min().unwrap_or(now);
        Self {
            is_heard: control == 0 || now.duration_since(since) >= HEARD,
            is_enough: control == 0 || errors * control >= EXPECTED * moved,
        }
    }
}

#[cfg(test)]
mod tests;
