//! The network's half of a pull: parts in flight, bounded in bytes, handed over to the workers.

use super::{
    PullError,
    plan::Part,
    room::{Room, Space},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Manifest, Module, key};
use std::{collections::HashMap, sync::Arc};
use store::{Etag, ObjectStore, StoreError};
use tokio::sync::OnceCell;

/// Requests in flight at most. 32 connections fill 25 Gbit/s at S3's usual 90 MB/s each; memory bounds most pulls first.
const IN_FLIGHT: usize = 32;
/// A part in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) part: Part,
    pub(crate) space: Space,
}

/// Downloads `parts` and sends each to a worker as it comes; the channel holds as many parts as there is room for.
///
/// It cannot deadlock: a part takes all its room at once, in the order of the plan, and gives it back when a worker has
/// dealt with it; workers wait for nothing but parts.
pub(crate) async fn download(
    store: &dyn ObjectStore,
    manifest: &Manifest,
    parts: Vec<Part>,
    room: &Arc<Room>,
    workers: crossbeam_channel::Sender<Loaded>,
) -> Result<(), PullError> {
    let blobs = &Blobs::new(store, manifest, &parts);
    stream::iter(parts)
        .map(|part| async move {
            // `None` only where a part does not fit this machine's addresses.
            let mut space = room.take(part.range.end - part.range.start).await.ok_or(PullError::Interrupted)?;
            blobs.read(&part, &mut space.bytes).await?;
            Ok(Loaded { part, space })
        })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|loaded| {
            // Never full, as each part has room; disconnected only where every worker ended, and then their error counts.
            std::future::ready(workers.try_send(loaded).map_err(|_| PullError::Interrupted))
        })
        .await
}

// The tarballs that are read in several parts, each of one state.
struct Blobs<'a> {
    store: &'a dyn ObjectStore,
    manifest: &'a Manifest,
    etags: HashMap<usize, OnceCell<Etag>>,
}

impl<'a> Blobs<'a> {
    fn new(store: &'a dyn ObjectStore, manifest: &'a Manifest, parts: &[Part]) -> Self {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for part in parts {
            *counts.entry(part.module).or_default() += 1;
        }
        // One part cannot be of two states, and digests vouch for its contents.
        let etags = counts.into_iter().filter(|(_, count)| *count > 1).map(|(module, _)| (module, OnceCell::new())).collect();
        Self { store, manifest, etags }
    }

    async fn read(&self, part: &Part, into: &mut Vec<u8>) -> Result<(), PullError> {
        let module = &self.manifest.modules[part.module];
        let key = key::blob(&module.sha256);
        let etag = match self.etags.get(&part.module) {
            Some(etag) => Some(etag.get_or_try_init(|| self.look(module, &key)).await?),
            None => None,
        };
        let result = async {
            let mut body = self.store.get_range(&key, part.range.clone(), etag).await?;
            while let Some(piece) = body.next().await.transpose()? {
                into.extend_from_slice(&piece);
            }
            Ok(())
        };
        match result.await {
            Err(StoreError::Missing { .. }) => Err(PullError::BlobMissing { key, module: module.name.to_string() }),
            other => Ok(other?),
        }
    }

    async fn look(&self, module: &Module, key: &str) -> Result<Etag, PullError> {
        let (key, name) = (key.to_owned(), module.name.to_string());
        match self.store.head(&key).await? {
            None => Err(PullError::BlobMissing { key, module: name }),
            Some(info) if info.size != module.size => Err(PullError::BlobSize { key, module: name, found: info.size, signed: module.size }),
            Some(info) => Ok(info.etag),
        }
    }
}
