//! The registry in the cluster: its Shops, classes, releases and rollouts.

use crate::{ApiError, Cluster};
use api::{Fleet, Release, ResolvedRelease, Rollout, Shop, ShopClass};
use kube::{
    Resource,
    api::{Api, ListParams},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Debug};

/// Resources in one page of a list.
const PAGE: u32 = 500;

/// The registry, and what of it cannot be used.
#[derive(Debug, Default)]
pub struct Read {
    /// What can be used.
    pub fleet: Fleet,
    /// Releases whose envelope cannot be read, in sentences.
    pub problems: Vec<String>,
}

/// Reads the whole registry, or fails: a part of it would look like deleted shops.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn read(cluster: &Cluster) -> Result<Read, ApiError> {
    let (shops, classes) = (
        all::<Shop>(cluster).await?,
        all::<ShopClass>(cluster).await?,
    );
    let (releases, rollouts) = (
        all::<Release>(cluster).await?,
        all::<Rollout>(cluster).await?,
    );
    let mut read = Read {
        fleet: Fleet {
            shops,
            classes,
            rollouts,
            ..Fleet::default()
        },
        problems: Vec::new(),
    };
    for release in releases.values() {
        match ResolvedRelease::read(release) {
            Ok(found) => drop(
                read.fleet
                    .releases
                    .entry(found.channel.clone())
                    .or_default()
                    .insert(found.sequence.get(), found),
            ),
            Err(error) => read.problems.push(runtime::Chain(&error).to_string()),
        }
    }
    Ok(read)
}

async fn all<K>(cluster: &Cluster) -> Result<BTreeMap<String, K>, ApiError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(cluster.client());
    let api = &api;
    let found = cluster
        .pages(
            &format!("list {}", K::plural(&())),
            ListParams::default().limit(PAGE),
            |params| async move { api.list(&params).await },
            |mut item: K| {
                item.meta_mut().managed_fields = None;
                Some((item.meta().name.clone().unwrap_or_default(), item))
            },
        )
        .await?;
    Ok(found.into_iter().collect())
}
