//! Where one chunk ends and the next begins: a pure function of the entries' paths and lengths.

use crate::entry::MARKER;
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// No chunk but the last, and one before a large entry, has fewer unpacked bytes: 256 KiB.
///
/// Of 30 real PHP modules (25,039 files, 303 MB, zstd level 9), packed in chunks of
///
/// | unpacked | packed | downloaded when 50 files in 50 places changed |
/// |---|---|---|
/// | 1 to 4 MiB | 71.0 MB | 13.9 MB |
/// | 512 KiB to 2 MiB | 74.8 MB | 9.7 MB |
/// | 256 KiB to 1 MiB | 79.5 MB | 5.4 MB |
/// | 128 to 512 KiB | 83.3 MB | 3.3 MB |
///
/// A pod is updated far more often than it starts on an empty disk, and a node's cache spares most
/// of those starts the download.
pub(crate) const MIN: u64 = 256 << 10;
/// No chunk of more than one entry has more unpacked bytes, the end marker aside: 1 MiB.
pub(crate) const MAX: u64 = 1 << 20;

/// Cuts a list of entries, each with its path and its whole length in bytes, into chunks.
///
/// From a chunk's start, every edge between entries that leaves it MIN to MAX bytes is a candidate.
/// The cut is the one whose preceding path has the lowest rank (the first 8 bytes of the path's
/// SHA-256, big-endian), the first among equals. Without a candidate it is the last edge up to MAX,
/// or after the first entry where that alone exceeds MAX. So a cut depends on names near it and
/// hardly on contents: an edit moves a cut only where it moves a candidate in or out of the window,
/// and two lists that differ in front come to the same cuts again as soon as their windows share a
/// lowest.
pub(crate) fn plan<'a>(entries: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<Range<usize>> {
    let entries: Vec<(u64, u64)> = entries
        .into_iter()
        .map(|(path, length)| (rank(path), length))
        .collect();
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < entries.len() {
        let end = start + chunk(&entries[start..]);
        chunks.push(start..end);
        start = end;
    }
    if chunks.is_empty() {
        // An empty module is one chunk with nothing but the end marker.
        chunks.push(0..0);
    }
    chunks
}

/// How many of `entries`, which has at least one, the first chunk takes.
fn chunk(entries: &[(u64, u64)]) -> usize {
    let mut bytes = 0;
    let mut best: Option<(u64, usize)> = None;
    for (index, &(rank, length)) in entries.iter().enumerate() {
        bytes += length;
        if bytes > MAX {
            return best.map_or(index.max(1), |(_, cut)| cut);
        }
        if bytes >= MIN && best.is_none_or(|(lowest, _)| rank < lowest) {
            best = Some((rank, index + 1));
        }
    }
    // What is left fits one chunk.
    entries.len()
}

fn rank(path: &str) -> u64 {
    let digest = Sha256::digest(path.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |rank, &byte| rank << 8 | u64::from(byte))
}

/// Unpacked bytes of a chunk with these entries.
pub(crate) fn unpacked(entries: u64, last: bool) -> u64 {
    entries + if last { MARKER } else { 0 }
}
