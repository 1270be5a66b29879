//! How values stand in the tables.

use jiff::Timestamp;
use observe::{
    Severity, Source,
    v1::{Cause, State, Vantage},
};

/// How bad an error is, as a number that sorts.
pub(super) fn severity(severity: Severity) -> i64 {
    let at = Severity::ALL.iter().position(|it| *it == severity);
    i64::try_from(at.unwrap_or(0)).unwrap_or(0)
}

/// A state as a number: the partial index names that of `Open`, which is 0.
pub(super) fn state(state: State) -> i64 {
    let at = State::ALL.iter().position(|it| *it == state);
    i64::try_from(at.unwrap_or(0)).unwrap_or(0)
}

/// That severity; the mildest for what no version of ours writes.
pub(super) fn to_severity(number: i64) -> Severity {
    pick(Severity::ALL, number)
}

/// That state; open for what no version of ours writes.
pub(super) fn to_state(number: i64) -> State {
    pick(State::ALL, number)
}

/// That source.
pub(super) fn to_source(word: &str) -> Source {
    find(Source::ALL, |it| it.word() == word)
}

/// That cause.
pub(super) fn to_cause(word: &str) -> Cause {
    find(Cause::ALL, |it| it.word() == word)
}

/// That vantage point.
pub(super) fn to_vantage(word: &str) -> Vantage {
    find(Vantage::ALL, |it| it.word() == word)
}

/// A moment, from milliseconds.
pub(super) fn to_time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// A number that is never negative, as SQLite has it.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A sequence: 0 is none, as the first release has 1.
pub(super) fn to_sequence(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|it| *it > 0)
}

fn pick<T: Copy>(all: &[T], number: i64) -> T {
    let at = usize::try_from(number).unwrap_or(0);
    all.get(at).copied().unwrap_or(all[0])
}

fn find<T: Copy>(all: &[T], is: impl Fn(&T) -> bool) -> T {
    all.iter().find(|it| is(it)).copied().unwrap_or(all[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for it in Severity::ALL {
            assert_eq!(to_severity(severity(*it)), *it);
        }
        for it in State::ALL {
            assert_eq!(to_state(state(*it)), *it);
        }
        for it in Source::ALL {
            assert_eq!(to_source(it.word()), *it);
        }
        for it in Cause::ALL {
            assert_eq!(to_cause(it.word()), *it);
        }
        for it in Vantage::ALL {
            assert_eq!(to_vantage(it.word()), *it);
        }
        assert_eq!(
            (to_severity(-1), to_state(99)),
            (Severity::Notice, State::Open)
        );
        assert_eq!(state(State::Open), 0);
    }
}
