//! Where a pull's chunks come from: the node's cache, the store, or another process that fetches
//! them just now.
//!
//! In rounds. A round goes through the chunks that are wanted: what the cache has is read by the
//! workers, what nobody has is claimed and downloaded, what another process has claimed is left to
//! the next round. Claims are never waited for while we hold any ourselves, as a round ends with
//! all of ours published: so two processes never wait for each other, each chunk is downloaded once
//! on a node, and pods that start together share the work.

use super::{
    PullError, blocking,
    buffer_pool::BufferPool,
    claims::{BATCH, Claims, PATIENCE, PAUSES},
    download::{self, ChunkIndex, Loaded, Lost},
    plan::{self, Piece, Request},
};
use crate::cache::{Cache, Claimed, Eviction};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use release::{Manifest, Sha256};
use std::{collections::BTreeSet, sync::Arc};
use store::ObjectStore;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

/// In later rounds: after so many chunks in a row that others fetch, those behind are not looked at
/// before the next round.
const BUSY_RUN: usize = 16;
/// What brings a pull's chunks to its workers.
#[derive(Debug)]
pub(crate) struct ChunkSource<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    pub(crate) manifest: &'a Manifest,
    pub(crate) cache: Option<&'a Arc<Cache>>,
    pub(crate) claims: &'a Claims,
    pub(crate) buffers: &'a Arc<BufferPool>,
    /// Requests in flight at once.
    pub(crate) parallel: usize,
    pub(crate) workers: crossbeam_channel::Sender<Loaded>,
}

// What is to be done for some chunks.
enum Job {
    Fetch(Request),
    Read(ChunkIndex),
}

// One time through the chunks that are wanted.
struct Round {
    // Chunks of which the cache is not asked.
    direct: BTreeSet<ChunkIndex>,
    first: bool,
    busy: Mutex<Vec<ChunkIndex>>,
    lost: mpsc::UnboundedSender<Lost>,
}

impl ChunkSource<'_> {
    /// Brings every chunk of `wanted`.
    pub(crate) async fn run(self, mut wanted: BTreeSet<ChunkIndex>) -> Result<(), PullError> {
        let Some(cache) = self.cache else {
            return download::download(
                self.store,
                self.manifest,
                self.requests(&wanted),
                self.parallel,
                self.buffers,
                &self.workers,
            )
            .await;
        };
        let (mut direct, mut first) = (BTreeSet::new(), true);
        let (mut moved, mut pause) = (Instant::now(), PAUSES.0);
        while !wanted.is_empty() {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let round = Round {
                direct: std::mem::take(&mut direct),
                first,
                busy: Mutex::default(),
                lost: sender,
            };
            self.round(cache, &round, &wanted).await?;
            let Round { busy, lost, .. } = round;
            drop(lost);
            let before = wanted.len();
            wanted = busy.into_inner().into_iter().collect();
            let waits = !wanted.is_empty();
            // Ends when the workers have dealt with all that was to be read from the cache.
            while let Some(Lost { chunk, eviction }) = receiver.recv().await {
                wanted.insert(chunk);
                if eviction == Eviction::Stays {
                    direct.insert(chunk);
                }
            }
            first = false;
            if wanted.len() < before {
                (moved, pause) = (Instant::now(), PAUSES.0);
            } else if waits && moved.elapsed() > PATIENCE {
                warn!(
                    chunks = wanted.len(),
                    waited = ?PATIENCE,
                    "another process does not bring what it claimed: downloading it, too"
                );
                direct.clone_from(&wanted);
            }
            if waits && direct.is_empty() {
                debug!(
                    chunks = wanted.len(),
                    "waiting for what other processes fetch"
                );
                sleep(pause).await;
                pause = PAUSES.1.min(pause * 2);
            }
        }
        Ok(())
    }

    async fn round(
        &self,
        cache: &Arc<Cache>,
        round: &Round,
        wanted: &BTreeSet<ChunkIndex>,
    ) -> Result<(), PullError> {
        let run = &Mutex::new(0);
        stream::iter(self.batches(wanted))
            // One batch after the other, and only when a request may start: what we cannot fetch
            // yet is for other pods to claim.
            .then(|batch| async move {
                self.sort(cache, round, batch, run)
                    .await
                    .map(|jobs| stream::iter(jobs.into_iter().map(Ok)))
            })
            .try_flatten()
            .try_for_each_concurrent(self.parallel, |job| self.job(job, round))
            .await
    }

    async fn job(&self, job: Job, round: &Round) -> Result<(), PullError> {
        match job {
            Job::Fetch(request) => {
                download::fetch(
                    self.store,
                    self.manifest,
                    request,
                    self.buffers,
                    &self.workers,
                )
                .await
            }
            Job::Read((module, chunk)) => {
                let size = self.manifest.modules[module].chunks[chunk].size;
                // A large chunk is unpacked from the cache's own file.
                let in_memory = if plan::is_large(&self.manifest.modules[module].chunks[chunk]) {
                    0
                } else {
                    size
                };
                let buffer = self
                    .buffers
                    .take(in_memory)
                    .await
                    .ok_or(PullError::Interrupted)?;
                let piece = Piece {
                    module,
                    chunk,
                    offset: 0,
                    size,
                };
                let loaded = Loaded {
                    piece,
                    buffer,
                    cached: Some(round.lost.clone()),
                };
                self.workers
                    .try_send(loaded)
                    .map_err(|_| PullError::Interrupted)
            }
        }
    }

    // What to do for a batch of chunks that follow each other.
    async fn sort(
        &self,
        cache: &Arc<Cache>,
        round: &Round,
        batch: Vec<ChunkIndex>,
        run: &Mutex<usize>,
    ) -> Result<Vec<Job>, PullError> {
        if !round.first && *run.lock() >= BUSY_RUN {
            round.busy.lock().extend(batch);
            return Ok(Vec::new());
        }
        let (direct, asked): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|chunk| round.direct.contains(chunk));
        let permits = Arc::clone(&self.claims.permits)
            .acquire_many_owned(u32::try_from(asked.len()).unwrap_or(u32::MAX))
            .await;
        let mut permits = permits.map_err(|_closed| PullError::Interrupted)?;
        let named: Vec<_> = asked
            .into_iter()
            .map(|chunk| (chunk, self.digest(chunk)))
            .collect();
        let cache = Arc::clone(cache);
        let claimed = blocking(move || {
            named
                .into_iter()
                .map(|(chunk, (digest, size))| (chunk, cache.claim(&digest, size)))
                .collect::<Vec<_>>()
        });
        let (mut fetch, mut read): (BTreeSet<_>, _) = (direct.into_iter().collect(), Vec::new());
        for (chunk, claimed) in claimed.await {
            match claimed {
                // The worker opens it again, so that what waits for a worker needs no descriptor.
                Claimed::Found(_) => read.push(Job::Read(chunk)),
                Claimed::Ours(claim) => {
                    let permit = permits.split(1).ok_or(PullError::Interrupted)?;
                    self.claims.held.lock().insert(chunk, (claim, permit));
                    fetch.insert(chunk);
                }
                Claimed::Off => drop(fetch.insert(chunk)),
                Claimed::Busy => {
                    round.busy.lock().push(chunk);
                    *run.lock() += 1;
                    continue;
                }
            }
            *run.lock() = 0;
        }
        Ok(self
            .requests(&fetch)
            .into_iter()
            .map(Job::Fetch)
            .chain(read)
            .collect())
    }

    fn digest(&self, (module, chunk): ChunkIndex) -> (Sha256, u64) {
        let chunk = &self.manifest.modules[module].chunks[chunk];
        (chunk.sha256, chunk.size)
    }

    fn requests(&self, wanted: &BTreeSet<ChunkIndex>) -> Vec<Request> {
        plan::requests(self.manifest, |module, chunk| {
            wanted.contains(&(module, chunk))
        })
    }

    // Chunks in the order in which they are downloaded, as many together as one request brings.
    fn batches(&self, wanted: &BTreeSet<ChunkIndex>) -> Vec<Vec<ChunkIndex>> {
        let mut batches: Vec<Vec<ChunkIndex>> = Vec::new();
        let mut last = None;
        for request in self.requests(wanted) {
            for Piece { module, chunk, .. } in
                request.pieces(&self.manifest.modules[request.module])
            {
                // A large chunk comes in several pieces, and in several requests.
                if last == Some((module, chunk)) {
                    continue;
                }
                match batches.last_mut() {
                    Some(batch)
                        if last.is_some_and(|(before, _)| before == module)
                            && batch.len() < BATCH
                            && !starts(&request, chunk) =>
                    {
                        batch.push((module, chunk));
                    }
                    _ => batches.push(vec![(module, chunk)]),
                }
                last = Some((module, chunk));
            }
        }
        batches
    }
}

// Whether the chunk is the request's first.
fn starts(request: &Request, chunk: usize) -> bool {
    match &request.content {
        plan::Content::Chunks(chunks) => chunks.start == chunk,
        plan::Content::Part { .. } => true,
    }
}
