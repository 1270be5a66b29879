//! The entries of a chunk, signed by somebody who means harm: no input may panic, write outside of
//! the tree, or leave anything but directories, files and links that stay inside.
//!
//! The first byte of an input says how the rest is dressed: bit 0, headers get right checksums,
//! without which mutations would hardly get past them; bit 1, it is the module's last chunk and
//! ends with the end-of-archive marker; bits 2 to 7, by how much the signed count of entries
//! differs from the true one (32 is not at all).
#![no_main]

use libfuzzer_sys::fuzz_target;
use release::{Chunk, Sha256};
use std::{collections::BTreeSet, fs, path::Path, sync::OnceLock};
use tarball::{ChunkTarget, Unpacker};
use tempfile::TempDir;

const BLOCK: usize = 512;

fuzz_target!(|input: &[u8]| {
    let Some((&dress, tar)) = input.split_first() else {
        return;
    };
    let mut tar = tar.to_vec();
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    let entries = walk(&mut tar, dress & 1 != 0);
    let last = dress & 2 != 0;
    if last {
        tar.resize(tar.len() + 2 * BLOCK, 0);
    }
    let signed = (entries + u64::from(dress >> 2)).saturating_sub(32);
    unpack(&tar, signed, last);
});

/// Counts the entries, and gives their headers right checksums where `seal` says so.
fn walk(tar: &mut [u8], seal: bool) -> u64 {
    let (mut at, mut entries) = (0, 0);
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if seal {
            header[148..156].fill(b' ');
            let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        entries += u64::from(header[156] != b'x');
        let size = std::str::from_utf8(&header[124..135])
            .ok()
            .and_then(|octal| usize::from_str_radix(octal, 8).ok())
            .unwrap_or(0);
        at = at
            .saturating_add(BLOCK)
            .saturating_add(size.next_multiple_of(BLOCK));
    }
    entries
}

fn unpack(tar: &[u8], entries: u64, last: bool) {
    static SCRATCH: OnceLock<TempDir> = OnceLock::new();
    let fast = Path::new("/dev/shm");
    let scratch = SCRATCH.get_or_init(|| {
        if fast.is_dir() {
            tempfile::tempdir_in(fast)
        } else {
            tempfile::tempdir()
        }
        .expect("scratch directory")
    });
    let here = scratch.path().join("here");
    let tree = here.join("tree");
    fs::create_dir_all(&tree).expect("tree");

    let frame = zstd::bulk::compress(tar, 1).expect("memory");
    let chunk = Chunk {
        sha256: Sha256::digest(&frame),
        size: frame.len() as u64,
        unpacked: tar.len() as u64,
        entries,
    };
    let unpacker = Unpacker::new(&tree).expect("empty tree");
    let unpacked = unpacker.worker().chunk(
        &frame,
        &chunk,
        &ChunkTarget {
            target: None,
            replaced: &BTreeSet::new(),
            last,
        },
    );
    let finished = unpacked.is_ok()
        && unpacker
            .finish(&release::RequiredDirectories::default())
            .is_ok();
    if finished {
        inspect(&tree, &tree);
    }
    let beside: Vec<_> = fs::read_dir(&here)
        .expect("scratch")
        .map(|entry| entry.expect("scratch").file_name())
        .collect();
    assert_eq!(beside, ["tree"], "something was written beside the tree");
    let around = fs::read_dir(scratch.path()).expect("scratch").count();
    assert_eq!(around, 1, "something was written above the tree");
    fs::remove_dir_all(&here).expect("scratch");
}

/// Every entry is of a kind that may be there, and no link leads out.
fn inspect(directory: &Path, tree: &Path) {
    for entry in fs::read_dir(directory).expect("a tree that is done can be read") {
        let path = entry.expect("entry").path();
        let metadata = path.symlink_metadata().expect("entry");
        if metadata.is_dir() {
            inspect(&path, tree);
        } else if metadata.is_symlink() {
            // A link may dangle inside, yet what it resolves to must not be outside.
            if let Ok(target) = path.canonicalize() {
                assert!(
                    target.starts_with(tree.canonicalize().expect("tree")),
                    "{} leads to {}",
                    path.display(),
                    target.display()
                );
            }
        } else {
            assert!(
                metadata.is_file(),
                "{} is no file, directory or link",
                path.display()
            );
        }
    }
}
