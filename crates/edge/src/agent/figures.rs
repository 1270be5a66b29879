//! What the agent counts. Figures of shops are bounded: the busiest have a name, and all others are
//! one.

use super::keeper::Round;
use parking_lot::Mutex;
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// Shops that have figures of their own.
const BUSIEST: usize = 20;

/// What is counted.
#[derive(Debug, Default)]
pub struct Figures {
    /// Changes that HAProxy took.
    pub changes: AtomicU64,
    /// Those that it did not take at once.
    pub refused: AtomicU64,
    /// Rounds that broke off.
    pub failed_rounds: AtomicU64,
    /// Reloads, for more slots.
    pub reloads: AtomicU64,
    /// Slots that no shop has.
    pub spare: AtomicU64,
    /// HAProxy is as it should be.
    pub equal: AtomicBool,
    /// All files were written once.
    written: AtomicBool,
    /// HAProxy was once as it should be: it has what there was then.
    was_equal: AtomicBool,
    shops: Mutex<Shops>,
}

/// What HAProxy said of shops the last time, and what that makes.
#[derive(Debug, Default)]
struct Shops {
    before: Option<(Instant, BTreeMap<String, Counts>)>,
    rates: Vec<(String, Rates)>,
}

/// What HAProxy counts for a backend, from its start.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    /// Connections to pods that failed, whether or not another pod took the request.
    not_let_in: u64,
}

/// What that is in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Requests.
    pub requests: f64,
    /// Answers of 500 and above.
    pub errors: f64,
}

impl Figures {
    /// Takes in what came of a round; says whether HAProxy was as it should be before it.
    pub fn round(&self, round: Option<&Round>) -> bool {
        let equal = round.is_some_and(|round| round.equal);
        match round {
            Some(round) => {
                self.changes.fetch_add(round.done, Relaxed);
                self.refused.fetch_add(round.refused, Relaxed);
            }
            None => {
                self.failed_rounds.fetch_add(1, Relaxed);
            }
        }
        if equal {
            self.was_equal.store(true, Relaxed);
        }
        self.equal.swap(equal, Relaxed)
    }

    /// Takes in what the keeper says of its slots.
    pub fn keeper(&self, spare: usize, reloads: u64) {
        self.spare
            .store(u64::try_from(spare).unwrap_or(u64::MAX), Relaxed);
        self.reloads.store(reloads, Relaxed);
    }

    /// All files are written.
    pub fn wrote(&self) {
        self.written.store(true, Relaxed);
    }

    /// Whether all files were written once.
    #[must_use]
    pub fn was_written(&self) -> bool {
        self.written.load(Relaxed)
    }

    /// Whether HAProxy was ever as it should be.
    #[must_use]
    pub fn was_equal(&self) -> bool {
        self.was_equal.load(Relaxed)
    }

    /// The busiest shops, and all others together, in the last seconds.
    #[must_use]
    pub fn rates(&self) -> Vec<(String, Rates)> {
        self.shops.lock().rates.clone()
    }

    /// Takes in what HAProxy says of its backends, and of whose they are. Gives how often it was
    /// not let in by pods of each shop.
    pub fn stat(&self, stat: &str, slots: &str) -> BTreeMap<String, u64> {
        let now = Instant::now();
        let counts = counts(stat, slots);
        let failures = counts.iter();
        let failures = failures.map(|(shop, counts)| (shop.clone(), counts.not_let_in));
        let failures = failures.collect();
        let mut shops = self.shops.lock();
        if let Some((then, before)) = &shops.before {
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            shops.rates = rates(before, &counts, seconds);
        }
        shops.before = Some((now, counts));
        failures
    }
}

/// Of each shop that has a slot.
fn counts(stat: &str, slots: &str) -> BTreeMap<String, Counts> {
    let shops: BTreeMap<&str, &str> = slots
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.split_once(' '))
        .map(|(shop, slot)| (slot, shop))
        .collect();
    let mut lines = stat.lines();
    let names = lines.next().unwrap_or_default().trim_start_matches("# ");
    let column = |name: &str| names.split(',').position(|it| it == name);
    let columns = ["req_tot", "hrsp_5xx", "econ", "wretr", "wredis"].map(column);
    let [
        Some(requests),
        Some(errors),
        Some(failed),
        Some(again),
        Some(elsewhere),
    ] = columns
    else {
        return BTreeMap::new();
    };
    let shop = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let figure = |at: usize| -> Option<u64> { fields.get(at)?.parse().ok() };
        let counts = Counts {
            requests: figure(requests)?,
            errors: figure(errors)?,
            not_let_in: figure(failed)? + figure(again)? + figure(elsewhere)?,
        };
        Some(((*shops.get(fields.first()?)?).to_owned(), counts))
    };
    lines.filter_map(shop).collect()
}

/// The busiest first, and all others together as the last. A HAProxy that was started anew counts
/// from 0, as a shop does that has come.
fn rates(
    before: &BTreeMap<String, Counts>,
    now: &BTreeMap<String, Counts>,
    seconds: f64,
) -> Vec<(String, Rates)> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "requests of some seconds are few"
    )]
    let rate = |new: u64, old: u64| new.checked_sub(old).unwrap_or(new) as f64 / seconds;
    let mut all: Vec<_> = now
        .iter()
        .map(|(shop, counts)| {
            let old = before.get(shop).copied().unwrap_or_default();
            let rates = Rates {
                requests: rate(counts.requests, old.requests),
                errors: rate(counts.errors, old.errors),
            };
            (shop.clone(), rates)
        })
        .filter(|(_, rates)| rates.requests > 0.0)
        .collect();
    all.sort_by_key(|(shop, rates)| (Reverse(ordered(rates.requests)), shop.clone()));
    let others = all.split_off(BUSIEST.min(all.len()));
    // The sum of nothing is -0.
    let sum = |of: fn(&Rates) -> f64| others.iter().map(|(_, rates)| of(rates)).sum::<f64>() + 0.0;
    let other = Rates {
        requests: sum(|rates| rates.requests),
        errors: sum(|rates| rates.errors),
    };
    all.push(("other".to_owned(), other));
    all
}

/// Thousandths, as whole numbers, which have an order.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is a small number above 0"
)]
fn ordered(rate: f64) -> u64 {
    (rate * 1000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_shops_have_a_name_and_all_others_are_one() {
        let shops = |times: u64| -> BTreeMap<String, Counts> {
            let shop = |number: u64| {
                let counts = Counts {
                    requests: number * times,
                    errors: times,
                    not_let_in: 0,
                };
                (format!("shop-{number:02}"), counts)
            };
            (1..=30).map(shop).collect()
        };
        let rates = rates(&shops(1), &shops(3), 2.0);
        assert_eq!(rates.len(), BUSIEST + 1);
        assert_eq!(
            (rates[0].0.as_str(), rates[0].1.requests),
            ("shop-30", 30.0)
        );
        let (name, other) = &rates[BUSIEST];
        // Those of 1 to 10, once a second each.
        assert_eq!(
            (name.as_str(), other.requests, other.errors),
            ("other", 55.0, 10.0)
        );
    }

    #[test]
    fn a_backend_is_a_shops_as_the_map_says() {
        let stat = "# pxname,svname,econ,wretr,wredis,hrsp_5xx,req_tot,\n\
                    slot-00001,BACKEND,1,2,3,2,10,\n\
                    slot-00002,BACKEND,0,0,0,0,7,\n\
                    nobody,BACKEND,0,0,0,1,1,\n";
        let counts = counts(stat, "0x1 shop-acme slot-00001\n");
        assert_eq!(counts.len(), 1);
        assert_eq!(
            (counts["shop-acme"].requests, counts["shop-acme"].errors),
            (10, 2)
        );
        assert_eq!(counts["shop-acme"].not_let_in, 6);
        assert!(super::counts("", "").is_empty());
    }
}
