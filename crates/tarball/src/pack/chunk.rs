//! One chunk: its entries read, hashed, laid out as tar and compressed to one zstd frame.

use super::{
    cut,
    error::PackError,
    header,
    input::Input,
    scan::{Entry, Source},
};
use crate::entry::{self, Kind, MTIME, SPOOL_THRESHOLD, length};
use crossbeam_channel::Sender;
use release::{Chunk, Sha256};
use sha2::Digest as _;
use std::{
    io::{self, Write},
    ops::Range,
};
use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

/// Bytes (1 MiB) of a large file that are read, and of its frame that are handed on, at a time.
const STEP: usize = 1 << 20;

/// A chunk to pack.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entries: Range<usize>,
    pub(super) last: bool,
    pub(super) results: Sender<Message>,
}

/// What comes of a chunk, in order: pieces of its frame, then its end; or a failure.
#[derive(Debug)]
pub(super) enum Message {
    Piece(Vec<u8>),
    End {
        chunk: Chunk,
        files: u64,
        bytes: u64,
    },
    Failed(PackError),
}

impl Job {
    pub(super) fn run(self, source: &Source, level: i32) {
        let entries = &source.entries()[self.entries.clone()];
        let bytes = entries
            .iter()
            .map(|entry| header::entry_length(entry.path.as_str(), &entry.kind))
            .sum();
        let unpacked = cut::unpacked(bytes, self.last);
        let mut frame = FrameWriter {
            results: &self.results,
            digest: sha2::Sha256::new(),
            size: 0,
            piece: Vec::new(),
        };
        let done = if unpacked > SPOOL_THRESHOLD {
            stream(source, entries, unpacked, level, &mut frame)
        } else {
            memory(source, entries, unpacked, level).and_then(|bytes| frame.hand_on(bytes))
        };
        let message = match done {
            Ok(()) => {
                let sizes = entries.iter().filter_map(|entry| {
                    if let Kind::File { size, .. } = entry.kind {
                        Some(size)
                    } else {
                        None
                    }
                });
                let (files, bytes) =
                    sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size));
                let sha256 = Sha256::from_bytes(frame.digest.finalize().into());
                Message::End {
                    chunk: Chunk {
                        sha256,
                        size: frame.size,
                        unpacked,
                        entries: entries.len() as u64,
                    },
                    files,
                    bytes,
                }
            }
            Err(error) => Message::Failed(error),
        };
        // A writer that stopped listening has failed and says so itself.
        drop(self.results.send(message));
    }
}

/// Lays out the entries in memory and compresses them at once.
fn memory(
    source: &Source,
    entries: &[Entry],
    unpacked: u64,
    level: i32,
) -> Result<Vec<u8>, PackError> {
    let mut tar = vec![0; length(unpacked)];
    let mut at = 0;
    for entry in entries {
        let path = entry.path.as_str();
        let body = at + length(header::length(path, &entry.kind));
        let mtime = if let Kind::File { size, .. } = entry.kind {
            let contents = &mut tar[body..body + length(size)];
            let mut file = Input::open(source, entry)?;
            file.fill(contents)?;
            let contents = Sha256::from_bytes(sha2::Sha256::digest(contents).into());
            file.unchanged(&contents)?;
            entry::mtime(&contents)
        } else {
            MTIME
        };
        header::write(&mut tar[at..body], path, &entry.kind, mtime);
        at += length(header::entry_length(path, &entry.kind));
    }
    let failed = |code| PackError::Compress(io::Error::other(get_error_name(code)));
    // A new context for each chunk: what a used one remembers of earlier input may change its
    // output.
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    let mut bytes = Vec::with_capacity(compress_bound(tar.len()));
    context.compress2(&mut bytes, &tar).map_err(failed)?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// Reads a large file twice, as its header comes first and depends on all of it, and never holds
/// more than some MiB.
fn stream(
    source: &Source,
    entries: &[Entry],
    unpacked: u64,
    level: i32,
    frame: &mut FrameWriter<'_>,
) -> Result<(), PackError> {
    let mut encoder =
        zstd::stream::write::Encoder::new(frame, level).map_err(PackError::Compress)?;
    encoder
        .set_pledged_src_size(Some(unpacked))
        .map_err(PackError::Compress)?;
    let (mut buffer, mut written) = (vec![0; STEP], 0);
    for entry in entries {
        let Kind::File { size, .. } = entry.kind else {
            continue;
        };
        let path = entry.path.as_str();
        let mut file = Input::open(source, entry)?;
        let contents = file.each(size, &mut buffer, |_| Ok(()))?;
        let mut head = vec![0; length(header::length(path, &entry.kind))];
        header::write(&mut head, path, &entry.kind, entry::mtime(&contents));
        encoder.write_all(&head).map_err(PackError::Compress)?;
        let mut again = Input::open(source, entry)?;
        if again.each(size, &mut buffer, |piece| {
            encoder.write_all(piece).map_err(PackError::Compress)
        })? != contents
        {
            return Err(again.changed());
        }
        again.unchanged(&contents)?;
        written += head.len() as u64 + size;
    }
    let padding = vec![0; length(unpacked - written)];
    encoder.write_all(&padding).map_err(PackError::Compress)?;
    let frame = encoder.finish().map_err(PackError::Compress)?;
    frame.flush().map_err(PackError::Compress)
}

/// The frame of a chunk on its way to the writer.
struct FrameWriter<'a> {
    results: &'a Sender<Message>,
    digest: sha2::Sha256,
    size: u64,
    piece: Vec<u8>,
}

impl FrameWriter<'_> {
    fn hand_on(&mut self, bytes: Vec<u8>) -> Result<(), PackError> {
        self.digest.update(&bytes);
        self.size += bytes.len() as u64;
        self.results
            .send(Message::Piece(bytes))
            .map_err(|_| PackError::Stopped)
    }
}

impl Write for FrameWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= STEP {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            Ok(())
        } else {
            self.hand_on(piece).map_err(io::Error::other)
        }
    }
}
