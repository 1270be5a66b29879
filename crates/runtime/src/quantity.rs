//! Numbers with a unit: how long, and how many bytes.

use crate::Setting;
use std::time::Duration;

impl Setting for Duration {
    const EXPECTED: &'static str = "a whole number and a unit, such as 500ms, 30s, 5m, 1h or 90d";

    fn read(text: &str) -> Option<Self> {
        let (count, unit) = split(text)?;
        match unit {
            "ms" => Some(Self::from_millis(count)),
            "s" => Some(Self::from_secs(count)),
            "m" => count.checked_mul(60).map(Self::from_secs),
            "h" => count.checked_mul(3600).map(Self::from_secs),
            "d" => count.checked_mul(24 * 3600).map(Self::from_secs),
            _ => None,
        }
    }
}

/// A number of bytes, written with its unit: `64MiB` is 64 · 2^20, `20GB` is 20 · 10^9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Setting for ByteSize {
    const EXPECTED: &'static str = "a whole number and a unit, such as 64MiB (2^20) or 20GB (10^9)";

    fn read(text: &str) -> Option<Self> {
        let (count, unit) = split(text)?;
        let unit: u64 = match unit {
            "B" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        count.checked_mul(unit).map(Self)
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(unit);
    Some((count.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(
                Duration::read(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for bad in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1w",
            "1S",
            "18446744073709551615h",
            "18446744073709551616s",
        ] {
            assert_eq!(Duration::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn mib_is_a_power_of_two_and_mb_a_power_of_ten() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("20GiB", 20 << 30),
            ("20GB", 20_000_000_000),
            ("3kB", 3000),
            ("1TiB", 1 << 40),
            ("7B", 7),
        ] {
            assert_eq!(
                ByteSize::read(text).map(ByteSize::bytes),
                Some(bytes),
                "{text}"
            );
        }
        for bad in [
            "",
            "64",
            "64M",
            "64mib",
            "1.5GiB",
            "-1MiB",
            "64 MiB",
            "16777216TiB",
        ] {
            assert_eq!(ByteSize::read(bad), None, "{bad}");
        }
    }
}
