//! What a shop is in Kubernetes: every object, as a pure function of the shop, its class, the
//! release in force and the moment.
//!
//! ```text
//!  Shop ────────────┐               ┌─ namespace  Namespace, ServiceAccount, ResourceQuota,
//!                   │               │             LimitRange
//!  ShopClass ───────┼► ShopContext ─┼─ config     ConfigMaps named by their content, never changed
//!  ResolvedRelease ─┤               ├─ release    the ConfigMap that names the release
//!  RenderContext ───┘               ├─ web, cron  Deployments of pods of `pod` and `container`
//!                                   ├─ scaling    HorizontalPodAutoscaler, PodDisruptionBudget
//!                                   ├─ migration  Lease and Job; backup: CronJob
//!                                   └─ service, route, network_policy, volume
//! ```
//!
//! The code uses no clock, no random numbers and no map without an order, so the same input gives
//! the same bytes. Everything that depends on time is in [`RenderContext`].

mod amount;
pub mod assign;
mod backup;
mod build;
pub mod check;
mod config;
mod container;
mod cron;
mod demand;
pub mod edge;
mod migration;
mod namespace;
mod network_policy;
mod path;
mod pod;
mod reader;
pub mod redis;
mod release;
mod route;
mod scaling;
mod scripts;
mod service;
mod shop_context;
mod volume;
mod web;

pub use backup::{BACKUP, LAST};
pub use build::{BUILD_ACCOUNT, BUILDS, build};
pub use container::{AGENT_PORT, DRAIN, restricted};
pub use migration::{DEADLINE as MIGRATION_DEADLINE, LEASE as MIGRATION_LEASE};
pub use network_policy::CLEAN_CACHE;
pub use pod::priority_class;

use api::{Engine, Object, RenderContext, ResolvedRelease, Shop, ShopClass, ShopState};
use shop_context::ShopContext;

/// Why a shop cannot be rendered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A backend that the class does not have.
    #[error(
        "shop {shop}: services.{service}.ref={wanted:?} is not in the backends of class {class}; \
         expected one of: {known}"
    )]
    Backend {
        /// The shop.
        shop: String,
        /// Which of its services.
        service: &'static str,
        /// The name that it gives.
        wanted: String,
        /// Its class.
        class: String,
        /// What the class has.
        known: String,
    },
    /// Something that the engine cannot do without.
    #[error("shop {shop}: {what} is missing, and {engine:?} needs it")]
    Missing {
        /// The shop.
        shop: String,
        /// What is missing.
        what: &'static str,
        /// The engine.
        engine: Engine,
    },
    /// An access point of a file system that has none.
    #[error(
        "shop {shop}: services.media.accessPoint is a part of EFS, and {server} of class {class} \
         is none; leave it out"
    )]
    AccessPoint {
        /// The shop.
        shop: String,
        /// The file system that it names.
        server: String,
        /// Its class.
        class: String,
    },
    /// A file system that must keep its shops apart, but cannot, because agents mount it.
    #[error(
        "shop {shop}: {server} of class {class} keeps its shops apart, but agents mount it, so \
         every pod can reach it; {problem}. Correct this, or set tenants: Trusted if the shops of \
         this file system may read and change each other's files"
    )]
    Apart {
        /// The shop.
        shop: String,
        /// The file system that it names.
        server: String,
        /// Its class.
        class: String,
        /// Why it cannot.
        problem: &'static str,
    },
    /// IAM, but no identity that signs.
    #[error(
        "shop {shop}: EFS knows by IAM who mounts {server} of class {class}, and the class has no \
         identity; give it one, or say iam: false there"
    )]
    Nobody {
        /// The shop.
        shop: String,
        /// The file system that it names.
        server: String,
        /// Its class.
        class: String,
    },
    /// Sessions on a server that keeps its shops apart: their keys have no prefix.
    #[error(
        "shop {shop}: services.cache.sessions: {server} of class {class} keeps its shops apart, \
         and sessions in Redis bear no prefix, so that every shop would read those of all; leave \
         it out, and sessions are in the shop's own SQL database, or say tenants: Trusted of a \
         server whose shops trust each other"
    )]
    Sessions {
        /// The shop.
        shop: String,
        /// The server that it names.
        server: String,
        /// Its class.
        class: String,
    },
    /// A value of the configuration has no usable path.
    #[error("shop {shop}: config.values[{path:?}] {problem}")]
    Value {
        /// The shop.
        shop: String,
        /// The path.
        path: String,
        /// The rest of the sentence.
        problem: &'static str,
    },
    /// What a reader of the objects would refuse, or wait for without an end.
    #[error("{}", .0.join("\n  "))]
    Unreadable(Vec<String>),
    /// The release is of another channel.
    #[error("shop {shop} follows channel {follows}, and the release in force is of {found}")]
    Channel {
        /// The shop.
        shop: String,
        /// Its channel.
        follows: String,
        /// That of the release.
        found: String,
    },
}

/// Every object of `shop`, in the order in which the scheduler applies them; the first is its
/// namespace.
///
/// Without a release it renders no workload. Of an archived shop it renders only the namespace and
/// the volume.
///
/// # Errors
///
/// If the shop names a backend that its class lacks, lacks one that its engine needs, has a
/// value without a usable path, or the release is of another channel.
pub fn render(
    shop: &Shop,
    class: &ShopClass,
    release: Option<&ResolvedRelease>,
    render_context: &RenderContext,
) -> Result<Vec<Object>, RenderError> {
    let context = ShopContext::new(shop, class, release, render_context)?;
    let label = |kind: &str, name: &str, problems: Vec<String>| {
        problems
            .into_iter()
            .map(|it| format!("{kind} {name}: {it}"))
            .collect::<Vec<_>>()
    };
    let problems = [
        label("shop", context.shop, reader::shop(shop, class)),
        label("class", context.class_name, reader::class(class)),
    ]
    .concat();
    if !problems.is_empty() {
        return Err(RenderError::Unreadable(problems));
    }
    let mut objects = vec![namespace::namespace(&context)];
    objects.extend(volume::objects(&context));
    if shop.spec.state == ShopState::Archived {
        return Ok(objects);
    }
    objects.extend([
        namespace::account(&context),
        namespace::quota(&context),
        namespace::limits(&context),
    ]);
    objects.extend([
        network_policy::deny(&context),
        network_policy::allow(&context),
    ]);
    let (names, configuration) = config::all(&context)?;
    objects.extend(configuration);
    objects.push(service::service(&context));
    objects.extend(route::objects(&context));
    if let Some(release) = release {
        objects.push(release::config_map(&context, release));
        objects.push(migration::lease(&context));
        objects.extend(migration::job(&context, &names));
        objects.push(web::deployment(&context, &names));
        objects.extend(scaling::autoscaler(&context));
        objects.extend(scaling::budget(&context));
        objects.push(cron::deployment(&context, &names));
        objects.extend(backup::cron_job(&context));
    }
    Ok(objects)
}
