//! Durations of resources, such as `30m`.

use jiff::SignedDuration;

/// A duration of the specification, such as 30m.
#[must_use]
pub fn duration(text: &str) -> SignedDuration {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number = number.parse().unwrap_or(0);
    match unit {
        "s" => SignedDuration::from_secs(number),
        "m" => SignedDuration::from_mins(number),
        "h" => SignedDuration::from_hours(number),
        _ => SignedDuration::ZERO,
    }
}
