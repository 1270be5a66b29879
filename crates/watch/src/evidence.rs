//! What is held against a release that is on its way through shops. Pure.
//!
//! Shops that did not move yet are the control: an outage of a payment provider, or a robot, meets
//! both, and is not the release's doing. Too little traffic is no evidence.

use jiff::{SignedDuration, Timestamp};
use observe::{
    Fingerprint,
    requests::Answered,
    v1::{Finding, State},
};
use std::collections::{BTreeMap, BTreeSet};

/// An error that no other release had for so long is new.
pub(crate) const FORGOTTEN: SignedDuration = SignedDuration::from_hours(14 * 24);
/// On so many shops a new fatal error is the release's doing.
const SHOPS: usize = 2;
/// So many of a shop's requests, as one in this number, are enough on one shop.
const SHARE: u64 = 100;
/// Fewer fatal errors than these may be one visitor's doing.
const FEW: u64 = 3;
/// Requests that both need before their times are compared.
const REQUESTS: u64 = 100;
/// A 95th percentile that is longer by this factor is held against a release, if it is also longer
/// by [`SECONDS`]: from 20 ms to 40 ms is nobody's concern.
const FACTOR: f64 = 2.0;
const SECONDS: f64 = 0.2;

/// A group of fatal errors, as it was seen in one shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fatal {
    /// The group.
    pub(crate) fingerprint: Fingerprint,
    /// The shop.
    pub(crate) shop: String,
    /// Its class and message.
    pub(crate) title: String,
    /// What people said of it.
    pub(crate) state: State,
    /// How often it was seen with the release.
    pub(crate) count: u64,
    /// When it was last seen with any other release.
    pub(crate) elsewhere: Option<Timestamp>,
}

/// What one shop answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Traffic {
    /// With the release.
    pub(crate) with: Answered,
    /// Without it.
    pub(crate) without: Answered,
}

/// The shops of a rollout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shops<'a> {
    /// Those that run the release.
    pub(crate) moved: &'a BTreeSet<&'a str>,
    /// Those of them that a person chose to show how it does.
    pub(crate) canaries: &'a BTreeSet<&'a str>,
    /// Those that do not run it yet.
    pub(crate) control: &'a BTreeSet<&'a str>,
}

/// What is held against the release of a rollout; `fatal` is of all shops that have its errors, and
/// `traffic` of the rollout's. A shop's code can make up errors and figures of its own shop: so one
/// shop alone is believed only where a person chose it, and of figures the median of shops counts.
#[must_use]
pub(crate) fn against(
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
        let requests = traffic.get(shop).map_or(0, |traffic| traffic.with.all());
        let share = it.count.saturating_mul(SHARE) >= requests;
        shops.canaries.contains(shop) && it.count >= FEW && requests > 0 && share
    };
    let worst = if here.len() >= SHOPS {
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

/// Whether the release is slower: than shops without it, or if there are none, than the same shops
/// were before.
fn slower(shops: Shops<'_>, traffic: &BTreeMap<&str, Traffic>) -> Option<Finding> {
    let median = |shops: &BTreeSet<&str>, of: fn(&Traffic) -> &Answered| {
        let known = shops.iter().filter_map(|shop| traffic.get(shop)).map(of);
        let mut all: Vec<f64> = known
            .filter(|answered| answered.all() >= REQUESTS)
            .filter_map(|answered| answered.quantile(0.95))
            .collect();
        all.sort_by(f64::total_cmp);
        // The lower one of two.
        all.get(all.len().checked_sub(1)? / 2).copied()
    };
    let now = median(shops.moved, |traffic| &traffic.with)?;
    let beside = median(shops.control, |traffic| &traffic.without);
    let (then, of) = match beside {
        Some(then) => (then, "of shops that did not move yet"),
        None => (
            median(shops.moved, |traffic| &traffic.without)?,
            "before it",
        ),
    };
    (now >= then * FACTOR && now - then >= SECONDS).then(|| Finding {
        shop: shops
            .moved
            .iter()
            .next()
            .copied()
            .unwrap_or_default()
            .to_owned(),
        fingerprint: None,
        text: format!(
            "pages take longer: 95 % are answered within {now:.2} s, and within {then:.2} s {of}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    fn fatal(shop: &str, count: u64) -> Fatal {
        Fatal {
            fingerprint: Fingerprint::from(7),
            shop: shop.to_owned(),
            title: "Error: Call to undefined method".to_owned(),
            state: State::Open,
            count,
            elsewhere: None,
        }
    }

    fn answered(count: u64, seconds: f64) -> Answered {
        let mut answered = Answered::default();
        (0..count).for_each(|_| answered.count(200, seconds));
        answered
    }

    fn traffic(with: (u64, f64), without: (u64, f64)) -> Traffic {
        Traffic {
            with: answered(with.0, with.1),
            without: answered(without.0, without.1),
        }
    }

    fn found(fatal: &[Fatal], traffic: &[(&'static str, Traffic)]) -> Vec<String> {
        let shops = Shops {
            moved: &BTreeSet::from(["a", "b", "c"]),
            canaries: &BTreeSet::from(["a"]),
            control: &BTreeSet::from(["y", "z"]),
        };
        let traffic = traffic.iter().cloned().collect();
        against(shops, fatal, &traffic, now())
            .into_iter()
            .map(|finding| finding.text)
            .collect()
    }

    #[test]
    fn a_new_fatal_error_on_two_shops_or_in_one_percent_of_a_shop_counts() {
        assert_eq!(
            found(&[fatal("a", 1), fatal("b", 1)], &[]),
            [
                "a fatal error that no release had before: Error: Call to undefined method \
              (0000000000000007), 1 times on b, and on another shop"
            ]
        );
        let busy = [("a", traffic((300, 0.1), (0, 0.0)))];
        assert_eq!(found(&[fatal("a", 3)], &busy).len(), 1);
        assert!(found(&[fatal("a", 2)], &busy).is_empty());
        // One shop that nobody chose stops nobody.
        let others = [("b", traffic((300, 0.1), (0, 0.0)))];
        assert!(found(&[fatal("b", 300)], &others).is_empty());
        let busier = [("a", traffic((301, 0.1), (0, 0.0)))];
        assert!(found(&[fatal("a", 3)], &busier).is_empty());
    }

    #[test]
    fn what_others_have_as_well_or_had_lately_does_not_count() {
        let mut control = fatal("y", 0);
        control.elsewhere = Some(now());
        let everywhere = [fatal("a", 9), fatal("b", 9), control];
        assert!(found(&everywhere, &[]).is_empty());
        let at = |days: i64| {
            let mut old = fatal("q", 0);
            old.elsewhere = Some(now() - SignedDuration::from_hours(days * 24));
            found(&[fatal("a", 9), fatal("b", 9), old], &[]).len()
        };
        assert_eq!((at(1), at(13), at(15)), (0, 0, 1));
    }

    #[test]
    fn what_a_person_ignores_or_resolved_does_not_count() {
        for state in [State::Ignored, State::Resolved] {
            let both = ["a", "b"].map(|shop| Fatal {
                state,
                ..fatal(shop, 9)
            });
            assert!(found(&both, &[]).is_empty());
        }
    }

    #[test]
    fn one_shop_that_makes_figures_up_is_not_believed_against_others() {
        let honest = traffic((100, 0.3), (0, 0.0));
        let lies = traffic((100_000, 9.0), (0, 0.0));
        let control = traffic((0, 0.0), (100, 0.3));
        let all = |liar, first, second| {
            let moved = [
                (liar, lies.clone()),
                (first, honest.clone()),
                (second, honest.clone()),
            ];
            found(&[], &[&moved[..], &[("z", control.clone())]].concat())
        };
        assert!(all("a", "b", "c").is_empty() && all("c", "a", "b").is_empty());
    }

    /// Payment providers that are away, robots, and visitors that break something meet all shops,
    /// and times differ from shop to shop.
    #[test]
    fn twenty_noisy_rollouts_stop_for_nothing() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..20 {
            let (mut errors, mut traffic) = (Vec::new(), Vec::new());
            for shop in ["a", "b", "c", "y", "z"] {
                for name in 1..6 {
                    let mut everywhere = fatal(shop, random(50));
                    everywhere.fingerprint = Fingerprint::from(name);
                    everywhere.elsewhere = Some(now());
                    errors.push(everywhere);
                }
                let mut rare = fatal(shop, random(FEW));
                rare.fingerprint = Fingerprint::from(100 + random(1_000_000));
                errors.push(rare);
                let mut both = Traffic::default();
                for _ in 0..150 + random(400) {
                    let milliseconds = u32::try_from(40 + random(300) + random(300)).unwrap();
                    let seconds = f64::from(milliseconds) / 1000.0;
                    both.with.count(200, seconds);
                    both.without.count(200, seconds);
                }
                traffic.push((shop, both));
            }
            assert_eq!(found(&errors, &traffic), [""; 0]);
        }
    }

    #[test]
    fn pages_that_take_twice_as_long_count_if_there_are_enough() {
        let slow = |with, without| {
            found(
                &[],
                &[
                    ("a", traffic(with, (0, 0.0))),
                    ("z", traffic((0, 0.0), without)),
                ],
            )
            .len()
        };
        assert_eq!(slow((100, 0.9), (100, 0.3)), 1);
        assert_eq!(slow((99, 0.9), (100, 0.3)), 0);
        assert_eq!(slow((100, 0.9), (99, 0.3)), 0);
        assert_eq!(slow((100, 0.45), (100, 0.3)), 0);
        // Twice, and nobody notices.
        assert_eq!(slow((100, 0.09), (100, 0.01)), 0);
        // Without a control, the same shop before counts.
        let before = found(&[], &[("a", traffic((100, 4.0), (100, 0.3)))]);
        assert!(before[0].ends_with("before it"), "{before:?}");
    }
}
