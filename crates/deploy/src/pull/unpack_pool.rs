//! The workers' half of a pull: threads that verify and unpack what was downloaded.

use super::{
    PullError,
    claims::Claims,
    download::Loaded,
    download::Lost,
    plan::{Piece, is_large},
    progress::Counters,
    timings::Work,
};
use crate::{
    cache::{Cache, Claim, Eviction},
    disk::{DiskError, attempt},
    index::{Entry, Key, Kind, Writer},
    staging::Staging,
};
use parking_lot::Mutex;
use release::{Manifest, RelativePath};
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    os::unix::fs::FileExt as _,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tarball::{ChunkTarget, Unpacker};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// What the workers share.
#[derive(Debug)]
pub(crate) struct UnpackPool {
    pub(crate) manifest: Arc<Manifest>,
    // Each module's chunks', in order.
    pub(crate) keys: Vec<Vec<Key>>,
    pub(crate) staging: Staging,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) halt: CancellationToken,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) claims: Arc<Claims>,
    spools: Mutex<HashMap<(usize, usize), Arc<Spool>>>,
    work: Mutex<Work>,
    first_error: Mutex<Option<PullError>>,
}

// A large chunk on its way to the disk.
#[derive(Debug)]
struct Spool {
    file: File,
    missing: Mutex<u64>,
}

impl UnpackPool {
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        staging: Staging,
        writer: Writer,
        counters: Arc<Counters>,
        cache: Option<Arc<Cache>>,
        halt: CancellationToken,
    ) -> Self {
        Self {
            keys: manifest
                .modules
                .iter()
                .map(|module| Key::from_module(module).collect())
                .collect(),
            manifest,
            staging,
            writer: Mutex::new(writer),
            counters,
            halt,
            cache,
            claims: Arc::default(),
            spools: Mutex::default(),
            work: Mutex::default(),
            first_error: Mutex::default(),
        }
    }

    /// Unpacks every piece that comes, with `threads` workers, until the sender is gone or the
    /// first error.
    pub(crate) fn work(
        &self,
        unpacker: &Unpacker,
        pieces: &crossbeam_channel::Receiver<Loaded>,
        threads: usize,
    ) -> Result<Work, PullError> {
        let replaced: Vec<BTreeSet<_>> = self
            .manifest
            .modules
            .iter()
            .map(|module| module.replaced.iter().cloned().collect())
            .collect();
        let work = || {
            if let Err(error) = self.worker(unpacker, pieces, &replaced) {
                self.first_error.lock().get_or_insert(error);
                self.halt.cancel();
            }
        };
        run(threads, work);
        match self.first_error.lock().take() {
            Some(error) => Err(error),
            // They stopped in the middle.
            None if self.halt.is_cancelled() => Err(PullError::Interrupted),
            None => Ok(*self.work.lock()),
        }
    }

    /// What was staged, once the workers are done.
    pub(crate) fn into_staged(self) -> (Staging, Writer) {
        (self.staging, self.writer.into_inner())
    }

    fn worker(
        &self,
        unpacker: &Unpacker,
        pieces: &crossbeam_channel::Receiver<Loaded>,
        replaced: &[BTreeSet<RelativePath>],
    ) -> Result<(), PullError> {
        let mut unpack_worker = UnpackWorker {
            pool: self,
            worker: unpacker.worker(),
            replaced,
        };
        let (start, mut idle) = (Instant::now(), Duration::ZERO);
        loop {
            let waits = Instant::now();
            let loaded = pieces.recv();
            idle += waits.elapsed();
            match loaded {
                Ok(loaded) if !self.halt.is_cancelled() => unpack_worker.piece(loaded)?,
                _ => break,
            }
        }
        let worker = &unpack_worker.worker;
        let busy = start.elapsed().saturating_sub(idle);
        self.work.lock().add(&Work {
            workers: 1,
            idle,
            busy,
            verify: worker.verify(),
            decompress: worker.decompress(),
        });
        Ok(())
    }

    fn spool(&self, module: usize, chunk: usize) -> Result<Arc<Spool>, PullError> {
        let mut spools = self.spools.lock();
        if let Some(spool) = spools.get(&(module, chunk)) {
            return Ok(Arc::clone(spool));
        }
        let size = self.manifest.modules[module].chunks[chunk].size;
        let spool = Arc::new(Spool {
            file: self.staging.spool()?,
            missing: Mutex::new(size),
        });
        spools.insert((module, chunk), Arc::clone(&spool));
        Ok(spool)
    }
}

/// What came of reading a chunk from the node's cache.
enum CacheRead {
    /// It was unpacked into these entries.
    Unpacked(Vec<tarball::Unpacked>),
    /// The cache does not have it, or had it damaged.
    Lost(Eviction),
}

// One worker.
struct UnpackWorker<'a> {
    pool: &'a UnpackPool,
    worker: tarball::Worker<'a>,
    replaced: &'a [BTreeSet<RelativePath>],
}

impl UnpackWorker<'_> {
    fn piece(
        &mut self,
        Loaded {
            piece,
            mut buffer,
            cached,
        }: Loaded,
    ) -> Result<(), PullError> {
        let Piece {
            module: number,
            chunk: index,
            offset,
            ..
        } = piece;
        let module = &self.pool.manifest.modules[number];
        let chunk = &module.chunks[index];
        let place = ChunkTarget {
            target: module.target.as_ref(),
            replaced: &self.replaced[number],
            last: index + 1 == module.chunks.len(),
        };
        let unpack = |source| PullError::Unpack {
            module: module.name.to_string(),
            source: Box::new(source),
        };
        if let Some(lost) = cached {
            return match self
                .cached(chunk, &place, &mut buffer.bytes)
                .map_err(unpack)?
            {
                CacheRead::Unpacked(entries) => {
                    self.pool.counters.cached(chunk);
                    Ok(self.done(number, index, entries)?)
                }
                CacheRead::Lost(eviction) => {
                    if lost
                        .send(Lost {
                            chunk: (number, index),
                            eviction,
                        })
                        .is_err()
                    {
                        debug!("the pull has ended already");
                    }
                    Ok(())
                }
            };
        }
        let entries = if is_large(chunk) {
            let Some(spool) = self.spool(number, index, offset, &buffer.bytes)? else {
                return Ok(());
            };
            let entries = self
                .worker
                .spooled(&spool.file, chunk, &place)
                .map_err(unpack)?;
            self.publish(number, index, |claim| claim.publish_file(&spool.file));
            entries
        } else {
            let entries = self
                .worker
                .chunk(&buffer.bytes, chunk, &place)
                .map_err(unpack)?;
            self.publish(number, index, |claim| claim.publish(&buffer.bytes));
            entries
        };
        Ok(self.done(number, index, entries)?)
    }

    // Gives a verified chunk to the other pods of the node, where we are the one to do it.
    fn publish(&self, module: usize, chunk: usize, publish: impl FnOnce(Claim)) {
        if let Some(claim) = self.pool.claims.take((module, chunk)) {
            publish(claim);
        }
    }

    // Unpacks a chunk of the node's cache. If the cache does not have it, or has it damaged,
    // nothing of it was written, because its digest is checked first.
    fn cached(
        &mut self,
        chunk: &release::Chunk,
        place: &ChunkTarget<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<CacheRead, tarball::UnpackError> {
        let Some(held) = self
            .pool
            .cache
            .as_ref()
            .and_then(|cache| cache.find(&chunk.sha256, chunk.size))
        else {
            return Ok(CacheRead::Lost(Eviction::Gone));
        };
        let unpacked = if is_large(chunk) {
            self.worker.spooled(held.file(), chunk, place)
        } else if held.read(buffer).is_ok() {
            self.worker.chunk(buffer, chunk, place)
        } else {
            return Ok(CacheRead::Lost(held.evict("it cannot be read")));
        };
        match unpacked {
            Ok(entries) => {
                held.served();
                Ok(CacheRead::Unpacked(entries))
            }
            Err(tarball::UnpackError::Digest { .. }) => {
                Ok(CacheRead::Lost(held.evict("its digest is another")))
            }
            Err(error) => Err(error),
        }
    }

    // Gives the spool file to whom brings its last bytes.
    fn spool(
        &self,
        module: usize,
        chunk: usize,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Option<Arc<Spool>>, PullError> {
        let spool = self.pool.spool(module, chunk)?;
        attempt(
            "deploy.spool.write",
            "write a spool file in",
            self.pool.staging.tree(),
            || spool.file.write_all_at(bytes, offset),
        )?;
        let mut missing = spool.missing.lock();
        *missing = missing.saturating_sub(bytes.len() as u64);
        if *missing > 0 {
            return Ok(None);
        }
        drop(missing);
        self.pool.spools.lock().remove(&(module, chunk));
        Ok(Some(spool))
    }

    fn done(
        &self,
        module: usize,
        chunk: usize,
        entries: Vec<tarball::Unpacked>,
    ) -> Result<(), DiskError> {
        self.pool
            .counters
            .done(&self.pool.manifest.modules[module].chunks[chunk]);
        let entries: Vec<_> = entries.into_iter().map(entry).collect();
        self.pool
            .writer
            .lock()
            .group(&self.pool.keys[module][chunk], &entries)
    }
}

fn entry(unpacked: tarball::Unpacked) -> Entry {
    let kind = match unpacked.kind {
        tarball::Kind::File { size, .. } => Kind::File {
            size,
            contents: unpacked.contents,
        },
        tarball::Kind::Directory => Kind::Directory,
        tarball::Kind::Link { target } => Kind::Link(target),
    };
    Entry {
        path: unpacked.path,
        kind,
    }
}

/// Runs `work` on `threads` threads, this one among them. If the system refuses a thread, fewer
/// do it.
pub(crate) fn run(threads: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..threads {
            if let Err(error) = thread::Builder::new()
                .name("unpack".to_owned())
                .spawn_scoped(scope, &work)
            {
                warn!(%error, "fewer workers than planned");
                break;
            }
        }
        work();
    });
}
