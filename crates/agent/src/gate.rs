//! Whether a staged release may become active now. Pure.

use crate::{control::Control, status::Why};
use jiff::Timestamp;
use release::Need;
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
    /// The shop does not work with it, and not with the release that runs, either.
    Shop(String),
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
            Self::Shop(_) => Why::Shop,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(why) => write!(f, "switches are paused: {why}"),
            Self::Window { minutes } => write!(f, "the next window opens in {minutes} minutes"),
            Self::Migration(Need {
                sequence,
                migration,
            }) => {
                write!(
                    f,
                    "the migration of sequence {sequence} is {migration}, and the database is not \
                     said to be ready for it"
                )
            }
            Self::Control(problem) => write!(f, "cannot tell whether it may: {problem}"),
            Self::Hook(problem) => write!(f, "the hook before the switch: {problem}"),
            Self::Mounts(problem) => write!(f, "the shop's storage is not there: {problem}"),
            Self::Shop(problem) => write!(
                f,
                "the shop works neither with it nor without it, so that it is tried again: \
                 {problem}"
            ),
        }
    }
}

/// Why a release that needs this has to wait, if it does. The reason that lasts longest comes
/// first.
#[must_use]
pub fn hold(need: Need, control: &Control, now: Timestamp) -> Option<Hold> {
    if let Some(problem) = &control.problem {
        return Some(Hold::Control(problem.clone()));
    }
    if let Some(why) = &control.pause {
        return Some(Hold::Paused(why.clone()));
    }
    if !need.is_met(control.migrated) {
        return Some(Hold::Migration(need));
    }
    let minutes = control
        .window
        .as_ref()
        .map_or(0, |windows| windows.opens_in(now));
    (minutes > 0).then_some(Hold::Window { minutes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::{Migration, Sequence};

    fn need(sequence: u64, migration: Migration) -> Need {
        Need {
            sequence: Sequence::try_from(sequence).unwrap(),
            migration,
        }
    }

    fn held(migration: Migration, control: &Control) -> Option<&'static str> {
        hold(
            need(7, migration),
            control,
            "2026-01-31T12:00:00Z".parse().unwrap(),
        )
        .map(|hold| hold.why().word())
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
            let control = Control {
                migrated: Sequence::try_from(migrated).ok(),
                ..Control::default()
            };
            assert_eq!(held(Migration::Breaking, &control), word, "{migrated}");
        }
    }

    #[test]
    fn a_problem_comes_before_a_pause_and_a_pause_before_the_rest() {
        let mut control = Control {
            pause: Some("sale".into()),
            problem: Some("?".into()),
            ..Control::default()
        };
        assert_eq!(held(Migration::Breaking, &control), Some("control"));
        control.problem = None;
        assert_eq!(held(Migration::Breaking, &control), Some("paused"));
    }
}
