//! Durations of resources, such as `30m`.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The most digits that the definitions let in.
const DIGITS: usize = 6;

/// A length of time of the definitions: a whole number above 0, and a unit.
///
/// ```
/// use api::ShortDuration;
///
/// let half: ShortDuration = "30m".parse()?;
/// assert_eq!((half.length().as_secs(), half.to_string()), (1800, "30m".to_owned()));
/// assert!("0s".parse::<ShortDuration>().is_err() && "30".parse::<ShortDuration>().is_err());
/// # Ok::<(), api::DurationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShortDuration {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; expected a whole number and a unit, such as 90s, 30m or 1h")]
pub struct DurationError(String);

impl ShortDuration {
    /// So many minutes; a day at most, so that it fits.
    #[must_use]
    pub const fn minutes(count: u16) -> Self {
        Self {
            count: count as u32,
            unit: Unit::Minutes,
        }
    }

    /// How long it is.
    #[must_use]
    pub fn length(self) -> SignedDuration {
        let count = i64::from(self.count);
        match self.unit {
            Unit::Seconds => SignedDuration::from_secs(count),
            Unit::Minutes => SignedDuration::from_mins(count),
            Unit::Hours => SignedDuration::from_hours(count),
        }
    }
}

impl FromStr for ShortDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let wrong = || DurationError(text.to_owned());
        let (count, unit) = match text.char_indices().next_back() {
            Some((at, 's')) => (&text[..at], Unit::Seconds),
            Some((at, 'm')) => (&text[..at], Unit::Minutes),
            Some((at, 'h')) => (&text[..at], Unit::Hours),
            _ => return Err(wrong()),
        };
        let plain = !count.starts_with(['0', '+']) && count.len() <= DIGITS;
        let count = count.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        Ok(Self { count, unit })
    }
}

impl fmt::Display for ShortDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Seconds => 's',
            Unit::Minutes => 'm',
            Unit::Hours => 'h',
        };
        write!(f, "{}{unit}", self.count)
    }
}

impl TryFrom<String> for ShortDuration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<ShortDuration> for String {
    fn from(duration: ShortDuration) -> Self {
        duration.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_definitions_let_in_is_read_and_nothing_else() {
        for text in ["1s", "30m", "999999h", "90s"] {
            assert_eq!(text.parse::<ShortDuration>().unwrap().to_string(), text);
        }
        for text in [
            "0s", "01m", "1000000s", "+5m", "-5m", "5", "m", "", "5d", "5 m", "5ms", "5\u{e4}",
        ] {
            let error = text.parse::<ShortDuration>().unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{text:?}")),
                "{error}"
            );
        }
    }
}
