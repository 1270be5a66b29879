//! The network's half of a pull: parts in flight, bounded in bytes, handed over to the workers.

use super::{
    PullError,
    plan::{Budget, Part},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Manifest, Module, key};
use std::{collections::HashMap, sync::Arc};
use store::{Etag, ObjectStore};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// Requests in flight at most. 32 connections fill 25 Gbit/s at S3's usual 90 MB/s each; memory bounds most pulls first.
const IN_FLIGHT: usize = 32;
/// Bytes that the semaphore counts in one permit, and what the smallest part costs: its bookkeeping is not free either.
const UNIT: u64 = 64 * 1024;

/// A part in memory. Its place in the memory is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) part: Part,
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// How many parts can be in memory at once, so that a channel of this length never is full.
pub(crate) fn capacity(budget: &Budget) -> usize {
    usize::try_from(budget.parts / UNIT).unwrap_or(usize::MAX).max(1)
}

/// Downloads `parts` and sends each to a worker as it comes.
///
/// It cannot deadlock: a part takes all its room at once, in the order of the plan, and gives it back when a worker has
/// dealt with it; workers wait for nothing but parts. Ends early, with `Ok`, where the workers are gone: they have the error.
pub(crate) async fn download(
    store: &dyn ObjectStore,
    manifest: &Manifest,
    parts: Vec<Part>,
    budget: &Budget,
    workers: crossbeam_channel::Sender<Loaded>,
) -> Result<(), PullError> {
    let room = Arc::new(Semaphore::new(capacity(budget)));
    let blobs = Blobs::new(store, manifest, &parts);
    let (blobs, room) = (&blobs, &room);
    stream::iter(parts)
        .map(|part| async move {
            let units = (part.range.end - part.range.start).div_ceil(UNIT).clamp(1, capacity(budget) as u64);
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            // The semaphore is never closed.
            let Ok(taken) = Arc::clone(room).acquire_many_owned(units).await else { return Err(PullError::Interrupted) };
            let bytes = blobs.read(&part).await?;
            Ok(Loaded { part, bytes, _room: taken })
        })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|loaded| {
            // Never full, see `capacity`; disconnected only where every worker ended, and then their error counts.
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

    async fn read(&self, part: &Part) -> Result<Bytes, PullError> {
        let module = &self.manifest.modules[part.module];
        let key = key::blob(&module.sha256);
        let etag = match self.etags.get(&part.module) {
            Some(etag) => Some(etag.get_or_try_init(|| self.look(module, &key)).await?),
            None => None,
        };
        let result = async { self.store.get_range(&key, part.range.clone(), etag).await?.collect().await };
        match result.await {
            Err(error) if error.is_missing() => Err(PullError::BlobMissing { key, module: module.name.to_string() }),
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
