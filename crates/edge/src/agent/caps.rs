//! Who gets how much of an overloaded HAProxy: each shop by the weight of its class, and what a
//! shop does not want is the others'. Pure.

use std::collections::BTreeMap;

/// Below this share of idle time, in percent, HAProxy has more to do than it can.
const BUSY: u32 = 8;
/// Above this one it has room for more.
const ROOM: u32 = 20;
/// How many looks in a row it must be busy, before anybody is refused anything.
const SURE: u32 = 2;
/// While each look sees so many times as much let through as the one before, it is not known yet
/// what HAProxy can do: a crowd that arrives, or an edge that starts, has handshakes first.
const RISES: f64 = 1.2;
/// How many looks it must have had room for all that is asked, before nobody is.
const CALM: u32 = 5;
/// Of what was let through when it began, at least so much stays allowed: where it is not shops'
/// requests that HAProxy is busy with, such as handshakes of a flood, refusing more of them helps
/// nobody.
const LEAST: f64 = 0.5;
/// By how much what is allowed shrinks from one look to the next.
const STEP: f64 = 0.95;

/// What is asked for a shop.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The shop, by its namespace.
    pub shop: String,
    /// Its weight.
    pub weight: u32,
    /// Requests in a second that visitors make.
    pub asked: f64,
    /// Those of them that were let through.
    pub passed: f64,
}

/// Looks once a second, and says who is refused requests.
#[derive(Debug, Default)]
pub struct Governor {
    /// Requests in a second of all shops together, where HAProxy is overloaded.
    budget: Option<f64>,
    /// What it never gets below.
    least: f64,
    /// What the look before saw let through.
    before: f64,
    busy: u32,
    calm: u32,
}

impl Governor {
    /// Requests in a second that each shop may have; a shop that is not named may have all that it
    /// asks for.
    pub fn look(&mut self, idle: u32, demands: &[Demand]) -> BTreeMap<String, u32> {
        let sum = |of: fn(&Demand) -> f64| demands.iter().map(of).sum::<f64>();
        let (asked, passed) = (sum(|demand| demand.asked), sum(|demand| demand.passed));
        let rises = passed >= self.before * RISES;
        self.before = passed;
        self.busy = if idle < BUSY && !rises {
            self.busy + 1
        } else {
            0
        };
        self.budget = match self.budget {
            None if self.busy >= SURE => {
                self.least = passed * LEAST;
                Some(passed * STEP)
            }
            None => None,
            Some(budget) if idle < BUSY => Some((budget * STEP).max(self.least)),
            // As much more as there is time for.
            Some(budget) if idle > ROOM => {
                Some(budget * f64::from(101 - ROOM) / f64::from(101 - idle.min(100)))
            }
            Some(budget) => Some(budget),
        };
        let Some(budget) = self.budget else {
            return BTreeMap::new();
        };
        self.calm = if idle > ROOM && asked < budget {
            self.calm + 1
        } else {
            0
        };
        if self.calm >= CALM {
            *self = Self::default();
            return BTreeMap::new();
        }
        shares(budget, demands)
    }
}

/// Divides what there is. Those that ask for less than their share get what they ask for, and what
/// is left of theirs is divided among the others.
#[must_use]
pub fn shares(budget: f64, demands: &[Demand]) -> BTreeMap<String, u32> {
    let mut left = budget;
    let mut open: Vec<&Demand> = demands.iter().filter(|demand| demand.asked > 0.0).collect();
    loop {
        let weights: f64 = open.iter().map(|demand| f64::from(demand.weight)).sum();
        let share = |demand: &Demand| left * f64::from(demand.weight) / weights.max(1.0);
        let (content, more): (Vec<_>, Vec<_>) = open
            .iter()
            .copied()
            .partition(|demand| demand.asked <= share(demand));
        if content.is_empty() {
            let cap = |demand: &&Demand| (demand.shop.clone(), whole(share(demand)));
            return open.iter().map(cap).collect();
        }
        left -= content.iter().map(|demand| demand.asked).sum::<f64>();
        open = more;
    }
}

/// One at least: a shop of which nothing is answered could never show that it works.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "requests in a second are a small number above 0"
)]
fn whole(rate: f64) -> u32 {
    (rate as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(shop: &str, weight: u32, asked: f64) -> Demand {
        Demand {
            shop: shop.to_owned(),
            weight,
            asked,
            passed: asked,
        }
    }

    #[test]
    fn who_asks_for_more_gets_by_weight_what_others_leave() {
        let caps = shares(
            900.0,
            &[
                demand("big", 200, 5000.0),
                demand("small", 100, 5000.0),
                demand("quiet", 100, 90.0),
                demand("idle", 100, 0.0),
            ],
        );
        assert_eq!(
            caps,
            [("big".to_owned(), 540), ("small".to_owned(), 270)].into()
        );
        assert_eq!(shares(900.0, &[demand("alone", 1, 100.0)]), BTreeMap::new());
        assert_eq!(shares(0.0, &[demand("alone", 1, 100.0)])["alone"], 1);
        assert_eq!(shares(10.0, &[]), BTreeMap::new());
    }

    #[test]
    fn what_is_no_shops_fault_takes_no_more_than_half_from_them() {
        let demands = [demand("one", 100, 600.0), demand("two", 100, 600.0)];
        let mut governor = Governor::default();
        let mut caps = BTreeMap::new();
        for _ in 0..100 {
            caps = governor.look(0, &demands);
        }
        assert_eq!(
            caps,
            [("one".to_owned(), 300), ("two".to_owned(), 300)].into()
        );
    }

    #[test]
    fn what_is_let_through_while_a_crowd_arrives_is_not_what_haproxy_can_do() {
        let mut governor = Governor::default();
        for asked in [0.0, 0.0, 1.0, 25.0, 200.0, 1000.0, 3000.0] {
            let caps = governor.look(0, &[demand("one", 100, asked)]);
            assert_eq!(caps, BTreeMap::new(), "{asked}");
        }
        governor.look(0, &[demand("one", 100, 3300.0)]);
        let caps = governor.look(0, &[demand("one", 100, 3200.0)]);
        assert_eq!(caps["one"], 3040);
    }

    #[test]
    fn what_was_refused_needlessly_comes_back_in_seconds() {
        let mut governor = Governor::default();
        for _ in 0..20 {
            governor.look(0, &[demand("one", 100, 100.0)]);
        }
        let caps = governor.look(96, &[demand("one", 100, 2000.0)]);
        assert!(caps["one"] > 800, "{caps:?}");
        let caps = governor.look(60, &[demand("one", 100, 2000.0)]);
        assert!(caps["one"] > 1500, "{caps:?}");
    }

    #[test]
    fn nobody_is_refused_anything_before_and_after_an_overload() {
        let demands = [demand("big", 200, 600.0), demand("small", 100, 600.0)];
        let mut governor = Governor::default();
        assert_eq!(governor.look(50, &demands), BTreeMap::new());
        assert_eq!(
            governor.look(1, &demands),
            BTreeMap::new(),
            "once is chance"
        );
        let caps = governor.look(1, &demands);
        assert_eq!((caps["small"], caps.get("big")), (540, None));
        // Less and less, until it has time.
        let next = governor.look(1, &demands);
        assert!(next["small"] < 540 && next.len() <= 2, "{next:?}");
        assert_eq!(
            governor.look(15, &demands),
            next,
            "neither too much nor too little"
        );
        let quiet = [demand("big", 200, 10.0), demand("small", 100, 10.0)];
        for _ in 1..CALM {
            governor.look(90, &quiet);
        }
        assert_eq!(governor.look(90, &demands[..0]), BTreeMap::new());
        assert_eq!(governor.look(50, &demands), BTreeMap::new());
    }
}
