//! Tarballs of every version of the format stay readable, and the packer still lays out the same
//! entries in the same chunks.

use crate::archive::{expected, scratch, slices, snapshot};
use release::{Chunk, Sha256};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};
use tarball::{ChunkTarget, PackOptions, Unpacker, pack, scan};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v1")
}

/// The module that the golden tarball was packed from.
fn module(directory: &Path) {
    fs::create_dir_all(directory.join("app/empty")).unwrap();
    fs::write(directory.join("app/Mage.php"), "<?php\n").unwrap();
    fs::write(directory.join("caf\u{e9}.phtml"), "").unwrap();
    fs::write(directory.join("cron.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(directory.join("cron.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(directory.join("long").join("d".repeat(120))).unwrap();
    fs::write(
        directory
            .join("long")
            .join("d".repeat(120))
            .join("f".repeat(120)),
        "long",
    )
    .unwrap();
    fs::write(directory.join("media-1.bin"), vec![1; 5 << 19]).unwrap();
    fs::write(directory.join("media-2.bin"), vec![2; 5 << 19]).unwrap();
    symlink("app/Mage.php", directory.join("mage")).unwrap();
}

fn golden() -> (Vec<u8>, Vec<Chunk>) {
    let table = fs::read(directory().join("tarball.chunks.json")).unwrap();
    (
        fs::read(directory().join("tarball.tar.zst")).unwrap(),
        serde_json::from_slice(&table).unwrap(),
    )
}

#[test]
fn the_golden_tarball_of_version_1_is_read() {
    let (source, tree) = (scratch(), scratch());
    module(source.path());
    let (bytes, chunks) = golden();
    let unpacker = Unpacker::new(tree.path()).unwrap();
    for (index, (frame, chunk)) in slices(&bytes, &chunks).into_iter().enumerate() {
        let place = ChunkTarget {
            target: None,
            replaced: &BTreeSet::new(),
            last: index + 1 == chunks.len(),
        };
        unpacker.worker().chunk(frame, chunk, &place).unwrap();
    }
    unpacker
        .finish(&release::RequiredDirectories::default())
        .unwrap();
    assert!(snapshot(tree.path()) == expected(source.path()));
}

#[test]
fn the_packer_lays_out_what_the_golden_tarball_holds() {
    let source = scratch();
    module(source.path());
    let mut bytes = Vec::new();
    let packed = pack(
        &scan(source.path(), &[]).unwrap(),
        &mut bytes,
        PackOptions::default(),
    )
    .unwrap();
    let (golden, chunks) = golden();
    let plain = |bytes: &[u8]| zstd::stream::decode_all(bytes).unwrap();
    assert!(plain(&bytes) == plain(&golden), "the entries, byte by byte");
    // Compressed bytes may differ with the version of zstd; where the cuts are may not.
    let cuts = |chunks: &[Chunk]| {
        chunks
            .iter()
            .map(|chunk| (chunk.unpacked, chunk.entries))
            .collect::<Vec<_>>()
    };
    assert_eq!(cuts(&packed.chunks), cuts(&chunks));
}

#[test]
fn the_specification_quotes_the_golden_tarball() {
    let page = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/tarball.md"),
    )
    .unwrap();
    let (bytes, chunks) = golden();
    assert!(
        page.contains(&Sha256::digest(&bytes).to_string()),
        "sha256 of the tarball: {}",
        Sha256::digest(&bytes)
    );
    for chunk in chunks {
        let row = format!(
            "| `{}` | {} | {} | {} |",
            chunk.sha256, chunk.size, chunk.unpacked, chunk.entries
        );
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
#[ignore = "writes the golden files: only for a new version of the format"]
fn write_the_golden_files() {
    let source = scratch();
    module(source.path());
    let mut bytes = Vec::new();
    let packed = pack(
        &scan(source.path(), &[]).unwrap(),
        &mut bytes,
        PackOptions::default(),
    )
    .unwrap();
    fs::create_dir_all(directory()).unwrap();
    fs::write(directory().join("tarball.tar.zst"), bytes).unwrap();
    fs::write(
        directory().join("tarball.chunks.json"),
        serde_json::to_string_pretty(&packed.chunks).unwrap() + "\n",
    )
    .unwrap();
}
