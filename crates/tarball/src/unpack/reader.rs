//! A tar reader that knows what our packer writes and refuses the rest. Reads from memory and from
//! a decoder alike.

use super::pax::{self, Pax};
use crate::{
    entry::{BLOCK, Block, MTIME, MTIME_RANGE, USTAR_SIZE_LIMIT, length, padded},
    problem::Problem,
};
use release::Reason;
use std::{
    ffi::CStr,
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

/// An entry's header; its name and its target are [`Reader::name`] and [`Reader::target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Type,
    /// Bytes of the body: zero except for files.
    pub(super) size: u64,
    pub(super) mtime: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    File { executable: bool },
    Directory,
    Link,
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

fn header(text: &'static str) -> Problem {
    Problem::new(Reason::Header, text)
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
        if check(&block)? == b'x' {
            self.names.name.clear();
            pax = self.extension(&block)?;
            block = self.block()?.ok_or(Problem::new(
                Reason::Truncated,
                "is announced, and the chunk ends",
            ))?;
            if is_zero(&block) {
                return Err(header("is announced, and the archive ends").into());
            }
            self.take_names(&block, &pax);
            if check(&block)? == b'x' {
                return Err(header("has an extension header before an extension header").into());
            }
        }
        self.check_names(&block, &pax)?;
        let head = head(&block, &pax, self.names)?;
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
            return Err(header("has padding that is not zero").into());
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
        let size = octal(&block[124..136]).ok_or(header("has a malformed extension size"))?;
        if size == 0 || size > pax::LIMIT {
            return Err(header("has an extension header that is empty or over 4 KiB").into());
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
            return Err(header("is a directory whose name does not end with '/'"));
        }
        Ok(())
    }
}

/// Where ustar has an entry's names.
const NAME: Range<usize> = 0..100;
const LINK: Range<usize> = 157..257;
const PREFIX: Range<usize> = 345..500;

/// Checks what every header must have, and gives its type.
fn check(block: &Block) -> Result<u8, Problem> {
    let stored = octal(&block[148..156]).ok_or(header("has a malformed checksum"))?;
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    if stored != u64::from(sum(block) - sum(&block[148..156]) + 8 * u32::from(b' ')) {
        return Err(header("has a header whose checksum is wrong"));
    }
    if &block[257..265] != b"ustar\x0000" {
        return Err(header("has a header that is not ustar"));
    }
    if !is_zero(&block[500..]) {
        return Err(header("has bytes behind the fields of its header"));
    }
    match block[156] {
        kind @ (b'0' | b'2' | b'5' | b'x') => Ok(kind),
        b'1' => Err(Problem::new(Reason::TypeForbidden, "is a hard link")),
        b'3' | b'4' => Err(Problem::new(Reason::TypeForbidden, "is a device")),
        b'6' => Err(Problem::new(Reason::TypeForbidden, "is a FIFO")),
        b'g' => Err(header("is a global extension header")),
        b'S' => Err(header("is a GNU sparse file")),
        b'L' | b'K' => Err(header("is a GNU long name")),
        _ => Err(Problem::new(
            Reason::TypeForbidden,
            "is neither a file, a directory nor a symbolic link",
        )),
    }
}

fn head(block: &Block, pax: &Pax, names: &Names) -> Result<Head, Problem> {
    let mode = octal(&block[100..108]).ok_or(header("has a malformed mode"))?;
    let stored =
        octal(&block[124..136]).ok_or(header("has a malformed, negative or overflowing size"))?;
    let mtime = octal(&block[136..148]).ok_or(header("has a malformed mtime"))?;
    // Owner, group, their names and device numbers are of no effect and not looked at.
    let size = match pax.size {
        None => stored,
        Some(size) if stored == 0 && size >= USTAR_SIZE_LIMIT => size,
        Some(_) => return Err(header("has an extension size where its header has one")),
    };
    let kind = match block[156] {
        b'0' => Type::File {
            executable: mode & 0o100 != 0,
        },
        b'5' => Type::Directory,
        _ => Type::Link,
    };
    if matches!(kind, Type::File { .. }) {
        if !(MTIME..MTIME + MTIME_RANGE).contains(&mtime) {
            return Err(header("has an mtime that no contents map to"));
        }
    } else {
        if size != 0 {
            return Err(header("is no file and has a body"));
        }
        if mtime != MTIME {
            return Err(header("is no file and has an mtime other than 1000000000"));
        }
    }
    if kind != Type::Link && !names.target.is_empty() {
        return Err(header("is no link and has a target"));
    }
    Ok(Head { kind, size, mtime })
}

/// An octal number in ASCII with NUL or space after it, as ustar stores them. Nothing else: no
/// sign, no base 256.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'7'))
        .unwrap_or(field.len());
    if digits == 0 || field[digits..].iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return None;
    }
    // 12 digits are 36 bits.
    Some(
        field[..digits]
            .iter()
            .fold(0, |number, digit| number << 3 | u64::from(digit - b'0')),
    )
}

/// The text of a field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes)
}

/// Whether at most a block of bytes is all zero. A comparison, as that looks at more than one byte
/// at a time.
fn is_zero(bytes: &[u8]) -> bool {
    const ZERO: Block = [0; 512];
    *bytes == ZERO[..bytes.len()]
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

    #[test]
    fn numbers_are_octal_and_nothing_else() {
        for (field, number) in [
            (b"0000644\0".as_slice(), Some(0o644)),
            (b"644     ", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"       0", None),
            (b"-000644\0", None),
            (b"00\x00644\0\0", None),
            (b"\x80\0\0\0\0\0\0\x01", None),
            (b"\0\0\0\0\0\0\0\0", None),
            (b"0000648\0", None),
        ] {
            assert_eq!(octal(field), number, "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..3000), last in any::<bool>(), dress in any::<bool>()) {
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
                let Ok(piece) = reader.piece(head.size.max(1)) else { break };
                let taken = piece.len().min(length(head.size));
                reader.advance(taken);
            }
        }
    }
}
