//! Which shops may be taken down, of those that have objects and are no longer in the registry.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What is known of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// It was read from its beginning to its end.
    Whole {
        /// Shops in it.
        shops: usize,
    },
    /// It cannot be read, or only a part of it was.
    Unreadable,
}

/// How many shops may be taken down in an hour, by one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Five, or one percent of all shops, whichever is more.
    Default,
    /// A person said so.
    Explicit(usize),
}

impl Limit {
    /// The number, for a fleet of `shops`.
    #[must_use]
    pub fn shops(self, shops: usize) -> usize {
        match self {
            Self::Default => (shops / 100).max(5),
            Self::Explicit(number) => number,
        }
    }
}

/// Shops that have objects and are not in the registry, and since when that is seen.
pub type Missing = BTreeMap<String, Timestamp>;

/// What is decided about the missing shops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// These are taken down; their data stays.
    Remove(Vec<String>),
    /// Nothing is due.
    Nothing,
    /// None is taken down, and somebody must look.
    Held(GuardBlock),
}

/// Why nothing is taken down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardBlock {
    /// Whatever is missing may be there.
    #[error("the registry cannot be read whole, so nothing is deleted")]
    Unreadable,
    /// An empty registry is a mistake, not a wish.
    #[error(
        "the registry has no shop at all, so none of the {missing} shops with objects is deleted; \
         to take down the last ones, say how many"
    )]
    Empty {
        /// Shops that have objects.
        missing: usize,
    },
    /// More than may go.
    #[error(
        "{missing} shops are missing in the registry ({first}, …), {removed} were taken down in the last hour, and {limit} may be; \
         none is deleted: put them back, or allow it with --delete-at-most {}", missing + removed
    )]
    TooMany {
        /// Shops that are missing.
        missing: usize,
        /// Shops that were taken down in the last hour.
        removed: usize,
        /// How many may be.
        limit: usize,
        /// One of them.
        first: String,
    },
}

/// Decides. `removed` are the times at which this run has taken down shops; `grace` is how long a
/// shop must have been missing.
#[must_use]
pub fn removal(
    registry: Registry,
    missing: &Missing,
    removed: &[Timestamp],
    limit: Limit,
    grace: SignedDuration,
    now: Timestamp,
) -> Removal {
    let Registry::Whole { shops } = registry else {
        return if missing.is_empty() {
            Removal::Nothing
        } else {
            Removal::Held(GuardBlock::Unreadable)
        };
    };
    if missing.is_empty() {
        return Removal::Nothing;
    }
    if shops == 0 && limit == Limit::Default {
        return Removal::Held(GuardBlock::Empty {
            missing: missing.len(),
        });
    }
    // All that are missing count, also those whose grace still runs: the sixth does not go because
    // five went before it.
    let removed = removed
        .iter()
        .filter(|at| now.duration_since(**at) < SignedDuration::from_hours(1))
        .count();
    let limit = limit.shops(shops + missing.len());
    if missing.len() + removed > limit {
        let first = missing.keys().next().cloned().unwrap_or_default();
        return Removal::Held(GuardBlock::TooMany {
            missing: missing.len(),
            removed,
            limit,
            first,
        });
    }
    let due: Vec<_> = missing
        .iter()
        .filter(|(_, since)| now.duration_since(**since) >= grace)
        .map(|(shop, _)| shop.clone())
        .collect();
    if due.is_empty() {
        Removal::Nothing
    } else {
        Removal::Remove(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: SignedDuration = SignedDuration::from_mins(10);

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn missing(count: usize, minutes: i64) -> Missing {
        (0..count)
            .map(|index| {
                (
                    format!("s{index:04}"),
                    now() - SignedDuration::from_mins(minutes),
                )
            })
            .collect()
    }

    fn decide(registry: Registry, missing: &Missing, removed: usize, limit: Limit) -> Removal {
        removal(
            registry,
            missing,
            &vec![now() - SignedDuration::from_mins(30); removed],
            limit,
            GRACE,
            now(),
        )
    }

    #[test]
    fn a_shop_that_is_gone_for_long_is_taken_down() {
        let removed = decide(
            Registry::Whole { shops: 199 },
            &missing(1, 11),
            0,
            Limit::Default,
        );
        assert_eq!(removed, Removal::Remove(vec!["s0000".to_owned()]));
    }

    #[test]
    fn a_shop_that_went_missing_a_moment_ago_may_come_back() {
        assert_eq!(
            decide(
                Registry::Whole { shops: 199 },
                &missing(1, 9),
                0,
                Limit::Default
            ),
            Removal::Nothing
        );
    }

    #[test]
    fn an_unreadable_registry_deletes_nothing() {
        let held = decide(
            Registry::Unreadable,
            &missing(1, 60),
            0,
            Limit::Explicit(10_000),
        );
        assert_eq!(held, Removal::Held(GuardBlock::Unreadable));
    }

    #[test]
    fn an_empty_registry_deletes_nothing_unless_a_number_is_given() {
        let held = decide(
            Registry::Whole { shops: 0 },
            &missing(1, 60),
            0,
            Limit::Default,
        );
        assert_eq!(held, Removal::Held(GuardBlock::Empty { missing: 1 }));
        assert!(matches!(
            decide(
                Registry::Whole { shops: 0 },
                &missing(1, 60),
                0,
                Limit::Explicit(1)
            ),
            Removal::Remove(_)
        ));
    }

    #[test]
    fn a_truncated_import_deletes_nothing() {
        let held = decide(
            Registry::Whole { shops: 2500 },
            &missing(2500, 60),
            0,
            Limit::Default,
        );
        let Removal::Held(GuardBlock::TooMany {
            missing: 2500,
            limit: 50,
            ..
        }) = &held
        else {
            panic!("{held:?}")
        };
        let Removal::Held(held) = held else {
            unreachable!()
        };
        assert!(held.to_string().contains("--delete-at-most 2500"), "{held}");
    }

    #[test]
    fn the_sixth_shop_in_an_hour_waits() {
        for (removed, may) in [(4, true), (5, false)] {
            let decided = decide(
                Registry::Whole { shops: 100 },
                &missing(1, 60),
                removed,
                Limit::Default,
            );
            assert_eq!(matches!(decided, Removal::Remove(_)), may, "{decided:?}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit(
            shops in 0_usize..300,
            gone in 0_usize..300,
            removed in 0_usize..8,
            number in proptest::option::of(0_usize..300),
        ) {
            let limit = number.map_or(Limit::Default, Limit::Explicit);
            let decided = decide(
                Registry::Whole { shops },
                &missing(gone, 60),
                removed,
                limit,
            );
            if let Removal::Remove(due) = decided {
                prop_assert!(due.len() + removed <= limit.shops(shops + gone));
                prop_assert!(shops > 0 || number.is_some());
            }
        }
    }
}
