//! Every limit of the formats, with its unit and where the number comes from.

use jiff::SignedDuration;

/// Bytes of an envelope, whether release object or trust root. A release object with two signatures
/// has about 2 KiB; 64 KiB leaves room for [`SIGNATURES_LIMIT`] signatures and bounds what an
/// attacker can make a pod read before any check.
pub const ENVELOPE_LIMIT: usize = 64 << 10;

/// Bytes that a signature of a release covers (the PAE). AWS KMS signs raw messages of 1 to 4096
/// bytes (`Sign`, `MessageType=RAW`).
pub const PAE_LIMIT: usize = 4096;

/// Signatures in one envelope. A rotation from 32 keys to 32 others needs 64; together with
/// [`KEYS_LIMIT`] it bounds the work of one verification to 2048 signature checks, about a fifth of
/// a second.
pub const SIGNATURES_LIMIT: usize = 64;

/// Keys in one trust root: more than any team signs with, and they fit an envelope as PEM (about
/// 180 bytes each).
pub const KEYS_LIMIT: usize = 32;

/// Bytes of a manifest. 100,000 chunks of 160 bytes each, or some 200 GiB of sources, fit.
pub const MANIFEST_LIMIT: usize = 16 << 20;

/// Trust roots that a pod walks from the one it was given: three rotations a day for a year. TUF's
/// reference client bounds its walk likewise, at 256 by default.
pub const ROOT_CHAIN_LIMIT: u64 = 1024;

/// How far one release may be ahead of the one accepted before it. A channel released every 5
/// minutes for 11 months stays below; a stolen key cannot burn the whole range of sequences, after
/// which nothing could be published.
pub const SEQUENCE_JUMP_LIMIT: u64 = 100_000;

/// The largest number in any document: 2^53 − 1, which every JSON reader keeps exactly (RFC 8259,
/// section 6).
pub const NUMBER_LIMIT: u64 = (1 << 53) - 1;

/// How far clocks may differ before it is an error: the skew that Kerberos allows (RFC 4120,
/// section 3.1.3).
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Bytes of the window that a chunk's zstd frame may ask for: 8 MiB, the least that RFC 8878,
/// section 3.1.1.1.2, wants every decoder to support.
pub const WINDOW_LIMIT: u64 = 8 << 20;

/// Seconds since 1970 that directories and links have as mtime, and the first that a file can have:
/// 2001-09-09T01:46:40Z.
pub const MTIME_BASE: u64 = 1_000_000_000;

/// Seconds that a file's mtime spans from [`MTIME_BASE`] on: 2^29, whose last is 2018-09-13, so
/// that no mtime is in the future.
pub const MTIME_RANGE: u64 = 1 << 29;

/// Bytes of a tar block (POSIX.1-2017, pax): every header is one, every body is padded to whole
/// ones.
pub const TAR_BLOCK: u64 = 512;

/// Bytes of the end-of-archive marker, two blocks of zeros, at the end of each module's last chunk.
pub const TAR_END: u64 = 2 * TAR_BLOCK;
