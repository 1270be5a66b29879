//! Writing an index while its tree is being made.

use super::{Entry, Key, Kind, MAGIC};
use crate::disk::{self, DiskError, attempt};
use release::{RelativePath, Sha256};
use std::{
    fmt::Write as _,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Text that is gathered before it is written.
const BUFFER: usize = 64 * 1024;

/// An index in the making. It counts only once [`Writer::finish`] returned `Ok` and the file has
/// its final name.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    path: PathBuf,
    text: String,
    chunks: u64,
    entries: u64,
}

impl Writer {
    /// Starts the index of `manifest`'s tree in an empty file; what is at or below the paths of
    /// `outside` is not the release's own.
    pub(crate) fn new(
        file: File,
        path: &Path,
        manifest: &Sha256,
        outside: &[RelativePath],
    ) -> Result<Self, DiskError> {
        let mut writer = Self {
            file,
            path: path.to_owned(),
            text: String::with_capacity(BUFFER),
            chunks: 0,
            entries: 0,
        };
        writer.line(format_args!("{MAGIC} {manifest}"))?;
        for path in outside {
            writer.line(format_args!("outside {path}"))?;
        }
        Ok(writer)
    }

    /// Adds what one chunk made.
    pub(crate) fn group(&mut self, key: &Key, entries: &[Entry]) -> Result<(), DiskError> {
        let Key {
            chunk,
            replaced,
            target,
        } = key;
        match target {
            Some(target) => self.line(format_args!("chunk {chunk} {replaced} {target}"))?,
            None => self.line(format_args!("chunk {chunk} {replaced}"))?,
        }
        for Entry { path, kind } in entries {
            match kind {
                Kind::File { size, contents } => {
                    self.line(format_args!("f {size} {contents} {path}"))?;
                }
                Kind::Directory => self.line(format_args!("d {path}"))?,
                Kind::Link(target) => {
                    self.line(format_args!("l {} {target} {path}", target.len()))?;
                }
            }
            self.entries += 1;
        }
        self.chunks += 1;
        Ok(())
    }

    /// Writes the last line and makes the file durable.
    pub(crate) fn finish(mut self) -> Result<(), DiskError> {
        let (chunks, entries) = (self.chunks, self.entries);
        self.line(format_args!("end {chunks} {entries}"))?;
        self.flush()?;
        disk::sync(&self.file, &self.path)
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), DiskError> {
        writeln!(self.text, "{line}").map_err(|_| {
            DiskError::new(
                "format a line of",
                &self.path,
                std::io::ErrorKind::OutOfMemory,
            )
        })?;
        if self.text.len() < BUFFER {
            Ok(())
        } else {
            self.flush()
        }
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        attempt("deploy.index.write", "write", &self.path, || {
            self.file.write_all(self.text.as_bytes())
        })?;
        self.text.clear();
        Ok(())
    }
}
