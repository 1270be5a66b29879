//! When a campaign runs: how many pods a shop has at least, at a time.

use crate::{Campaign, Scale};
use croner::{Cron, errors::CronError};
use jiff::{
    SignedDuration, Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use std::str::FromStr as _;

/// Why a campaign's time cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields of cron.
    #[error("cron={text:?} is not a time: {why}")]
    Cron {
        /// The text.
        text: String,
        /// Why.
        why: String,
    },
    /// A time that never comes.
    #[error("cron={text:?} never comes: no month has such a day")]
    Never {
        /// The text.
        text: String,
    },
    /// Not a time zone.
    #[error(
        "timeZone={text:?} is not in the time zone database; expected a name such as \
         Europe/Bucharest"
    )]
    TimeZone {
        /// The text.
        text: String,
    },
}

/// Pods at least, of the campaigns of `scale` that run at `now`.
///
/// # Errors
///
/// If a campaign's time cannot be read.
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
    // A campaign runs where one began in the hours before now: the next beginning after (now -
    // duration) is not in the future.
    let duration = SignedDuration::from_hours(i64::from(campaign.duration_hours));
    let Ok(earliest) = now.checked_sub(duration) else {
        return Ok(false);
    };
    let after = earliest.to_zoned(zone);
    match cron.find_next_occurrence(&after, false) {
        Ok(begin) => Ok(begin.timestamp() <= now),
        Err(CronError::TimeSearchLimitExceeded) => Err(ScheduleError::Never {
            text: campaign.cron.clone(),
        }),
        Err(_) => Ok(false),
    }
}

/// Whether every campaign's time is one, and comes.
///
/// # Errors
///
/// If one is not.
pub fn possible(scale: &Scale) -> Result<(), ScheduleError> {
    scale
        .schedule
        .iter()
        .try_for_each(|campaign| runs(campaign, Timestamp::UNIX_EPOCH).map(drop))
}

/// Reads five fields of cron that come at some time.
///
/// # Errors
///
/// If `text` is no time, or one that no calendar has, such as 31 February.
pub fn comes(text: &str) -> Result<(), ScheduleError> {
    let begin = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    match cron(text)?.find_next_occurrence(&begin, false) {
        Err(CronError::TimeSearchLimitExceeded) => Err(ScheduleError::Never {
            text: text.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Reads five fields of cron.
///
/// # Errors
///
/// If `text` is not a time; whether it comes is [`comes`]'s to say.
pub fn cron(text: &str) -> Result<Cron, ScheduleError> {
    Cron::from_str(text).map_err(|error| ScheduleError::Cron {
        text: text.to_owned(),
        why: error.to_string(),
    })
}

/// Finds a time zone by its exact name, as the API server does, in the database of this program: a
/// machine's own has more names, and others.
///
/// # Errors
///
/// If the database has none of that name.
pub fn time_zone(text: &str) -> Result<TimeZone, ScheduleError> {
    let found = TimeZoneDatabase::bundled()
        .get(text)
        .ok()
        .filter(|zone| zone.iana_name() == Some(text));
    found.ok_or_else(|| ScheduleError::TimeZone {
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(cron: &str, hours: u32, now: &str) -> Option<u32> {
        let campaign = Campaign {
            cron: cron.to_owned(),
            time_zone: "Europe/Bucharest".to_owned(),
            duration_hours: hours,
            min: 8,
        };
        campaign_floor(
            &Scale {
                schedule: vec![campaign],
                ..Scale::default()
            },
            now.parse().unwrap(),
        )
        .unwrap()
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
    fn a_day_that_no_month_has_never_comes() {
        for (text, good) in [
            ("0 0 31 2 *", false),
            ("0 0 31 4,6,9,11 *", false),
            ("0 0 29 2 *", true),
            ("0 0 31 2 1", true),
        ] {
            assert_eq!(comes(text).is_ok(), good, "{text}");
        }
        let campaign = Campaign {
            cron: "0 8 30 2 *".to_owned(),
            time_zone: "UTC".to_owned(),
            duration_hours: 1,
            min: 8,
        };
        let scale = Scale {
            schedule: vec![campaign],
            ..Scale::default()
        };
        let told = "cron=\"0 8 30 2 *\" never comes: no month has such a day";
        assert_eq!(possible(&scale).unwrap_err().to_string(), told);
        assert_eq!(
            campaign_floor(&scale, "2026-11-27T06:00:00Z".parse().unwrap())
                .unwrap_err()
                .to_string(),
            told
        );
    }

    #[test]
    fn what_is_not_a_time_is_told() {
        assert!(cron("61 * * * *").is_err());
        assert!(
            time_zone("Europe/Bukarest")
                .unwrap_err()
                .to_string()
                .contains("Europe/Bucharest")
        );
        for wrong in [
            "europe/berlin",
            "EUROPE/BERLIN",
            "Local",
            "posix/Europe/Berlin",
            "right/UTC",
            "leapseconds",
            "Mars/Olympus",
            "",
            "../etc/passwd",
        ] {
            assert!(time_zone(wrong).is_err(), "{wrong}");
        }
        assert!(
            ["UTC", "Etc/UTC", "Europe/Kyiv", "America/Argentina/Ushuaia"]
                .into_iter()
                .all(|zone| time_zone(zone).is_ok())
        );
    }
}
