//! Whether a release is slower than what a shop had before. Pure.
//!
//! Shops differ, so each is compared with itself. What is slow for all of them, such as a database,
//! is not the release's doing: so it also counts how shops changed meanwhile that did not move
//! then, whether they run the release already or not yet.

use super::{Minute, Shops, Traffic};
use crate::{requests::Answered, v1::Finding};
use std::collections::BTreeMap;

/// Requests that a shop needs before and after, for its times to be compared.
const REQUESTS: u64 = 100;
/// The same of a shop that is compared with: the median of several counts.
const OTHERS: u64 = 50;
/// A 95th percentile that is longer by this factor is held against a release: twice as long, as far
/// as buckets tell.
const FACTOR: f64 = 1.75;
/// It also has to be longer by so many seconds: from 20 ms to 40 ms is nobody's concern.
const SECONDS: f64 = 0.2;

/// How a shop changed with the release: how long 95 % of its answers take now, and would take
/// without it.
#[derive(Debug, Clone, Copy)]
struct Change<'a> {
    shop: &'a str,
    now: f64,
    then: f64,
}

/// What is held against the release, of most shops that moved.
pub(super) fn slower(shops: Shops<'_>, traffic: &BTreeMap<&str, Traffic>) -> Option<Finding> {
    // Many move in the same minute.
    let mut others = BTreeMap::<i64, Option<f64>>::new();
    let mut all: Vec<Change<'_>> = Vec::new();
    for shop in shops.moved.iter().copied() {
        let Some(own) = traffic.get(shop) else {
            continue;
        };
        let Some((begin, now, before)) = change(own) else {
            continue;
        };
        let factor = others
            .entry(begin)
            .or_insert_with(|| meanwhile(begin, shops, traffic));
        all.extend(factor.map(|factor| Change {
            shop,
            now,
            then: before * factor,
        }));
    }
    all.sort_by(|one, other| (one.now / one.then).total_cmp(&(other.now / other.then)));
    // The lower one of two.
    let Change { shop, now, then } = *all.get(all.len().checked_sub(1)? / 2)?;
    // One shop alone is believed where a person chose it, or where there is no other.
    let alone = shops.moved.len() == 1 && shops.control.is_empty();
    let believed = all.len() > 1 || alone || shops.canaries.contains(shop);
    (believed && now >= then * FACTOR && now - then >= SECONDS).then(|| Finding {
        shop: shop.to_owned(),
        fingerprint: None,
        text: format!(
            "pages take longer: 95 % are answered within {now:.2} s, and would be within \
             {then:.2} s as before it and by how other shops changed"
        ),
    })
}

/// When a shop began with the release, and how long its answers take with it and took before.
fn change(own: &Traffic) -> Option<(i64, f64, f64)> {
    let begin = began(own)?;
    let now = p95(REQUESTS, &own.0, |minute| &minute.with)?;
    let until = own.0.partition_point(|minute| minute.at <= begin);
    let before = p95(REQUESTS, &own.0[..until], |minute| &minute.without)?;
    Some((begin, now, before))
}

/// By which factor other shops became slower in this minute, which did not move then; none while
/// that is not known.
fn meanwhile(begin: i64, shops: Shops<'_>, traffic: &BTreeMap<&str, Traffic>) -> Option<f64> {
    let (mut known, mut waits) = (Vec::new(), false);
    for (other, of) in traffic {
        let (minutes, side): (_, fn(&Minute) -> &Answered) = if shops.moved.contains(other) {
            // From when it had moved on.
            let Some(moved) = began(of).filter(|moved| *moved < begin) else {
                continue;
            };
            let from = of.0.partition_point(|minute| minute.at <= moved);
            (&of.0[from..], |minute| &minute.with)
        } else {
            (&of.0[..], |minute| &minute.without)
        };
        let split = minutes.partition_point(|minute| minute.at < begin);
        let Some(before) = p95(OTHERS, &minutes[..split], side) else {
            continue;
        };
        match p95(OTHERS, &minutes[split..], side) {
            Some(after) => known.push(after / before),
            None => waits = true,
        }
    }
    known.sort_by(f64::total_cmp);
    match known.get(known.len() / 2) {
        // That others became faster is not held against it.
        Some(factor) => Some(factor.max(1.0)),
        None if waits => None,
        None => Some(1.0),
    }
}

/// The minute in which a shop began to answer with the release.
fn began(traffic: &Traffic) -> Option<i64> {
    let first = traffic.0.iter().find(|minute| minute.with.all() > 0);
    first.map(|minute| minute.at)
}

/// How long 95 % of the answers of these minutes took at most, of at least so many.
fn p95(least: u64, minutes: &[Minute], of: fn(&Minute) -> &Answered) -> Option<f64> {
    let mut sum = Answered::default();
    for minute in minutes {
        sum.add(of(minute));
    }
    let quantile = sum.quantile(0.95).filter(|_| sum.all() >= least)?;
    (quantile > 0.0).then_some(quantile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn answered(count: u64, seconds: f64) -> Answered {
        let mut answered = Answered::default();
        (0..count).for_each(|_| answered.count(200, seconds));
        answered
    }

    /// Ten minutes without the release, and then with it from this one on, if it moves.
    fn shop(moves: Option<i64>, requests: u64, seconds: impl Fn(i64) -> f64) -> Traffic {
        let minute = |at: i64| {
            let new = answered(requests, seconds(at));
            let (with, without) = if moves.is_some_and(|moves| at >= moves) {
                (new, Answered::default())
            } else {
                (Answered::default(), new)
            };
            Minute { at, with, without }
        };
        Traffic((0..20).map(minute).collect())
    }

    fn found(moved: &[&str], traffic: &[(&'static str, Traffic)]) -> bool {
        let traffic: BTreeMap<_, _> = traffic.iter().cloned().collect();
        let moved: BTreeSet<_> = moved.iter().copied().collect();
        let control = traffic.keys().copied();
        let shops = Shops {
            moved: &moved,
            canaries: &BTreeSet::from(["canary"]),
            control: &control.filter(|shop| !moved.contains(shop)).collect(),
        };
        slower(shops, &traffic).is_some()
    }

    fn from(minute: i64, before: f64, after: f64) -> impl Fn(i64) -> f64 {
        move |at| if at < minute { before } else { after }
    }

    #[test]
    fn a_shop_is_compared_with_itself_if_it_has_enough_requests() {
        let one = |requests, before, after| {
            let of = shop(Some(10), requests, from(10, before, after));
            found(&["a"], &[("a", of)])
        };
        assert!(one(10, 0.3, 0.9));
        assert!(!one(9, 0.3, 0.9));
        assert!(!one(10, 0.3, 0.45));
        // Twice, and nobody notices.
        assert!(!one(10, 0.01, 0.09));
        // A shop that is always slow is not slower.
        let slow = shop(Some(10), 50, |_| 4.0);
        let fast = shop(None, 50, |_| 0.1);
        assert!(!found(&["canary"], &[("canary", slow), ("y", fast)]));
    }

    #[test]
    fn what_is_slow_for_all_is_not_the_releases_doing() {
        let slow = || from(10, 0.3, 0.9);
        let canary = || ("canary", shop(Some(10), 50, slow()));
        assert!(found(
            &["canary"],
            &[canary(), ("y", shop(None, 50, |_| 0.3))]
        ));
        assert!(!found(
            &["canary"],
            &[canary(), ("y", shop(None, 50, slow()))]
        ));
        // Also where the other runs the release for long.
        let earlier = ("b", shop(Some(3), 50, slow()));
        assert!(!found(&["b", "canary"], &[canary(), earlier]));
        // While the others are not heard, nothing is held against it.
        let quiet = Traffic(shop(None, 50, |_| 0.3).0[..10].to_vec());
        assert!(!found(&["canary"], &[canary(), ("y", quiet)]));
    }

    #[test]
    fn one_shop_is_believed_where_it_was_chosen_and_most_shops_are() {
        let slow = || shop(Some(10), 50, from(10, 0.3, 0.9));
        let control = || ("y", shop(None, 50, |_| 0.3));
        assert!(!found(&["a"], &[("a", slow()), control()]));
        assert!(found(
            &["a", "b"],
            &[("a", slow()), ("b", slow()), control()]
        ));
        let good = shop(Some(10), 50, |_| 0.3);
        let moved = [("a", slow()), ("b", good.clone()), ("c", good), control()];
        assert!(!found(&["a", "b", "c"], &moved));
    }
}
