//! A release unpacked as a pod unpacks it, into a directory that goes again: whether a pod could
//! stage it.

use crate::CommandError;
use deploy::pull::PullError;
use release::{Manifest, Sha256};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
};
use tarball::{ChunkTarget, SPOOL_THRESHOLD, Totals, Unpacker};

/// Unpacks all of `manifest`, whose tarballs `open` opens at their start.
///
/// # Errors
///
/// Whatever a pod would refuse it for; if the disk has no room for it.
pub(crate) fn check(
    manifest: &Manifest,
    open: impl Fn(&Sha256) -> io::Result<File>,
) -> Result<(), CommandError> {
    let (found_files, found_bytes) = content(manifest, open)?;
    let Manifest { files, bytes, .. } = *manifest;
    if (found_files, found_bytes) == (files, bytes) {
        Ok(())
    } else {
        Err(PullError::Totals {
            found_files,
            found_bytes,
            files,
            bytes,
        }
        .into())
    }
}

/// The same, if the manifest does not say yet how many regular files there are, and how many
/// bytes in them.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn content(
    manifest: &Manifest,
    open: impl Fn(&Sha256) -> io::Result<File>,
) -> Result<(u64, u64), CommandError> {
    let write = |source| CommandError::Write {
        path: std::env::temp_dir(),
        source,
    };
    let unpack = |source| CommandError::Unpack { source };
    let scratch = tempfile::tempdir().map_err(write)?;
    let unpacker = Unpacker::new(scratch.path()).map_err(unpack)?;
    let mut worker = unpacker.worker();
    for module in &manifest.modules {
        let mut tarball = open(&module.sha256).map_err(write)?;
        tarball.rewind().map_err(write)?;
        let replaced = module.replaced.iter().cloned().collect();
        for (at, chunk) in module.chunks.iter().enumerate() {
            let place = ChunkTarget {
                target: module.target.as_ref(),
                replaced: &replaced,
                last: at + 1 == module.chunks.len(),
            };
            let mut bytes = (&mut tarball).take(chunk.size);
            if chunk.unpacked > SPOOL_THRESHOLD {
                let mut spool = tempfile::tempfile().map_err(write)?;
                io::copy(&mut bytes, &mut spool).map_err(write)?;
                worker.spooled(&spool, chunk, &place).map_err(unpack)?;
            } else {
                let mut compressed = Vec::new();
                bytes.read_to_end(&mut compressed).map_err(write)?;
                worker.chunk(&compressed, chunk, &place).map_err(unpack)?;
            }
        }
    }
    drop(worker);
    let Totals { files, bytes, .. } = unpacker
        .finish(&manifest.required_directories())
        .map_err(unpack)?;
    Ok((files, bytes))
}
