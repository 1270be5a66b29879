//! Times of day, such as `22:00-05:00`.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Times of day from one to another: `22:00-05:00` ends on the next day; `00:00-00:00` is the whole
/// day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeRange {
    from: Time,
    until: Time,
}

/// Why a text is not a range of times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a range of times; expected two times of a day, such as 22:00-05:00")]
pub struct TimeRangeError(String);

impl TimeRange {
    /// Whether a clock shows one of them.
    #[must_use]
    pub fn contains(self, clock: Time) -> bool {
        let Self { from, until } = self;
        if from < until {
            from <= clock && clock < until
        } else {
            clock >= from || clock < until
        }
    }

    /// In how many minutes a clock shows one of them; zero if it does.
    #[must_use]
    pub fn minutes_until(self, clock: Time) -> i64 {
        if self.contains(clock) {
            return 0;
        }
        let minute = |time: Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
        (minute(self.from) - minute(clock)).rem_euclid(24 * 60)
    }
}

impl FromStr for TimeRange {
    type Err = TimeRangeError;

    fn from_str(text: &str) -> Result<Self, TimeRangeError> {
        let range = || {
            let (from, until) = text.split_once('-')?;
            let (from, until) = (time(from)?, time(until)?);
            Some(Self { from, until })
        };
        range().ok_or_else(|| TimeRangeError(text.to_owned()))
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{}-{}", from.strftime("%H:%M"), until.strftime("%H:%M"))
    }
}

impl TryFrom<String> for TimeRange {
    type Error = TimeRangeError;

    fn try_from(text: String) -> Result<Self, TimeRangeError> {
        text.parse()
    }
}

impl From<TimeRange> for String {
    fn from(range: TimeRange) -> Self {
        range.to_string()
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_times_is_read_as_the_definitions_let_it_in() {
        for text in ["22:00-05:00", "00:00-00:00", "23:59-00:01"] {
            assert_eq!(text.parse::<TimeRange>().unwrap().to_string(), text);
        }
        for text in [
            "24:00-05:00",
            "2:00-05:00",
            "22:00",
            "22:60-05:00",
            "+2:00-05:00",
            "",
        ] {
            assert!(text.parse::<TimeRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_goes_over_midnight() {
        let clock = |text: &str| text.parse::<Time>().unwrap();
        for (range, time, minutes) in [
            ("22:00-05:00", "21:59", 1),
            ("22:00-05:00", "21:59:59", 1),
            ("22:00-05:00", "22:00", 0),
            ("22:00-05:00", "23:59", 0),
            ("22:00-05:00", "04:59:59", 0),
            ("22:00-05:00", "05:00", 17 * 60),
            ("12:00-13:00", "11:00", 60),
            ("12:00-13:00", "12:30", 0),
            ("12:00-13:00", "13:00", 23 * 60),
            ("00:00-00:00", "17:00", 0),
            ("12:00-12:00", "11:59", 0),
        ] {
            let times: TimeRange = range.parse().unwrap();
            assert_eq!(times.minutes_until(clock(time)), minutes, "{range} {time}");
            assert_eq!(times.contains(clock(time)), minutes == 0, "{range} {time}");
        }
    }
}
