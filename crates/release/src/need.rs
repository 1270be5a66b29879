//! What a release asks of the database before it may run. Pure: `longshore-init` and
//! `longshore-agent` decide by the same.

use crate::{Migration, Release, Sequence};

/// What a release asks of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its migration.
    pub migration: Migration,
}

impl Need {
    /// What `release` says of itself.
    #[must_use]
    pub const fn new(release: &Release) -> Self {
        Self {
            sequence: release.sequence,
            migration: release.migration,
        }
    }

    /// Whether a database that is migrated up to `migrated` is ready for it.
    ///
    /// ```
    /// use release::{Migration, Need, Sequence};
    ///
    /// let need = Need { sequence: Sequence::try_from(7)?, migration: Migration::Additive };
    /// assert!(!need.is_met(None) && need.is_met(Sequence::try_from(7).ok()));
    /// # Ok::<(), release::NameError>(())
    /// ```
    #[must_use]
    pub fn is_met(self, migrated: Option<Sequence>) -> bool {
        self.migration == Migration::None
            || migrated.is_some_and(|migrated| migrated >= self.sequence)
    }
}

/// The newest release with a migration that was offered here, and may never have run: one that is
/// built upon it needs its migration, too, and says nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed(Option<Need>);

impl Passed {
    /// Nothing was offered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Takes note of what is offered, and says what has to be done to the database for it, where
    /// `running` runs: its own migration, else that of a release in between.
    pub fn offered(&mut self, candidate: Need, running: Option<Sequence>) -> Need {
        if candidate.migration != Migration::None {
            self.0 = Some(candidate);
            return candidate;
        }
        let between = |need: &Need| {
            need.sequence < candidate.sequence
                && running.is_some_and(|running| running < need.sequence)
        };
        self.0.filter(between).unwrap_or(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(sequence: u64, migration: Migration) -> Need {
        Need {
            sequence: Sequence::try_from(sequence).unwrap(),
            migration,
        }
    }

    #[test]
    fn a_release_needs_the_migration_of_one_that_it_follows_and_that_never_ran() {
        use Migration::{Additive, Breaking, None};
        let at = |sequence: u64| Sequence::try_from(sequence).ok();
        let mut passed = Passed::new();
        assert_eq!(passed.offered(need(5, None), at(4)), need(5, None));
        assert_eq!(passed.offered(need(6, Breaking), at(5)), need(6, Breaking));
        assert_eq!(
            passed.offered(need(7, None), at(5)),
            need(6, Breaking),
            "7 is built upon 6"
        );
        assert_eq!(passed.offered(need(8, Additive), at(5)), need(8, Additive));
        assert_eq!(
            passed.offered(need(9, None), at(5)),
            need(8, Additive),
            "which is beyond 6"
        );
        assert_eq!(passed.offered(need(9, None), at(8)), need(9, None), "8 ran");
        // A fresh node has no old database to spare, and is told nothing of what was before.
        assert_eq!(
            Passed::new().offered(need(9, None), Option::None),
            need(9, None)
        );
    }

    #[test]
    fn a_database_is_ready_up_to_a_sequence() {
        for (migrated, met) in [
            (None, false),
            (Some(6), false),
            (Some(7), true),
            (Some(8), true),
        ] {
            let migrated = migrated.map(|sequence: u64| sequence.try_into().unwrap());
            assert_eq!(
                need(7, Migration::Breaking).is_met(migrated),
                met,
                "{migrated:?}"
            );
            assert!(need(7, Migration::None).is_met(migrated));
        }
    }
}
