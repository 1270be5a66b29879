//! What every object of one shop shares: its namespace, its labels, its backends and its paths.

mod backend;
mod complete;

use super::RenderError;
use api::{
    Cache, CacheRef, Database, DatabaseRef, Engine, Media, MediaRef, Queue, QueueRef, Search,
    SearchRef, Shop, ShopClass, ShopClassSpec, ShopSpec, Tenants,
};
use api::{RenderContext, ResolvedRelease, name};
use backend::BackendLookup;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::ObjectMeta;
use release::Migration;
use std::collections::BTreeMap;

/// The user and the group of every container that is not the agent's: above 10000, so that no user
/// of a node has the same.
pub(crate) const USER: i64 = 10_001;
/// Labels of the parts of a shop.
pub(crate) const NAME: &str = "app.kubernetes.io/name";
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub(crate) const SHOP: &str = "longshore.dev/shop";
pub(crate) const CLASS: &str = "longshore.dev/class";

/// A shop, its class and what goes with them, ready to be looked at from every side.
#[derive(Debug)]
pub(crate) struct ShopContext<'a> {
    pub(crate) shop: &'a str,
    pub(crate) class_name: &'a str,
    pub(crate) namespace: String,
    pub(crate) spec: &'a ShopSpec,
    pub(crate) class: &'a ShopClassSpec,
    pub(crate) release: Option<&'a ResolvedRelease>,
    pub(crate) render_context: &'a RenderContext,
    pub(crate) database: Option<(&'a Database, &'a DatabaseRef)>,
    pub(crate) cache: Option<(&'a Cache, &'a CacheRef)>,
    pub(crate) media: Option<(&'a Media, &'a MediaRef)>,
    pub(crate) search: Option<(&'a Search, &'a SearchRef)>,
    pub(crate) queue: Option<(&'a Queue, &'a QueueRef)>,
}

impl<'a> ShopContext<'a> {
    pub(crate) fn new(
        shop: &'a Shop,
        class: &'a ShopClass,
        release: Option<&'a ResolvedRelease>,
        render_context: &'a RenderContext,
    ) -> Result<Self, RenderError> {
        let shop_name = shop.metadata.name.as_deref().unwrap_or_default();
        let class_name = class.metadata.name.as_deref().unwrap_or_default();
        let (spec, class) = (&shop.spec, &class.spec);
        let found = BackendLookup {
            shop: shop_name,
            class: class_name,
        };
        let (services, backends) = (&spec.services, &class.backends);
        let database = services.database.as_ref().map(|wanted| {
            found
                .backend(
                    "database",
                    &wanted.server,
                    backends.databases.iter().map(|it| (it.name.as_str(), it)),
                )
                .map(|it| (it, wanted))
        });
        let cache = services.cache.as_ref().map(|wanted| {
            found
                .backend(
                    "cache",
                    &wanted.server,
                    backends.caches.iter().map(|it| (it.name.as_str(), it)),
                )
                .map(|it| (it, wanted))
        });
        let media = services.media.as_ref().map(|wanted| {
            found
                .backend(
                    "media",
                    &wanted.server,
                    backends.media.iter().map(|it| (it.name.as_str(), it)),
                )
                .map(|it| (it, wanted))
        });
        let search = services.search.as_ref().map(|wanted| {
            found
                .backend(
                    "search",
                    &wanted.server,
                    backends.search.iter().map(|it| (it.name.as_str(), it)),
                )
                .map(|it| (it, wanted))
        });
        let queue = services.queue.as_ref().map(|wanted| {
            found
                .backend(
                    "queue",
                    &wanted.server,
                    backends.queues.iter().map(|it| (it.name.as_str(), it)),
                )
                .map(|it| (it, wanted))
        });
        let context = Self {
            shop: shop_name,
            class_name,
            namespace: name::namespace(shop_name),
            spec,
            class,
            release,
            render_context,
            database: database.transpose()?,
            cache: cache.transpose()?,
            media: media.transpose()?,
            search: search.transpose()?,
            queue: queue.transpose()?,
        };
        context.complete()
    }

    /// Labels of every object.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.class.overlay.labels.clone();
        // Ours win: selectors and network policies rest on them.
        labels.extend(
            [
                (MANAGED_BY, "longshore"),
                (SHOP, self.shop),
                (CLASS, self.class_name),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        labels
    }

    /// What tells the pods of one part of the shop from others. It never changes: a Deployment's
    /// selector cannot.
    pub(crate) fn selector(&self, component: &str) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.identity(component)),
            ..LabelSelector::default()
        }
    }

    fn identity(&self, component: &str) -> BTreeMap<String, String> {
        [(NAME, self.shop), (COMPONENT, component)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// Labels of the pods of one part.
    pub(crate) fn pod_labels(&self, component: &str) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.extend(self.class.overlay.pod_labels.clone());
        if self.class.identity.azure.is_some() {
            labels.insert("azure.workload.identity/use".to_owned(), "true".to_owned());
        }
        labels.extend(self.identity(component));
        labels
    }

    /// Who an object in the shop's namespace is.
    pub(crate) fn meta(&self, name: impl Into<String>) -> ObjectMeta {
        let annotations = &self.class.overlay.annotations;
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            ..ObjectMeta::default()
        }
    }

    /// Who an object of the cluster is.
    pub(crate) fn cluster_meta(&self, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            namespace: None,
            ..self.meta(name)
        }
    }

    /// Whether visitors are kept out for now: neither the release before nor this one works on a
    /// database that is in between.
    pub(crate) fn closed(&self) -> bool {
        self.render_context.closed
            && self
                .release
                .is_some_and(|release| release.migration == Migration::Breaking)
    }

    /// The Redis server of the shop's sessions, and the number of the database that is theirs
    /// alone.
    pub(crate) fn sessions(&self) -> Option<(&'a Cache, u32)> {
        self.cache
            .and_then(|(server, wanted)| Some((server, wanted.sessions?)))
    }

    /// The shop's user in Redis, if the server keeps its shops apart.
    pub(crate) fn cache_user(&self) -> Option<&'a str> {
        self.cache
            .filter(|(cache, _)| cache.tenants == Tenants::Separate)
            .map(|_| self.shop)
    }

    /// What the names of the shop's tables begin with.
    pub(crate) fn table_prefix(&self) -> &'a str {
        self.database
            .and_then(|(_, wanted)| wanted.table_prefix.as_deref())
            .unwrap_or_default()
    }

    /// The first part of the path of Magento's admin.
    pub(crate) fn admin_path(&self) -> &'a str {
        self.spec.config.admin_path.as_deref().unwrap_or("admin")
    }

    /// The host of links in mails and of probes.
    pub(crate) fn primary(&self) -> &'a str {
        self.spec
            .domains
            .iter()
            .find(|domain| domain.primary)
            .map_or("localhost", |domain| domain.host.as_str())
    }

    /// Directories of the release that lie on the shared file system, in the order of their names.
    pub(crate) fn shared(&self) -> Vec<&'a str> {
        let given = &self.class.storage.shared;
        let usual = self.class.engine.known().storage();
        let mut shared: Vec<&str> = if given.is_empty() {
            usual.to_vec()
        } else {
            given.iter().map(String::as_str).collect()
        };
        if self.media.is_none() {
            shared.clear();
        }
        shared.sort_unstable();
        shared
    }

    /// Directories of the release whose logs the agent passes on.
    pub(crate) fn logs(&self) -> Vec<&'a str> {
        match (self.class.disk.logs.as_slice(), self.class.engine) {
            ([], Engine::Magento1 | Engine::Magento2) => vec!["var/log", "var/report"],
            (given, _) => given.iter().map(String::as_str).collect(),
        }
    }

    /// The file with the shop's own configuration, as the release names it; its manifest lists it
    /// as `shared`.
    pub(crate) fn configured(&self) -> Option<&'static str> {
        self.class.engine.known().configured().first().copied()
    }

    /// The file that says which of the release's modules are active, likewise.
    pub(crate) fn declared(&self) -> Option<&'static str> {
        self.class.engine.known().configured().get(1).copied()
    }
}
