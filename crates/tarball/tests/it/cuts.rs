//! Where chunks are cut: within bounds, at any number of threads, and stable under edits; large and
//! many files.

use crate::{
    archive::{expected, mtime_of, scratch, snapshot},
    round::{noise, noisy_module, packed, unpack},
};
use std::{collections::HashSet, fs, os::unix::fs::MetadataExt as _};
use tarball::Packed;

#[test]
fn chunks_are_cut_within_their_bounds_at_any_number_of_threads() {
    let source = scratch();
    noisy_module(source.path(), 2000);
    let reference = packed(source.path(), 1);
    assert!(packed(source.path(), 3) == reference);
    let chunks = &reference.1.chunks;
    assert!(chunks.len() > 10, "{}", chunks.len());
    for chunk in &chunks[..chunks.len() - 1] {
        assert!(
            (256 << 10..=1 << 20).contains(&chunk.unpacked),
            "{}",
            chunk.unpacked
        );
    }
    let tree = scratch();
    unpack(&reference.0, chunks, tree.path(), 3);
    assert!(snapshot(tree.path()) == expected(source.path()));
}

/// How many chunks of `after` are not in `before`: what a pod downloads.
fn new_chunks(before: &Packed, after: &Packed) -> usize {
    let known: HashSet<_> = before.chunks.iter().map(|chunk| chunk.sha256).collect();
    after
        .chunks
        .iter()
        .filter(|chunk| !known.contains(&chunk.sha256))
        .count()
}

#[test]
fn an_edit_changes_few_chunks() {
    let source = scratch();
    noisy_module(source.path(), 2000);
    let before = packed(source.path(), 2).1;
    let mut counts = Vec::new();
    let mut measure = |edit: &dyn Fn(), undo: &dyn Fn()| {
        edit();
        counts.push(new_chunks(&before, &packed(source.path(), 2).1));
        undo();
    };
    for number in (0..2000_u64).step_by(257) {
        let path = source
            .path()
            .join(format!("d{:02}/f{number:05}.php", number % 40));
        let old = fs::read(&path).unwrap();
        let write = |bytes: &[u8]| fs::write(&path, bytes).unwrap();
        measure(&|| write(&noise(number + 1_000_000, old.len())), &|| {
            write(&old);
        });
        measure(&|| write(&old[..old.len() / 2]), &|| write(&old));
        measure(&|| fs::remove_file(&path).unwrap(), &|| write(&old));
        let added = path.with_file_name(format!("f{number:05}a.php"));
        measure(&|| fs::write(&added, noise(7, 30_000)).unwrap(), &|| {
            fs::remove_file(&added).unwrap();
        });
    }
    let most = *counts.iter().max().unwrap();
    let (sum, edits) = (counts.iter().sum::<usize>(), counts.len());
    println!(
        "{edits} edits of {} chunks: {sum} new chunks in all, at most {most} by one",
        before.chunks.len()
    );
    assert!(
        sum < 2 * edits && most < before.chunks.len() / 2,
        "{counts:?} new of {}",
        before.chunks.len()
    );
}

#[test]
fn a_large_file_is_streamed_as_a_chunk_of_its_own() {
    let (source, tree) = (scratch(), scratch());
    let large = [noise(1, 1 << 20), vec![0; 104 << 20], noise(2, 12_345)].concat();
    fs::write(source.path().join("a"), "small").unwrap();
    fs::write(source.path().join("large.iso"), &large).unwrap();
    fs::write(source.path().join("z"), "small").unwrap();
    let (bytes, result) = packed(source.path(), 2);
    assert_eq!(
        result
            .chunks
            .iter()
            .map(|chunk| chunk.entries)
            .collect::<Vec<_>>(),
        [1, 1, 1]
    );
    unpack(&bytes, &result.chunks, tree.path(), 2);
    assert!(fs::read(tree.path().join("large.iso")).unwrap() == large);
    assert_eq!(
        tree.path().join("large.iso").metadata().unwrap().mtime(),
        mtime_of(&large)
    );
    assert!(packed(source.path(), 1) == (bytes, result));
}

#[test]
fn a_hundred_thousand_files() {
    let (source, tree) = (scratch(), scratch());
    for directory in 0..100 {
        let parent = source.path().join(format!("d{directory:02}"));
        fs::create_dir(&parent).unwrap();
        for file in 0..1000 {
            fs::write(
                parent.join(format!("{file:03}.php")),
                format!("<?php return {};", directory * 1000 + file),
            )
            .unwrap();
        }
    }
    let (bytes, result) = packed(source.path(), 2);
    assert_eq!(result.files, 100_000);
    let (totals, entries) = unpack(&bytes, &result.chunks, tree.path(), 2);
    assert_eq!(
        (totals.files, totals.directories, entries.len()),
        (100_000, 100, 100_100)
    );
    for path in ["d00/000.php", "d57/123.php", "d99/999.php"] {
        assert_eq!(
            fs::read(tree.path().join(path)).unwrap(),
            fs::read(source.path().join(path)).unwrap()
        );
    }
}
