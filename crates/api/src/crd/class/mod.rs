//! `ShopClass`: what shops share, on one screen.

mod backend;
mod identity;
mod mail;
mod network;
mod overlay;
mod size;
mod storage;

pub use backend::{
    Backends, Cache, CsiDriver, Database, Directory, Efs, HttpCache, Media, Nfs, Queue, Scheme,
    Search, SearchEngine, Tenants, Tls,
};
pub use identity::{
    AzureIdentity, CloudIdentity, GoogleIdentity, PodIdentity, SecretIdentity, WebIdentity,
};
pub use mail::{Mail, Relay};
pub use network::{Gateway, Ingress, MapRoute, Network, Outgoing, Own, Peer, Route};
pub use overlay::{Effect, ExtraContainer, ExtraVariable, Overlay, Toleration};
pub use size::{Disk, Php, Size, Sizes};
pub use storage::{NodeCache, Storage, StorageMode, Store};

use crate::{Condition, Probe, crd::pattern};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What shops of one kind share: engine, images, sizes, backends, and where they run.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "longshore.dev",
    version = "v1alpha1",
    kind = "ShopClass",
    plural = "shopclasses",
    doc = "What shops of one kind share: engine, images, sizes, backends, and where they run.",
    derive = "PartialEq",
    shortname = "shopclass",
    category = "longshore",
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.engine"),
    printcolumn(name = "Storage", type_ = "string", json_path = ".spec.storage.mode"),
    printcolumn(name = "Priority", type_ = "string", json_path = ".spec.priority"),
    printcolumn(name = "Shops", type_ = "integer", json_path = ".status.shops"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    status = "ClassStatus",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')")
        .message("a class's name is at most 63 of a-z, 0-9 and '-'")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.engine == oldSelf.engine").message("a class keeps its engine; make another class").field_path(".engine"),
    validation = Rule::new("!has(self.nodeCache) || self.storage.mode == 'Agent'")
        .message("a node cache is a hostPath, which shops with csi storage must not have").field_path(".nodeCache"),
    validation = Rule::new("!has(self.build) || has(self.build.command) || self.engine == 'Magento2'")
        .message("only Magento 2 has a build of its own: name a command").field_path(".build"),
    validation = Rule::new("self.storage.mode == 'Agent' || !has(self.backends.media) || self.backends.media.all(m, !has(m.nfs) || !m.nfs.tls)")
        .message("nfs with tls is mounted by agents: storage.mode has to be Agent").field_path(".backends"),
)]
pub struct ShopClassSpec {
    /// What the shops are: decides paths, cron, configuration files and migrations.
    pub engine: Engine,
    /// Images, by digest.
    pub images: Images,
    /// Where releases come from, and who may sign them.
    pub store: Store,
    /// What each container asks for.
    #[serde(default)]
    pub sizes: Sizes,
    /// What a pod may use of its node's disk.
    #[serde(default)]
    pub disk: Disk,
    /// Settings of PHP.
    #[serde(default)]
    pub php: Php,
    /// How the shared file system gets into the pods.
    #[serde(default)]
    pub storage: Storage,
    /// Chunks that the pods of a node share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_cache: Option<NodeCache>,
    /// Servers that shops name in their `services`.
    #[serde(default)]
    pub backends: Backends,
    /// How mails of shops leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// Who the pods are for the cloud.
    #[serde(default)]
    pub identity: CloudIdentity,
    /// Who may speak to the pods, and to whom they may.
    #[serde(default)]
    pub network: Network,
    /// How visitors' requests get to the pods.
    #[serde(default)]
    pub route: Route,
    /// Name of the metric of pods, in the cluster's custom metrics, that says how many of
    /// php-fpm's workers are busy, from 0 to 1. Without it no shop scales by busyWorkersPercent:
    /// an autoscaler with a metric that cannot be read never scales down.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[A-Za-z_:][A-Za-z0-9_:./-]*$")
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_workers_metric: Option<String>,
    /// Who waits when nodes are short.
    #[serde(default)]
    pub priority: Priority,
    /// Nightly copies; none are made where this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupTarget>,
    /// Builds of static content, once for each release; CI does that, where this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// How agents ask the shops whether a release works; a shop may say otherwise, field by field.
    #[serde(default, skip_serializing_if = "Probe::is_empty")]
    pub probe: Probe,
    /// Times in which no release is switched, such as Black Friday.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// What this class adds to the generated objects.
    #[serde(default, skip_serializing_if = "Overlay::is_empty")]
    pub overlay: Overlay,
}

/// How the shops of a class are.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// Generation of the class that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Shops that name it.
    #[serde(default)]
    pub shops: u32,
    /// Those of them that are ready.
    #[serde(default)]
    pub ready: u32,
    /// Rendered: none of its shops is refused by the renderer or a check.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// What a shop is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Engine {
    /// Magento 1 and OpenMage.
    Magento1,
    /// Magento 2 and Mage-OS.
    Magento2,
    /// Any PHP application with an index.php.
    Php,
}

impl Engine {
    /// The same, as command lines and releases know it.
    #[must_use]
    pub const fn known(self) -> release::Engine {
        match self {
            Self::Magento1 => release::Engine::Magento1,
            Self::Magento2 => release::Engine::Magento2,
            Self::Php => release::Engine::Php,
        }
    }
}

/// Images, by digest.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// longshore-init and longshore-agent.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    pub longshore: String,
    /// nginx and php-fpm; also runs cron and migrations.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    pub shop: String,
}

/// Who waits when nodes are short.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Priority {
    /// Never waits for the others.
    Gold,
    /// Most shops.
    #[default]
    Standard,
    /// Waits for all others.
    Idle,
}

/// Where and how nightly copies are made.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTarget {
    /// Image with a MySQL client and a tool that writes to the bucket; its program
    /// `longshore-backup` is run.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    pub image: String,
    /// Bucket and prefix, such as s3://backups/prod.
    #[schemars(length(min = 6, max = 512), regex(pattern = pattern::STORE))]
    pub bucket: String,
    /// Hour of the night, in the shop's time zone, in which backups start.
    #[schemars(range(min = 0, max = 23))]
    #[serde(default = "night")]
    pub hour: u32,
}

/// How static content is built, once for each release.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// Image, by digest; that of the shops, where this is missing.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Program and arguments: it pulls the release, builds, and publishes the next sequence. Where
    /// this is missing, Magento 2 is compiled and its static content deployed.
    #[schemars(length(min = 1, max = 50), inner(length(max = 1024)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Secret in the namespace longshore-builds, which the build has as files in /etc/build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<BuildSecret>,
}

/// What a build signs with, and what the store knows it by.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSecret {
    /// Its name. Keys: ci.key, and access-key-id and secret-access-key where the service account
    /// `build` has no role.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub name: String,
}

/// A time in which no release is switched.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.from < self.until").message("from is before until"))]
pub struct Freeze {
    /// When it begins, such as 2026-11-26T00:00:00Z.
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub from: String,
    /// When it ends.
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub until: String,
    /// Why, for those who wait.
    #[schemars(length(max = 200))]
    #[serde(default)]
    pub why: String,
}

fn night() -> u32 {
    2
}
