//! What the agent knows at one moment, and what follows from it for Kubernetes. Pure.

use deploy::{Rejection, pull::Progress};
use jiff::Timestamp;
use release::{Reason, Sequence, Sha256};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// How old a sign of life may be before the process counts as dead: the agent's own loop gives one every second.
pub const HEARTBEAT_LIMIT: Duration = Duration::from_secs(30);

/// Everything that `/status` shows. Times are UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// This Longshore's version.
    pub version: &'static str,
    /// Since when the agent runs.
    pub started_at: Timestamp,
    /// The last sign of life of the agent's own loop.
    pub heartbeat: Timestamp,
    /// The channel that is followed.
    pub channel: String,
    /// What the agent does.
    pub phase: Phase,
    /// What runs.
    pub running: Option<Running>,
    /// What is offered and does not run, and why not.
    pub newer: Option<Newer>,
    /// How far staging is.
    pub staging: Option<Staging>,
    /// The last look at the sources.
    pub last_check: Option<Check>,
    /// The last look that succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The last failure, which may be over.
    pub last_error: Option<Trouble>,
    /// What failed here, and is not tried again.
    pub rejected: BTreeMap<Sha256, Rejection>,
    /// The shop's storage.
    pub mounts: Vec<Mount>,
    /// The look for changed files.
    pub audit: Audit,
    /// Whether the agent was asked to stop.
    pub stopping: bool,
}

/// What the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It waits for something to change.
    Idle,
    /// It asks the sources.
    Checking,
    /// It puts a release on the disk.
    Staging,
    /// A release waits at the gate.
    Waiting,
    /// It fills `OPcache`.
    Warming,
    /// It makes `current` point at a release.
    Switching,
    /// It asks whether the shop works.
    Probing,
    /// It goes back.
    RollingBack,
}

impl Phase {
    /// Every phase, in the order of a release's life.
    pub const ALL: [Self; 8] =
        [Self::Idle, Self::Checking, Self::Staging, Self::Waiting, Self::Warming, Self::Switching, Self::Probing, Self::RollingBack];

    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Checking => "checking",
            Self::Staging => "staging",
            Self::Waiting => "waiting",
            Self::Warming => "warming",
            Self::Switching => "switching",
            Self::Probing => "probing",
            Self::RollingBack => "rolling-back",
        }
    }
}

/// A release that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its manifest.
    pub manifest: Sha256,
    /// Since when.
    pub since: Timestamp,
    /// Whether nobody has yet seen the shop work with it.
    pub on_trial: bool,
}

/// A release that is offered and does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Newer {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its manifest.
    pub manifest: Sha256,
    /// The stable word for why it does not run: a phase, what it waits for, or `rejected`.
    pub why: &'static str,
    /// The same for people.
    pub detail: String,
}

/// How far staging is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Staging {
    /// Chunks that are there.
    pub chunks: u64,
    /// Chunks of the release.
    pub chunks_total: u64,
    /// Compressed bytes that are there.
    pub bytes: u64,
    /// Compressed bytes of the release.
    pub bytes_total: u64,
}

impl From<Progress> for Staging {
    fn from(Progress { chunks, chunks_total, bytes, bytes_total }: Progress) -> Self {
        Self { chunks, chunks_total, bytes, bytes_total }
    }
}

/// One look at the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed, if it did.
    pub error: Option<Trouble>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// The stable reason code.
    #[serde(serialize_with = "code")]
    pub reason: Reason,
    /// The whole error, for people.
    pub error: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn code<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.code())
}

/// Storage of the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Its name in the mounts file.
    pub name: String,
    /// The stable word for how it is, such as `healthy` or `hung`.
    pub state: &'static str,
    /// Whether it can be used.
    pub ok: bool,
    /// Whether the mounts file requires it.
    pub required: bool,
    /// The same for people.
    pub detail: String,
}

/// The look for files of the running tree that changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// When the whole tree was looked through last.
    pub whole_at: Option<Timestamp>,
    /// Files that were found changed since the agent started.
    pub damaged: u64,
    /// Files that were put back since then.
    pub repaired: u64,
    /// Why files could not be put back.
    pub problem: Option<String>,
}

/// When the pod is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which mounts must be usable.
    pub mounts: Mounts,
    /// How old the last success of a look may be; any age where it is none.
    pub staleness: Option<Duration>,
}

/// Which mounts matter for readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Those that the mounts file requires.
    Required,
    /// All.
    All,
    /// None.
    None,
}

/// One question, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was asked, such as `release` or `mount media`.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// Why, for people.
    pub detail: String,
}

impl Verdict {
    fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok, detail: detail.into() }
    }
}

impl Snapshot {
    /// A snapshot of an agent that knows nothing yet.
    #[must_use]
    pub fn at_start(channel: String, now: Timestamp) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: now,
            heartbeat: now,
            channel,
            phase: Phase::Idle,
            running: None,
            newer: None,
            staging: None,
            last_check: None,
            last_success_at: None,
            last_error: None,
            rejected: BTreeMap::new(),
            mounts: Vec::new(),
            audit: Audit::default(),
            stopping: false,
        }
    }

    /// Whether the process does its work: nothing here depends on the store, on mounts or on PHP, as a restart would mend none of them.
    #[must_use]
    pub fn live(&self, now: Timestamp) -> Vec<Verdict> {
        let silent = since(self.heartbeat, now);
        vec![Verdict::new("loop", silent <= HEARTBEAT_LIMIT, format!("last sign of life {} s ago", silent.as_secs()))]
    }

    /// Whether a release runs, so that the pod's other containers may start.
    #[must_use]
    pub fn started(&self, policy: &Policy) -> Vec<Verdict> {
        let mut verdicts = vec![self.release()];
        verdicts.extend(self.mount_verdicts(policy));
        verdicts
    }

    /// Whether the pod should get requests.
    #[must_use]
    pub fn ready(&self, policy: &Policy, now: Timestamp) -> Vec<Verdict> {
        let mut verdicts = self.started(policy);
        if let Some(limit) = policy.staleness {
            let age = since(self.last_success_at.unwrap_or(self.started_at), now);
            verdicts.push(Verdict::new("freshness", age <= limit, format!("the sources were asked {} s ago", age.as_secs())));
        }
        if self.stopping {
            verdicts.push(Verdict::new("running", false, "the agent was asked to stop"));
        }
        verdicts
    }

    fn release(&self) -> Verdict {
        match &self.running {
            Some(running) => Verdict::new("release", true, format!("sequence {} runs", running.sequence)),
            None => Verdict::new("release", false, "no release runs"),
        }
    }

    fn mount_verdicts<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = Verdict> + 'a {
        let matters = |mount: &&Mount| match policy.mounts {
            Mounts::Required => mount.required,
            Mounts::All => true,
            Mounts::None => false,
        };
        let verdict = |mount: &Mount| Verdict::new(format!("mount {}", mount.name), mount.ok, format!("{}: {}", mount.state, mount.detail));
        self.mounts.iter().filter(matters).map(verdict)
    }
}

/// How long ago; nothing for a time that is still to come, as a clock may be set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { mounts: Mounts::Required, staleness: None };

    fn snapshot() -> (Snapshot, Timestamp) {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let mut snapshot = Snapshot::at_start("shops/acme".into(), now);
        let (sequence, manifest) = (Sequence::try_from(7_u64).unwrap(), Sha256::of(b"m"));
        snapshot.running = Some(Running { sequence, manifest, since: now, on_trial: false });
        let mount = |name: &str, ok, required| Mount { name: name.into(), state: "hung", ok, required, detail: "no answer".into() };
        snapshot.mounts = vec![mount("media", true, true), mount("export", false, false)];
        (snapshot, now)
    }

    fn ok(verdicts: &[Verdict]) -> bool {
        verdicts.iter().all(|verdict| verdict.ok)
    }

    #[test]
    fn an_hour_without_a_store_kills_nothing() {
        let (mut snapshot, now) = snapshot();
        let later = now + Duration::from_hours(1);
        snapshot.heartbeat = later;
        assert!(ok(&snapshot.live(later)) && ok(&snapshot.ready(&POLICY, later)));
        assert!(!ok(&snapshot.live(later + HEARTBEAT_LIMIT + Duration::from_secs(1))), "the loop hangs");
        let strict = Policy { staleness: Some(Duration::from_mins(30)), ..POLICY };
        assert!(!ok(&snapshot.ready(&strict, later)) && ok(&snapshot.started(&strict)));
        snapshot.last_success_at = Some(later);
        assert!(ok(&snapshot.ready(&strict, later)));
    }

    #[test]
    fn only_mounts_that_matter_count() {
        let (snapshot, now) = snapshot();
        for (mounts, ready) in [(Mounts::Required, true), (Mounts::None, true), (Mounts::All, false)] {
            assert_eq!(ok(&snapshot.ready(&Policy { mounts, ..POLICY }, now)), ready, "{mounts:?}");
        }
    }

    #[test]
    fn without_a_release_or_on_the_way_out_it_is_not_ready() {
        let (mut snapshot, now) = snapshot();
        snapshot.stopping = true;
        assert!(!ok(&snapshot.ready(&POLICY, now)) && ok(&snapshot.live(now)));
        snapshot.running = None;
        assert!(!ok(&snapshot.started(&POLICY)));
    }
}
