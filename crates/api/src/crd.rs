//! The resources of the group `longshore.dev`, as Rust types, from which their schemas, rules and
//! defaults are generated.
//!
//! ```text
//!  Shop ──class──► ShopClass                      what a tenant is · what tenants share
//!    └──channel──► Release ◄──release── Rollout   what CI signed · how shops move to it, in waves
//! ```
//!
//! All four are cluster-scoped. [`definitions`] gives what `longshore crd` prints and the chart
//! holds in `files/crds/`.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are for `kubectl explain`, which shows backticks as they are"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "columns of one type are no duplicates"
)]
#![allow(
    unreachable_pub,
    reason = "KubeSchema derives from a copy of each struct, inside of a function"
)]

mod class;
mod condition;
mod pattern;
mod probe;
mod release;
mod rollout;
mod schema;
mod shop;

pub use class::{
    AzureIdentity, Backends, BackupTarget, Build, BuildSecret, Cache, ClassStatus, CloudIdentity,
    CsiDriver, Database, Directory, Disk, Effect, Efs, Engine, ExtraContainer, ExtraVariable,
    Freeze, Gateway, GoogleIdentity, HttpCache, Images, Ingress, Mail, MapRoute, Media, Network,
    Nfs, NodeCache, Outgoing, Overlay, Own, Peer, Php, PodIdentity, Priority, Queue, Relay, Route,
    Scheme, Search, SearchEngine, SecretIdentity, ShopClass, ShopClassSpec, Size, Sizes, Storage,
    StorageMode, Store, Tenants, Tls, Toleration, WebIdentity,
};
pub use condition::{Condition, Truth};
pub use pattern::words;
pub use probe::Probe;
pub use release::{BuildState, Release, ReleaseBuild, ReleaseSpec, ReleaseStatus};
pub use rollout::{
    Act, Counts, EvidencePolicy, FailedShop, FailureBudget, OnFailure, Phase, Rollout, RolloutSpec,
    RolloutStatus, Started, Wave, WindowPolicy,
};
pub use schema::definitions;
pub use shop::{
    Backup, BackupSchedule, CacheRef, Campaign, DatabaseRef, DeletionPolicy, Domain,
    DomainCertificate, Idle, IdleMode, MediaRef, Modules, QueueRef, RejectedRelease, Scale,
    SearchRef, SecretRef, Services, Shop, ShopConfig, ShopRelease, ShopSpec, ShopState, ShopStatus,
    Target, Window,
};
