//! A chunk's compressed bytes in a file, read from its start whatever its cursor.

use release::Sha256;
use sha2::Digest as _;
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
};

/// Bytes (256 KiB) that are read at a time for the digest.
const STEP: usize = 256 << 10;

/// Reads a file by offset.
#[derive(Debug)]
pub(super) struct Spool<'f> {
    file: &'f File,
    at: u64,
}

impl<'f> Spool<'f> {
    pub(super) const fn new(file: &'f File) -> Self {
        Self { file, at: 0 }
    }

    /// The digest and the length of the whole file.
    pub(super) fn digest(mut self) -> io::Result<(Sha256, u64)> {
        let mut digest = sha2::Sha256::new();
        let mut buffer = vec![0; STEP];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok((Sha256::from_bytes(digest.finalize().into()), self.at)),
                Ok(length) => digest.update(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Fills `bytes` as far as the file goes, and says how far.
    pub(super) fn head(self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut found = Vec::with_capacity(bytes.len());
        self.take(bytes.len() as u64).read_to_end(&mut found)?;
        bytes[..found.len()].copy_from_slice(&found);
        Ok(found.len())
    }
}

impl Read for Spool<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(bytes, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}
