//! What a pod downloads for a release: whoever brings the release into the cluster has read both
//! manifests, and notes it on the Release. It is nobody's promise: pods and the scheduler do not
//! read it.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The annotation of a Release with [`Downloads`] in JSON.
pub const DOWNLOADS: &str = "longshore.dev/download-bytes";

/// Bytes that a pod downloads for a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downloads {
    /// With nothing of the channel on its disk.
    pub fresh: u64,
    /// With the release of this sequence on its disk.
    #[serde(default)]
    pub from: BTreeMap<u64, u64>,
}

/// Bytes that a pod downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Download {
    /// These.
    Exactly(u64),
    /// Not more than these: what it has of them nobody noted.
    AtMost(u64),
}

impl Downloads {
    /// What a pod downloads that runs the release of this sequence, or none.
    #[must_use]
    pub fn for_running(&self, running: Option<u64>) -> Download {
        match running {
            None => Download::Exactly(self.fresh),
            Some(running) => self
                .from
                .get(&running)
                .map_or(Download::AtMost(self.fresh), |bytes| {
                    Download::Exactly(*bytes)
                }),
        }
    }
}

impl fmt::Display for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (most, bytes) = match self {
            Self::Exactly(bytes) => ("", *bytes),
            Self::AtMost(bytes) => ("at most ", *bytes),
        };
        // Tenths, without floats: a size is exact, and their rounding is not.
        let tenths = |unit: u64| (bytes / unit, bytes % unit * 10 / unit);
        match bytes {
            0..1_000 => write!(f, "{most}{bytes} bytes"),
            1_000..1_000_000 => write!(f, "{most}{} kB", bytes / 1_000),
            1_000_000..1_000_000_000 => {
                let (whole, tenth) = tenths(1_000_000);
                write!(f, "{most}{whole}.{tenth} MB")
            }
            _ => {
                let (whole, tenth) = tenths(1_000_000_000);
                write!(f, "{most}{whole}.{tenth} GB")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_noted_is_at_most_everything() {
        let text = r#"{"fresh":79500000,"from":{"41":5450000,"40":999}}"#;
        let downloads: Downloads = serde_json::from_str(text).unwrap();
        for (running, said) in [
            (Some(41), "5.4 MB"),
            (Some(40), "999 bytes"),
            (Some(7), "at most 79.5 MB"),
            (None, "79.5 MB"),
        ] {
            assert_eq!(downloads.for_running(running).to_string(), said);
        }
        assert_eq!(Download::Exactly(12_345).to_string(), "12 kB");
        assert_eq!(
            Download::AtMost(2_960_000_000).to_string(),
            "at most 2.9 GB"
        );
    }
}
