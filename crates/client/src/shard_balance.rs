//! Which shard a process asks another one for, so that all processes of a cell have their share of
//! the work.

use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Who held each shard, or had asked for it, when this process last looked.
#[derive(Debug, Clone, Default)]
pub struct ShardBalance(Arc<Mutex<BTreeMap<usize, String>>>);

impl ShardBalance {
    /// Notes who holds a shard; nobody if the Lease is free or over.
    pub fn note(&self, shard: usize, holder: Option<&str>) {
        let mut holders = self.0.lock();
        match holder {
            Some(holder) => {
                holders.insert(shard, holder.to_owned());
            }
            None => {
                holders.remove(&shard);
            }
        }
    }

    /// Whether `shard` is the one to ask for; then it counts as held by `me` at once, as the looks
    /// at other shards go on meanwhile.
    #[must_use]
    pub fn asks_for(&self, shard: usize, me: &str) -> bool {
        let mut holders = self.0.lock();
        let asks = wanted(&holders, me) == Some(shard);
        if asks {
            holders.insert(shard, me.to_owned());
        }
        asks
    }
}

/// The last shard of the process with the most, if that has at least two more than `me`: one
/// that moves makes both more equal, and nothing goes to and fro. The first shard, which looks at
/// the whole fleet, moves last.
fn wanted(holders: &BTreeMap<usize, String>, me: &str) -> Option<usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for holder in holders.values() {
        *counts.entry(holder).or_default() += 1;
    }
    let mine = counts.get(me).copied().unwrap_or(0);
    let (most, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count >= mine + 2)
        .then(|| {
            holders
                .iter()
                .rev()
                .find(|(_, holder)| *holder == most)
                .map(|(shard, _)| *shard)
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(holders: &[&str], me: &str) -> Option<usize> {
        wanted(
            &holders
                .iter()
                .enumerate()
                .map(|(shard, holder)| (shard, (*holder).to_owned()))
                .collect(),
            me,
        )
    }

    #[test]
    fn the_one_with_the_most_is_asked_for_its_last() {
        assert_eq!(asks(&["a", "a"], "b"), Some(1));
        assert_eq!(asks(&["a", "b"], "c"), None);
        assert_eq!(asks(&["a", "b", "a", "b", "a"], "c"), Some(4));
        assert_eq!(asks(&["a"], "b"), None);
        assert_eq!(asks(&[], "b"), None);
    }

    #[test]
    fn what_was_asked_for_counts_at_once() {
        let balance = ShardBalance::default();
        // As a process finds them when it starts, one after another.
        for shard in 0..4 {
            balance.note(shard, Some("a"));
            let _asks = balance.asks_for(shard, "b");
        }
        let holders = balance.0.lock();
        assert_eq!(
            holders.values().filter(|holder| *holder == "b").count(),
            2,
            "{holders:?}"
        );
    }

    #[test]
    fn asking_ends_with_shares_that_differ_by_one_at_most() {
        let mut holders: BTreeMap<usize, String> =
            (0..64).map(|shard| (shard, "a".to_owned())).collect();
        let mut moves = 0;
        while let Some((shard, me)) = ["a", "b", "c"]
            .into_iter()
            .find_map(|me| Some((wanted(&holders, me)?, me)))
        {
            holders.insert(shard, me.to_owned());
            moves += 1;
            assert!(moves < 100, "it never ends");
        }
        let count = |me: &str| holders.values().filter(|holder| *holder == me).count();
        assert_eq!(
            (
                count("a") + count("b") + count("c"),
                count("a").max(count("b")).max(count("c"))
            ),
            (64, 22)
        );
    }
}
