//! Reading an index, one chunk at a time.

use super::{Entry, Key, Kind, MAGIC};
use release::{RelativePath, Sha256};
use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

/// The longest line: a path of 1024 bytes, where a link leads in as many, and words.
const LINE_LIMIT: u64 = 4096;

/// Why an index cannot be used. The tree beside it then serves, but nothing of it is linked into
/// the next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// It could not be read.
    #[error("cannot read the index")]
    Read(#[from] io::Error),
    /// It is not an index of this version, or damaged.
    #[error("line {0} of the index is malformed")]
    Line(u64),
    /// Another manifest starts with the same 16 digits.
    #[error("the index is another manifest's")]
    OtherManifest,
}

/// What one chunk made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Which chunk, and where.
    pub(crate) key: Key,
    /// The paths, parents before children.
    pub(crate) entries: Vec<Entry>,
}

/// Reads the groups of an index in their order.
#[derive(Debug)]
pub(crate) struct Reader {
    file: BufReader<File>,
    line: String,
    number: u64,
    // The line was read ahead, and is to be parsed.
    ahead: bool,
    outside: Vec<RelativePath>,
    // Already read: the first line of the next group.
    next: Option<Key>,
    chunks: u64,
    entries: u64,
}

enum Line {
    Chunk(Key),
    Entry(Entry),
    End(u64, u64),
}

impl Reader {
    /// Opens the index at `path`, which must be `manifest`'s.
    pub(crate) fn open(path: &Path, manifest: &Sha256) -> Result<Self, IndexError> {
        let (owner, reader) = Self::begin(path)?;
        if owner == *manifest {
            Ok(reader)
        } else {
            Err(IndexError::OtherManifest)
        }
    }

    /// Opens the index at `path`, and says whose it is.
    pub(crate) fn begin(path: &Path) -> Result<(Sha256, Self), IndexError> {
        let file = BufReader::with_capacity(64 * 1024, File::open(path)?);
        let mut reader = Self {
            file,
            line: String::new(),
            number: 0,
            ahead: false,
            outside: Vec::new(),
            next: None,
            chunks: 0,
            entries: 0,
        };
        reader.read_line()?;
        let owner: Option<Sha256> = reader
            .line
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_prefix(' ')?.parse().ok());
        let owner = owner.ok_or(IndexError::Line(1))?;
        loop {
            reader.read_line()?;
            let Some(path) = reader.line.strip_prefix("outside ") else {
                break;
            };
            reader
                .outside
                .push(path.parse().map_err(|_| IndexError::Line(reader.number))?);
        }
        reader.ahead = true;
        Ok((owner, reader))
    }

    /// The paths that, with all below them, are not the release's own: shared, writable and kept
    /// directories.
    pub(crate) fn outside(&self) -> &[RelativePath] {
        &self.outside
    }

    /// The next group, or `None` after the last. A file that ends early is an error.
    pub(crate) fn next_group(&mut self) -> Result<Option<Group>, IndexError> {
        let key = match self.next.take() {
            Some(key) => key,
            None => match self.parse_line()? {
                Line::Chunk(key) => key,
                Line::End(chunks, entries) => return self.ended(chunks, entries).map(|()| None),
                Line::Entry(_) => return Err(IndexError::Line(self.number)),
            },
        };
        let mut entries = Vec::new();
        loop {
            match self.parse_line()? {
                Line::Entry(entry) => entries.push(entry),
                Line::Chunk(next) => {
                    self.next = Some(next);
                    break;
                }
                Line::End(chunks, total) => {
                    self.count(&entries);
                    self.ended(chunks, total)?;
                    // The same last line ends the next call.
                    return Ok(Some(Group { key, entries }));
                }
            }
        }
        self.count(&entries);
        Ok(Some(Group { key, entries }))
    }

    fn count(&mut self, entries: &[Entry]) {
        self.chunks += 1;
        self.entries += entries.len() as u64;
    }

    fn ended(&self, chunks: u64, entries: u64) -> Result<(), IndexError> {
        if (chunks, entries) == (self.chunks, self.entries) {
            Ok(())
        } else {
            Err(IndexError::Line(self.number))
        }
    }

    fn parse_line(&mut self) -> Result<Line, IndexError> {
        // After the last line there is nothing to read, and it stays the last.
        if !std::mem::take(&mut self.ahead) && !self.line.starts_with("end ") {
            self.read_line()?;
        }
        parse(&self.line).ok_or(IndexError::Line(self.number))
    }

    fn read_line(&mut self) -> Result<(), IndexError> {
        self.line.clear();
        self.number += 1;
        self.file
            .by_ref()
            .take(LINE_LIMIT)
            .read_line(&mut self.line)?;
        match self.line.pop() {
            Some('\n') => Ok(()),
            _ => Err(IndexError::Line(self.number)),
        }
    }
}

fn parse(line: &str) -> Option<Line> {
    let (word, rest) = line.split_once(' ')?;
    let entry = |path: &str, kind| {
        Some(Line::Entry(Entry {
            path: path.parse().ok()?,
            kind,
        }))
    };
    match word {
        "chunk" => {
            let mut words = rest.splitn(3, ' ');
            let (chunk, replaced) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let target = words
                .next()
                .map(str::parse::<RelativePath>)
                .transpose()
                .ok()?;
            Some(Line::Chunk(Key {
                chunk,
                replaced,
                target,
            }))
        }
        "f" => {
            let mut words = rest.splitn(3, ' ');
            let (size, contents) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            entry(words.next()?, Kind::File { size, contents })
        }
        "d" => entry(rest, Kind::Directory),
        "l" => {
            // Both may have spaces.
            let (length, rest) = rest.split_once(' ')?;
            let (target, path) = rest.split_at_checked(length.parse().ok()?)?;
            entry(path.strip_prefix(' ')?, Kind::Link(target.to_owned()))
        }
        "end" => {
            let (chunks, entries) = rest.split_once(' ')?;
            Some(Line::End(chunks.parse().ok()?, entries.parse().ok()?))
        }
        _ => None,
    }
}
