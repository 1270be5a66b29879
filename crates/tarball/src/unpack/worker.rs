//! One thread's part of unpacking: chunks in, files out.

use super::{
    Unpacker, error::UnpackError, frame, place::ChunkTarget, reader::Names, spool::Spool,
    tree::Descent,
};
use crate::{
    entry::{Kind, SPOOL_THRESHOLD, Unpacked, length},
    problem::Problem,
};
use release::{Chunk, Link, Reason, RelativePath, Sha256};
use sha2::Digest as _;
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader},
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};
use zstd::zstd_safe::{DCtx, DParameter, ResetDirective, get_error_name};

/// Unpacks chunks in one thread. Keeps its buffers and its open directories from chunk to chunk:
/// give one thread chunks that follow one another where there is a choice.
pub struct Worker<'u> {
    pub(super) unpacker: &'u Unpacker,
    pub(super) descent: Descent<'u>,
    context: DCtx<'static>,
    buffer: Vec<u8>,
    pub(super) names: Names,
    pub(super) found: Deferred,
    verify: Duration,
    decompress: Duration,
    write: Duration,
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("verify", &self.verify)
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}

/// What chunks brought that can only be finished when all are there.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    pub(super) listed: Vec<RelativePath>,
    /// Directories that were made as an entry below them came first.
    pub(super) made: Vec<String>,
    pub(super) links: Vec<Link>,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl<'u> Worker<'u> {
    pub(super) fn new(unpacker: &'u Unpacker) -> Self {
        Self {
            unpacker,
            descent: Descent::new(&unpacker.tree),
            context: DCtx::create(),
            buffer: Vec::new(),
            names: Names::default(),
            found: Deferred::default(),
            verify: Duration::ZERO,
            decompress: Duration::ZERO,
            write: Duration::ZERO,
        }
    }

    /// Time that this worker spent on digests.
    #[must_use]
    pub const fn verify(&self) -> Duration {
        self.verify
    }

    /// Time that this worker spent on decompressing chunks in memory; for spooled chunks it counts
    /// as [`Self::write`].
    #[must_use]
    pub const fn decompress(&self) -> Duration {
        self.decompress
    }

    /// Time that this worker spent on reading entries and creating files.
    #[must_use]
    pub const fn write(&self) -> Duration {
        self.write
    }

    /// The directory that holds `path`; it and those above are made if they are missing.
    ///
    /// This and [`Self::make_directory`] are for callers that bring entries into the tree by other
    /// means than a chunk, such as links to an earlier release's files.
    ///
    /// # Errors
    ///
    /// If something else stands in the way; the disk.
    pub fn parent(&mut self, path: &RelativePath) -> Result<BorrowedFd<'_>, UnpackError> {
        self.descent.parent(path.as_str(), &mut self.found.made)
    }

    /// Makes the directory at `path`, which is probably not there yet.
    ///
    /// # Errors
    ///
    /// As [`Self::parent`].
    pub fn make_directory(&mut self, path: &RelativePath) -> Result<(), UnpackError> {
        self.descent.make(path.as_str(), &mut self.found.made)
    }

    /// Takes over such entries: files and directories that are there, and symbolic links, which
    /// [`Unpacker::finish`](super::Unpacker::finish) checks and creates with the others. `target`
    /// is the target of their module.
    pub fn adopt(
        &mut self,
        entries: impl IntoIterator<Item = Unpacked>,
        target: Option<&RelativePath>,
    ) {
        let base = target.map_or("", RelativePath::as_str);
        for Unpacked { path, kind, .. } in entries {
            match kind {
                Kind::Directory => self.found.listed.push(path),
                Kind::Link { target } => self.found.links.push(Link {
                    path,
                    target,
                    base: base.to_owned(),
                }),
                Kind::File { size, .. } => {
                    self.found.files += 1;
                    self.found.bytes += size;
                }
            }
        }
        self.unpacker.merge(&mut self.found);
    }

    /// Unpacks a chunk that is in memory: its bytes are verified, then decompressed, then read and
    /// written.
    ///
    /// What comes back are the entries that belong to this chunk, in order; links among them exist
    /// only after [`Unpacker::finish`]. Entries that `place` calls replaced are not among them.
    ///
    /// # Errors
    ///
    /// Bytes that are not the signed ones; a frame or an entry that a tarball must not hold
    /// (docs/formats/tarball.md lists them with their reasons); a chunk above [`SPOOL_THRESHOLD`],
    /// which is for [`Self::spooled`]; the disk. The tree is useless then.
    pub fn chunk(
        &mut self,
        compressed: &[u8],
        chunk: &Chunk,
        place: &ChunkTarget<'_>,
    ) -> Result<Vec<Unpacked>, UnpackError> {
        let refuse = |problem| UnpackError::chunk(&chunk.sha256, problem);
        let start = Instant::now();
        let received = Sha256::from_bytes(sha2::Sha256::digest(compressed).into());
        self.verify += start.elapsed();
        check_signed(chunk, received, compressed.len() as u64)?;
        if chunk.unpacked > SPOOL_THRESHOLD {
            return Err(refuse(Problem::new(
                Reason::Limit,
                "is too large to be unpacked in memory",
            )));
        }
        frame::whole(compressed, chunk.unpacked).map_err(refuse)?;

        let start = Instant::now();
        let length = length(chunk.unpacked);
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let decoded = self.context.decompress(&mut buffer[..length], compressed);
        self.decompress += start.elapsed();
        let entries = match decoded {
            Ok(decoded) if decoded == length => {
                let start = Instant::now();
                let entries = self
                    .entries(&buffer[..length], chunk, place)
                    .map(|(entries, _)| entries);
                self.write += start.elapsed();
                entries
            }
            Ok(_) => Err(refuse(Problem::new(
                Reason::Truncated,
                "holds fewer bytes than were signed",
            ))),
            Err(code) => Err(undecodable(&chunk.sha256, get_error_name(code))),
        };
        self.buffer = buffer;
        entries
    }

    /// Unpacks a chunk that is in a file of its own, with the memory of a zstd window (8 MiB)
    /// whatever its size.
    ///
    /// The file is read twice, once for its digest; nobody else must be able to write to it.
    ///
    /// # Errors
    ///
    /// As [`Self::chunk`], without its limit of size.
    pub fn spooled(
        &mut self,
        spool: &File,
        chunk: &Chunk,
        place: &ChunkTarget<'_>,
    ) -> Result<Vec<Unpacked>, UnpackError> {
        let tree = &self.unpacker.tree;
        let lost = |error: io::Error| tree.disk("read the spool file of", "", error);
        let start = Instant::now();
        let (received, size) = Spool::new(spool).digest().map_err(lost)?;
        self.verify += start.elapsed();
        check_signed(chunk, received, size)?;
        let mut head = [0; frame::HEADER_LIMIT];
        let length = Spool::new(spool).head(&mut head).map_err(lost)?;
        frame::header(&head[..length], chunk.unpacked)
            .map_err(|problem| UnpackError::chunk(&chunk.sha256, problem))?;

        let start = Instant::now();
        let window = |code| lost(io::Error::other(get_error_name(code)));
        let mut context = DCtx::create();
        context
            .reset(ResetDirective::SessionAndParameters)
            .map_err(window)?;
        context
            .set_parameter(DParameter::WindowLogMax(23))
            .map_err(window)?;
        let input = BufReader::with_capacity(DCtx::in_size(), Spool::new(spool));
        let decoder = zstd::stream::read::Decoder::with_context(input, &mut context).single_frame();
        let (entries, mut decoder) = self.entries(
            BufReader::with_capacity(SPOOL_BUFFER, decoder),
            chunk,
            place,
        )?;
        // Reading past the last byte makes the decoder look at the end of the frame.
        let broken = |error| broken_input(tree, &chunk.sha256, error);
        let over = decoder.fill_buf().map_err(broken)?.is_empty();
        let rest = over
            && decoder
                .into_inner()
                .finish()
                .fill_buf()
                .map_err(lost)?
                .is_empty();
        self.write += start.elapsed();
        if rest {
            Ok(entries)
        } else {
            Err(UnpackError::chunk(
                &chunk.sha256,
                Problem::new(Reason::Trailing, "has bytes after its zstd frame"),
            ))
        }
    }
}

/// Bytes (256 KiB) that a spooled chunk is decompressed and written at a time.
const SPOOL_BUFFER: usize = 256 << 10;

/// Compares what came with what was signed, before anybody looks into it.
fn check_signed(chunk: &Chunk, received: Sha256, size: u64) -> Result<(), UnpackError> {
    if received != chunk.sha256 {
        return Err(UnpackError::Digest {
            signed: chunk.sha256,
            received,
        });
    }
    let problem = match size.cmp(&chunk.size) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => Problem::new(
            Reason::Truncated,
            "has fewer compressed bytes than were signed",
        ),
        std::cmp::Ordering::Greater => {
            Problem::new(Reason::Limit, "has more compressed bytes than were signed")
        }
    };
    Err(UnpackError::chunk(&chunk.sha256, problem))
}

fn undecodable(chunk: &Sha256, cause: &str) -> UnpackError {
    UnpackError::Chunk {
        chunk: *chunk,
        problem: format!("cannot be decompressed to its signed bytes: {cause}"),
        reason: Reason::Limit,
    }
}

/// A failure of the file under the decoder has an error number, one of the decoder has none.
pub(super) fn broken_input(
    tree: &super::tree::Tree,
    chunk: &Sha256,
    error: io::Error,
) -> UnpackError {
    match error.kind() {
        _ if error.raw_os_error().is_some() => tree.disk("read the spool file of", "", error),
        io::ErrorKind::UnexpectedEof => UnpackError::chunk(
            chunk,
            Problem::new(Reason::Truncated, "ends within its zstd frame"),
        ),
        _ => undecodable(chunk, &error.to_string()),
    }
}
