//! Whether a staged release may become active now. Pure.

use crate::{control::Control, status::Why};
use jiff::Timestamp;
use release::{Migration, Sequence};
use std::fmt;

/// Why a staged release waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// An operator paused the pod.
    Paused(String),
    /// It is not the time.
    Window {
        /// Minutes until it is.
        minutes: i64,
    },
    /// The database is not ready for it.
    Migration(Need),
    /// What was said cannot be understood, so that nobody knows whether it may.
    Control(String),
    /// The hook before the switch failed.
    Hook(String),
    /// The pod's storage is not there.
    Mounts(String),
}

impl Hold {
    /// The same in a word.
    #[must_use]
    pub const fn why(&self) -> Why {
        match self {
            Self::Paused(_) => Why::Paused,
            Self::Window { .. } => Why::Window,
            Self::Migration(_) => Why::Migration,
            Self::Control(_) => Why::Control,
            Self::Hook(_) => Why::Hook,
            Self::Mounts(_) => Why::Mounts,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(why) => write!(f, "switches are paused: {why}"),
            Self::Window { minutes } => write!(f, "the next window opens in {minutes} minutes"),
            Self::Migration(Need { sequence, migration }) => {
                write!(f, "the migration of sequence {sequence} is {migration}, and the database is not said to be ready for it")
            }
            Self::Control(problem) => write!(f, "cannot tell whether it may: {problem}"),
            Self::Hook(problem) => write!(f, "the hook before the switch: {problem}"),
            Self::Mounts(problem) => write!(f, "the shop's storage is not there: {problem}"),
        }
    }
}

/// What a release asks of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its migration.
    pub migration: Migration,
}

/// The newest release with a migration that was offered here, and may never have run: one that is built upon it needs its migration,
/// too, and says nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed(pub(crate) Option<Need>);

impl Passed {
    /// Takes note of what is offered, and says what has to be done to the database for it, where `running` runs: its own migration, else
    /// that of a release in between.
    pub fn offered(&mut self, candidate: Need, running: Option<Sequence>) -> Need {
        if candidate.migration != Migration::None {
            self.0 = Some(candidate);
            return candidate;
        }
        let between = |need: &Need| need.sequence < candidate.sequence && running.is_some_and(|running| running < need.sequence);
        self.0.filter(between).unwrap_or(candidate)
    }
}

/// Why a release that needs this has to wait, if it does. The reason that lasts longest comes first.
#[must_use]
pub fn hold(need: Need, control: &Control, now: Timestamp) -> Option<Hold> {
    if let Some(problem) = &control.problem {
        return Some(Hold::Control(problem.clone()));
    }
    if let Some(why) = &control.pause {
        return Some(Hold::Paused(why.clone()));
    }
    let ready = control.migrated.is_some_and(|migrated| migrated >= need.sequence);
    if need.migration != Migration::None && !ready {
        return Some(Hold::Migration(need));
    }
    let minutes = control.window.as_ref().map_or(0, |windows| windows.opens_in(now));
    (minutes > 0).then_some(Hold::Window { minutes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(sequence: u64, migration: Migration) -> Need {
        Need { sequence: Sequence::try_from(sequence).unwrap(), migration }
    }

    fn held(migration: Migration, control: &Control) -> Option<&'static str> {
        hold(need(7, migration), control, "2026-01-31T12:00:00Z".parse().unwrap()).map(|hold| hold.why().word())
    }

    #[test]
    fn a_release_needs_the_migration_of_one_that_it_follows_and_that_never_ran() {
        use Migration::{Additive, Breaking, None};
        let at = |sequence: u64| Sequence::try_from(sequence).ok();
        let mut passed = Passed::default();
        assert_eq!(passed.offered(need(5, None), at(4)), need(5, None));
        assert_eq!(passed.offered(need(6, Breaking), at(5)), need(6, Breaking));
        assert_eq!(passed.offered(need(7, None), at(5)), need(6, Breaking), "7 is built upon 6");
        assert_eq!(passed.offered(need(8, Additive), at(5)), need(8, Additive));
        assert_eq!(passed.offered(need(9, None), at(5)), need(8, Additive), "which is beyond 6");
        assert_eq!(passed.offered(need(9, None), at(8)), need(9, None), "8 ran");
        // A fresh node has no old database to spare, and is told nothing of what was before.
        assert_eq!(Passed::default().offered(need(9, None), Option::None), need(9, None));
    }

    #[test]
    fn without_a_word_only_migrations_wait() {
        let nothing = Control::default();
        assert_eq!(held(Migration::None, &nothing), None);
        assert_eq!(held(Migration::Additive, &nothing), Some("migration"));
        assert_eq!(held(Migration::Breaking, &nothing), Some("migration"));
    }

    #[test]
    fn the_database_is_ready_up_to_a_sequence() {
        for (migrated, word) in [(6_u64, Some("migration")), (7, None), (8, None)] {
            let control = Control { migrated: Sequence::try_from(migrated).ok(), ..Control::default() };
            assert_eq!(held(Migration::Breaking, &control), word, "{migrated}");
        }
    }

    #[test]
    fn a_problem_comes_before_a_pause_and_a_pause_before_the_rest() {
        let mut control = Control { pause: Some("sale".into()), problem: Some("?".into()), ..Control::default() };
        assert_eq!(held(Migration::Breaking, &control), Some("control"));
        control.problem = None;
        assert_eq!(held(Migration::Breaking, &control), Some("paused"));
    }
}
