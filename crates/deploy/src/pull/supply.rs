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
    download::{self, Loaded, Lost, Place},
    offer::whole,
    plan::{self, Piece, Request},
    room::{Room, lock},
};
use crate::cache::{Cache, Claim, Claimed};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Manifest, Release, Sha256, Verified, key, limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};
use store::ObjectStore;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep},
};
use tracing::{debug, warn};

/// Claims that one process holds, at least and at most: 64 chunks are one request, 2048 are more
/// than fit into the usual memory.
const CLAIMS: (u64, u64) = (BATCH as u64, 2048);
/// Chunks that are claimed at once at most, however small they are.
const BATCH: usize = 64;
/// In later rounds: after so many chunks in a row that others fetch, those behind are not looked at
/// before the next round.
const BUSY_RUN: usize = 16;
/// The first pause between two rounds, which doubles up to the last: the time in which a chunk of
/// 250 KB comes at 25 MB/s, and the delay that nobody notices.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
/// How long others are waited for while nothing of theirs comes. They may be stopped, or have a
/// worse network than we: then each chunk that is still missing is downloaded, too. 30 s, three
/// times what the store's options let one answer take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The claims that this process holds, until a worker publishes their chunks.
#[derive(Debug)]
pub(crate) struct Claims {
    held: Mutex<HashMap<Place, (Claim, OwnedSemaphorePermit)>>,
    permits: Arc<Semaphore>,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            permits: Arc::new(Semaphore::new(claims())),
        }
    }
}

/// How many claims one process may hold: each is an open file, and a quarter of those that it may
/// open is for them. 1024 is the usual limit, which exists for programs that call `select`, and may
/// be raised to the hard one by those that do not.
fn claims() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = 4 * CLAIMS.1;
    let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let mut open = limit.current.unwrap_or(wanted);
    if open < raised
        && setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                ..limit
            },
        )
        .is_ok()
    {
        open = raised;
    }
    usize::try_from((open / 4).clamp(CLAIMS.0, CLAIMS.1)).unwrap_or(BATCH)
}

impl Claims {
    /// Takes the claim of a chunk, to publish it.
    pub(crate) fn take(&self, chunk: Place) -> Option<Claim> {
        lock(&self.held).remove(&chunk).map(|(claim, _)| claim)
    }
}

/// What brings a pull's chunks to its workers.
#[derive(Debug)]
pub(crate) struct Supply<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    pub(crate) manifest: &'a Manifest,
    pub(crate) cache: Option<&'a Arc<Cache>>,
    pub(crate) claims: &'a Claims,
    pub(crate) room: &'a Arc<Room>,
    /// Requests in flight at once.
    pub(crate) parallel: usize,
    pub(crate) workers: crossbeam_channel::Sender<Loaded>,
}

// What is to be done for some chunks.
enum Job {
    Fetch(Request),
    Read(Place),
}

// One time through the chunks that are wanted.
struct Round {
    // Chunks of which the cache is not asked.
    direct: BTreeSet<Place>,
    first: bool,
    busy: Mutex<Vec<Place>>,
    lost: mpsc::UnboundedSender<Lost>,
}

impl Supply<'_> {
    /// Brings every chunk of `wanted`.
    pub(crate) async fn run(self, mut wanted: BTreeSet<Place>) -> Result<(), PullError> {
        let Some(cache) = self.cache else {
            return download::download(
                self.store,
                self.manifest,
                self.requests(&wanted),
                self.parallel,
                self.room,
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
            wanted = busy
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .into_iter()
                .collect();
            let waits = !wanted.is_empty();
            // Ends when the workers have dealt with all that was to be read from the cache.
            while let Some(Lost { chunk, evicted }) = receiver.recv().await {
                wanted.insert(chunk);
                if !evicted {
                    direct.insert(chunk);
                }
            }
            first = false;
            if wanted.len() < before {
                (moved, pause) = (Instant::now(), PAUSES.0);
            } else if waits && moved.elapsed() > PATIENCE {
                warn!(chunks = wanted.len(), waited = ?PATIENCE, "another process does not bring what it claimed: downloading it, too");
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
        wanted: &BTreeSet<Place>,
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
                download::fetch(self.store, self.manifest, request, self.room, &self.workers).await
            }
            Job::Read((module, chunk)) => {
                let size = self.manifest.modules[module].chunks[chunk].size;
                // A large chunk is unpacked from the cache's own file.
                let in_memory = if plan::is_large(&self.manifest.modules[module].chunks[chunk]) {
                    0
                } else {
                    size
                };
                let space = self
                    .room
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
                    space,
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
        batch: Vec<Place>,
        run: &Mutex<usize>,
    ) -> Result<Vec<Job>, PullError> {
        if !round.first && *lock(run) >= BUSY_RUN {
            lock(&round.busy).extend(batch);
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
                    lock(&self.claims.held).insert(chunk, (claim, permit));
                    fetch.insert(chunk);
                }
                Claimed::Off => drop(fetch.insert(chunk)),
                Claimed::Busy => {
                    lock(&round.busy).push(chunk);
                    *lock(run) += 1;
                    continue;
                }
            }
            *lock(run) = 0;
        }
        Ok(self
            .requests(&fetch)
            .into_iter()
            .map(Job::Fetch)
            .chain(read)
            .collect())
    }

    fn digest(&self, (module, chunk): Place) -> (Sha256, u64) {
        let chunk = &self.manifest.modules[module].chunks[chunk];
        (chunk.sha256, chunk.size)
    }

    fn requests(&self, wanted: &BTreeSet<Place>) -> Vec<Request> {
        plan::requests(self.manifest, |module, chunk| {
            wanted.contains(&(module, chunk))
        })
    }

    // Chunks in the order in which they are downloaded, as many together as one request brings.
    fn batches(&self, wanted: &BTreeSet<Place>) -> Vec<Vec<Place>> {
        let mut batches: Vec<Vec<Place>> = Vec::new();
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

/// The manifest of a release, of the node's cache where that has it.
pub(crate) async fn manifest(
    store: &dyn ObjectStore,
    cache: Option<&Arc<Cache>>,
    release: &Verified<Release>,
) -> Result<Manifest, PullError> {
    let (digest, size) = (release.manifest, release.manifest_size);
    let mut claim = None;
    if let Some(cache) = cache {
        let begin = Instant::now();
        claim = loop {
            let own = Arc::clone(cache);
            // At most 16 MiB.
            match blocking(move || {
                found_manifest(&own, &digest, size.min(limits::MANIFEST_LIMIT as u64))
            })
            .await
            {
                Asked::Bytes(bytes) => return Ok(release.read_manifest(&bytes)?),
                Asked::Claimed(Claimed::Ours(claim)) => break Some(claim),
                Asked::Claimed(Claimed::Busy) if begin.elapsed() < PATIENCE => {
                    sleep(PAUSES.0).await;
                }
                Asked::Claimed(_) => break None,
            }
        };
    }
    let limit = usize::try_from(size)
        .unwrap_or(usize::MAX)
        .min(limits::MANIFEST_LIMIT);
    let bytes = whole(store, &key::blob(&digest), limit).await?;
    let manifest = release.read_manifest(&bytes)?;
    if let Some(claim) = claim {
        blocking(move || claim.publish(&bytes)).await;
    }
    Ok(manifest)
}

enum Asked {
    Bytes(Vec<u8>),
    Claimed(Claimed),
}

fn found_manifest(cache: &Arc<Cache>, digest: &Sha256, size: u64) -> Asked {
    match cache.claim(digest, size) {
        Claimed::Found(held) => {
            let mut bytes = Vec::new();
            let problem = match held.read(&mut bytes) {
                Ok(()) if Sha256::of(&bytes) == *digest => {
                    held.served();
                    return Asked::Bytes(bytes);
                }
                Ok(()) => "its digest is another",
                Err(_) => "it cannot be read",
            };
            Asked::Claimed(if held.damaged(problem) {
                cache.claim(digest, size)
            } else {
                Claimed::Off
            })
        }
        other => Asked::Claimed(other),
    }
}
