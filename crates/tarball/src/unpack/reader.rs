//! A tar reader that knows what our packer writes and refuses the rest. Reads from memory and from
//! a decoder alike.

use super::{
    header::{self, Head, LINK, NAME, PREFIX, fault, is_zero, octal, text},
    pax::{self, Pax},
};
use crate::{
    entry::{BLOCK, Block, length, padded},
    problem::Problem,
};
use release::Reason;
use std::{
    io::{self, BufRead},
    ops::Range,
};

/// Why the next entry is not read.
#[derive(Debug)]
pub(super) enum ReadError {
    Refused(Problem),
    /// The decoder, or the file under it, failed.
    Input(io::Error),
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// Where the chunk that is read stands in its tarball, which decides how it must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Two zero blocks, and nothing after them.
    Marker,
    /// With its last entry.
    Entry,
}

/// Reads the entries of one chunk.
#[derive(Debug)]
pub(super) struct Reader<'n, R> {
    input: R,
    /// Bytes of the chunk that were not read yet.
    left: u64,
    end: End,
    names: &'n mut Names,
}

/// Buffers for an entry's names, to be used again.
#[derive(Debug, Default)]
pub(super) struct Names {
    name: Vec<u8>,
    target: Vec<u8>,
    pax: Vec<u8>,
}

const SHORT: Problem = Problem::new(Reason::Truncated, "is cut off by the end of its chunk");

impl<'n, R: BufRead> Reader<'n, R> {
    /// Reads a chunk of `unpacked` bytes.
    pub(super) fn new(input: R, unpacked: u64, end: End, names: &'n mut Names) -> Self {
        names.name.clear();
        Self {
            input,
            left: unpacked,
            end,
            names,
        }
    }

    /// The path of the entry read last, with a directory's `/` taken off. Bytes: nobody has looked
    /// at them yet.
    pub(super) fn name(&self) -> &[u8] {
        &self.names.name
    }

    /// The target of the link read last.
    pub(super) fn target(&self) -> &[u8] {
        &self.names.target
    }

    /// Reads the next entry's header. What it refuses has the entry's name in [`Self::name`], as
    /// far as that is known.
    pub(super) fn next(&mut self) -> Result<Option<Head>, ReadError> {
        let Some(mut block) = self.block()? else {
            return self.over();
        };
        let mut pax = Pax::default();
        if is_zero(&block) {
            return self.marker();
        }
        self.take_names(&block, &pax);
        if header::check(&block)? == b'x' {
            self.names.name.clear();
            pax = self.extension(&block)?;
            block = self.block()?.ok_or(Problem::new(
                Reason::Truncated,
                "is announced, and the chunk ends",
            ))?;
            if is_zero(&block) {
                return Err(fault("is announced, and the archive ends").into());
            }
            self.take_names(&block, &pax);
            if header::check(&block)? == b'x' {
                return Err(fault("has an extension header before an extension header").into());
            }
        }
        self.check_names(&block, &pax)?;
        let head = header::head(&block, &pax, &self.names.target)?;
        if padded(head.size) > self.left {
            return Err(SHORT.into());
        }
        Ok(Some(head))
    }

    /// The next bytes of a body of which `left` are left; at least one. To be followed by
    /// [`Self::advance`].
    pub(super) fn piece(&mut self, left: u64) -> Result<&[u8], ReadError> {
        let piece = self.input.fill_buf().map_err(ReadError::Input)?;
        if piece.is_empty() {
            return Err(SHORT.into());
        }
        Ok(&piece[..piece.len().min(length(left))])
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.left -= bytes as u64;
    }

    /// Reads the zero bytes that follow a body of `size` bytes.
    pub(super) fn padding(&mut self, size: u64) -> Result<(), ReadError> {
        let mut block: Block = [0; 512];
        let padding = &mut block[..length(padded(size) - size)];
        read(&mut self.input, padding)?;
        self.left -= padding.len() as u64;
        if !is_zero(padding) {
            return Err(fault("has padding that is not zero").into());
        }
        Ok(())
    }

    /// The input, behind what was read.
    pub(super) fn into_input(self) -> R {
        self.input
    }

    fn block(&mut self) -> Result<Option<Block>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left = self.left.checked_sub(BLOCK).ok_or(Problem::new(
            Reason::Truncated,
            "is cut off within a header",
        ))?;
        let mut block = [0; 512];
        read(&mut self.input, &mut block)?;
        Ok(Some(block))
    }

    fn over(&mut self) -> Result<Option<Head>, ReadError> {
        self.names.name.clear();
        match self.end {
            End::Entry => Ok(None),
            End::Marker => Err(Problem::new(
                Reason::Truncated,
                "ends without the mark of the archive's end",
            )
            .into()),
        }
    }

    /// After one zero block: the second, and nothing more.
    fn marker(&mut self) -> Result<Option<Head>, ReadError> {
        self.names.name.clear();
        if self.end == End::Entry {
            return Err(Problem::new(
                Reason::Trailing,
                "has the mark of the archive's end and is not the last",
            )
            .into());
        }
        match self.block()? {
            None => Err(Problem::new(
                Reason::Truncated,
                "ends within the mark of the archive's end",
            )
            .into()),
            Some(block) if is_zero(&block) && self.left == 0 => Ok(None),
            Some(_) => {
                Err(Problem::new(Reason::Trailing, "has bytes after the archive's end").into())
            }
        }
    }

    fn extension(&mut self, block: &Block) -> Result<Pax, ReadError> {
        let size = octal(&block[124..136]).ok_or(fault("has a malformed extension size"))?;
        if size == 0 || size > pax::LIMIT {
            return Err(fault("has an extension header that is empty or over 4 KiB").into());
        }
        if padded(size) > self.left {
            return Err(SHORT.into());
        }
        let Names { name, target, pax } = &mut *self.names;
        pax.resize(length(size), 0);
        read(&mut self.input, pax)?;
        self.left -= size;
        target.clear();
        let found = Pax::read(pax, name, target)?;
        self.padding(size)?;
        Ok(found)
    }

    /// Takes the names from the block where PAX gave none, each up to its first NUL.
    fn take_names(&mut self, block: &Block, pax: &Pax) {
        let Names { name, target, .. } = &mut *self.names;
        if !pax.path {
            name.clear();
            let prefix = text(&block[PREFIX]);
            if !prefix.is_empty() {
                name.extend_from_slice(prefix);
                name.push(b'/');
            }
            name.extend_from_slice(text(&block[NAME]));
        }
        if !pax.linkpath {
            target.clear();
            target.extend_from_slice(text(&block[LINK]));
        }
    }

    /// Checks the names that were taken from the block, and takes off a directory's `/`.
    fn check_names(&mut self, block: &Block, pax: &Pax) -> Result<(), Problem> {
        let hidden = |field: Range<usize>| {
            !is_zero(&block[field.start + text(&block[field.clone()]).len()..field.end])
        };
        if !pax.path && (hidden(PREFIX) || hidden(NAME)) || !pax.linkpath && hidden(LINK) {
            return Err(Problem::new(
                Reason::PathUnsafe,
                "has a name with a NUL byte",
            ));
        }
        if block[156] == b'5' && self.names.name.pop_if(|&mut last| last == b'/').is_none() {
            return Err(fault("is a directory whose name does not end with '/'"));
        }
        Ok(())
    }
}

fn read(input: &mut impl BufRead, into: &mut [u8]) -> Result<(), ReadError> {
    input.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SHORT.into(),
        _ => ReadError::Input(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            last in any::<bool>(),
            dress in any::<bool>(),
        ) {
            if dress && bytes.len() >= 512 {
                bytes[257..265].copy_from_slice(b"ustar\x0000");
                bytes[148..156].fill(b' ');
                let sum: u64 = bytes[..512].iter().map(|&byte| u64::from(byte)).sum();
                bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            let mut names = Names::default();
            let end = if last { End::Marker } else { End::Entry };
            let mut reader = Reader::new(bytes.as_slice(), bytes.len() as u64, end, &mut names);
            while let Ok(Some(head)) = reader.next() {
                let Ok(piece) = reader.piece(head.size.max(1)) else {
                    break;
                };
                let taken = piece.len().min(length(head.size));
                reader.advance(taken);
            }
        }
    }
}
