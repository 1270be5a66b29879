//! Archives made byte by byte, so that they can hold what no packer writes.

#![allow(dead_code, reason = "each test program uses a part")]

use release::{Chunk, Sha256};

/// A header with these fields and a right checksum; `change` may change any byte of it before the checksum is computed.
pub fn header(name: &[u8], typeflag: u8, size: u64, link: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(if typeflag == b'5' { b"0000755\0" } else { b"0000644\0" });
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
pub fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A whole file entry.
pub fn file(name: &[u8], body: &[u8]) -> Vec<u8> {
    with_body(header(name, b'0', body.len() as u64, b"", |_| ()), body)
}

/// A whole directory entry; `name` ends with `/`.
pub fn directory(name: &[u8]) -> Vec<u8> {
    header(name, b'5', 0, b"", |_| ())
}

/// A whole link entry.
pub fn link(name: &[u8], target: &[u8]) -> Vec<u8> {
    header(name, b'2', 0, target, |_| ())
}

/// A PAX extension header with these bytes.
pub fn pax(records: &[u8]) -> Vec<u8> {
    with_body(header(b"PaxHeaders/entry", b'x', records.len() as u64, b"", |_| ()), records)
}

/// One PAX record.
pub fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..6).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
    format!("{length} {key}={value}\n")
}

pub fn with_body(mut entry: Vec<u8>, body: &[u8]) -> Vec<u8> {
    entry.extend_from_slice(body);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// Compresses a tar's bytes into a chunk that says what is true of it.
pub fn chunk(tar: &[u8], entries: u64) -> (Vec<u8>, Chunk) {
    signed(zstd::bulk::compress(tar, 3).unwrap(), tar.len() as u64, entries)
}

/// A chunk whose digest is right, whatever else is.
pub fn signed(frame: Vec<u8>, unpacked: u64, entries: u64) -> (Vec<u8>, Chunk) {
    let chunk = Chunk { sha256: Sha256::of(&frame), size: frame.len() as u64, unpacked, entries };
    (frame, chunk)
}

/// What is in a directory: each path below it, its mode, and a file's bytes or a link's target.
pub fn snapshot(directory: &std::path::Path) -> std::collections::BTreeMap<String, (u32, i64, Vec<u8>)> {
    use std::os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _};
    let mut found = std::collections::BTreeMap::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(here) = ahead.pop() {
        for item in std::fs::read_dir(&here).unwrap() {
            let path = item.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let contents = if metadata.is_dir() {
                ahead.push(path.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                path.read_link().unwrap().as_os_str().as_bytes().to_vec()
            } else {
                std::fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            found.insert(name, (metadata.mode(), metadata.mtime(), contents));
        }
    }
    found
}

/// A scratch directory in memory: real disks are slow at creating files.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("longshore-tarball")
        .tempdir_in(if std::path::Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() })
        .unwrap()
}
