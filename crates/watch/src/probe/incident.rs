//! When an incident begins and ends, and when so many hosts are down that it is not theirs. Pure.

use super::verdict::Verdict;
use jiff::Timestamp;
use observe::v1::Cause;

/// Hosts that are down at least, and of how many one, for it to be the fleet's.
const FLEET: (usize, usize) = (3, 20);

/// How a host stands at a vantage point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Availability {
    /// As it should be, as far as is known.
    #[default]
    Up,
    /// Not, since then.
    Down(Timestamp),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Begin {
        at: Timestamp,
        cause: Cause,
        problem: String,
    },
    End {
        at: Timestamp,
    },
}

/// Takes in what a probe, made again where it failed, came to. `at` is when it was made first, and
/// `last` when it was made last.
pub(crate) fn step(
    before: Availability,
    verdict: &Verdict,
    (at, last): (Timestamp, Timestamp),
) -> (Availability, Option<Event>) {
    match (before, verdict) {
        (Availability::Up, Verdict::Down(cause, problem)) => {
            let event = Event::Begin {
                at,
                cause: *cause,
                problem: problem.clone(),
            };
            (Availability::Down(at), Some(event))
        }
        (Availability::Down(_), Verdict::Up) => (Availability::Up, Some(Event::End { at: last })),
        (before, _) => (before, None),
    }
}

/// Whether so many hosts are down that it is one matter: over 5 %, and at least three.
pub(crate) const fn is_fleet_wide(down: usize, all: usize) -> bool {
    let (least, of) = FLEET;
    down >= least && down.saturating_mul(of) > all
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn down() -> Verdict {
        Verdict::Down(Cause::Status, "the answer is 502".into())
    }

    #[test]
    fn an_incident_has_the_first_failure_and_the_first_success() {
        let (availability, event) = step(Availability::Up, &down(), (at(10), at(13)));
        let Some(Event::Begin {
            at: begin,
            cause,
            problem,
        }) = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(
            (begin, cause, problem.as_str()),
            (at(10), Cause::Status, "the answer is 502")
        );
        let (availability, event) = step(availability, &down(), (at(70), at(70)));
        assert_eq!((availability, event), (Availability::Down(at(10)), None));
        let unknown = Verdict::Unknown("429".into());
        let (availability, event) = step(availability, &unknown, (at(130), at(130)));
        assert_eq!((availability, event), (Availability::Down(at(10)), None));
        let (availability, event) = step(availability, &Verdict::Up, (at(190), at(193)));
        assert_eq!(
            (availability, event),
            (Availability::Up, Some(Event::End { at: at(193) }))
        );
        assert_eq!(
            step(availability, &unknown, (at(250), at(250))),
            (Availability::Up, None)
        );
    }

    #[test]
    fn one_in_twenty_is_the_fleets_matter_from_three_on() {
        for (down, all, expected) in [
            (0, 0, false),
            (2, 2, false),
            (3, 3, true),
            (3, 60, false),
            (3, 59, true),
            (500, 10_000, false),
            (501, 10_000, true),
        ] {
            assert_eq!(is_fleet_wide(down, all), expected, "{down} of {all}");
        }
    }

    proptest! {
        /// Whatever comes, incidents begin and end by turns, and none ends before it begins.
        #[test]
        fn incidents_begin_and_end_by_turns(verdicts in prop::collection::vec(0..3_u8, 0..60)) {
            let (mut availability, mut begun) = (Availability::Up, None);
            for (minute, verdict) in (0_i64..).zip(verdicts) {
                let verdict = match verdict {
                    0 => Verdict::Up,
                    1 => down(),
                    _ => Verdict::Unknown(String::new()),
                };
                let moments = (at(60 * minute), at(60 * minute + 3));
                let (next, event) = step(availability, &verdict, moments);
                match event {
                    Some(Event::Begin { at, .. }) => prop_assert!(begun.replace(at).is_none()),
                    Some(Event::End { at }) => prop_assert!(begun.take().is_some_and(|it| it < at)),
                    None => {}
                }
                prop_assert_eq!(begun.is_some(), next != Availability::Up);
                availability = next;
            }
        }
    }
}
