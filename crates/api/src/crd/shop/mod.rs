//! `Shop`: a tenant, with its domains, data and scaling rules.

mod scale;
mod services;
mod status;

pub use scale::{Campaign, Idle, IdleMode, Scale, Target};
pub use services::{CacheRef, DatabaseRef, MediaRef, QueueRef, SearchRef, Services};
pub use status::{RejectedRelease, ShopRelease, ShopStatus};

use super::{Probe, pattern};
use crate::TimeRange;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one shop is: whose sources it runs, under which domains, on which data, and how it scales.
/// Everything that shops share is in its class.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "longshore.dev",
    version = "v1alpha1",
    kind = "Shop",
    doc = "A tenant: whose sources it runs, under which domains, on which data, and how it scales.",
    status = "ShopStatus",
    derive = "PartialEq",
    shortname = "shop",
    category = "longshore",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
    printcolumn(name = "Channel", type_ = "string", json_path = ".spec.channel"),
    printcolumn(name = "Release", type_ = "integer", json_path = ".status.release.sequence"),
    printcolumn(name = "Pods", type_ = "string", json_path = ".status.pods"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domains[?(@.primary==true)].host"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.class",
    selectable = ".spec.channel",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?$')")
        .message("a shop's name is at most 58 of a-z, 0-9 and '-', as its namespace is shop-NAME")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.domains.filter(d, has(d.primary) && d.primary).size() == 1")
        .message("exactly one domain is primary").field_path(".domains"),
    validation = Rule::new("self.domains.all(d, !has(d.redirectTo) || !(has(d.primary) && d.primary))")
        .message("the primary domain redirects nowhere").field_path(".domains"),
    validation = Rule::new("self.domains.all(d, !has(d.redirectTo) || self.domains.exists(o, o.host == d.redirectTo && !has(o.redirectTo)))")
        .message("redirectTo names a listed domain that does not redirect itself").field_path(".domains"),
    validation = Rule::new("self.deletionPolicy != 'Snapshot' || !has(self.backup) || self.backup.schedule != 'never'")
        .message("deletionPolicy Snapshot needs a backup that is scheduled").field_path(".deletionPolicy"),
)]
pub struct ShopSpec {
    /// Name of the ShopClass: engine, images, sizes and backends.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub class: String,
    /// Channel whose releases this shop runs, such as shops/acme.
    #[schemars(length(min = 1, max = 128), regex(pattern = pattern::CHANNEL))]
    pub channel: String,
    /// Whether the shop is served, closed for work, without pods, or without anything but its
    /// data.
    #[serde(default)]
    pub state: ShopState,
    /// Host names under which the shop answers; exactly one is primary.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["host".to_owned()]))]
    pub domains: Vec<Domain>,
    /// Magento modules that differ from what the release enables.
    #[serde(default, skip_serializing_if = "Modules::is_empty")]
    pub modules: Modules,
    /// Configuration of the shop itself.
    #[serde(default, skip_serializing_if = "ShopConfig::is_empty")]
    pub config: ShopConfig,
    /// How many pods serve the shop.
    #[serde(default)]
    pub scale: Scale,
    /// Where the shop's data is.
    pub services: Services,
    /// When the shop's data is copied away.
    #[serde(default)]
    pub backup: Backup,
    /// How agents ask whether a release works, where that is not as the class says.
    #[serde(default, skip_serializing_if = "Probe::is_empty")]
    pub probe: Probe,
    /// When releases may be switched; always, where this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What happens to the shop's media and database when the Shop is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Whether a shop is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ShopState {
    /// Served.
    #[default]
    Active,
    /// Pods run, visitors get a page that says so, cron is stopped.
    Maintenance,
    /// No pods; data, configuration and the last backup stay.
    Suspended,
    /// Nothing but the data.
    Archived,
}

/// One host name.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// Host name, in lower case; an international one in its ASCII form (xn--…).
    #[schemars(length(min = 4, max = 253), regex(pattern = pattern::HOST))]
    pub host: String,
    /// Magento store code that this host shows; the default store where it is missing.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z][a-z0-9_]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_code: Option<String>,
    /// Whether this is the host of links in mails and of the canonical URL.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
    /// Another host of this list, to which visitors are sent with status 301.
    #[schemars(length(min = 4, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
}

/// Modules that differ from what the release enables.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.enable) || !has(self.disable) || self.enable.all(m, !(m in self.disable))")
    .message("a module is enabled or disabled, not both"))]
pub struct Modules {
    /// Modules to enable, such as Acme_Loyalty.
    #[schemars(length(max = 100), inner(length(min = 3, max = 100), regex(pattern = pattern::MODULE)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub enable: Vec<String>,
    /// Modules to disable.
    #[schemars(length(max = 100), inner(length(min = 3, max = 100), regex(pattern = pattern::MODULE)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub disable: Vec<String>,
}

impl Modules {
    fn is_empty(&self) -> bool {
        self.enable.is_empty() && self.disable.is_empty()
    }
}

/// Configuration of one shop.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopConfig {
    /// Values of the shop's configuration by path, such as default/web/cookie/cookie_lifetime;
    /// locked against changes in the admin. Never a secret.
    #[schemars(extend("maxProperties" = 300, "additionalProperties" = { "type": "string", "maxLength": 4096 }))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Secret in the shop's namespace with what must not be read by others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// First part of the path of Magento's admin; admin, where this is missing.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_path: Option<String>,
    /// Types of caches that modules bring to Magento 2, besides its own ones, as their cache.xml
    /// names them: what is not named is off.
    #[schemars(
        length(max = 50),
        inner(length(min = 1, max = 64), regex(pattern = "^[a-z][a-z0-9_]*$"))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub cache_types: Vec<String>,
}

impl ShopConfig {
    fn is_empty(&self) -> bool {
        self.values.is_empty()
            && self.secret_ref.is_none()
            && self.admin_path.is_none()
            && self.cache_types.is_empty()
    }
}

/// A Secret in the shop's namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// Its name. Keys: database-user, database-password, crypt-key; cache-password, search-user
    /// and search-password where these servers ask for them; queue-user and queue-password with
    /// services.queue; admin-user, admin-password and admin-email while an empty database is to be
    /// installed.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub name: String,
}

/// When a shop's data is copied away.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// How often.
    #[serde(default)]
    pub schedule: BackupSchedule,
    /// Time zone whose night it is.
    #[schemars(length(min = 1, max = 64), regex(pattern = pattern::TIME_ZONE))]
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Days that a backup is kept: its objects bear the number as the tag longshore-keep-days, for
    /// lifecycle rules of the bucket.
    #[schemars(range(min = 1, max = 3650))]
    #[serde(default = "fourteen")]
    pub keep_days: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            schedule: BackupSchedule::default(),
            time_zone: utc(),
            keep_days: fourteen(),
        }
    }
}

/// How often a shop's data is copied away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BackupSchedule {
    /// Every night, at a minute that depends on the shop.
    #[default]
    Daily,
    /// Every Sunday night.
    Weekly,
    /// Not at all.
    Never,
}

/// When releases may be switched.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Times of day, such as 22:00-05:00.
    #[schemars(with = "Vec<String>", length(min = 1, max = 10), inner(length(max = 11), regex(pattern = pattern::WINDOW)))]
    pub times: Vec<TimeRange>,
    /// Their time zone.
    #[schemars(length(min = 1, max = 64), regex(pattern = pattern::TIME_ZONE))]
    #[serde(default = "utc")]
    pub time_zone: String,
}

/// What happens to a shop's media and database when the Shop is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
    /// A last backup is made before the workloads go, then they stay.
    Snapshot,
    /// They stay until a person deletes them, who may: the shop's namespace says so. Nothing does
    /// by itself, as no mistake may cost data.
    Delete,
}

fn fourteen() -> u32 {
    14
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}
