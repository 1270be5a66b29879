//! What a tarball holds: entries, and the numbers of the format.

use release::{RelativePath, Sha256};

/// Bytes of a tar block, the unit of headers and padding (POSIX pax, "ustar Interchange Format").
pub(crate) const BLOCK: u64 = 512;
/// A header's bytes.
pub(crate) type Block = [u8; 512];
/// Bytes of the mark that ends an archive: two zero blocks.
pub(crate) const MARKER: u64 = 2 * BLOCK;
/// The mtime of every directory and link, and the lowest of a file: seconds since 1970
/// (2001-09-09).
pub(crate) const MTIME: u64 = 1_000_000_000;
/// How many seconds a file's mtime may lie above [`MTIME`]: 2^29 (until 2018-09-14).
pub(crate) const MTIME_RANGE: u64 = 1 << 29;
/// Bytes of a body that fit the size field of a ustar header: 11 octal digits hold less than 8 GiB.
pub(crate) const USTAR_SIZE_LIMIT: u64 = 1 << 33;

/// Unpacked bytes (8 MiB) above which a chunk is not unpacked from memory but from a spool file.
///
/// Only an entry larger than that makes such a chunk, and it is alone in it.
pub const SPOOL_THRESHOLD: u64 = 8 << 20;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Whether its mode is 0755 and not 0644.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link that stays inside its module.
    Link {
        /// What it holds, relative to the directory it is in.
        target: String,
    },
}

/// An entry that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Its path in the release tree, with the module's target in front.
    pub path: RelativePath,
    /// What it is.
    pub kind: Kind,
    /// Digest of a file's contents; of no bytes for everything else.
    pub contents: Sha256,
}

/// The mtime, in seconds since 1970, of a file whose contents have this digest.
#[must_use]
pub fn mtime(contents: &Sha256) -> u64 {
    let [a, b, c, d, ..] = *contents.as_bytes();
    MTIME + u64::from(u32::from_be_bytes([a, b, c, d])) % MTIME_RANGE
}

/// `bytes` as a length in memory. Whoever asks has it there, or is about to and cannot.
pub(crate) fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `size` rounded up to whole blocks.
pub(crate) const fn padded(size: u64) -> u64 {
    // A hostile size may be anything up to 2^64 − 1.
    size.div_ceil(BLOCK).saturating_mul(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_decide_the_mtime() {
        // e3b0c442 is 3820012610, and that modulo 2^29 is 61916226.
        assert_eq!(mtime(&Sha256::digest(b"")), 1_061_916_226);
    }
}
