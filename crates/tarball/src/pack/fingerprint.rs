//! A name for the bytes that packing would give, known without compressing anything.

use super::{
    error::PackError,
    input::Input,
    scan::{Entry, Source},
};
use crate::entry::Kind;
use release::Sha256;
use sha2::Digest as _;
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Which bytes this code makes of a source. Whoever changes the order of entries, their headers,
/// the cuts, or what zstd is told, raises it: tarballs that are kept under a fingerprint of the
/// code before must not be found.
const PACKER: u32 = 1;
/// Entries that a thread takes at a time: enough that taking costs nothing, few enough that the
/// last ones are shared.
const RUN: usize = 64;
/// Bytes (128 KiB) of a file that are read at a time: nearly all have less, and it stays in a
/// core's own cache.
const STEP: usize = 128 << 10;

/// The contents of runs of entries, each with the run's number.
type Runs = Vec<(usize, Vec<Option<Sha256>>)>;

impl Source {
    /// Reads all files, and gives a digest of everything that decides which bytes
    /// [`pack`](super::pack()) writes: each entry's path, kind, executable bit, size and contents,
    /// the level, the version of zstd, and the version of the packer.
    ///
    /// Two sources with one fingerprint are one tarball, wherever and whenever they were read.
    /// Packing this source afterwards fails with [`PackError::Changed`] where a file holds
    /// something else by then.
    ///
    /// # Errors
    ///
    /// As [`pack`](super::pack()), for files that cannot be read or are not what they were at the
    /// scan.
    pub fn fingerprint(&mut self, threads: NonZeroUsize, level: i32) -> Result<Sha256, PackError> {
        for (number, contents) in self.read(threads)? {
            for (entry, contents) in self.entries[number * RUN..].iter_mut().zip(contents) {
                entry.contents = contents;
            }
        }
        let mut digest = sha2::Sha256::new();
        digest.update(format!(
            "longshore tarball {PACKER}, zstd {} at level {level}\n",
            zstd::zstd_safe::version_number()
        ));
        self.entries
            .iter()
            .for_each(|entry| digest.update(line(entry)));
        Ok(Sha256::from_bytes(digest.finalize().into()))
    }

    fn read(&self, threads: NonZeroUsize) -> Result<Runs, PackError> {
        let runs: Vec<&[Entry]> = self.entries.chunks(RUN).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut buffer, mut done) = (vec![0; STEP], Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(run) = runs.get(number) else {
                    return Ok(done);
                };
                let contents: Result<_, PackError> = run
                    .iter()
                    .map(|entry| contents(self, entry, &mut buffer))
                    .collect();
                // If one file fails, the others need not be read.
                done.push((
                    number,
                    contents.inspect_err(|_| next.store(runs.len(), Ordering::Relaxed))?,
                ));
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.get().min(runs.len()))
                .map(|_| scope.spawn(work))
                .collect();
            let mut all = Vec::with_capacity(runs.len());
            for worker in workers {
                let done: Result<Runs, PackError> =
                    worker.join().map_err(|_| PackError::Stopped)?;
                all.extend(done?);
            }
            Ok(all)
        })
    }
}

fn contents(
    source: &Source,
    entry: &Entry,
    buffer: &mut [u8],
) -> Result<Option<Sha256>, PackError> {
    let Kind::File { size, .. } = entry.kind else {
        return Ok(None);
    };
    let mut file = Input::open(source, entry)?;
    let contents = file.each(size, buffer, |_| Ok(()))?;
    file.unchanged(&contents)?;
    Ok(Some(contents))
}

/// One line an entry. A path has no line feed, and a link's target has its length in front: no two
/// lists of entries are one text.
fn line(entry: &Entry) -> String {
    let path = &entry.path;
    match &entry.kind {
        Kind::Directory => format!("d {path}\n"),
        Kind::Link { target } => format!("l {} {target} {path}\n", target.len()),
        Kind::File { size, executable } => {
            let contents = entry
                .contents
                .map(|contents| contents.to_string())
                .unwrap_or_default();
            format!("f {} {size} {contents} {path}\n", u8::from(*executable))
        }
    }
}
