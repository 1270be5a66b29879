//! How long a host waits that failed: at a certificate authority, or to be proven.

use crate::name;
use std::time::Duration;

/// The longest wait: what a person repaired in the evening works in the morning.
const LONGEST: Duration = Duration::from_hours(6);

/// The wait after this many failures in a row, from 1: `first`, doubled with each, to 6 h. Up to a
/// fifth of it is left out, by host and not by chance: hosts that failed together do not come back
/// together, and a restart changes nothing.
#[must_use]
pub fn pause(host: &str, failures: u32, first: Duration) -> Duration {
    let full = release::backoff(first, failures.saturating_sub(1), LONGEST);
    let less = name::spread(&format!("{host} {failures}"), 200);
    full.saturating_sub(full * less / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn it_doubles_from_a_minute_to_six_hours() {
        let minutes: Vec<_> = (1..=12)
            .map(|failures| pause("a.example", failures, MINUTE).as_secs_f64() / 60.0)
            .collect();
        for (index, minutes) in minutes.iter().enumerate() {
            let full = f64::from(1_u32 << index).min(360.0);
            assert!(
                *minutes > full * 0.79 && *minutes <= full,
                "{minutes} {full}"
            );
        }
        assert!(pause("a.example", u32::MAX, MINUTE) <= LONGEST);
    }

    #[test]
    fn hosts_are_apart_and_each_is_the_same_every_time() {
        let of = |host: &str| pause(host, 5, MINUTE);
        assert_eq!(of("a.example"), of("a.example"));
        let distinct: std::collections::BTreeSet<_> = (0..100)
            .map(|number| of(&format!("{number}.example")))
            .collect();
        assert!(distinct.len() > 50, "{}", distinct.len());
    }
}
