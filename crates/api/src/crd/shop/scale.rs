//! How many pods serve a shop: usually, on days that are known beforehand, and while one pod is
//! enough.

use super::utc;
use crate::ShortDuration;
use crate::crd::pattern;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many pods serve a shop.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.min <= self.max").message("min is at most max").field_path(".min"),
    validation = Rule::new("!has(self.schedule) || self.schedule.all(s, s.min <= self.max)")
        .message("a schedule's min is at most max").field_path(".schedule"),
)]
pub struct Scale {
    /// Minimum number of pods. 2 survive the loss of a node.
    #[schemars(range(min = 1, max = 200))]
    #[serde(default = "two")]
    pub min: u32,
    /// Maximum number of pods. If it equals min, nothing scales.
    #[schemars(range(min = 1, max = 200))]
    #[serde(default = "two")]
    pub max: u32,
    /// How busy the pods should be.
    #[serde(default)]
    pub target: Target,
    /// Times for which more pods are ready beforehand, such as a sale.
    #[schemars(length(max = 20))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<Campaign>,
    /// What an idle shop gives back, until it has more to do or a campaign begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
}

impl Scale {
    /// Time without a visitor after which the shop has no pods, if it may have none.
    #[must_use]
    pub fn to_zero_after(&self) -> Option<ShortDuration> {
        let idle = self.idle.as_ref()?;
        (idle.mode == IdleMode::Zero).then_some(idle.after)
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            min: two(),
            max: two(),
            target: Target::default(),
            schedule: Vec::new(),
            idle: None,
        }
    }
}

/// How busy the pods of a shop should be.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// CPU of php-fpm, in percent of its request.
    #[schemars(range(min = 10, max = 95))]
    #[serde(default = "cpu_percent")]
    pub cpu_percent: u32,
    /// Busy workers of php-fpm, in percent. It counts only if the class names a busyWorkersMetric.
    #[schemars(range(min = 10, max = 95))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_workers_percent: Option<u32>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            cpu_percent: cpu_percent(),
            busy_workers_percent: None,
        }
    }
}

/// A time with more pods.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.cron.matches('^[^ ]+ [^ ]+ (30|31) (0?2|[Ff][Ee][Bb]) [*?]$') && !self.cron.matches('^[^ ]+ [^ ]+ 31 (0?[469]|11|[Aa][Pp][Rr]|[Jj][Uu][Nn]|[Ss][Ee][Pp]|[Nn][Oo][Vv]) [*?]$')")
    .message("the month has no such day").field_path(".cron"))]
pub struct Campaign {
    /// When it begins, as five fields of cron.
    #[schemars(length(min = 9, max = 100), regex(pattern = pattern::CRON))]
    pub cron: String,
    /// Time zone of cron, such as Europe/Bucharest.
    #[schemars(length(min = 1, max = 64), regex(pattern = pattern::TIME_ZONE))]
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Hours that it lasts.
    #[schemars(range(min = 1, max = 744))]
    pub duration_hours: u32,
    /// Minimum number of pods during this time.
    #[schemars(range(min = 1, max = 200))]
    pub min: u32,
}

/// What an idle shop gives back.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.mode == 'Zero' || duration(self.after) <= duration('1h')")
        .message("an autoscaler looks back for an hour at most").field_path(".after"),
    validation = Rule::new("self.mode != 'Zero' || (duration(self.after) >= duration('1m') && duration(self.after) <= duration('24h'))")
        .message("from one minute to 24 hours without a visitor").field_path(".after"),
)]
pub struct Idle {
    /// Time for which one pod must have been enough, by target, such as 30m. At most 1h. With mode
    /// Zero, time without a visitor, from 1m to 24h.
    #[schemars(with = "String", length(max = 8), regex(pattern = pattern::DURATION))]
    pub after: ShortDuration,
    /// What is kept then, regardless of min.
    #[serde(default)]
    pub mode: IdleMode,
}

/// What an idle shop keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IdleMode {
    /// One pod, which answers the next visitor.
    #[default]
    KeepOne,
    /// No pod. The edge holds the request of the next visitor until a pod is there. It needs a
    /// class with route.map. Cron goes on.
    Zero,
}

fn two() -> u32 {
    2
}

fn cpu_percent() -> u32 {
    65
}
