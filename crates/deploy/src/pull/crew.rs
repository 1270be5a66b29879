//! The workers' half of a pull: threads that verify and unpack what was downloaded.

use super::{
    PullError,
    download::Loaded,
    plan::{Piece, is_large},
    progress::Counters,
    room::lock,
    timings::Work,
};
use crate::{
    directories::is_writable,
    disk::{DiskError, attempt},
    index::{Entry, Key, Kind, Writer},
    staging::Staging,
};
use release::{Manifest, RelativePath};
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tarball::{Place, Unpacker};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// What the workers share.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) manifest: Arc<Manifest>,
    // Each module's chunks', in order.
    pub(crate) keys: Vec<Vec<Key>>,
    pub(crate) staging: Staging,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) halt: CancellationToken,
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

impl Crew {
    pub(crate) fn new(manifest: Arc<Manifest>, staging: Staging, writer: Writer, counters: Arc<Counters>, halt: CancellationToken) -> Self {
        Self {
            keys: manifest.modules.iter().map(|module| Key::of(module).collect()).collect(),
            manifest,
            staging,
            writer: Mutex::new(writer),
            counters,
            halt,
            spools: Mutex::default(),
            work: Mutex::default(),
            first_error: Mutex::default(),
        }
    }

    /// Unpacks every piece that comes, with `threads` workers, until the sender is gone or the first error.
    pub(crate) fn work(
        &self,
        unpacker: &Unpacker,
        pieces: &crossbeam_channel::Receiver<Loaded>,
        threads: usize,
    ) -> Result<Work, PullError> {
        let replaced: Vec<BTreeSet<_>> = self.manifest.modules.iter().map(|module| module.replaced.iter().cloned().collect()).collect();
        let work = || {
            if let Err(error) = self.worker(unpacker, pieces, &replaced) {
                lock(&self.first_error).get_or_insert(error);
                self.halt.cancel();
            }
        };
        run(threads, work);
        match lock(&self.first_error).take() {
            Some(error) => Err(error),
            // They stopped in the middle.
            None if self.halt.is_cancelled() => Err(PullError::Interrupted),
            None => Ok(*lock(&self.work)),
        }
    }

    /// What was staged, once the workers are done.
    pub(crate) fn into_staged(self) -> (Staging, Writer) {
        (self.staging, self.writer.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn worker(
        &self,
        unpacker: &Unpacker,
        pieces: &crossbeam_channel::Receiver<Loaded>,
        replaced: &[BTreeSet<RelativePath>],
    ) -> Result<(), PullError> {
        let mut hand = Hand { crew: self, worker: unpacker.worker(), replaced };
        let (start, mut idle) = (Instant::now(), Duration::ZERO);
        loop {
            let waits = Instant::now();
            let loaded = pieces.recv();
            idle += waits.elapsed();
            match loaded {
                Ok(loaded) if !self.halt.is_cancelled() => hand.piece(&loaded)?,
                _ => break,
            }
        }
        let worker = &hand.worker;
        let busy = start.elapsed().saturating_sub(idle);
        lock(&self.work).add(&Work { workers: 1, idle, busy, verify: worker.verify(), decompress: worker.decompress() });
        Ok(())
    }

    fn spool(&self, module: usize, chunk: usize) -> Result<Arc<Spool>, PullError> {
        let mut spools = lock(&self.spools);
        if let Some(spool) = spools.get(&(module, chunk)) {
            return Ok(Arc::clone(spool));
        }
        let size = self.manifest.modules[module].chunks[chunk].size;
        let spool = Arc::new(Spool { file: self.staging.spool()?, missing: Mutex::new(size) });
        spools.insert((module, chunk), Arc::clone(&spool));
        Ok(spool)
    }
}

// One worker.
struct Hand<'a> {
    crew: &'a Crew,
    worker: tarball::Worker<'a>,
    replaced: &'a [BTreeSet<RelativePath>],
}

impl Hand<'_> {
    fn piece(&mut self, Loaded { piece, space }: &Loaded) -> Result<(), PullError> {
        let Piece { module: number, chunk: index, offset, .. } = *piece;
        let module = &self.crew.manifest.modules[number];
        let chunk = &module.chunks[index];
        let place = Place { target: module.target.as_ref(), replaced: &self.replaced[number], last: index + 1 == module.chunks.len() };
        let unpack = |source| PullError::Unpack { module: module.name.to_string(), source: Box::new(source) };
        let entries = if is_large(chunk) {
            let Some(spool) = self.spool(number, index, offset, &space.bytes)? else { return Ok(()) };
            self.worker.spooled(&spool.file, chunk, &place).map_err(unpack)?
        } else {
            self.worker.chunk(&space.bytes, chunk, &place).map_err(unpack)?
        };
        Ok(self.done(number, index, entries)?)
    }

    // Gives the spool file to whom brings its last bytes.
    fn spool(&self, module: usize, chunk: usize, offset: u64, bytes: &[u8]) -> Result<Option<Arc<Spool>>, PullError> {
        let spool = self.crew.spool(module, chunk)?;
        attempt("deploy.spool.write", "write a spool file in", self.crew.staging.tree(), || spool.file.write_all_at(bytes, offset))?;
        let mut missing = lock(&spool.missing);
        *missing = missing.saturating_sub(bytes.len() as u64);
        if *missing > 0 {
            return Ok(None);
        }
        drop(missing);
        lock(&self.crew.spools).remove(&(module, chunk));
        Ok(Some(spool))
    }

    fn done(&self, module: usize, chunk: usize, entries: Vec<tarball::Unpacked>) -> Result<(), DiskError> {
        self.crew.counters.done(&self.crew.manifest.modules[module].chunks[chunk]);
        // What the shop may change must not be linked into the next tree, so the index does not list it.
        if entries.iter().any(|entry| is_writable(&self.crew.manifest, &entry.path)) {
            return Ok(());
        }
        let entries: Vec<_> = entries.into_iter().map(entry).collect();
        lock(&self.crew.writer).group(&self.crew.keys[module][chunk], &entries)
    }
}

fn entry(unpacked: tarball::Unpacked) -> Entry {
    let kind = match unpacked.kind {
        tarball::Kind::File { size, .. } => Kind::File(size),
        tarball::Kind::Directory => Kind::Directory,
        tarball::Kind::Link { .. } => Kind::Link,
    };
    Entry { path: unpacked.path, kind }
}

/// Runs `work` on `threads` threads, this one among them. Where the system refuses a thread, fewer do it.
pub(crate) fn run(threads: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..threads {
            if let Err(error) = thread::Builder::new().name("unpack".to_owned()).spawn_scoped(scope, &work) {
                warn!(%error, "fewer workers than planned");
                break;
            }
        }
        work();
    });
}
