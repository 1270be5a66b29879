//! `Rollout`: a release on its way through the shops of a channel, in waves.

use super::{Condition, pattern};
use crate::ShortDuration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A release on its way through the shops that follow its channel, wave by wave.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "longshore.dev",
    version = "v1alpha1",
    kind = "Rollout",
    doc = "A release on its way through the shops that follow its channel, wave by wave.",
    status = "RolloutStatus",
    derive = "PartialEq",
    shortname = "ro",
    category = "longshore",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.release"),
    printcolumn(name = "Wave", type_ = "integer", json_path = ".status.wave"),
    printcolumn(name = "Done", type_ = "integer", json_path = ".status.counts.done"),
    printcolumn(
        name = "Failed",
        type_ = "integer",
        json_path = ".status.counts.failed"
    ),
    printcolumn(name = "Shops", type_ = "integer", json_path = ".status.counts.all"),
    printcolumn(
        name = "Paused",
        type_ = "boolean",
        json_path = ".spec.paused",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.release == oldSelf.release").message("a Rollout keeps its release; start another one").field_path(".release"),
    validation = Rule::new("has(self.started) == has(oldSelf.started) && (!has(self.started) || self.started == oldSelf.started)")
        .message("who started a Rollout, and why, stays as it was said").field_path(".started"),
    validation = Rule::new("!has(self.shops) || self.shops.size() == 0 || !has(self.canaries) || self.canaries.all(c, c in self.shops)")
        .message("canaries are among the shops that are moved").field_path(".canaries"),
    validation = Rule::new("self.waves.filter(w, has(w.percent)).map(w, w.percent).isSorted() && \
        self.waves.all(w, !has(w.percent) || self.waves.exists_one(o, has(o.percent) && o.percent == w.percent))")
        .message("each wave's percent is above that of the wave before").field_path(".waves"),
    validation = Rule::new("has(self.waves[self.waves.size() - 1].percent) && self.waves[self.waves.size() - 1].percent == 100")
        .message("the last wave is of 100 percent").field_path(".waves"),
)]
pub struct RolloutSpec {
    /// Name of the Release to roll out.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub release: String,
    /// Shops to move. If empty, all shops that follow the release's channel.
    #[schemars(length(max = 1000), inner(length(min = 1, max = 58)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub shops: Vec<String>,
    /// Shops that move first, before all waves.
    #[schemars(length(max = 100), inner(length(min = 1, max = 58)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub canaries: Vec<String>,
    /// Waves. Each moves a percentage of all shops, in the order of their hashes, or the shops that
    /// it lists.
    #[schemars(length(min = 1, max = 20))]
    #[serde(default = "waves")]
    pub waves: Vec<Wave>,
    /// Text with which the order of shops is hashed. If unset, the Rollout's name. The same text
    /// gives the same order.
    #[schemars(length(max = 63))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// How many shops may fail before everything stops.
    #[serde(default)]
    pub failure_budget: FailureBudget,
    /// Maximum number of shops that move at the same time.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "at_once")]
    pub at_once: u32,
    /// Maximum number of migrations that run against one database server at the same time.
    #[schemars(range(min = 1, max = 50))]
    #[serde(default = "per_database")]
    pub per_database: u32,
    /// Time after which a shop that is not ready counts as failed.
    #[schemars(with = "String", length(max = 8), regex(pattern = pattern::DURATION))]
    #[serde(default = "deadline")]
    pub deadline: ShortDuration,
    /// Whether shops wait for their windows.
    #[serde(default)]
    pub windows: WindowPolicy,
    /// What happens to the shops of a wave that failed.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// What stops the rollout besides shops that do not become ready.
    #[serde(default)]
    pub evidence: EvidencePolicy,
    /// Whether the rollout is paused: no further shop moves.
    #[serde(default)]
    pub paused: bool,
    /// Whether the rollout is aborted: shops that moved go back.
    #[serde(default)]
    pub aborted: bool,
    /// Who started it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
}

/// A group of shops that move together.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.percent) != (has(self.shops) && self.shops.size() > 0)").message("a wave has a percent, or lists shops"),
)]
pub struct Wave {
    /// Percentage of all shops that have moved when this wave is done. A shop that another wave
    /// lists moves with that wave only.
    #[schemars(range(min = 1, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// The shops of this wave, in their order.
    #[schemars(length(max = 500), inner(length(min = 1, max = 58)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shops: Vec<String>,
    /// Time for which the wave is watched before the next one starts.
    #[schemars(with = "String", length(max = 8), regex(pattern = pattern::DURATION))]
    #[serde(default = "soak")]
    pub soak: ShortDuration,
}

/// How many shops may fail. The limit that is reached first counts.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureBudget {
    /// Shops that may fail.
    #[schemars(range(min = 0, max = 10_000))]
    #[serde(default = "failing")]
    pub shops: u32,
    /// Percentage of the shops moved so far that may fail. It counts once 100 have moved.
    #[schemars(range(min = 0, max = 100))]
    #[serde(default = "failing_percent")]
    pub percent: u32,
}

impl Default for FailureBudget {
    fn default() -> Self {
        Self {
            shops: failing(),
            percent: failing_percent(),
        }
    }
}

/// Whether shops wait for their windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowPolicy {
    /// A shop moves in its window, or at once if it has none.
    #[default]
    Respect,
    /// The release is urgent: shops move outside of their windows and during freezes.
    Ignore,
}

/// What stops a rollout besides shops that do not become ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EvidencePolicy {
    /// Nothing does.
    #[default]
    None,
    /// Fatal errors that no release had before, and pages that take twice as long as those of shops
    /// that did not move yet, as longshore-watch sees them.
    Errors,
}

impl EvidencePolicy {
    /// Whether it is the default, which is not written.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What happens to the shops of a wave that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// They go back to the release before, unless a breaking migration changed their database.
    #[default]
    Return,
    /// They stay as they are, so that a person can investigate.
    Pause,
}

/// Who started a rollout, and why.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Who.
    #[schemars(length(max = 253))]
    pub by: String,
    /// Why.
    #[schemars(length(max = 1000))]
    pub why: String,
}

/// State of a rollout.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Generation of the Rollout that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase of the rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Wave that is moving or being watched. 0 is the wave of the canaries.
    #[schemars(range(min = 0, max = 20))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// Time since which that wave is done and being watched.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soaking_since: Option<String>,
    /// Number of shops by state.
    #[serde(default)]
    pub counts: Counts,
    /// The first shops that failed, with the reason.
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["shop".to_owned()]))]
    pub failed: Vec<FailedShop>,
    /// The last 50 commands that people gave it.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Act>,
    /// Progressing, Completed and Degraded.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// A command that a person gave to a rollout, or to all rollouts by a halt.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// When.
    #[schemars(length(max = 40))]
    pub at: String,
    /// Who.
    #[schemars(length(max = 253))]
    pub by: String,
    /// What, such as paused, resumed or aborted.
    #[schemars(length(max = 63))]
    pub what: String,
    /// Why, if given.
    #[schemars(length(max = 1000))]
    #[serde(default)]
    pub why: String,
}

impl Act {
    /// The entry as a line.
    #[must_use]
    pub fn line(&self) -> String {
        let colon = if self.why.is_empty() { "" } else { ": " };
        format!(
            "{} by {} at {}{colon}{}",
            self.what, self.by, self.at, self.why
        )
    }
}

/// State of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// It has not started, or waits for another rollout of its channel.
    Pending,
    /// Shops are moving.
    Moving,
    /// A wave is done and being watched.
    Soaking,
    /// A person paused it, or everything is halted.
    Paused,
    /// The failure budget is used up: no further shop moves.
    Stopped,
    /// Shops go back.
    Returning,
    /// It was aborted, and all shops are back.
    Aborted,
    /// All shops run the release.
    Completed,
}

/// Number of shops by state.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Shops of the rollout.
    pub all: u32,
    /// Shops that run the release.
    pub done: u32,
    /// Shops that are moving.
    pub moving: u32,
    /// Shops that wait for their window or their database.
    pub waiting: u32,
    /// Shops that failed.
    pub failed: u32,
    /// Shops that went back.
    pub returned: u32,
}

/// A shop that failed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedShop {
    /// Which.
    #[schemars(length(max = 58))]
    pub shop: String,
    /// Why.
    #[schemars(length(max = 1000))]
    pub why: String,
}

fn waves() -> Vec<Wave> {
    let of = |(percent, minutes)| Wave {
        percent: Some(percent),
        shops: Vec::new(),
        soak: ShortDuration::minutes(minutes),
    };
    [(1, 30), (10, 30), (50, 15), (100, 1)].map(of).into()
}

fn soak() -> ShortDuration {
    ShortDuration::minutes(15)
}

fn deadline() -> ShortDuration {
    ShortDuration::minutes(15)
}

fn failing() -> u32 {
    5
}

fn failing_percent() -> u32 {
    1
}

fn at_once() -> u32 {
    50
}

fn per_database() -> u32 {
    2
}
