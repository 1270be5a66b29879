//! In which order shops are moved, and where each wave ends.

use api::{RolloutSpec, Wave};
use release::Sha256;
use std::{collections::BTreeSet, iter};

/// The shops of a rollout: canaries in the order in which they are listed, then all others by their
/// hashes, but for those that a wave lists, which stand where that wave begins. The same text in
/// `spec.order` gives the same order, so that two rollouts meet the same shops first, or
/// other ones.
#[must_use]
pub fn order<'a>(
    name: &str,
    spec: &RolloutSpec,
    shops: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let salt = spec.order.as_deref().unwrap_or(name);
    let mut hashed: Vec<_> = shops
        .into_iter()
        .filter(|shop| spec.shops.is_empty() || spec.shops.iter().any(|wanted| wanted == shop))
        .collect();
    hashed.sort_unstable();
    hashed.dedup();
    hashed
        .sort_by_cached_key(|shop| Sha256::digest(format!("{salt}/{shop}").as_bytes()).to_string());
    let all = hashed.len();
    let listed: BTreeSet<_> = spec
        .canaries
        .iter()
        .chain(spec.waves.iter().flat_map(|wave| &wave.shops))
        .map(String::as_str)
        .collect();
    // What is listed twice moves with the first that lists it.
    let mut named: BTreeSet<_> = hashed
        .iter()
        .copied()
        .filter(|shop| listed.contains(shop))
        .collect();
    let mut take = |names: &[String]| {
        names
            .iter()
            .filter(|name| named.remove(name.as_str()))
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut others = hashed
        .iter()
        .copied()
        .filter(|shop| !listed.contains(shop))
        .map(str::to_owned);
    let mut order = take(&spec.canaries);
    for wave in &spec.waves {
        order.extend(take(&wave.shops));
        let missing = wave
            .percent
            .map_or(0, |percent| share(all, percent))
            .saturating_sub(order.len());
        order.extend(others.by_ref().take(missing));
    }
    order.extend(others);
    order
}

/// How many shops of the order have moved when each wave is done; wave 0 is that of the canaries,
/// and empty if there are none.
#[must_use]
pub fn bounds(spec: &RolloutSpec, order: &[String]) -> Vec<usize> {
    let listed: BTreeSet<_> = spec.waves.iter().flat_map(|wave| &wave.shops).collect();
    let canaries = order
        .iter()
        .take_while(|shop| spec.canaries.contains(shop))
        .count();
    let end = |begin: usize, wave: &Wave| match wave.percent {
        // What another wave lists waits for that, however many are asked for here.
        Some(percent) => {
            let share = share(order.len(), percent).max(begin);
            begin
                + order[begin..share]
                    .iter()
                    .take_while(|shop| !listed.contains(shop))
                    .count()
        }
        None => {
            begin
                + order[begin..]
                    .iter()
                    .take_while(|shop| wave.shops.contains(shop))
                    .count()
        }
    };
    let ends = spec.waves.iter().scan(canaries, |begin, wave| {
        *begin = end(*begin, wave);
        Some(*begin)
    });
    iter::once(canaries).chain(ends).collect()
}

/// So many percent of all shops, rounded up.
fn share(all: usize, percent: u32) -> usize {
    (all * percent as usize).div_ceil(100).min(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::test::spec;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("s{index}")).collect()
    }

    #[test]
    fn the_order_is_that_of_hashes_and_can_be_had_again() {
        let shops = names(100);
        let first = order("a", &spec(), shops.iter().map(String::as_str));
        assert_eq!(
            first,
            order("a", &spec(), shops.iter().rev().map(String::as_str))
        );
        assert_ne!(first, order("b", &spec(), shops.iter().map(String::as_str)));
        let salted = RolloutSpec {
            order: Some("a".to_owned()),
            ..spec()
        };
        assert_eq!(first, order("b", &salted, shops.iter().map(String::as_str)));
    }

    #[test]
    fn canaries_are_a_wave_of_their_own() {
        let spec = RolloutSpec {
            canaries: vec!["s7".into(), "s3".into(), "gone".into()],
            ..spec()
        };
        let order = order("a", &spec, names(200).iter().map(String::as_str));
        assert_eq!(order[..2], ["s7", "s3"]);
        assert_eq!(bounds(&spec, &order), [2, 2, 20, 100, 200]);
    }

    #[test]
    fn a_list_of_shops_is_all_that_moves() {
        let spec = RolloutSpec {
            shops: vec!["s1".into(), "s2".into()],
            ..spec()
        };
        let order = order("a", &spec, names(10).iter().map(String::as_str));
        assert_eq!(order.len(), 2);
        assert_eq!(bounds(&spec, &order).last(), Some(&2));
    }

    #[test]
    fn listed_shops_move_with_their_wave_and_no_other() {
        let wave = |percent, shops: &[&str]| Wave {
            percent,
            shops: shops.iter().map(ToString::to_string).collect(),
            soak: "1m".parse().unwrap(),
        };
        let spec = RolloutSpec {
            canaries: vec!["s7".into()],
            waves: vec![
                wave(Some(10), &[]),
                wave(None, &["s3", "gone", "s7", "s1"]),
                wave(Some(50), &[]),
                wave(Some(100), &[]),
            ],
            ..spec()
        };
        let order = order("a", &spec, names(20).iter().map(String::as_str));
        assert_eq!(
            (&order[0], &order[2..4]),
            (&"s7".into(), &["s3".into(), "s1".into()][..])
        );
        assert_eq!(bounds(&spec, &order), [1, 2, 4, 10, 20]);
        // If so many are listed that a percentage cannot be had without them, it is less.
        let all: Vec<_> = (5..20).map(|index| format!("s{index}")).collect();
        let most = Wave {
            percent: None,
            shops: all,
            soak: "1m".parse().unwrap(),
        };
        let spec = RolloutSpec {
            waves: vec![wave(Some(50), &[]), most, wave(Some(100), &[])],
            canaries: Vec::new(),
            ..spec
        };
        let order = super::order("a", &spec, names(20).iter().map(String::as_str));
        assert_eq!(bounds(&spec, &order), [0, 5, 20, 20]);
        assert_eq!(
            order[5..].iter().map(String::as_str).collect::<Vec<_>>(),
            names(20)[5..]
        );
    }
}
