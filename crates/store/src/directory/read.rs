//! Reading objects of a directory.

use super::tree::{Tree, etag, size};
use crate::{Body, Etag, Holds, Info, Object, Stats, StoreError};
use bytes::Bytes;
use futures_util::stream;
use release::RelativePath;
use rustix::fs::fstat;
use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
    time::Instant,
};
use tokio::task::spawn_blocking;

/// How much one piece of a body holds: 256 KiB, so that a thread is woken a few times a chunk and
/// not hundreds of times, and that a pull's requests in flight stay within what it sets aside for
/// their bodies.
const PIECE: usize = 256 << 10;

/// An object being read, from `at` on.
#[derive(Debug)]
struct Reading {
    tree: Tree,
    file: File,
    etag: Etag,
    at: u64,
    end: u64,
}

pub(super) fn info(tree: &Tree, key: &RelativePath) -> Result<Option<Info>, StoreError> {
    Ok(tree.object(key)?.map(|(_, stat)| Info {
        size: size(&stat),
        etag: etag(&stat),
    }))
}

/// Compares byte by byte: what is on a disk of ours costs no more to read than to hash.
pub(super) fn holds(tree: &Tree, key: &RelativePath, path: &Path) -> Result<Holds, StoreError> {
    let disk = |source| StoreError::Disk {
        path: path.to_owned(),
        source,
    };
    let Some((theirs, stat)) = tree.object(key)? else {
        return Ok(Holds::Nothing);
    };
    let ours = File::open(path).map_err(disk)?;
    if ours.metadata().map_err(disk)?.len() != size(&stat) {
        return Ok(Holds::Other);
    }
    let mut readers = (
        BufReader::with_capacity(PIECE, ours),
        BufReader::with_capacity(PIECE, theirs),
    );
    loop {
        tree.call.in_time()?;
        let (ours, theirs) = (readers.0.fill_buf().map_err(disk)?, readers.1.fill_buf());
        let theirs = theirs.map_err(|error| tree.error(key.as_str(), error))?;
        let length = ours.len().min(theirs.len());
        if ours[..length] != theirs[..length] || (length == 0 && ours.len() != theirs.len()) {
            return Ok(Holds::Other);
        }
        if length == 0 {
            return Ok(Holds::Same);
        }
        readers.0.consume(length);
        readers.1.consume(length);
    }
}

pub(super) fn whole(
    tree: Tree,
    key: &RelativePath,
    limit: u64,
    known: Option<&Etag>,
    stats: &Stats,
) -> Result<Option<Object>, StoreError> {
    let (file, stat) = tree.object(key)?.ok_or_else(|| tree.missing())?;
    let (end, etag) = (size(&stat), etag(&stat));
    if known == Some(&etag) {
        return Ok(None);
    }
    if end > limit {
        return Err(StoreError::TooLarge {
            subject: tree.call.subject,
            limit,
        });
    }
    let mut reading = Reading {
        tree,
        file,
        etag,
        at: 0,
        end,
    };
    let bytes = reading.read(end)?;
    stats.receive(bytes.len());
    Ok(Some(Object {
        bytes,
        etag: reading.etag,
    }))
}

pub(super) fn range(
    tree: Tree,
    key: &RelativePath,
    range: Range<u64>,
    expected: Option<&Etag>,
    stats: Arc<Stats>,
) -> Result<Body, StoreError> {
    let (file, stat) = tree.object(key)?.ok_or_else(|| tree.missing())?;
    let etag = etag(&stat);
    if expected.is_some_and(|expected| *expected != etag) {
        return Err(tree.replaced());
    }
    if range.end > size(&stat) {
        return Err(StoreError::Short {
            subject: tree.call.subject,
            end: range.end,
        });
    }
    let reading = Reading {
        tree,
        file,
        etag,
        at: range.start,
        end: range.end,
    };
    Ok(Body::new(stream::unfold(Some((reading, stats)), next)))
}

type Unfolding = Option<(Reading, Arc<Stats>)>;

async fn next(unfolding: Unfolding) -> Option<(Result<Bytes, StoreError>, Unfolding)> {
    let (mut reading, stats) = unfolding.filter(|(reading, _)| reading.at < reading.end)?;
    let (path, started) = (reading.tree.call.root.clone(), Instant::now());
    let piece = spawn_blocking(move || {
        let piece = reading.read(PIECE as u64);
        (reading, piece)
    });
    match piece.await {
        Ok((reading, Ok(bytes))) => {
            stats.wait(started.elapsed());
            stats.receive(bytes.len());
            Some((Ok(bytes), Some((reading, stats))))
        }
        Ok((_, Err(error))) => Some((Err(error), None)),
        Err(panicked) => Some((
            Err(StoreError::Disk {
                path,
                source: io::Error::other(panicked),
            }),
            None,
        )),
    }
}

impl Reading {
    /// The next `most` bytes, or those up to the end. The last of them come only if the file is as
    /// it was at the start.
    fn read(&mut self, most: u64) -> Result<Bytes, StoreError> {
        let shown = self.tree.call.subject.key.clone();
        let length = most.min(self.end - self.at);
        let length = usize::try_from(length)
            .map_err(|_| self.tree.error(&shown, io::ErrorKind::FileTooLarge))?;
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, self.at) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.tree.replaced());
            }
            Err(error) => return Err(self.tree.error(&shown, error)),
        }
        self.at += length as u64;
        if self.at == self.end {
            let stat = fstat(&self.file).map_err(|errno| self.tree.error(&shown, errno))?;
            if etag(&stat) != self.etag {
                return Err(self.tree.replaced());
            }
        }
        Ok(bytes.into())
    }
}
