//! The floor: what a release costs at the least on this machine, as a program that does nothing
//! else.
//!
//! All compressed chunks are in memory before the clock starts. Then some threads take them in
//! order, and each checks SHA-256, decompresses into a buffer that it keeps, and creates what the
//! chunk holds: no network, no signature, no checks of names, no state. The code is apart from what
//! `longshore-init` runs, so that a mistake there is not in both.

mod creation;
mod entries;

use creation::Creation;
use entries::{Entries, Kind};
use release::{ChannelName, Chunk, Envelope, Manifest, Sha256};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::{
    collections::HashSet,
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use zstd::bulk::Decompressor;

/// What to create, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// A store's directory, as `longshore publish` fills it
    #[arg(long)]
    pub store: PathBuf,
    /// The channel whose release is taken, without a look at its signatures
    #[arg(long, default_value = crate::shop::CHANNEL)]
    pub channel: ChannelName,
    /// Another manifest of the store
    #[arg(long)]
    pub manifest: Option<Sha256>,
    /// Threads; as many as there are cores if not given
    #[arg(long)]
    pub threads: Option<NonZero<usize>>,
    /// End with one syncfs, as a release must outlive a loss of power
    #[arg(long)]
    pub sync: bool,
    /// An empty or absent directory
    pub root: PathBuf,
}

/// What it took. Processor time is that of all threads together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// From the first thread's start to the last one's end, and to that of `syncfs` where it was
    /// asked for.
    pub seconds: f64,
    /// SHA-256.
    pub hash_cpu_seconds: f64,
    /// zstd.
    pub decompress_cpu_seconds: f64,
    /// Headers read, files, directories and links made.
    pub create_cpu_seconds: f64,
    /// Regular files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// The store cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// What of it.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is in the store is no release.
    #[error("{0}")]
    Store(String),
    /// A chunk is not what was signed.
    #[error("chunk {0} is not what its digest and its sizes say")]
    Chunk(Sha256),
    /// The tree cannot be made.
    #[error("cannot create {path}")]
    Create {
        /// What of it.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Another tree came out than the manifest describes.
    #[error("{files} files of {bytes} bytes were made, the manifest has others")]
    Tree {
        /// How many.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// The processor's clock or `syncfs`.
    #[error("cannot go on")]
    Io(#[from] io::Error),
}

/// A chunk in memory, and what its module says about it.
#[derive(Debug)]
struct Work<'m> {
    compressed: &'m [u8],
    chunk: &'m Chunk,
    target: &'m str,
    replaced: &'m HashSet<&'m str>,
}

#[derive(Debug, Default)]
struct Tally {
    hash: Duration,
    decompress: Duration,
    create: Duration,
    files: u64,
    bytes: u64,
}

/// Loads the release, creates its tree with the clock running, and checks that all files came.
///
/// # Errors
///
/// The store has no such release, a chunk is damaged, or the disk refuses.
pub fn run(arguments: &Arguments) -> Result<Figures, FloorError> {
    let manifest = manifest(arguments)?;
    let modules = manifest.modules.iter().map(|module| {
        let replaced: HashSet<&str> = module
            .replaced
            .iter()
            .map(release::RelativePath::as_str)
            .collect();
        Ok((
            module,
            read(&arguments.store.join(release::key::blob(&module.sha256)))?,
            replaced,
        ))
    });
    let modules: Vec<_> = modules.collect::<Result<_, FloorError>>()?;
    let mut works = Vec::new();
    for (module, tarball, replaced) in &modules {
        let target = module
            .target
            .as_ref()
            .map_or("", release::RelativePath::as_str);
        let mut rest = &tarball[..];
        for chunk in &module.chunks {
            let size = usize::try_from(chunk.size).unwrap_or(usize::MAX);
            let (compressed, after) = rest
                .split_at_checked(size)
                .ok_or(FloorError::Chunk(chunk.sha256))?;
            works.push(Work {
                compressed,
                chunk,
                target,
                replaced,
            });
            rest = after;
        }
    }
    let threads = arguments
        .threads
        .or_else(|| thread::available_parallelism().ok())
        .map_or(1, NonZero::get);
    let figures = measure(&works, &arguments.root, threads, arguments.sync)?;
    if (figures.files, figures.bytes) == (manifest.files, manifest.bytes) {
        Ok(figures)
    } else {
        Err(FloorError::Tree {
            files: figures.files,
            bytes: figures.bytes,
        })
    }
}

fn manifest(arguments: &Arguments) -> Result<Manifest, FloorError> {
    let invalid = |error: &dyn std::error::Error| FloorError::Store(error.to_string());
    let digest = if let Some(digest) = arguments.manifest {
        digest
    } else {
        let envelope = read(
            &arguments
                .store
                .join(release::key::channel_head(&arguments.channel)),
        )?;
        let envelope = Envelope::parse(&envelope).map_err(|error| invalid(&error))?;
        let statement: serde_json::Value =
            serde_json::from_slice(envelope.payload()).map_err(|error| invalid(&error))?;
        serde_json::from_value(statement["subject"][0]["digest"]["sha256"].clone())
            .map_err(|error| invalid(&error))?
    };
    Manifest::parse(&read(&arguments.store.join(release::key::blob(&digest)))?)
        .map_err(|error| invalid(&error))
}

fn read(path: &Path) -> Result<Vec<u8>, FloorError> {
    fs::read(path).map_err(|source| FloorError::Read {
        path: path.to_owned(),
        source,
    })
}

/// All that the clock sees.
fn measure(
    works: &[Work<'_>],
    root: &Path,
    threads: usize,
    sync: bool,
) -> Result<Figures, FloorError> {
    let mut creation = Vec::new();
    for _ in 0..threads {
        creation.push(Creation::below(root)?);
    }
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let tallies: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = creation
            .into_iter()
            .map(|creation| scope.spawn(|| take(works, &next, creation)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a thread panicked").into()))
            })
            .collect()
    });
    if sync {
        rustix::fs::syncfs(fs::File::open(root)?).map_err(io::Error::from)?;
    }
    let mut figures = Figures {
        seconds: begin.elapsed().as_secs_f64(),
        ..Figures::default()
    };
    for tally in tallies {
        let tally: Tally = tally?;
        figures.hash_cpu_seconds += tally.hash.as_secs_f64();
        figures.decompress_cpu_seconds += tally.decompress.as_secs_f64();
        figures.create_cpu_seconds += tally.create.as_secs_f64();
        figures.files += tally.files;
        figures.bytes += tally.bytes;
    }
    Ok(figures)
}

/// One thread: the next chunk, until there is none.
fn take(
    works: &[Work<'_>],
    next: &AtomicUsize,
    mut creation: Creation,
) -> Result<Tally, FloorError> {
    let mut decompressor = Decompressor::new()?;
    let mut buffer = Vec::new();
    let mut tally = Tally::default();
    let mut clock = processor();
    while let Some(work) = works.get(next.fetch_add(1, Ordering::Relaxed)) {
        let broken = || FloorError::Chunk(work.chunk.sha256);
        if Sha256::from_bytes(sha2::Sha256::digest(work.compressed).into()) != work.chunk.sha256 {
            return Err(broken());
        }
        tally.hash += lap(&mut clock);
        buffer.clear();
        buffer.reserve(usize::try_from(work.chunk.unpacked).unwrap_or(usize::MAX));
        decompressor.decompress_to_buffer(work.compressed, &mut buffer)?;
        tally.decompress += lap(&mut clock);
        for entry in Entries::new(&buffer) {
            let entry = entry.ok_or_else(broken)?;
            if work.replaced.contains(entry.path.as_ref()) {
                continue;
            }
            if let Kind::File { body, .. } = entry.kind {
                tally.files += 1;
                tally.bytes += body.len() as u64;
            }
            creation.make(work.target, &entry)?;
        }
        tally.create += lap(&mut clock);
    }
    Ok(tally)
}

fn lap(clock: &mut Duration) -> Duration {
    let before = std::mem::replace(clock, processor());
    clock.saturating_sub(before)
}

/// Processor time that this thread has used.
fn processor() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .unwrap_or_default()
}
