//! What there is of shops, by metadata alone.

use super::{Cluster, OURS};
use crate::{ApiError, KINDS, Kind, ObjectSummary, SHOP};
use api::{Identity, ObjectMetaSummary, namespace};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    api::{Api, DynamicObject, ListParams, ObjectList, Request},
    core::ObjectMeta,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Objects in one page of a list: each takes some kilobytes while it is read, and a few hundred
/// bytes of it are kept.
const PAGE: u32 = 200;
/// Kinds that are listed at the same time: the API server makes each list on one core.
const AT_ONCE: usize = 4;

/// Whether an object of a shop is wanted: of thousands of shops, what is not is never kept.
type Wanted<'a> = &'a (dyn Fn(&str, &Identity) -> bool + Sync);

/// What there is, shop by shop.
pub type World = BTreeMap<String, BTreeMap<Identity, ObjectMetaSummary>>;

/// An object of a list of metadata.
#[derive(Debug, Clone, Deserialize)]
struct Listed {
    metadata: Meta,
}

/// Metadata without who manages which field, which is most of its bytes, and many times as much
/// once it is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
}

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        Self {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            labels: meta.labels,
            annotations: meta.annotations,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            ..Self::default()
        }
    }
}

impl Cluster {
    /// Whether the cluster has a kind.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn has(&self, kind: &Kind) -> Result<bool, ApiError> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.resource());
        let params = ListParams::default().labels(OURS).limit(1);
        match self
            .call(&format!("list {}", kind.name), || {
                api.list_metadata(&params)
            })
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Metadata of all objects of a kind that are ours, by shop; only of one shop if it is named.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn live(
        &self,
        kind: &Kind,
        shop: Option<&str>,
    ) -> Result<Vec<(String, Identity, ObjectMetaSummary)>, ApiError> {
        self.live_of(kind, shop, &|_, _| true).await
    }

    /// The same of those that are wanted.
    async fn live_of(
        &self,
        kind: &Kind,
        shop: Option<&str>,
        wanted: Wanted<'_>,
    ) -> Result<Vec<(String, Identity, ObjectMetaSummary)>, ApiError> {
        let resource = kind.resource();
        let api: Api<DynamicObject> = match shop {
            // The API server need not look at those of all others.
            Some(shop) if kind.namespaced => {
                Api::namespaced_with(self.client(), &namespace(shop), &resource)
            }
            _ => Api::all_with(self.client(), &resource),
        };
        let selector = shop.map_or_else(|| OURS.to_owned(), |shop| format!("{OURS},{SHOP}={shop}"));
        let params = ListParams::default().labels(&selector).limit(PAGE);
        let page = |params| self.page(&api, params);
        let keep = |item: Listed| {
            let found = ObjectSummary::new(kind, item.metadata.into())?.of_shop();
            found.filter(|(shop, identity, _)| wanted(shop, identity))
        };
        match self
            .pages(&format!("list {}", kind.name), params, page, keep)
            .await
        {
            Err(error) if kind.optional && error.is_missing() => Ok(Vec::new()),
            found => found,
        }
    }

    async fn page(
        &self,
        api: &Api<DynamicObject>,
        params: ListParams,
    ) -> Result<ObjectList<Listed>, kube::Error> {
        let request = Request::new(api.resource_url())
            .list_metadata(&params)
            .map_err(kube::Error::BuildRequest)?;
        self.client().request(request).await
    }

    /// Metadata of everything that is ours, shop by shop.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn world(&self, shop: Option<&str>) -> Result<World, ApiError> {
        self.world_of(KINDS, shop, &|_, _| true).await
    }

    /// The same of these kinds, and of them those objects that are wanted.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn world_of(
        &self,
        kinds: impl IntoIterator<Item = &Kind>,
        shop: Option<&str>,
        wanted: Wanted<'_>,
    ) -> Result<World, ApiError> {
        // Not a stream that maps: the closure would keep the future from moving between threads.
        let lists: Vec<_> = kinds
            .into_iter()
            .map(|kind| self.live_of(kind, shop, wanted))
            .collect();
        let mut lists = stream::iter(lists).buffered(AT_ONCE);
        let mut world = World::new();
        while let Some(list) = lists.try_next().await? {
            for (shop, identity, live) in list {
                world.entry(shop).or_default().insert(identity, live);
            }
        }
        Ok(world)
    }
}
