//! Archives made byte by byte, so that they can hold what no packer writes.

use proptest::test_runner::{Config, FileFailurePersistence};
use release::{Chunk, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
};

/// A header with these fields and a right checksum; `change` may change any byte of it before the
/// checksum is computed.
pub(crate) fn header(
    name: &[u8],
    typeflag: u8,
    size: u64,
    link: &[u8],
    change: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(if typeflag == b'5' {
        b"0000755\0"
    } else {
        b"0000644\0"
    });
    header[108..124].copy_from_slice(b"0000000\x000000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"07346545000\0");
    header[156] = typeflag;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut header);
    seal(&mut header);
    header
}

/// Writes the checksum of a header.
pub(crate) fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A whole file entry.
pub(crate) fn file(name: &[u8], body: &[u8]) -> Vec<u8> {
    with_body(header(name, b'0', body.len() as u64, b"", |_| ()), body)
}

/// A whole directory entry; `name` ends with `/`.
pub(crate) fn directory(name: &[u8]) -> Vec<u8> {
    header(name, b'5', 0, b"", |_| ())
}

/// A whole link entry.
pub(crate) fn link(name: &[u8], target: &[u8]) -> Vec<u8> {
    header(name, b'2', 0, target, |_| ())
}

/// A PAX extension header with these bytes.
pub(crate) fn pax(records: &[u8]) -> Vec<u8> {
    with_body(
        header(b"PaxHeaders/entry", b'x', records.len() as u64, b"", |_| ()),
        records,
    )
}

/// One PAX record.
pub(crate) fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..6)
        .map(|digits| rest + digits)
        .find(|length| length.to_string().len() + rest == *length)
        .unwrap();
    format!("{length} {key}={value}\n")
}

pub(crate) fn with_body(mut entry: Vec<u8>, body: &[u8]) -> Vec<u8> {
    entry.extend_from_slice(body);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// Compresses a tar's bytes into a chunk that says what is true of it.
pub(crate) fn chunk(tar: &[u8], entries: u64) -> (Vec<u8>, Chunk) {
    signed(
        zstd::bulk::compress(tar, 3).unwrap(),
        tar.len() as u64,
        entries,
    )
}

/// A chunk whose digest is right, whatever else is.
pub(crate) fn signed(frame: Vec<u8>, unpacked: u64, entries: u64) -> (Vec<u8>, Chunk) {
    let chunk = Chunk {
        sha256: Sha256::digest(&frame),
        size: frame.len() as u64,
        unpacked,
        entries,
    };
    (frame, chunk)
}

/// What is in a directory: each path below it, its mode, and a file's bytes or a link's target.
pub(crate) fn snapshot(directory: &Path) -> BTreeMap<String, (u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(here) = ahead.pop() {
        for item in fs::read_dir(&here).unwrap() {
            let path = item.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let contents = if metadata.is_dir() {
                ahead.push(path.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                path.read_link().unwrap().as_os_str().as_bytes().to_vec()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path
                .strip_prefix(directory)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            found.insert(name, (metadata.mode(), metadata.mtime(), contents));
        }
    }
    found
}

/// A scratch directory in memory: real disks are slow at creating files.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("longshore-tarball")
        .tempdir_in(if Path::new("/dev/shm").is_dir() {
            "/dev/shm".into()
        } else {
            std::env::temp_dir()
        })
        .unwrap()
}

/// How many cases a property is tried with; what fails is kept beside the test, to be committed.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    }
}

/// The chunks of a tarball, each with its bytes.
pub(crate) fn slices<'a>(bytes: &'a [u8], chunks: &'a [Chunk]) -> Vec<(&'a [u8], &'a Chunk)> {
    let mut rest = bytes;
    let slices = chunks
        .iter()
        .map(|chunk| {
            let (frame, after) = rest.split_at(usize::try_from(chunk.size).unwrap());
            rest = after;
            (frame, chunk)
        })
        .collect();
    assert_eq!(rest.len(), 0, "the chunks are the tarball");
    slices
}

/// A module with a bit of everything.
pub(crate) fn module(directory: &Path) {
    fs::create_dir_all(directory.join("app/code/empty")).unwrap();
    fs::write(directory.join("index.php"), "<?php\n").unwrap();
    fs::write(directory.join("app/empty"), "").unwrap();
    fs::write(directory.join("app/block"), [b'b'; 512]).unwrap();
    fs::write(
        directory.join("app/stra\u{df}e \u{4f60}\u{597d} \u{1f6a2}"),
        "utf-8",
    )
    .unwrap();
    fs::write(directory.join("cron.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        directory.join("cron.sh"),
        fs::Permissions::from_mode(0o4700),
    )
    .unwrap();
    let long = directory.join("n".repeat(200)).join("m".repeat(200));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("o".repeat(255)), "long").unwrap();
    fs::write(directory.join("n".repeat(200)).join("p".repeat(99)), "long").unwrap();
    symlink("app/block", directory.join("link")).unwrap();
    symlink("../index.php", directory.join("app/up")).unwrap();
    symlink("missing", directory.join("dangling")).unwrap();
    symlink(
        format!("{}/{}", "n".repeat(200), "m".repeat(200)),
        directory.join("long-link"),
    )
    .unwrap();
    fs::hard_link(directory.join("index.php"), directory.join("app/hard")).unwrap();
}

/// What a tree looks like once unpacked: modes and times as the format says.
pub(crate) fn expected(module: &Path) -> BTreeMap<String, (u32, i64, Vec<u8>)> {
    let mut expected = snapshot(module);
    for (mode, mtime, contents) in expected.values_mut() {
        (*mode, *mtime) = match *mode & 0o170_000 {
            0o100_000 => (
                0o100_644 | *mode & 0o100 | (*mode & 0o100) >> 3 | (*mode & 0o100) >> 6,
                mtime_of(contents),
            ),
            0o040_000 => (0o040_755, 1_000_000_000),
            _ => (*mode, 1_000_000_000),
        };
    }
    expected
}

/// The mtime that the format gives a file with these contents.
pub(crate) fn mtime_of(contents: &[u8]) -> i64 {
    let digest = release::Sha256::digest(contents);
    1_000_000_000
        + i64::from(u32::from_be_bytes(digest.as_bytes()[..4].try_into().unwrap()) % (1 << 29))
}
