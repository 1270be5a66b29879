//! When a campaign runs: how many pods a shop has at least, at a time.

use crate::crd::{Campaign, Scale};
use croner::Cron;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::str::FromStr as _;

/// Why a campaign's time cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields of cron.
    #[error("cron={text:?} is not a time: {why}")]
    Cron {
        /// The text.
        text: String,
        /// Why.
        why: String,
    },
    /// Not a time zone.
    #[error("timeZone={text:?} is not in the time zone database; expected a name such as Europe/Bucharest")]
    TimeZone {
        /// The text.
        text: String,
    },
}

/// Pods at least, of the campaigns of `scale` that run at `now`.
///
/// # Errors
///
/// Where a campaign's time cannot be read.
pub fn campaign_floor(scale: &Scale, now: Timestamp) -> Result<Option<u32>, ScheduleError> {
    let mut floor = None;
    for campaign in &scale.schedule {
        if runs(campaign, now)? {
            floor = floor.max(Some(campaign.min));
        }
    }
    Ok(floor)
}

fn runs(campaign: &Campaign, now: Timestamp) -> Result<bool, ScheduleError> {
    let cron = cron(&campaign.cron)?;
    let zone = time_zone(&campaign.time_zone)?;
    // A campaign runs where one began in the hours before now: the next beginning after (now - duration) is not in the future.
    let duration = SignedDuration::from_hours(i64::from(campaign.duration_hours));
    let Ok(earliest) = now.checked_sub(duration) else { return Ok(false) };
    let after = earliest.to_zoned(zone);
    Ok(cron.find_next_occurrence(&after, false).is_ok_and(|begin| begin.timestamp() <= now))
}

/// Reads five fields of cron.
///
/// # Errors
///
/// Where `text` is not a time that comes.
pub fn cron(text: &str) -> Result<Cron, ScheduleError> {
    Cron::from_str(text).map_err(|error| ScheduleError::Cron { text: text.to_owned(), why: error.to_string() })
}

/// Finds a time zone.
///
/// # Errors
///
/// Where the database has none of that name.
pub fn time_zone(text: &str) -> Result<TimeZone, ScheduleError> {
    TimeZone::get(text).map_err(|_| ScheduleError::TimeZone { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(cron: &str, hours: u32, now: &str) -> Option<u32> {
        let campaign = Campaign { cron: cron.to_owned(), time_zone: "Europe/Bucharest".to_owned(), duration_hours: hours, min: 8 };
        campaign_floor(&Scale { schedule: vec![campaign], ..Scale::default() }, now.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_campaign_runs_from_its_beginning_for_its_hours_in_its_time_zone() {
        // 8:00 in Bucharest is 6:00 UTC in November.
        for (now, expected) in [
            ("2026-11-27T05:59:59Z", None),
            ("2026-11-27T06:00:00Z", Some(8)),
            ("2026-11-30T05:59:59Z", Some(8)),
            ("2026-11-30T06:00:00Z", None),
        ] {
            assert_eq!(floor("0 8 27 11 *", 72, now), expected, "{now}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_told() {
        assert!(cron("61 * * * *").is_err());
        assert!(time_zone("Europe/Bukarest").unwrap_err().to_string().contains("Europe/Bucharest"));
    }
}
