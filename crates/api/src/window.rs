//! When a shop may be moved: in its own window, by its own clock, and not while its class is
//! frozen.

use crate::{Freeze, Window, WindowPolicy, schedule::time_zone};
use jiff::Timestamp;
use release::TimeRange;

/// Why a shop waits; nothing if it may be moved now.
#[must_use]
pub fn closed(
    window: Option<&Window>,
    freezes: &[Freeze],
    policy: WindowPolicy,
    now: Timestamp,
) -> Option<String> {
    if policy == WindowPolicy::Ignore {
        return None;
    }
    // A freeze whose times cannot be read freezes: the API server lets none in, and a mistake here
    // is seen by nobody.
    let frozen = |freeze: &&Freeze| match (
        freeze.from.parse::<Timestamp>(),
        freeze.until.parse::<Timestamp>(),
    ) {
        (Ok(from), Ok(until)) => from <= now && now < until,
        _ => true,
    };
    if let Some(freeze) = freezes.iter().find(frozen) {
        return Some(format!("frozen until {}: {}", freeze.until, freeze.why));
    }
    let window = window?;
    let Ok(zone) = time_zone(&window.time_zone) else {
        return Some(format!("its time zone {:?} is unknown", window.time_zone));
    };
    let clock = now.to_zoned(zone).time();
    let open = window.times.iter().any(|times| times.contains(clock));
    (!open).then(|| {
        let times: Vec<_> = window.times.iter().map(TimeRange::to_string).collect();
        format!(
            "waits for its window {} ({})",
            times.join(", "),
            window.time_zone
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window {
            times: vec!["22:00-05:00".parse().unwrap()],
            time_zone: "Europe/Bucharest".to_owned(),
        }
    }

    fn open(now: &str) -> bool {
        closed(
            Some(&window()),
            &[],
            WindowPolicy::Respect,
            now.parse().unwrap(),
        )
        .is_none()
    }

    #[test]
    fn a_window_is_that_of_the_shops_own_clock_and_may_pass_midnight() {
        // 22:00 in Bucharest is 20:00 UTC in winter and 19:00 UTC in summer.
        for (now, expected) in [
            ("2026-11-23T19:59:00Z", false),
            ("2026-11-23T20:00:00Z", true),
            ("2026-11-24T02:59:59Z", true),
            ("2026-11-24T03:00:00Z", false),
            ("2026-07-01T19:00:00Z", true),
            ("2026-07-01T18:59:00Z", false),
        ] {
            assert_eq!(open(now), expected, "{now}");
        }
    }

    #[test]
    fn a_freeze_closes_every_window_but_for_an_urgent_release() {
        let freeze = Freeze {
            from: "2026-11-26T00:00:00Z".into(),
            until: "2026-12-01T00:00:00Z".into(),
            why: "Black Friday".into(),
        };
        let now = "2026-11-27T21:00:00Z".parse().unwrap();
        let why = closed(
            Some(&window()),
            std::slice::from_ref(&freeze),
            WindowPolicy::Respect,
            now,
        )
        .unwrap();
        assert!(
            why.contains("Black Friday") && why.contains("2026-12-01"),
            "{why}"
        );
        assert_eq!(
            closed(Some(&window()), &[freeze], WindowPolicy::Ignore, now),
            None
        );
    }
}
