//! The network's half of a pull: requests in flight, bounded in bytes, whose pieces go to the
//! workers as they come.

use super::{
    PullError,
    buffer_pool::{Buffer, BufferPool},
    plan::{Piece, Request},
};
use crate::cache::Eviction;
use bytes::{Buf as _, Bytes};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Manifest, key};
use std::sync::Arc;
use store::{Body, ObjectStore, StoreError};
use tokio::sync::mpsc;

/// A piece in memory, or room for a chunk that a worker reads from the node's cache.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) piece: Piece,
    pub(crate) buffer: Buffer,
    /// Who hears of it when the cache does not have the chunk after all; `None` for what was
    /// downloaded.
    pub(crate) cached: Option<mpsc::UnboundedSender<Lost>>,
}

/// A chunk: the number of its module, and its own in that.
pub(crate) type ChunkIndex = (usize, usize);

/// A chunk that the cache does not have after all.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) chunk: ChunkIndex,
    pub(crate) eviction: Eviction,
}

/// Makes `requests`, `parallel` at a time, and sends each piece to a worker as soon as it is whole;
/// the channel holds as many pieces as there is room for.
///
/// It cannot deadlock: a request waits for a piece's room while it holds none, all of it at once
/// and in the order of the calls; a worker gives it back when it has dealt with the piece, and
/// waits for nothing but pieces.
///
/// No condition holds a tarball in one state over its requests: it is named by its digest, and each
/// chunk's digest tells.
pub(crate) async fn download(
    store: &dyn ObjectStore,
    manifest: &Manifest,
    requests: Vec<Request>,
    parallel: usize,
    buffers: &Arc<BufferPool>,
    workers: &crossbeam_channel::Sender<Loaded>,
) -> Result<(), PullError> {
    stream::iter(requests)
        .map(Ok)
        .try_for_each_concurrent(parallel, |request| {
            fetch(store, manifest, request, buffers, workers)
        })
        .await
}

/// Makes one request.
pub(crate) async fn fetch(
    store: &dyn ObjectStore,
    manifest: &Manifest,
    request: Request,
    buffers: &Arc<BufferPool>,
    workers: &crossbeam_channel::Sender<Loaded>,
) -> Result<(), PullError> {
    let module = &manifest.modules[request.module];
    let key = key::blob(&module.sha256);
    let pieces = request.pieces(module);
    let body = match store.get_range(&key, request.range, None).await {
        Err(StoreError::Missing { .. }) => {
            return Err(PullError::BlobMissing {
                key,
                module: module.name.to_string(),
            });
        }
        other => other?,
    };
    let mut incoming = Incoming {
        body,
        rest: Bytes::new(),
    };
    for piece in pieces {
        // `None` only where a piece does not fit this machine's addresses.
        let mut buffer = buffers
            .take(piece.size)
            .await
            .ok_or(PullError::Interrupted)?;
        incoming.fill(&mut buffer.bytes, piece.size).await?;
        // Never full, as each piece has room; disconnected only where every worker ended, and then
        // their error counts.
        workers
            .try_send(Loaded {
                piece,
                buffer,
                cached: None,
            })
            .map_err(|_| PullError::Interrupted)?;
    }
    Ok(())
}

// A body, and what came of it beyond the last piece.
struct Incoming {
    body: Body,
    rest: Bytes,
}

impl Incoming {
    // Appends `size` bytes to `buffer`, or fewer where the body ends, which no digest lets through.
    async fn fill(&mut self, buffer: &mut Vec<u8>, size: u64) -> Result<(), StoreError> {
        let mut left = usize::try_from(size).unwrap_or(usize::MAX);
        while left > 0 {
            if self.rest.is_empty() {
                let Some(bytes) = self.body.next().await.transpose()? else {
                    break;
                };
                self.rest = bytes;
            }
            let taken = left.min(self.rest.len());
            buffer.extend_from_slice(&self.rest[..taken]);
            self.rest.advance(taken);
            left -= taken;
        }
        Ok(())
    }
}
