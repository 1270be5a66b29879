//! What the agent knows about itself: one [`Snapshot`], which `/status` shows whole and from which
//! health and gauges follow.

mod health;
mod state_enums;

pub use health::{Check, ReadinessPolicy, readyz, startupz};
pub use state_enums::{CheckOutcome, PageState, Phase, ProbeOutcome, SwitchOutcome, Why};

use jiff::Timestamp;
use mounts::MountHealth;
use release::{ChannelName, Reason, Sequence, Sha256};
use serde::{Serialize, Serializer};

/// Everything that `/status` shows, at one moment. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The agent's own version.
    pub version: &'static str,
    /// When the agent started.
    pub started_at: Timestamp,
    /// SIGTERM came: the agent takes no new work.
    pub shutting_down: bool,
    /// The channel that is followed.
    pub channel: ChannelName,
    /// What is being done.
    pub phase: Phase,
    /// The release that the shop runs.
    pub running: Option<Running>,
    /// The release that it should run, if that is another.
    pub newer: Option<Newer>,
    /// How far staging it is.
    pub staging: Option<Staging>,
    /// The last check for a newer release.
    pub last_check: Option<LastCheck>,
    /// When a check last succeeded, by this process.
    pub last_success_at: Option<Timestamp>,
    /// What was asked of the store since the start.
    pub store: StoreUse,
    /// Every mount of the mounts file, in its order.
    pub mounts: Vec<MountHealth>,
    /// How the page that is probed was last; nothing if none is.
    pub page: Option<Page>,
    /// Releases that failed here and are not tried again; the caller bounds how many.
    pub rejected: Vec<Rejected>,
    /// The last error of any task, also where it was overcome since.
    pub last_error: Option<Failure>,
    /// Files of the running tree that changed on disk.
    pub tamper: Tamper,
}

impl Snapshot {
    /// What is known at the start: nothing runs, nothing is mounted.
    #[must_use]
    pub fn new(channel: ChannelName, now: Timestamp) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: now,
            shutting_down: false,
            channel,
            phase: Phase::Idle,
            running: None,
            newer: None,
            staging: None,
            last_check: None,
            last_success_at: None,
            store: StoreUse::default(),
            mounts: Vec::new(),
            page: None,
            rejected: Vec::new(),
            last_error: None,
            tamper: Tamper::default(),
        }
    }
}

/// The release that the shop runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Its place in the channel.
    pub sequence: Sequence,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// When it was switched to.
    pub since: Timestamp,
    /// Nobody has seen the shop work with it yet.
    pub on_trial: bool,
}

/// A release that should run and does not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Newer {
    /// Its place in the channel.
    pub sequence: Sequence,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// Why it does not run.
    pub why: Why,
    /// The same for a person, with what would let it run.
    pub detail: String,
}

/// How much of a release is on the disk.
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

/// The last check for a newer release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastCheck {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: CheckOutcome,
    /// What failed, if it did.
    pub error: Option<Failure>,
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// The stable code.
    #[serde(serialize_with = "code")]
    pub reason: Reason,
    /// What failed, for a person.
    pub text: String,
}

/// What was asked of the store since the start. Figures only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreUse {
    /// Requests, retries among them.
    pub requests: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Bytes of bodies received.
    pub received_bytes: u64,
}

/// How the shop's page was when it was last asked for: after a start until it was good once, and at
/// each switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// In a word.
    pub state: PageState,
    /// What was seen instead of a page.
    pub problem: Option<String>,
    /// When, if it was asked for at all.
    pub at: Option<Timestamp>,
}

/// A release that failed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// What failed, for a person.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Files of the running tree that changed on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tamper {
    /// Files found changed, added or missing.
    pub changed_files: u64,
    /// Files put back.
    pub repaired_files: u64,
    /// Files that are known to be changed, added or missing now.
    pub unrepaired_files: u64,
    /// When the last whole scan ended.
    pub last_scan_at: Option<Timestamp>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn code<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.code())
}
