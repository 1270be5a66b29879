//! The workers' half of a pull: threads that verify and unpack what was downloaded.

use super::{
    PullError,
    download::Loaded,
    plan::{Content, Part},
    progress::Counters,
    room::lock,
};
use crate::{
    directories::is_writable,
    disk::{DiskError, attempt},
    index::{Entry, Key, Kind, Writer},
    staging::Staging,
};
use release::{Manifest, Module, RelativePath};
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
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
    times: Mutex<Times>,
    first_error: Mutex<Option<PullError>>,
}

/// What workers spent, summed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) verify: Duration,
    pub(crate) write: Duration,
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
            times: Mutex::default(),
            first_error: Mutex::default(),
        }
    }

    /// Unpacks every part that comes, with `threads` workers, until the sender is gone or the first error.
    pub(crate) fn work(
        &self,
        unpacker: &Unpacker,
        parts: &crossbeam_channel::Receiver<Loaded>,
        threads: usize,
    ) -> Result<Times, PullError> {
        let replaced: Vec<BTreeSet<_>> = self.manifest.modules.iter().map(|module| module.replaced.iter().cloned().collect()).collect();
        let work = || {
            if let Err(error) = self.worker(unpacker, parts, &replaced) {
                lock(&self.first_error).get_or_insert(error);
                self.halt.cancel();
            }
        };
        run(threads, work);
        match lock(&self.first_error).take() {
            Some(error) => Err(error),
            // They stopped in the middle.
            None if self.halt.is_cancelled() => Err(PullError::Interrupted),
            None => Ok(*lock(&self.times)),
        }
    }

    /// What was staged, once the workers are done.
    pub(crate) fn into_staged(self) -> (Staging, Writer) {
        (self.staging, self.writer.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn worker(
        &self,
        unpacker: &Unpacker,
        parts: &crossbeam_channel::Receiver<Loaded>,
        replaced: &[BTreeSet<RelativePath>],
    ) -> Result<(), PullError> {
        let mut hand = Hand { crew: self, worker: unpacker.worker(), replaced };
        for loaded in parts {
            if self.halt.is_cancelled() {
                break;
            }
            hand.part(&loaded)?;
        }
        let mut times = lock(&self.times);
        times.verify += hand.worker.verify();
        times.write += hand.worker.write();
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
    fn part(&mut self, Loaded { part, space }: &Loaded) -> Result<(), PullError> {
        let module = &self.crew.manifest.modules[part.module];
        match &part.content {
            Content::Chunks(chunks) => {
                let mut start = 0;
                for index in chunks.clone() {
                    let chunk = &module.chunks[index];
                    // A chunk in memory is far below 4 GiB; a part that is too short fails the digest below.
                    let end = start + usize::try_from(chunk.size).unwrap_or(usize::MAX - start);
                    let compressed = space.bytes.get(start..end).unwrap_or_default();
                    let place = place(module, index, &self.replaced[part.module]);
                    let entries = self.worker.chunk(compressed, chunk, &place).map_err(|source| unpack(module, source))?;
                    self.done(part.module, index, entries)?;
                    start = end;
                }
                Ok(())
            }
            Content::Piece { chunk, offset } => self.piece(part, &space.bytes, *chunk, *offset),
        }
    }

    fn piece(&mut self, part: &Part, bytes: &[u8], index: usize, offset: u64) -> Result<(), PullError> {
        let module = &self.crew.manifest.modules[part.module];
        let spool = self.crew.spool(part.module, index)?;
        attempt("deploy.spool.write", "write a spool file in", self.crew.staging.tree(), || spool.file.write_all_at(bytes, offset))?;
        let mut missing = lock(&spool.missing);
        *missing = missing.saturating_sub(bytes.len() as u64);
        if *missing > 0 {
            return Ok(());
        }
        drop(missing);
        lock(&self.crew.spools).remove(&(part.module, index));
        let chunk = &module.chunks[index];
        let place = place(module, index, &self.replaced[part.module]);
        let entries = self.worker.spooled(&spool.file, chunk, &place).map_err(|source| unpack(module, source))?;
        Ok(self.done(part.module, index, entries)?)
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

fn place<'a>(module: &'a Module, chunk: usize, replaced: &'a BTreeSet<RelativePath>) -> Place<'a> {
    Place { target: module.target.as_ref(), replaced, last: chunk + 1 == module.chunks.len() }
}

fn entry(unpacked: tarball::Unpacked) -> Entry {
    let kind = match unpacked.kind {
        tarball::Kind::File { size, .. } => Kind::File(size),
        tarball::Kind::Directory => Kind::Directory,
        tarball::Kind::Link { .. } => Kind::Link,
    };
    Entry { path: unpacked.path, kind }
}

fn unpack(module: &Module, source: tarball::UnpackError) -> PullError {
    PullError::Unpack { module: module.name.to_string(), source: Box::new(source) }
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
