//! `Shop`: a tenant, with its domains, data and scaling rules.

mod scale;
mod services;
mod status;

pub use scale::{Campaign, Idle, IdleMode, Scale, Target};
pub use services::{CacheRef, DatabaseRef, MediaRef, QueueRef, SearchRef, Services};
pub use status::{DomainCertificate, RejectedRelease, ShopRelease, ShopStatus};

use super::{Probe, pattern};
use kube::{CustomResource, KubeSchema};
use release::TimeRange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One shop: the releases that it runs, its domains, its data, and how it scales. Everything that
/// shops share is in its class.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "longshore.dev",
    version = "v1alpha1",
    kind = "Shop",
    doc = "A tenant: the releases that it runs, its domains, its data, and how it scales.",
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
    /// Magento modules to enable or disable, other than the release does.
    #[serde(default, skip_serializing_if = "Modules::is_empty")]
    pub modules: Modules,
    /// Configuration of the shop itself.
    #[serde(default, skip_serializing_if = "ShopConfig::is_empty")]
    pub config: ShopConfig,
    /// How many pods serve the shop.
    #[serde(default)]
    pub scale: Scale,
    /// The shop's data.
    pub services: Services,
    /// When the shop's data is backed up.
    #[serde(default)]
    pub backup: Backup,
    /// How agents ask whether a release works. Each field overrides the class's.
    #[serde(default, skip_serializing_if = "Probe::is_empty")]
    pub probe: Probe,
    /// When releases may be switched. If unset, always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What happens to the shop's media and database when the Shop is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Whether a shop is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ShopState {
    /// The shop is served.
    #[default]
    Active,
    /// Pods run, visitors get a maintenance page, and cron is stopped.
    Maintenance,
    /// There are no pods. Data, configuration and the last backup stay.
    Suspended,
    /// Only the data stays.
    Archived,
}

/// One host name.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// Host name, in lower case. Write an international one in its ASCII form (xn--…).
    #[schemars(length(min = 4, max = 253), regex(pattern = pattern::HOST))]
    pub host: String,
    /// Magento store code that this host shows. If unset, the default store.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z][a-z0-9_]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_code: Option<String>,
    /// Whether links in mails and canonical URLs use this host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
    /// Another host of this list, to which nginx redirects visitors with status 301.
    #[schemars(length(min = 4, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// Secret of type kubernetes.io/tls in the namespace of the edge, with a certificate of your
    /// own. If unset, the edge gets one by ACME. Only for classes whose route is a map.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// Modules to enable or disable, other than the release does.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.enable) || !has(self.disable) || self.enable.all(m, !(m in self.disable))")
    .message("a module is enabled or disabled, not both"))]
pub struct Modules {
    /// Modules to enable, such as Acme_Loyalty.
    #[schemars(
        length(max = 100),
        inner(length(min = 3, max = 100), regex(pattern = pattern::MODULE))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub enable: Vec<String>,
    /// Modules to disable.
    #[schemars(
        length(max = 100),
        inner(length(min = 3, max = 100), regex(pattern = pattern::MODULE))
    )]
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
    /// Values of the shop's configuration by path, such as default/web/cookie/cookie_lifetime. The
    /// admin cannot change them. Never put a secret here.
    #[schemars(extend("maxProperties" = 300, "additionalProperties" = { "type": "string", "maxLength": 4096 }))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Secret in the shop's namespace that holds what others must not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// First part of the path of Magento's admin. If unset, admin.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_path: Option<String>,
    /// Cache types that modules add to Magento 2, as their cache.xml names them. A type that is not
    /// listed is off.
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
    /// Its name. Keys: database-user, database-password, crypt-key; cache-password, search-user and
    /// search-password if these servers require them; queue-user and queue-password with
    /// services.queue; admin-user, admin-password and admin-email until an empty database is
    /// installed.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub name: String,
}

/// When a shop's data is backed up.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// How often.
    #[serde(default)]
    pub schedule: BackupSchedule,
    /// Time zone of the night.
    #[schemars(length(min = 1, max = 64), regex(pattern = pattern::TIME_ZONE))]
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Days for which a backup is kept. Its objects carry the number in the tag
    /// longshore-keep-days, for lifecycle rules of the bucket.
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

/// How often a shop's data is backed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BackupSchedule {
    /// Every night, at a minute that depends on the shop.
    #[default]
    Daily,
    /// Every Sunday night.
    Weekly,
    /// Never.
    Never,
}

/// When releases may be switched.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Times of day, such as 22:00-05:00.
    #[schemars(
        with = "Vec<String>",
        length(min = 1, max = 10),
        inner(length(max = 11), regex(pattern = pattern::WINDOW))
    )]
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
    /// The scheduler makes a last backup before it removes the workloads. Then they stay.
    Snapshot,
    /// They stay until a person deletes them; the shop's namespace says that a person may. Nothing
    /// deletes them by itself, because no mistake may cost data.
    Delete,
}

fn fourteen() -> u32 {
    14
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}
