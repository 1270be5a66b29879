//! Tar headers as we write them: ustar, and a PAX record only for what ustar cannot hold.

use crate::entry::{BLOCK, Kind, MTIME, USTAR_SIZE_LIMIT, length as bytes, padded};

/// Where ustar's fields start: name, mode, uid, gid, size, mtime, checksum, type, link name, magic,
/// … (POSIX pax).
const NAME: usize = 0;
const MODE: usize = 100;
const SIZE: usize = 124;
const MTIME_FIELD: usize = 136;
const CHECKSUM: usize = 148;
const TYPE: usize = 156;
const LINK: usize = 157;
const MAGIC: usize = 257;
const PREFIX: usize = 345;

/// Bytes that the headers of this entry take.
pub(crate) fn length(path: &str, kind: &Kind) -> u64 {
    let records = records(path, kind);
    if records.is_empty() {
        BLOCK
    } else {
        BLOCK + padded(records.len() as u64) + BLOCK
    }
}

/// Bytes that the whole entry takes: headers, body and padding.
pub(crate) fn entry_length(path: &str, kind: &Kind) -> u64 {
    length(path, kind)
        + if let Kind::File { size, .. } = kind {
            padded(*size)
        } else {
            0
        }
}

/// Writes the headers of an entry into `out`, which is exactly as long as [`length`] says and all
/// zero.
pub(crate) fn write(out: &mut [u8], path: &str, kind: &Kind, mtime: u64) {
    let records = records(path, kind);
    let mut rest = out;
    if !records.is_empty() {
        let (head, after) = rest.split_at_mut(bytes(BLOCK));
        fill(
            head,
            b"PaxHeaders/entry",
            b"",
            0o644,
            records.len() as u64,
            MTIME,
            b'x',
            b"",
        );
        after[..records.len()].copy_from_slice(records.as_bytes());
        rest = &mut after[bytes(padded(records.len() as u64))..];
    }
    let (typeflag, mode, size, link) = match kind {
        Kind::File { size, executable } => {
            (b'0', if *executable { 0o755 } else { 0o644 }, *size, "")
        }
        Kind::Directory => (b'5', 0o755, 0, ""),
        Kind::Link { target } => (b'2', 0o777, 0, target.as_str()),
    };
    let path = stored(path, kind);
    // What PAX says instead is empty here, so that no reader can follow a shortened name.
    let (prefix, name) = split(&path).unwrap_or_default();
    let size = if size < USTAR_SIZE_LIMIT { size } else { 0 };
    let link = if fits_link(link) { link } else { "" };
    fill(
        rest,
        name.as_bytes(),
        prefix.as_bytes(),
        mode,
        size,
        mtime,
        typeflag,
        link.as_bytes(),
    );
}

/// The path as tar stores it: a directory's ends with `/`.
fn stored(path: &str, kind: &Kind) -> String {
    if *kind == Kind::Directory {
        format!("{path}/")
    } else {
        path.to_owned()
    }
}

/// Splits a path into ustar's prefix (≤ 155 bytes) and name (≤ 100 bytes), at the first `/` that
/// makes both fit.
fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= 100 {
        return Some(("", path));
    }
    let from = path.len().saturating_sub(101);
    let at = from
        + path
            .as_bytes()
            .get(from..path.len() - 1)?
            .iter()
            .position(|&byte| byte == b'/')?;
    (at > 0 && at <= 155).then(|| (&path[..at], &path[at + 1..]))
}

fn fits_link(target: &str) -> bool {
    target.len() <= 100 && target.is_ascii()
}

/// The PAX records that this entry needs, in alphabetical order; empty for nearly all.
fn records(path: &str, kind: &Kind) -> String {
    let mut records = String::new();
    if let Kind::Link { target } = kind
        && !fits_link(target)
    {
        record(&mut records, "linkpath", target);
    }
    // Paths up to 99 bytes always fit and are nearly all: no need to build the stored form.
    if path.len() >= 100 || !path.is_ascii() {
        let path = stored(path, kind);
        if split(&path).is_none() {
            record(&mut records, "path", &path);
        }
    }
    if let Kind::File { size, .. } = kind
        && *size >= USTAR_SIZE_LIMIT
    {
        record(&mut records, "size", &size.to_string());
    }
    records
}

/// Appends `"<length> <key>=<value>\n"`, where the length counts itself.
fn record(records: &mut String, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend([length.to_string().as_str(), " ", key, "=", value, "\n"]);
}

#[allow(
    clippy::too_many_arguments,
    reason = "the fields of a ustar header, in its order"
)]
fn fill(
    header: &mut [u8],
    name: &[u8],
    prefix: &[u8],
    mode: u64,
    size: u64,
    mtime: u64,
    typeflag: u8,
    link: &[u8],
) {
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(NAME, name);
    put(MODE, format!("{mode:07o}").as_bytes());
    put(108, b"0000000\x000000000\0");
    put(SIZE, format!("{size:011o}").as_bytes());
    put(MTIME_FIELD, format!("{mtime:011o}").as_bytes());
    put(CHECKSUM, b"        ");
    put(TYPE, &[typeflag]);
    put(LINK, link);
    put(MAGIC, b"ustar\x0000");
    put(329, b"0000000\x000000000\0");
    put(PREFIX, prefix);
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[CHECKSUM..CHECKSUM + 8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
