//! Packing and unpacking as tests do it.

use crate::archive::slices;
use release::Chunk;
use std::{collections::BTreeSet, fs, io::Write as _, num::NonZeroUsize, path::Path, thread};
use tarball::{
    ChunkTarget, PackOptions, Packed, SPOOL_THRESHOLD, Totals, Unpacked, Unpacker, pack, scan,
};

pub(crate) fn options(threads: usize) -> PackOptions<'static> {
    PackOptions {
        threads: NonZeroUsize::new(threads).unwrap(),
        level: 1,
        progress: None,
    }
}

pub(crate) fn packed(module: &Path, threads: usize) -> (Vec<u8>, Packed) {
    let mut bytes = Vec::new();
    let packed = pack(&scan(module, &[]).unwrap(), &mut bytes, options(threads)).unwrap();
    (bytes, packed)
}

/// Unpacks with some threads, the chunks in any order.
pub(crate) fn unpack(
    bytes: &[u8],
    chunks: &[Chunk],
    tree: &Path,
    threads: usize,
) -> (Totals, Vec<Unpacked>) {
    let unpacker = Unpacker::new(tree).unwrap();
    let slices = slices(bytes, chunks);
    let mut entries = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|part| {
                let (unpacker, slices) = (&unpacker, &slices);
                scope.spawn(move || {
                    let mut worker = unpacker.worker();
                    let mut found = Vec::new();
                    for (index, (frame, chunk)) in slices
                        .iter()
                        .enumerate()
                        .rev()
                        .filter(|(index, _)| index % threads == part)
                    {
                        let place = ChunkTarget {
                            target: None,
                            replaced: &BTreeSet::new(),
                            last: index + 1 == slices.len(),
                        };
                        found.extend(if chunk.unpacked > SPOOL_THRESHOLD {
                            let mut spool = tempfile::tempfile().unwrap();
                            spool.write_all(frame).unwrap();
                            worker.spooled(&spool, chunk, &place).unwrap()
                        } else {
                            worker.chunk(frame, chunk, &place).unwrap()
                        });
                    }
                    found
                })
            })
            .collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap())
            .collect::<Vec<_>>()
    });
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    (
        unpacker
            .finish(&release::RequiredDirectories::default())
            .unwrap(),
        entries,
    )
}

/// Files whose bytes zstd cannot shrink to nothing, so that chunks have a size.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

pub(crate) fn noisy_module(directory: &Path, files: u64) {
    for number in 0..files {
        let parent = directory.join(format!("d{:02}", number % 40));
        fs::create_dir_all(&parent).unwrap();
        fs::write(
            parent.join(format!("f{number:05}.php")),
            noise(number, 2000 + usize::try_from(number % 97).unwrap() * 400),
        )
        .unwrap();
    }
}
