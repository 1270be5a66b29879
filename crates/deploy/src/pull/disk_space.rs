//! Whether the disk has room for what is about to be unpacked, asked before anything is downloaded.

use super::PullError;
use crate::disk::DiskError;
use release::Chunk;
use std::path::Path;

/// What a file loses on average at the end of its last block: half a block of 4 KiB, the usual size
/// of ext4 and XFS.
const LOST_PER_ENTRY: u64 = 2048;
/// What an entry takes in a chunk and not on the disk: its tar header.
const TAR_HEADER: u64 = release::limits::TAR_BLOCK;

/// What chunks will take on the disk. An estimate: too little is found out by the writes
/// themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Estimate {
    bytes: u64,
    entries: u64,
    spool: u64,
    compressed: u64,
}

impl Estimate {
    /// Adds one chunk.
    pub(crate) fn add(&mut self, chunk: &Chunk) {
        let contents = chunk
            .unpacked
            .saturating_sub(chunk.entries.saturating_mul(TAR_HEADER));
        self.bytes = self
            .bytes
            .saturating_add(contents)
            .saturating_add(chunk.entries.saturating_mul(LOST_PER_ENTRY));
        self.entries = self.entries.saturating_add(chunk.entries);
        self.compressed = self.compressed.saturating_add(chunk.size);
        if chunk.unpacked > tarball::SPOOL_THRESHOLD {
            self.spool = self.spool.max(chunk.size);
        }
    }

    /// Compares with what the file system at `path` has left for us.
    pub(crate) fn check(self, path: &Path) -> Result<(), PullError> {
        let has = rustix::fs::statvfs(path)
            .map_err(|error| DiskError::new("look at the file system of", path, error))?;
        self.compare(
            path,
            has.f_bavail.saturating_mul(has.f_frsize),
            (has.f_files > 0).then_some(has.f_favail),
        )
    }

    /// Whether the compressed chunks may be kept at `cache`, too: on another file system, or beside
    /// twice the tree at `path`. Twice, as its size is an estimate, and other pods of the node
    /// unpack at the same time.
    pub(crate) fn leaves_room_for_compressed(self, path: &Path, cache: &Path) -> bool {
        let device = |path| rustix::fs::stat(path).map(|found| found.st_dev);
        let other = matches!((device(path), device(cache)), (Ok(one), Ok(other)) if one != other);
        other
            || rustix::fs::statvfs(path).is_ok_and(|has| {
                let needs = self
                    .bytes
                    .saturating_add(self.spool)
                    .saturating_mul(2)
                    .saturating_add(self.compressed);
                has.f_bavail.saturating_mul(has.f_frsize) > needs
            })
    }

    fn compare(self, path: &Path, bytes: u64, inodes: Option<u64>) -> Result<(), PullError> {
        let space = |unit, needs, has| {
            Err(PullError::Space {
                path: path.to_owned(),
                unit,
                needs,
                has,
            })
        };
        let needs = self.bytes.saturating_add(self.spool);
        match inodes {
            _ if bytes < needs => space("bytes", needs, bytes),
            // Btrfs and others have no fixed number of inodes and report none.
            Some(inodes) if inodes < self.entries => space("inodes", self.entries, inodes),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::{Reason, Sha256};

    #[test]
    fn too_few_bytes_or_inodes_are_named_with_both_numbers() {
        let mut estimate = Estimate::default();
        estimate.add(&Chunk {
            sha256: Sha256::digest(b""),
            size: 100,
            unpacked: 10_240,
            entries: 4,
        });
        assert_eq!(
            estimate,
            Estimate {
                bytes: 10_240 - 4 * 512 + 4 * 2048,
                entries: 4,
                spool: 0,
                compressed: 100
            }
        );
        let refusal = |bytes, inodes| {
            estimate
                .compare(Path::new("/srv"), bytes, inodes)
                .unwrap_err()
        };
        assert_eq!(
            refusal(16_383, None).to_string(),
            "/srv has 16383 bytes left, the release needs about 16384"
        );
        assert_eq!(
            refusal(16_384, Some(3)).to_string(),
            "/srv has 3 inodes left, the release needs about 4"
        );
        assert_eq!(refusal(0, None).reason(), Reason::Disk);
        assert!(estimate.compare(Path::new("/srv"), 16_384, None).is_ok());
    }

    #[test]
    fn a_large_chunk_is_on_the_disk_twice_for_a_while() {
        let mut estimate = Estimate::default();
        estimate.add(&Chunk {
            sha256: Sha256::digest(b""),
            size: 9 << 20,
            unpacked: 10 << 20,
            entries: 1,
        });
        assert_eq!(estimate.spool, 9 << 20);
    }
}
