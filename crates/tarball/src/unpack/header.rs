//! One header block: its checksum, its type, its numbers and its names.

use super::pax::Pax;
use crate::{
    entry::{Block, MTIME, MTIME_RANGE, USTAR_SIZE_LIMIT},
    problem::Problem,
};
use release::Reason;
use std::{ffi::CStr, ops::Range};

/// An entry's header; its name and its target are [`Reader::name`](super::reader::Reader::name) and
/// [`Reader::target`](super::reader::Reader::target).
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

pub(super) fn fault(text: &'static str) -> Problem {
    Problem::new(Reason::Header, text)
}

/// Where ustar has an entry's names.
pub(super) const NAME: Range<usize> = 0..100;
pub(super) const LINK: Range<usize> = 157..257;
pub(super) const PREFIX: Range<usize> = 345..500;

/// Checks what every header must have, and gives its type.
pub(super) fn check(block: &Block) -> Result<u8, Problem> {
    let stored = octal(&block[148..156]).ok_or(fault("has a malformed checksum"))?;
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    if stored != u64::from(sum(block) - sum(&block[148..156]) + 8 * u32::from(b' ')) {
        return Err(fault("has a header whose checksum is wrong"));
    }
    if &block[257..265] != b"ustar\x0000" {
        return Err(fault("has a header that is not ustar"));
    }
    if !is_zero(&block[500..]) {
        return Err(fault("has bytes behind the fields of its header"));
    }
    match block[156] {
        kind @ (b'0' | b'2' | b'5' | b'x') => Ok(kind),
        b'1' => Err(Problem::new(Reason::TypeForbidden, "is a hard link")),
        b'3' | b'4' => Err(Problem::new(Reason::TypeForbidden, "is a device")),
        b'6' => Err(Problem::new(Reason::TypeForbidden, "is a FIFO")),
        b'g' => Err(fault("is a global extension header")),
        b'S' => Err(fault("is a GNU sparse file")),
        b'L' | b'K' => Err(fault("is a GNU long name")),
        _ => Err(Problem::new(
            Reason::TypeForbidden,
            "is neither a file, a directory nor a symbolic link",
        )),
    }
}

/// An octal number in ASCII with NUL or space after it, as ustar stores them. Nothing else: no
/// sign, no base 256.
pub(super) fn octal(field: &[u8]) -> Option<u64> {
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
pub(super) fn text(field: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes)
}

/// Whether at most a block of bytes is all zero. A comparison, as that looks at more than one byte
/// at a time.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    const ZERO: Block = [0; 512];
    *bytes == ZERO[..bytes.len()]
}

pub(super) fn head(block: &Block, pax: &Pax, target: &[u8]) -> Result<Head, Problem> {
    let mode = octal(&block[100..108]).ok_or(fault("has a malformed mode"))?;
    let stored =
        octal(&block[124..136]).ok_or(fault("has a malformed, negative or overflowing size"))?;
    let mtime = octal(&block[136..148]).ok_or(fault("has a malformed mtime"))?;
    // Owner, group, their names and device numbers are of no effect and not looked at.
    let size = match pax.size {
        None => stored,
        Some(size) if stored == 0 && size >= USTAR_SIZE_LIMIT => size,
        Some(_) => return Err(fault("has an extension size where its header has one")),
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
            return Err(fault("has an mtime that no contents map to"));
        }
    } else {
        if size != 0 {
            return Err(fault("is no file and has a body"));
        }
        if mtime != MTIME {
            return Err(fault("is no file and has an mtime other than 1000000000"));
        }
    }
    if kind != Type::Link && !target.is_empty() {
        return Err(fault("is no link and has a target"));
    }
    Ok(Head { kind, size, mtime })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
