//! What is followed of the cluster.
//!
//! It needs, in the whole cluster, list and watch of `shops`, `shopclasses`, `releases` and
//! `rollouts` of `longshore.dev`, and get of the ConfigMap `longshore-halt`.

use crate::registry::{Kept, Registry};
use client::{Cluster, Watch, WatchEvent};
use kube::{Api, Resource, runtime::watcher::Config};
use operations::halt;
use serde::de::DeserializeOwned;
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Objects in one page of a list: while one is read, it takes many times the memory that is kept of
/// it.
const PAGE: u32 = 100;
/// How often the halt is read. It is not watched: a connection that is half open would look like
/// no halt.
const HALT: Duration = Duration::from_secs(2);

/// Follows a kind until `stop`.
pub(crate) async fn kind<K>(cluster: Cluster, registry: Arc<Registry>, stop: CancellationToken)
where
    K: Kept + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let watch = Watch {
        what: K::WHAT,
        api: Api::<K>::all(cluster.client()),
        config: Config::default().page_size(PAGE),
        lists: None,
    };
    let keep = |mut object: K| {
        // Of no use here, and half of a Shop's bytes.
        object.meta_mut().managed_fields = None;
        Some(object)
    };
    let take = |change| match change {
        WatchEvent::All(all) => registry.all::<K>(all),
        WatchEvent::Applied(one) => registry.applied::<K>(one),
        WatchEvent::Deleted(one) => registry.deleted::<K>(&one),
        WatchEvent::Broken => registry.broken(K::WHAT),
        WatchEvent::Mended => registry.mended(K::WHAT),
    };
    client::follow(watch, &stop, keep, take).await;
}

/// Reads the halt again and again until `stop`. `namespace` is that of the scheduler.
pub(crate) async fn halt(
    cluster: Cluster,
    registry: Arc<Registry>,
    namespace: String,
    stop: CancellationToken,
) {
    let cluster = cluster.patient(HALT);
    let read = async {
        loop {
            let read = halt::get(&cluster, &namespace).await;
            registry.halt(read.map_err(|error| runtime::Chain(&error).to_string()));
            sleep(HALT).await;
        }
    };
    stop.run_until_cancelled(read).await;
}
