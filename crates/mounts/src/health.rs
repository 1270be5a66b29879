//! How a mount is, in one word. Pure.

use crate::{child_runner::Ended, file::Kind};
use jiff::Timestamp;
use rustix::io::Errno;
use serde::Serialize;
use std::{fmt, path::PathBuf, time::Duration};

/// How a mount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It is being mounted for the first time, or again.
    Mounting,
    /// It answers.
    Healthy,
    /// It answers, but takes longer than [`Timing::slow`](crate::Timing).
    Slow,
    /// It has not answered before the deadline; programs that use it wait.
    Hung,
    /// The server does not know the directory any longer (ESTALE): it is unmounted, and mounted
    /// again.
    Stale,
    /// Nothing is mounted there any longer: it is mounted again, unless that is somebody else's
    /// task.
    Gone,
    /// It cannot be mounted or used; the detail says why.
    Failed,
}

impl Health {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::Mounting,
        Self::Healthy,
        Self::Slow,
        Self::Hung,
        Self::Stale,
        Self::Gone,
        Self::Failed,
    ];

    /// Its stable word, such as `hung`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mounting => "mounting",
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Hung => "hung",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }

    /// Whether a shop can work with it.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Healthy | Self::Slow)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One mount as `/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MountHealth {
    /// Its name in the mounts file.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Where it is mounted.
    pub path: PathBuf,
    /// Whether the pod is not ready without it.
    pub required: bool,
    /// How it is.
    pub state: Health,
    /// Since when it is so.
    pub since: Timestamp,
    /// What is wrong, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a probe says, given how long an answer may take and still be no cause for concern.
pub(crate) fn verdict(
    probe: &Ended,
    slow: Duration,
    deadline: Duration,
) -> (Health, Option<String>) {
    match probe {
        Ended::Done(took) if *took >= slow => (
            Health::Slow,
            Some(format!("the server took {} ms to answer", took.as_millis())),
        ),
        Ended::Done(_) => (Health::Healthy, None),
        Ended::Late => (
            Health::Hung,
            Some(format!("no answer within {} s", deadline.as_secs_f64())),
        ),
        Ended::Refused(fault) if fault.is(Errno::STALE) => (Health::Stale, Some(fault.to_string())),
        Ended::Refused(fault) => (Health::Failed, Some(fault.to_string())),
        Ended::Broken(error) => (Health::Failed, Some(format!("cannot probe it: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child_request::Fault;
    use std::{io, path::Path};

    #[test]
    fn a_probe_tells_how_a_mount_is() {
        let fault = |errno| Ended::Refused(Fault::new("open", Path::new("/mnt/a"), errno));
        let ms = Duration::from_millis;
        for (probe, expected, detail) in [
            (Ended::Done(ms(999)), Health::Healthy, ""),
            (
                Ended::Done(ms(1000)),
                Health::Slow,
                "the server took 1000 ms to answer",
            ),
            (Ended::Late, Health::Hung, "no answer within 5 s"),
            (
                fault(Errno::STALE),
                Health::Stale,
                "cannot open /mnt/a: stale network file handle (error 116)",
            ),
            (
                fault(Errno::ACCESS),
                Health::Failed,
                "cannot open /mnt/a: permission denied (error 13)",
            ),
            (
                Ended::Broken(io::Error::other("x")),
                Health::Failed,
                "cannot probe it: x",
            ),
        ] {
            let (state, said) = verdict(&probe, ms(1000), ms(5000));
            assert_eq!(
                (state, said.unwrap_or_default().as_str()),
                (expected, detail),
                "{probe:?}"
            );
        }
    }

    #[test]
    fn words_are_those_of_the_json() {
        for state in Health::ALL {
            assert_eq!(
                serde_json::to_string(state).unwrap(),
                format!("{:?}", state.word())
            );
        }
    }
}
