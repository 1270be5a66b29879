//! What to download, in which pieces, and with how much memory. Pure.
//!
//! A part is what one request brings and one buffer holds. Chunks that follow each other in a tarball go into one part of
//! about [`Budget::part`] bytes. A large chunk, which is unpacked from a spool file, comes in pieces of that size.

use release::Manifest;
use std::{num::NonZeroUsize, ops::Range};

const MIB: u64 = 1 << 20;
/// The largest part: at 8 MiB a request's latency (some 30 ms at S3) is about a third of its transfer at 90 MB/s, S3's usual rate per
/// connection, and AWS's guidelines for S3 ask for ranges of 8 to 16 MB.
const PART_LIMIT: u64 = 8 * MIB;
/// Memory that one worker may need: the largest chunk that is unpacked from memory ([`tarball::SPOOL_THRESHOLD`]), and
/// zstd's own 8 MiB window where it streams.
const WORKER: u64 = 16 * MIB;
/// Memory that the store may need for bodies in flight: 256 KiB for each of 32 requests.
const STORE: u64 = 8 * MIB;
/// The least memory that a pull works with: one worker, the store, and one part as large as the largest chunk that is not spooled.
pub const MEMORY_FLOOR: u64 = 32 * MIB;

/// How the memory of a pull is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Threads that verify and unpack.
    pub(crate) workers: usize,
    /// Bytes of parts that are being downloaded, wait for a worker, or are with one.
    pub(crate) parts: u64,
    /// Bytes of one part.
    pub(crate) part: u64,
}

impl Budget {
    /// Divides `memory` bytes: at most half of it to workers, one for each of `cores`, and the rest to parts.
    pub(crate) fn of(memory: u64, cores: NonZeroUsize) -> Self {
        let memory = memory.max(MEMORY_FLOOR);
        let affordable = usize::try_from(memory / 2 / WORKER).unwrap_or(usize::MAX);
        let workers = cores.get().min(affordable).max(1);
        let parts = memory - STORE - WORKER * workers as u64;
        // Enough parts at once that the network never waits for one.
        Self { workers, parts, part: (parts / 8).clamp(MIB, PART_LIMIT) }
    }
}

/// One request's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which module of the manifest.
    pub(crate) module: usize,
    /// Which bytes of its tarball.
    pub(crate) range: Range<u64>,
    /// What they are.
    pub(crate) content: Content,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// These chunks of the module, whole.
    Chunks(Range<usize>),
    /// A piece of a large chunk.
    Piece {
        /// Which chunk of the module.
        chunk: usize,
        /// Where in the chunk the piece starts.
        offset: u64,
    },
}

/// The parts that bring every chunk for which `missing(module, chunk)` holds. Large chunks come first: each is unpacked by
/// one worker, which the others then need not wait for at the end.
pub(crate) fn parts(manifest: &Manifest, part: u64, missing: impl Fn(usize, usize) -> bool) -> Vec<Part> {
    let (mut large, mut parts) = (Vec::new(), Vec::new());
    for (module, contents) in manifest.modules.iter().enumerate() {
        let mut start = 0;
        let mut open: Option<Part> = None;
        for (index, chunk) in contents.chunks.iter().enumerate() {
            let range = start..start + chunk.size;
            start = range.end;
            if !missing(module, index) {
                parts.extend(open.take());
            } else if chunk.unpacked > tarball::SPOOL_THRESHOLD {
                parts.extend(open.take());
                large.extend(pieces(module, index, range, part));
            } else {
                open = match open {
                    Some(Part { range: before, content: Content::Chunks(chunks), .. }) if range.end - before.start <= part => {
                        Some(Part { module, range: before.start..range.end, content: Content::Chunks(chunks.start..index + 1) })
                    }
                    full => {
                        parts.extend(full);
                        Some(Part { module, range, content: Content::Chunks(index..index + 1) })
                    }
                };
            }
        }
        parts.extend(open);
    }
    large.append(&mut parts);
    large
}

fn pieces(module: usize, chunk: usize, range: Range<u64>, part: u64) -> impl Iterator<Item = Part> {
    (0..(range.end - range.start).div_ceil(part)).map(move |piece| {
        let offset = piece * part;
        let start = range.start + offset;
        Part { module, range: start..range.end.min(start + part), content: Content::Piece { chunk, offset } }
    })
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
            sha256: Sha256::of(b""),
            size: chunks.iter().map(|(size, _)| size).sum(),
            chunks: chunks.iter().map(|&(size, unpacked)| Chunk { sha256: Sha256::of(b""), size, unpacked, entries: 1 }).collect(),
            replaced: Vec::new(),
        };
        let modules = modules.iter().enumerate().map(module).collect();
        Manifest { schema: 1, modules, files: 0, bytes: 0, shared: vec![], writable: vec![], php: None, migration: Migration::None }
    }

    #[test]
    fn neighbours_share_a_part_and_a_gap_ends_it() {
        let manifest = manifest(&[vec![(3, 1), (4, 1), (5, 1), (6, 1)]]);
        let chunks = |parts: Vec<Part>| parts.into_iter().map(|part| (part.range, part.content)).collect::<Vec<_>>();
        assert_eq!(chunks(parts(&manifest, 100, |_, _| true)), [(0..18, Content::Chunks(0..4))]);
        assert_eq!(chunks(parts(&manifest, 100, |_, chunk| chunk != 1)), [(0..3, Content::Chunks(0..1)), (7..18, Content::Chunks(2..4))]);
        assert_eq!(chunks(parts(&manifest, 7, |_, chunk| chunk < 3)), [(0..7, Content::Chunks(0..2)), (7..12, Content::Chunks(2..3))]);
        assert_eq!(parts(&manifest, 100, |_, _| false), []);
    }

    #[test]
    fn a_large_chunk_comes_first_and_in_pieces() {
        let large = tarball::SPOOL_THRESHOLD + 1;
        let parts = parts(&manifest(&[vec![(3, 1), (10, large), (2, 1)]]), 4, |_, _| true);
        let expected = [
            (3..7, Content::Piece { chunk: 1, offset: 0 }),
            (7..11, Content::Piece { chunk: 1, offset: 4 }),
            (11..13, Content::Piece { chunk: 1, offset: 8 }),
            (0..3, Content::Chunks(0..1)),
            (13..15, Content::Chunks(2..3)),
        ];
        assert_eq!(parts.into_iter().map(|part| (part.range, part.content)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_budget_never_exceeds_the_memory() {
        for mebibytes in [1, 32, 48, 64, 96, 1024] {
            for cores in [1, 2, 4, 64] {
                let budget = Budget::of(mebibytes * MIB, NonZeroUsize::new(cores).unwrap());
                assert!(budget.workers >= 1 && budget.workers <= cores);
                assert!(STORE + budget.parts + budget.workers as u64 * WORKER <= (mebibytes * MIB).max(MEMORY_FLOOR));
                assert!(budget.parts >= PART_LIMIT && budget.part <= budget.parts);
            }
        }
    }

    proptest! {
        #[test]
        fn every_missing_byte_comes_exactly_once(
            modules in prop::collection::vec(prop::collection::vec((9_u64..40, any::<bool>(), any::<bool>()), 1..12), 1..4), part in 1_u64..60
        ) {
            let sizes: Vec<Vec<_>> = modules.iter()
                .map(|chunks| chunks.iter().map(|&(size, large, _)| (size, if large { tarball::SPOOL_THRESHOLD + 1 } else { 1 })).collect())
                .collect();
            let manifest = manifest(&sizes);
            let parts = parts(&manifest, part, |module, chunk| modules[module][chunk].2);
            for (module, chunks) in modules.iter().enumerate() {
                let mut start = 0;
                for &(size, _, missing) in chunks {
                    for byte in start..start + size {
                        let count = parts.iter().filter(|part| part.module == module && part.range.contains(&byte)).count();
                        prop_assert_eq!(count, usize::from(missing));
                    }
                    start += size;
                }
            }
            for it in &parts {
                let several = matches!(&it.content, Content::Chunks(chunks) if chunks.len() == 1);
                prop_assert!(several || it.range.end - it.range.start <= part);
            }
        }
    }
}
