//! A file on its way into a tarball.

use super::{
    error::PackError,
    scan::{Entry, Source, Stamp},
};
use crate::entry::length;
use release::Sha256;
use rustix::fs::{Mode, OFlags};
use sha2::Digest as _;
use std::{
    fs::File,
    io::{self, Read as _},
};

/// A file to pack, which must be what it was at the scan.
pub(super) struct Input<'a> {
    source: &'a Source,
    entry: &'a Entry,
    file: File,
}

impl<'a> Input<'a> {
    pub(super) fn open(source: &'a Source, entry: &'a Entry) -> Result<Self, PackError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&source.root, entry.path.as_str(), flags, Mode::empty()) {
            Ok(file) => Ok(Self {
                source,
                entry,
                file: file.into(),
            }),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
                Err(PackError::Changed {
                    path: source.directory.join(&entry.path),
                })
            }
            Err(error) => Err(PackError::Read {
                path: source.directory.join(&entry.path),
                source: error.into(),
            }),
        }
    }

    pub(super) fn changed(&self) -> PackError {
        PackError::Changed {
            path: self.source.directory.join(&self.entry.path),
        }
    }

    fn failed(&self, source: io::Error) -> PackError {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.changed(),
            _ => PackError::Read {
                path: self.source.directory.join(&self.entry.path),
                source,
            },
        }
    }

    pub(super) fn fill(&mut self, contents: &mut [u8]) -> Result<(), PackError> {
        self.file
            .read_exact(contents)
            .map_err(|error| self.failed(error))
    }

    /// Hands the file's bytes to `take`, and gives their digest.
    pub(super) fn each(
        &mut self,
        size: u64,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), PackError>,
    ) -> Result<Sha256, PackError> {
        let mut digest = sha2::Sha256::new();
        let (step, mut left) = (buffer.len() as u64, size);
        while left > 0 {
            let piece = &mut buffer[..length(left.min(step))];
            self.fill(piece)?;
            digest.update(&*piece);
            take(piece)?;
            left -= piece.len() as u64;
        }
        Ok(Sha256::from_bytes(digest.finalize().into()))
    }

    /// Whether it is still what was scanned, and `contents` what a fingerprint was made of. Asks
    /// after the last byte, so that it covers the time since the scan and the reading.
    pub(super) fn unchanged(&self, contents: &Sha256) -> Result<(), PackError> {
        let stat = rustix::fs::fstat(&self.file).map_err(|error| self.failed(error.into()))?;
        // Times move in ticks of some milliseconds: the same size written twice within one shows in
        // the contents alone.
        let same = Stamp::from(&stat) == self.entry.stamp
            && self.entry.contents.is_none_or(|before| before == *contents);
        if same { Ok(()) } else { Err(self.changed()) }
    }
}
