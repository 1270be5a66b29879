//! From a scanned directory to a tarball: the same bytes on any machine, with any number of
//! threads.

mod chunk;
mod cut;
mod error;
pub(super) mod exclude;
mod fingerprint;
mod header;
mod input;
mod scan;

pub use error::{PackError, ScanError};
pub use scan::{Entry, Source, scan};

use chunk::{Job, Message};
use crossbeam_channel::{Receiver, bounded};
use release::{Chunk, Sha256};
use sha2::Digest as _;
use std::{collections::VecDeque, fmt, io::Write, num::NonZeroUsize, thread};

/// The compression level that [`PackOptions::default`] takes. Decompression is as fast at any
/// level. Of 122 MB of source text on two processors, levels 3, 6, 9 and 12 made 20.7, 18.2, 17.5
/// and 17.2 MB in 1.3, 3.4, 5.0 and 9.5 s: above 9 little is gained.
pub const DEFAULT_LEVEL: i32 = 9;

/// How to pack. Only the level changes the bytes that come out.
#[derive(Clone, Copy)]
pub struct PackOptions<'a> {
    /// Threads that read, hash and compress. Each holds about 16 MiB of a chunk and what zstd
    /// needs at the level.
    pub threads: NonZeroUsize,
    /// zstd's level, 1 to 19: above, windows exceed the 8 MiB that readers accept.
    pub level: i32,
    /// Is told after each chunk how many files and how many bytes of files are written.
    pub progress: Option<&'a dyn Fn(u64, u64)>,
}

impl Default for PackOptions<'_> {
    /// A thread for each processor, [`DEFAULT_LEVEL`], no progress.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            threads,
            level: DEFAULT_LEVEL,
            progress: None,
        }
    }
}

impl fmt::Debug for PackOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackOptions")
            .field("threads", &self.threads)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// What a tarball came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Digest of the whole tarball.
    pub sha256: Sha256,
    /// Bytes of the whole tarball.
    pub size: u64,
    /// Its chunks, in the order of their bytes. There is at least one.
    pub chunks: Vec<Chunk>,
    /// Regular files.
    pub files: u64,
    /// Bytes in those files.
    pub bytes: u64,
}

/// Packs what was scanned into `out`.
///
/// # Errors
///
/// A file that is not what it was at the scan or in the source's fingerprint, or changes while it
/// is read, is an error that names it. Otherwise where a file cannot be read, or `out` not be
/// written. What `out` has got by then is no tarball.
pub fn pack(
    source: &Source,
    out: &mut (dyn Write + Send),
    options: PackOptions<'_>,
) -> Result<Packed, PackError> {
    if !(1..=19).contains(&options.level) {
        return Err(PackError::Level(options.level));
    }
    let chunks = cut::plan(source.entries().iter().map(|entry| {
        let path = entry.path.as_str();
        (path, header::entry_length(path, &entry.kind))
    }));
    let threads = options.threads.get().min(chunks.len());
    thread::scope(|scope| {
        // Chunks handed out and not yet written, oldest first: two a thread, so that no thread
        // waits for the writer.
        let most = threads * 2;
        let mut open: VecDeque<Receiver<Message>> = VecDeque::with_capacity(most);
        let (jobs, queue) = bounded::<Job>(most);
        for _ in 0..threads {
            let queue = queue.clone();
            scope.spawn(move || queue.iter().for_each(|job| job.run(source, options.level)));
        }
        let mut written = Written::new(out, options.progress);
        let count = chunks.len();
        for (index, entries) in chunks.into_iter().enumerate() {
            if open.len() == most
                && let Some(oldest) = open.pop_front()
            {
                written.chunk(&oldest)?;
            }
            let (results, receiver) = bounded(PIECES);
            open.push_back(receiver);
            let job = Job {
                entries,
                last: index + 1 == count,
                results,
            };
            jobs.send(job).map_err(|_| PackError::Stopped)?;
        }
        drop(jobs);
        for receiver in open {
            written.chunk(&receiver)?;
        }
        Ok(written.finish())
    })
}

/// How many pieces of a chunk may wait for the writer. A chunk packed in memory is two: its bytes,
/// and its end.
const PIECES: usize = 4;

/// What has been written so far.
struct Written<'a> {
    out: &'a mut (dyn Write + Send),
    progress: Option<&'a dyn Fn(u64, u64)>,
    digest: sha2::Sha256,
    packed: Packed,
}

impl<'a> Written<'a> {
    fn new(out: &'a mut (dyn Write + Send), progress: Option<&'a dyn Fn(u64, u64)>) -> Self {
        let packed = Packed {
            sha256: Sha256::from_bytes([0; 32]),
            size: 0,
            chunks: Vec::new(),
            files: 0,
            bytes: 0,
        };
        Self {
            out,
            progress,
            digest: sha2::Sha256::new(),
            packed,
        }
    }

    /// Writes the pieces of the next chunk as they come.
    fn chunk(&mut self, pieces: &Receiver<Message>) -> Result<(), PackError> {
        loop {
            match pieces.recv().map_err(|_| PackError::Stopped)? {
                Message::Piece(bytes) => {
                    failpoint::hit("tarball.pack.write")
                        .and_then(|()| self.out.write_all(&bytes))
                        .map_err(PackError::Write)?;
                    self.digest.update(&bytes);
                }
                Message::Failed(error) => return Err(error),
                Message::End {
                    chunk,
                    files,
                    bytes,
                } => {
                    self.packed.size += chunk.size;
                    self.packed.files += files;
                    self.packed.bytes += bytes;
                    self.packed.chunks.push(chunk);
                    if let Some(progress) = self.progress {
                        progress(self.packed.files, self.packed.bytes);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn finish(mut self) -> Packed {
        self.packed.sha256 = Sha256::from_bytes(self.digest.finalize().into());
        self.packed
    }
}
