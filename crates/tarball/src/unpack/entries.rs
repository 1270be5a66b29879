//! The entries of one chunk: read, and written into the tree.

use super::{
    error::UnpackError,
    header::{Head, Type},
    place::ChunkTarget,
    reader::{End, ReadError, Reader},
    worker::{Worker, broken_input},
};
use crate::{
    entry::{BLOCK, Kind, Unpacked, length},
    link,
    problem::Problem,
};
use release::{Chunk, Link, Reason, RelativePath, Sha256};
use sha2::Digest as _;
use std::{
    fs::File,
    io::{BufRead, Write as _},
};

impl Worker<'_> {
    /// Reads and writes the entries of a chunk, and gives back the input behind them.
    pub(super) fn entries<R: BufRead>(
        &mut self,
        input: R,
        chunk: &Chunk,
        place: &ChunkTarget<'_>,
    ) -> Result<(Vec<Unpacked>, R), UnpackError> {
        let mut names = std::mem::take(&mut self.names);
        let end = if place.last { End::Marker } else { End::Entry };
        let mut reader = Reader::new(input, chunk.unpacked, end, &mut names);
        // The signed count is a limit, not a promise: it must not decide how much memory is set
        // aside.
        let mut entries =
            Vec::with_capacity(length(chunk.entries.min(chunk.unpacked / BLOCK)).min(1 << 16));
        let mut count = 0;
        loop {
            let head = match reader.next() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(error) => return Err(self.read_error(error, reader.name(), chunk, place)),
            };
            count += 1;
            if count > chunk.entries {
                return Err(UnpackError::entry(
                    &place.shown(reader.name()),
                    Problem::new(Reason::Limit, "is one more than were signed"),
                ));
            }
            if let Some(entry) = self.entry(&mut reader, head, chunk, place)? {
                entries.push(entry);
            }
        }
        if count < chunk.entries {
            return Err(UnpackError::chunk(
                &chunk.sha256,
                Problem::new(Reason::Truncated, "holds fewer entries than were signed"),
            ));
        }
        let input = reader.into_input();
        self.names = names;
        self.unpacker.merge(&mut self.found);
        Ok((entries, input))
    }

    fn entry<R: BufRead>(
        &mut self,
        reader: &mut Reader<'_, R>,
        head: Head,
        chunk: &Chunk,
        place: &ChunkTarget<'_>,
    ) -> Result<Option<Unpacked>, UnpackError> {
        let path = place.path(reader.name())?;
        let replaced = place.is_replaced(reader.name());
        let mut contents = Sha256::digest(b"");
        let kind = match head.kind {
            Type::Directory if replaced => return Ok(None),
            Type::Directory => {
                self.descent.make(path.as_str(), &mut self.found.made)?;
                self.found.listed.push(path.clone());
                Kind::Directory
            }
            Type::Link => {
                let target = link::target(reader.target())
                    .map_err(|problem| UnpackError::entry(path.as_str(), problem))?
                    .to_owned();
                let base = place.target.map_or("", RelativePath::as_str);
                // What the link itself says; through other links it is followed when all of them
                // are known.
                link::alone(base, path.as_str(), &target, |_| None)
                    .map_err(|problem| UnpackError::entry(path.as_str(), problem))?;
                if replaced {
                    return Ok(None);
                }
                self.found.links.push(Link {
                    path: path.clone(),
                    target: target.clone(),
                    base: base.to_owned(),
                });
                Kind::Link { target }
            }
            Type::File { executable } => {
                let file = if replaced {
                    None
                } else {
                    let parent = self.descent.parent(path.as_str(), &mut self.found.made)?;
                    Some(
                        self.unpacker
                            .tree
                            .create(parent, path.as_str(), executable)?,
                    )
                };
                let digest = self.body(reader, head, path.as_str(), file.as_ref(), chunk)?;
                let Some(file) = file else { return Ok(None) };
                self.unpacker
                    .tree
                    .set_mtime(&file, path.as_str(), head.mtime)?;
                self.found.files += 1;
                self.found.bytes += head.size;
                contents = digest;
                Kind::File {
                    size: head.size,
                    executable,
                }
            }
        };
        Ok(Some(Unpacked {
            path,
            kind,
            contents,
        }))
    }

    fn body<R: BufRead>(
        &self,
        reader: &mut Reader<'_, R>,
        head: Head,
        path: &str,
        mut file: Option<&File>,
        chunk: &Chunk,
    ) -> Result<Sha256, UnpackError> {
        let tree = &self.unpacker.tree;
        let mut digest = sha2::Sha256::new();
        let mut left = head.size;
        while left > 0 {
            let piece = reader
                .piece(left)
                .map_err(|error| self.body_error(error, path, chunk))?;
            let length = piece.len();
            if let Some(file) = &mut file {
                tree.hit("tarball.file.write", path)?;
                file.write_all(piece)
                    .map_err(|error| tree.disk("write", path, error))?;
                digest.update(piece);
            }
            reader.advance(length);
            left -= length as u64;
        }
        reader
            .padding(head.size)
            .map_err(|error| self.body_error(error, path, chunk))?;
        Ok(Sha256::from_bytes(digest.finalize().into()))
    }

    fn body_error(&self, error: ReadError, path: &str, chunk: &Chunk) -> UnpackError {
        match error {
            ReadError::Refused(problem) => UnpackError::entry(path, problem),
            ReadError::Input(error) => broken_input(&self.unpacker.tree, &chunk.sha256, error),
        }
    }

    fn read_error(
        &self,
        error: ReadError,
        name: &[u8],
        chunk: &Chunk,
        place: &ChunkTarget<'_>,
    ) -> UnpackError {
        match error {
            ReadError::Refused(problem) if name.is_empty() => {
                UnpackError::chunk(&chunk.sha256, problem)
            }
            ReadError::Refused(problem) => UnpackError::entry(&place.shown(name), problem),
            ReadError::Input(error) => broken_input(&self.unpacker.tree, &chunk.sha256, error),
        }
    }
}
