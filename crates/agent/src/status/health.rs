//! What a [`Snapshot`] means for Kubernetes. Pure: the same snapshot, policy and time give the same
//! answer.

use super::Snapshot;
use jiff::Timestamp;
use mounts::MountHealth;
use serde::Serialize;
use std::time::Duration;

/// One question that a health endpoint asks, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable word, or `mount:NAME`.
    pub name: String,
    /// Whether it passes.
    pub ok: bool,
    /// The same for a person.
    pub detail: String,
}

impl Check {
    pub(crate) fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok,
            detail: detail.into(),
        }
    }
}

/// What a pod needs to be ready, beside a release and the mounts that the mounts file calls
/// required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadinessPolicy {
    /// How long ago the last successful check may be; `None` if age never matters. A limit here
    /// makes every pod unready at once when the store is away for longer.
    pub staleness: Option<Duration>,
}

/// What is asked before traffic comes: a running release, the required mounts, its age, and no
/// shutdown.
#[must_use]
pub fn readyz(snapshot: &Snapshot, policy: &ReadinessPolicy, now: Timestamp) -> Vec<Check> {
    let mut checks = startupz(snapshot);
    if let Some(limit) = policy.staleness {
        checks.push(freshness(snapshot, limit, now));
    }
    checks.push(Check::new(
        "running",
        !snapshot.shutting_down,
        if snapshot.shutting_down {
            "shutting down"
        } else {
            "not asked to stop"
        },
    ));
    checks
}

/// What is asked before the pod's other containers start: a running release and the required
/// mounts.
#[must_use]
pub fn startupz(snapshot: &Snapshot) -> Vec<Check> {
    let mut checks = vec![match &snapshot.running {
        Some(running) => Check::new(
            "release",
            true,
            format!("sequence {} runs since {}", running.sequence, running.since),
        ),
        None => Check::new(
            "release",
            false,
            format!("no release of {} runs yet", snapshot.channel),
        ),
    }];
    checks.extend(
        snapshot
            .mounts
            .iter()
            .filter(|mount| mount.required)
            .map(usable),
    );
    checks
}

fn usable(mount: &MountHealth) -> Check {
    let detail = mount
        .detail
        .as_deref()
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    Check::new(
        format!("mount:{}", mount.name),
        mount.state.is_usable(),
        format!("{} since {}{detail}", mount.state, mount.since),
    )
}

fn freshness(snapshot: &Snapshot, limit: Duration, now: Timestamp) -> Check {
    // Before the first success, the start counts: a new pod has as long as an old one.
    let last = snapshot.last_success_at.unwrap_or(snapshot.started_at);
    // A clock that was set back makes the age negative, and that is not stale.
    let age = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    let what = if snapshot.last_success_at.is_some() {
        "the last successful check was"
    } else {
        "no check succeeded since the start,"
    };
    Check::new(
        "freshness",
        age <= limit,
        format!(
            "{what} {} s ago; the limit is {} s",
            age.as_secs(),
            limit.as_secs()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Running;
    use mounts::{Health, Kind};
    use release::{Sequence, Sha256};

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn ago(seconds: u64) -> Timestamp {
        now() - Duration::from_secs(seconds)
    }

    fn snapshot(mounts: &[(&str, Health)]) -> Snapshot {
        let mut snapshot = Snapshot::new("shops/acme".parse().unwrap(), ago(7200));
        snapshot.running = Some(Running {
            sequence: Sequence::try_from(12).unwrap(),
            manifest: Sha256::digest(b""),
            since: ago(3600),
            on_trial: false,
        });
        snapshot.mounts = mounts
            .iter()
            .map(|&(name, state)| MountHealth {
                name: name.to_owned(),
                kind: Kind::Nfs4,
                path: format!("/shared/{name}").into(),
                required: name != "feeds",
                state,
                since: ago(30),
                detail: None,
            })
            .collect();
        snapshot
    }

    fn failing(snapshot: &Snapshot, policy: &ReadinessPolicy) -> Vec<String> {
        readyz(snapshot, policy, now())
            .into_iter()
            .filter(|check| !check.ok)
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn only_usable_mounts_count_and_only_those_that_are_required() {
        for &state in Health::ALL {
            let of =
                |mounts: &[(&str, Health)]| failing(&snapshot(mounts), &ReadinessPolicy::default());
            let expected: &[&str] = if matches!(state, Health::Healthy | Health::Slow) {
                &[]
            } else {
                &["mount:media"]
            };
            assert_eq!(
                of(&[("media", state), ("var", Health::Healthy)]),
                expected,
                "{state}"
            );
            assert_eq!(
                of(&[("feeds", state), ("var", Health::Healthy)]),
                [""; 0],
                "{state}"
            );
        }
    }

    #[test]
    fn age_makes_unready_only_where_a_limit_is_set() {
        let hour = Some(Duration::from_hours(1));
        let table = [
            (Some(ago(100_000)), None, true),
            (None, None, true),
            (Some(ago(3600)), hour, true),
            (Some(ago(3601)), hour, false),
            // Started two hours ago and never succeeded.
            (None, hour, false),
            // The clock was set back.
            (Some(now() + Duration::from_mins(1)), hour, true),
        ];
        for (last, staleness, ready) in table {
            let mut snapshot = snapshot(&[]);
            snapshot.last_success_at = last;
            let failing = failing(&snapshot, &ReadinessPolicy { staleness });
            assert_eq!(
                failing.is_empty(),
                ready,
                "{last:?} {staleness:?}: {failing:?}"
            );
        }
    }

    #[test]
    fn without_a_release_or_when_shutting_down_nothing_is_ready() {
        let mut stopping = snapshot(&[]);
        stopping.shutting_down = true;
        assert_eq!(failing(&stopping, &ReadinessPolicy::default()), ["running"]);
        let mut empty = snapshot(&[("media", Health::Mounting)]);
        empty.running = None;
        assert_eq!(
            failing(&empty, &ReadinessPolicy::default()),
            ["release", "mount:media"]
        );
    }
}
