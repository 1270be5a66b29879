//! What becomes of a group of errors: decisions, without IO.

use observe::v1::State;

/// What people decided of a group, and what became of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Triage {
    /// Whether somebody has to look at it.
    pub(crate) state: State,
    /// The newest release that it had been seen in when somebody called it resolved; 0 if none was
    /// known.
    pub(crate) resolved_at: u64,
    /// The release in which it came back.
    pub(crate) back_since: Option<u64>,
}

impl Triage {
    /// That of a group that nobody knew.
    pub(crate) const NEW: Self = Self {
        state: State::Open,
        resolved_at: 0,
        back_since: None,
    };

    /// After it was seen in a release, if that is known.
    pub(crate) fn seen(self, sequence: Option<u64>) -> Self {
        match sequence {
            Some(sequence) if self.state == State::Resolved && sequence > self.resolved_at => {
                Self {
                    state: State::Open,
                    back_since: Some(sequence),
                    ..self
                }
            }
            _ => self,
        }
    }

    /// After a person said so. `newest` is the newest release that it was seen in.
    pub(crate) fn judged(self, verdict: State, newest: Option<u64>) -> Self {
        let resolved_at = match verdict {
            State::Resolved => newest.unwrap_or(0),
            State::Open | State::Ignored => self.resolved_at,
        };
        Self {
            state: verdict,
            resolved_at,
            back_since: None,
        }
    }
}

/// How many events an agent's count adds to what it said before in the same run. An agent that
/// forgot the group meanwhile counts from 1 again.
pub(crate) fn added(known: Option<u64>, count: u64) -> u64 {
    match known {
        Some(known) if known <= count => count - known,
        _ => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_resolved_group_comes_back_in_a_newer_release_alone() {
        let resolved = Triage::NEW.judged(State::Resolved, Some(7));
        for same in [None, Some(1), Some(7)] {
            assert_eq!(resolved.seen(same).state, State::Resolved, "{same:?}");
        }
        let back = resolved.seen(Some(8));
        assert_eq!((back.state, back.back_since), (State::Open, Some(8)));
        // Which one it came back in is not forgotten when it is seen in another one.
        assert_eq!(back.seen(Some(9)).back_since, Some(8));
        let again = back.judged(State::Resolved, Some(9));
        assert_eq!(
            (again.seen(Some(9)).state, again.back_since),
            (State::Resolved, None)
        );
        let ignored = back.judged(State::Ignored, Some(9));
        assert_eq!(ignored.seen(Some(10)).state, State::Ignored);
        let unknown = Triage::NEW.judged(State::Resolved, None);
        assert_eq!(unknown.seen(Some(1)).state, State::Open);
    }

    proptest! {
        /// Whatever answers are lost or come twice, what is added is what the last one says.
        #[test]
        fn what_is_added_sums_up_to_the_last_count(
            mut counts in prop::collection::vec(1..1000_u64, 1..20),
            twice in prop::collection::vec(any::<bool>(), 20),
        ) {
            counts.sort_unstable();
            let (mut known, mut sum) = (None, 0);
            for (count, twice) in counts.iter().zip(twice) {
                for _ in 0..=u8::from(twice) {
                    sum += added(known, *count);
                    known = Some(*count);
                }
            }
            prop_assert_eq!(Some(&sum), counts.last());
        }
    }
}
