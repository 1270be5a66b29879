//! What to download, with which requests, and with how much memory. Pure.
//!
//! A *request* brings bytes that follow each other in a tarball. They come in *pieces*, each of
//! which is handed to a worker as soon as it is whole: a chunk, or some of a large chunk, which is
//! unpacked from a spool file.

use release::{Chunk, Manifest, Module};
use std::{num::NonZeroUsize, ops::Range};

const MIB: u64 = 1 << 20;
/// The most bytes that one request asks for: at 8 MiB a request's latency (some 30 ms at S3) is
/// about a third of its transfer at 90 MB/s, S3's usual rate per connection, and AWS's guidelines
/// for S3 ask for ranges of 8 to 16 MB.
const REQUEST_LIMIT: u64 = 8 * MIB;
/// The most bytes of a large chunk that are in memory at once.
const PIECE_LIMIT: u64 = MIB;
/// Memory that one worker may need: the largest chunk that is unpacked from memory
/// ([`tarball::SPOOL_THRESHOLD`]), and zstd's own 8 MiB window where it streams.
const WORKER: u64 = 16 * MIB;
/// Memory that the store may need for bodies in flight: 256 KiB for each of 32 requests.
const STORE: u64 = 8 * MIB;
/// Memory that is nobody's buffer: 14 MiB were resident when nothing was pulled, and of a release
/// of 100,000 files its directories, chunks and links took 4 MiB more. Half of it is made up for by
/// what workers and the store seldom need at once.
const PROCESS: u64 = 8 * MIB;
/// Requests in flight for each worker. A core unpacks some 100 MB/s of compressed bytes, a
/// connection to S3 brings some 90 MB/s: most of the eight wait for their first byte or for a full
/// buffer.
const REQUESTS_PER_WORKER: usize = 8;
/// Requests in flight at most: 32 connections fill 25 Gbit/s.
const REQUESTS_LIMIT: usize = 32;
/// The least memory that a pull works with: one worker, the store, and one chunk as large as any
/// that is not spooled. The process itself comes on top here: 39 MiB were resident at most with
/// 100,000 files.
pub const MEMORY_FLOOR: u64 = 32 * MIB;

/// How the memory of a pull is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Threads that verify and unpack.
    pub(crate) workers: usize,
    /// Bytes of pieces that are being downloaded, wait for a worker, or are with one.
    pub(crate) pieces: u64,
    /// Requests in flight at once.
    pub(crate) requests: usize,
}

impl Budget {
    /// Divides `memory` bytes: at most half of it to workers, one for each of `cores`, and the rest
    /// to pieces.
    pub(crate) fn new(memory: u64, cores: NonZeroUsize) -> Self {
        let memory = memory.max(MEMORY_FLOOR);
        let affordable = usize::try_from(memory / 2 / WORKER).unwrap_or(usize::MAX);
        let workers = cores.get().min(affordable).max(1);
        let pieces = (memory - STORE - WORKER * workers as u64)
            .saturating_sub(PROCESS)
            .max(tarball::SPOOL_THRESHOLD);
        Self {
            workers,
            pieces,
            requests: workers
                .saturating_mul(REQUESTS_PER_WORKER)
                .min(REQUESTS_LIMIT),
        }
    }
}

/// Bytes of one tarball that are asked for at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Which module of the manifest.
    pub(crate) module: usize,
    /// Which bytes of its tarball.
    pub(crate) range: Range<u64>,
    /// What they are.
    pub(crate) content: Content,
}

/// What a request brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// These chunks of the module, whole.
    Chunks(Range<usize>),
    /// Some of a large chunk.
    Part {
        /// Which chunk of the module.
        chunk: usize,
        /// Where in the chunk it starts.
        offset: u64,
    },
}

/// Bytes that one buffer holds and one worker deals with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which module of the manifest.
    pub(crate) module: usize,
    /// Which chunk of the module.
    pub(crate) chunk: usize,
    /// Where in the chunk it starts; 0 for a chunk that is unpacked from memory, which is one
    /// piece.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
}

impl Request {
    /// The request's pieces, in the order in which they come.
    pub(crate) fn pieces(&self, contents: &Module) -> Vec<Piece> {
        let module = self.module;
        match self.content {
            Content::Chunks(ref chunks) => chunks
                .clone()
                .map(|chunk| Piece {
                    module,
                    chunk,
                    offset: 0,
                    size: contents.chunks[chunk].size,
                })
                .collect(),
            Content::Part { chunk, offset } => {
                split(&(0..self.range.end - self.range.start), PIECE_LIMIT)
                    .map(|part| Piece {
                        module,
                        chunk,
                        offset: offset + part.start,
                        size: part.end - part.start,
                    })
                    .collect()
            }
        }
    }
}

/// Whether the chunk is unpacked from a spool file.
pub(crate) const fn is_large(chunk: &Chunk) -> bool {
    chunk.unpacked > tarball::SPOOL_THRESHOLD
}

/// The requests that bring every chunk for which `missing(module, chunk)` holds. Large chunks come
/// first: each is unpacked by one worker, which the others then need not wait for at the end.
pub(crate) fn requests(
    manifest: &Manifest,
    missing: impl Fn(usize, usize) -> bool,
) -> Vec<Request> {
    requests_of(manifest, REQUEST_LIMIT, missing)
}

fn requests_of(
    manifest: &Manifest,
    limit: u64,
    missing: impl Fn(usize, usize) -> bool,
) -> Vec<Request> {
    let (mut large, mut small) = (Vec::new(), Vec::new());
    for (module, contents) in manifest.modules.iter().enumerate() {
        let mut start = 0;
        let mut open: Option<Request> = None;
        for (index, chunk) in contents.chunks.iter().enumerate() {
            let range = start..start + chunk.size;
            start = range.end;
            if !missing(module, index) {
                small.extend(open.take());
            } else if is_large(chunk) {
                small.extend(open.take());
                large.extend(split(&range, limit).map(|part| {
                    let content = Content::Part {
                        chunk: index,
                        offset: part.start - range.start,
                    };
                    Request {
                        module,
                        range: part,
                        content,
                    }
                }));
            } else {
                open = match open {
                    Some(Request {
                        range: before,
                        content: Content::Chunks(chunks),
                        ..
                    }) if range.end - before.start <= limit => Some(Request {
                        module,
                        range: before.start..range.end,
                        content: Content::Chunks(chunks.start..index + 1),
                    }),
                    full => {
                        small.extend(full);
                        Some(Request {
                            module,
                            range,
                            content: Content::Chunks(index..index + 1),
                        })
                    }
                };
            }
        }
        small.extend(open);
    }
    large.append(&mut small);
    large
}

fn split(range: &Range<u64>, limit: u64) -> impl Iterator<Item = Range<u64>> + use<> {
    let Range { start, end } = *range;
    (0..(end - start).div_ceil(limit))
        .map(move |part| start + part * limit..end.min(start + (part + 1) * limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use release::{Chunk, Migration, Module, Sha256};

    fn manifest(modules: &[Vec<(u64, u64)>]) -> Manifest {
        let module = |(number, chunks): (usize, &Vec<(u64, u64)>)| Module {
            name: format!("m{number}").parse().unwrap(),
            version: "1".parse().unwrap(),
            target: None,
            sha256: Sha256::digest(b""),
            size: chunks.iter().map(|(size, _)| size).sum(),
            chunks: chunks
                .iter()
                .map(|&(size, unpacked)| Chunk {
                    sha256: Sha256::digest(b""),
                    size,
                    unpacked,
                    entries: 1,
                })
                .collect(),
            replaced: Vec::new(),
        };
        let modules = modules.iter().enumerate().map(module).collect();
        Manifest {
            schema: 1,
            modules,
            files: 0,
            bytes: 0,
            shared: vec![],
            writable: vec![],
            php: None,
            migration: Migration::None,
            case_sensitive: false,
        }
    }

    #[test]
    fn neighbours_share_a_request_and_a_gap_ends_it() {
        let manifest = manifest(&[vec![(3, 1), (4, 1), (5, 1), (6, 1)]]);
        let asked = |limit, missing: &dyn Fn(usize) -> bool| {
            let requests = requests_of(&manifest, limit, |_, chunk| missing(chunk));
            requests
                .into_iter()
                .map(|request| (request.range, request.content))
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(100, &|_| true), [(0..18, Content::Chunks(0..4))]);
        assert_eq!(
            asked(100, &|chunk| chunk != 1),
            [
                (0..3, Content::Chunks(0..1)),
                (7..18, Content::Chunks(2..4))
            ]
        );
        assert_eq!(
            asked(7, &|chunk| chunk < 3),
            [
                (0..7, Content::Chunks(0..2)),
                (7..12, Content::Chunks(2..3))
            ]
        );
        assert_eq!(asked(100, &|_| false), []);
    }

    #[test]
    fn a_large_chunk_comes_first_and_in_parts() {
        let manifest = manifest(&[vec![(3, 1), (10, tarball::SPOOL_THRESHOLD + 1), (2, 1)]]);
        let requests = requests_of(&manifest, 4, |_, _| true);
        let expected = [
            (
                3..7,
                Content::Part {
                    chunk: 1,
                    offset: 0,
                },
            ),
            (
                7..11,
                Content::Part {
                    chunk: 1,
                    offset: 4,
                },
            ),
            (
                11..13,
                Content::Part {
                    chunk: 1,
                    offset: 8,
                },
            ),
            (0..3, Content::Chunks(0..1)),
            (13..15, Content::Chunks(2..3)),
        ];
        assert_eq!(
            requests
                .into_iter()
                .map(|request| (request.range, request.content))
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn the_budget_never_exceeds_the_memory() {
        for mebibytes in [1, 32, 48, 64, 96, 1024] {
            for cores in [1, 2, 4, 64] {
                let budget = Budget::new(mebibytes * MIB, NonZeroUsize::new(cores).unwrap());
                assert!(budget.workers >= 1 && budget.workers <= cores);
                assert!(
                    STORE + budget.pieces + budget.workers as u64 * WORKER
                        <= (mebibytes * MIB).max(MEMORY_FLOOR)
                );
                assert!(
                    mebibytes < 48
                        || budget.pieces + STORE + budget.workers as u64 * WORKER + PROCESS
                            <= mebibytes * MIB
                );
                assert!(
                    budget.pieces >= tarball::SPOOL_THRESHOLD
                        && budget.requests >= REQUESTS_PER_WORKER
                );
            }
        }
    }

    proptest! {
        #[test]
        fn every_missing_byte_comes_exactly_once(
            modules in prop::collection::vec(prop::collection::vec((9_u64..40, any::<bool>(), any::<bool>()), 1..12), 1..4),
            limit in 1_u64..60,
        ) {
            let sizes: Vec<Vec<_>> = modules
                .iter()
                .map(|chunks| {
                    chunks
                        .iter()
                        .map(|&(size, large, _)| {
                            (
                                size,
                                if large {
                                    tarball::SPOOL_THRESHOLD + 1
                                } else {
                                    1
                                },
                            )
                        })
                        .collect()
                })
                .collect();
            let manifest = manifest(&sizes);
            let requests = requests_of(&manifest, limit, |module, chunk| modules[module][chunk].2);
            let mut came: Vec<Vec<u64>> =
                modules.iter().map(|chunks| vec![0; chunks.len()]).collect();
            for request in &requests {
                let several =
                    matches!(&request.content, Content::Chunks(chunks) if chunks.len() == 1);
                prop_assert!(several || request.range.end - request.range.start <= limit);
                let pieces = request.pieces(&manifest.modules[request.module]);
                prop_assert_eq!(
                    pieces.iter().map(|piece| piece.size).sum::<u64>(),
                    request.range.end - request.range.start
                );
                let mut at = request.range.start;
                for piece in pieces {
                    let before: u64 = sizes[piece.module][..piece.chunk]
                        .iter()
                        .map(|(size, _)| size)
                        .sum();
                    prop_assert_eq!(before + piece.offset, at);
                    at += piece.size;
                    came[piece.module][piece.chunk] += piece.size;
                }
            }
            for (chunks, came) in modules.iter().zip(came) {
                for (&(size, _, missing), came) in chunks.iter().zip(came) {
                    prop_assert_eq!(came, if missing { size } else { 0 });
                }
            }
        }
    }
}
