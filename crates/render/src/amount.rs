//! Amounts of Kubernetes, as far as they are added up: `250m` of a processor, `512Mi` of memory.

use api::Size;

/// What several containers ask for together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// Thousandths of a processor.
    millicores: u64,
    /// Bytes.
    memory: u64,
}

impl Requests {
    pub(crate) fn new(size: &Size) -> Self {
        Self {
            millicores: thousandths(&size.cpu).unwrap_or(0),
            memory: thousandths(&size.memory).unwrap_or(0) / 1000,
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            millicores: self.millicores.saturating_add(other.millicores),
            memory: self.memory.saturating_add(other.memory),
        }
    }

    pub(crate) fn times(self, count: u32) -> Self {
        Self {
            millicores: self.millicores.saturating_mul(count.into()),
            memory: self.memory.saturating_mul(count.into()),
        }
    }

    /// Such as `1500m`.
    pub(crate) fn cpu(self) -> String {
        if self.millicores.is_multiple_of(1000) {
            (self.millicores / 1000).to_string()
        } else {
            format!("{}m", self.millicores)
        }
    }

    /// Such as `1536Mi`, rounded up.
    pub(crate) fn memory(self) -> String {
        format!("{}Mi", self.memory.div_ceil(1 << 20))
    }
}

/// Two amounts of bytes together, such as `3Gi`: parts of a MiB count as one. What is no amount the
/// API server refuses itself.
pub(crate) fn together(one: &str, other: &str) -> String {
    let bytes = |text| thousandths(text).map_or(0, |amount| amount.div_ceil(1000));
    let mebibytes = bytes(one).saturating_add(bytes(other)).div_ceil(1 << 20);
    if mebibytes.is_multiple_of(1024) {
        format!("{}Gi", mebibytes / 1024)
    } else {
        format!("{mebibytes}Mi")
    }
}

/// An amount in thousandths of its unit, so that `250m` is whole; `None` if it is no amount or
/// too large.
pub(crate) fn thousandths(text: &str) -> Option<u64> {
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let number = whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(part.parse().ok()?)?;
    let factor: u64 = match unit {
        "m" => return Some(number / 1000),
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_does() {
        for (text, expected) in [
            ("250m", Some(250)),
            ("1", Some(1000)),
            ("0.5", Some(500)),
            ("1.5Ki", Some(1_536_000)),
            ("64Mi", Some(67_108_864_000)),
            ("2k", Some(2_000_000)),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
        for bad in ["", "x", "1Q", "1.5.2", "99999999999999999Ti"] {
            assert_eq!(thousandths(bad), None, "{bad}");
        }
    }

    #[test]
    fn sums_are_written_as_kubernetes_reads_them() {
        let size = |cpu: &str, memory: &str| {
            Requests::new(&Size {
                cpu: cpu.into(),
                memory: memory.into(),
                memory_limit: None,
                cpu_limit: None,
            })
        };
        let sum = size("250m", "512Mi").plus(size("50m", "32Mi")).times(3);
        assert_eq!(
            (sum.cpu(), sum.memory()),
            ("900m".to_owned(), "1632Mi".to_owned())
        );
        assert_eq!(size("0.5", "1").times(2).cpu(), "1");
    }
}
