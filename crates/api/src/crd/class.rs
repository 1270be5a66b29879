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
pub use network::{DomainProof, Gateway, Ingress, MapRoute, Network, Outgoing, Own, Peer, Route};
pub use overlay::{Effect, ExtraContainer, ExtraVariable, Overlay, Toleration};
pub use size::{Disk, Php, Size, Sizes};
pub use storage::{NodeCache, Storage, StorageMode, Store};

use crate::{Condition, EvidencePolicy, Probe, crd::pattern};
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
    /// What the shops are. It decides paths, cron, configuration files and migrations.
    pub engine: Engine,
    /// Images, by digest.
    pub images: Images,
    /// Source of the releases, and who may sign them.
    pub store: Store,
    /// Resources that each container requests.
    #[serde(default)]
    pub sizes: Sizes,
    /// What a pod may use of its node's disk.
    #[serde(default)]
    pub disk: Disk,
    /// Settings of PHP.
    #[serde(default)]
    pub php: Php,
    /// How pods mount the shared file system.
    #[serde(default)]
    pub storage: Storage,
    /// Chunks that the pods of a node share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_cache: Option<NodeCache>,
    /// Servers that shops refer to in their `services`.
    #[serde(default)]
    pub backends: Backends,
    /// How mails of shops leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// Identity of the pods for the cloud.
    #[serde(default)]
    pub identity: CloudIdentity,
    /// Who may connect to the pods, and to whom pods may connect.
    #[serde(default)]
    pub network: Network,
    /// How traffic reaches the pods.
    #[serde(default)]
    pub route: Route,
    /// Proof of domains: if set, a new host of a shop gets no traffic until DNS has a TXT record
    /// _longshore.HOST with the value longshore-shop=NAME, where NAME is the shop's. Hosts that get
    /// traffic already keep it. Set it in each class that a tenant may name. If unset, a host
    /// belongs to the shop that named it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_proof: Option<DomainProof>,
    /// Name of the pods' metric, in the cluster's custom metrics, that says which share of
    /// php-fpm's workers is busy, from 0 to 1. If unset, no shop scales by busyWorkersPercent: an
    /// autoscaler with a metric that it cannot read never scales down.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[A-Za-z_:][A-Za-z0-9_:./-]*$")
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_workers_metric: Option<String>,
    /// Evidence that stops rollouts of these shops' releases, if `longshore rollout start` does not
    /// say otherwise. It takes longshore-watch.
    #[serde(default, skip_serializing_if = "EvidencePolicy::is_none")]
    pub evidence: EvidencePolicy,
    /// Who waits when nodes are short.
    #[serde(default)]
    pub priority: Priority,
    /// Nightly backups. If unset, none are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupTarget>,
    /// Builds of static content, one for each release. If unset, CI builds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// How agents ask shops whether a release works. A Shop may override each field.
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

/// State of the shops of a class.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// Generation of the class that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Number of shops of this class.
    #[serde(default)]
    pub shops: u32,
    /// Number of those shops that are ready.
    #[serde(default)]
    pub ready: u32,
    /// Rendered: neither the renderer nor a check refuses any of its shops.
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

/// Place and tool of nightly backups.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTarget {
    /// Image with a MySQL client and a tool that writes to the bucket. The Job runs its program
    /// `longshore-backup`.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    pub image: String,
    /// Bucket and prefix, such as s3://backups/prod.
    #[schemars(length(min = 6, max = 512), regex(pattern = pattern::STORE))]
    pub bucket: String,
    /// Hour of the night in which backups start, in the shop's time zone.
    #[schemars(range(min = 0, max = 23))]
    #[serde(default = "night")]
    pub hour: u32,
}

/// How static content is built, once for each release.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// Image, by digest. If unset, the shops' image.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Program and arguments. The program pulls the release, builds it, and publishes the next
    /// sequence. If unset, the build compiles Magento 2 and deploys its static content.
    #[schemars(length(min = 1, max = 50), inner(length(max = 1024)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Secret in the namespace longshore-builds. The build reads its keys as files in /etc/build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<BuildSecret>,
}

/// What a build signs with, and what the store knows it by.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSecret {
    /// Its name. Keys: ci.key; also access-key-id and secret-access-key if the service account
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
