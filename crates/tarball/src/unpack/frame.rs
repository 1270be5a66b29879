//! The zstd frame of a chunk, read only as far as its limits go (RFC 8878 §3.1.1). Nothing is
//! decompressed here.

use crate::problem::Problem;
use release::Reason;

/// The largest window (8 MiB) that a frame may ask for; RFC 8878 §3.1.1.1.2 recommends that
/// decoders support it.
const WINDOW_LIMIT: u64 = 8 << 20;
/// The most bytes that a frame's header takes: magic number, descriptor, window, dictionary and
/// content size.
pub(super) const HEADER_LIMIT: usize = 18;

const MAGIC: u32 = 0xFD2F_B528;

/// Checks the header of a frame, of which `bytes` has at least the first [`HEADER_LIMIT`] or all,
/// and gives its length.
pub(super) fn header(bytes: &[u8], unpacked: u64) -> Result<usize, Problem> {
    let short = Problem::new(Reason::Truncated, "ends within its zstd header");
    let magic = u32::try_from(little(bytes.get(..4).ok_or(short)?)).unwrap_or_default();
    match magic {
        MAGIC => {}
        0x184D_2A50..=0x184D_2A5F => {
            return Err(Problem::new(Reason::Trailing, "holds a skippable frame"));
        }
        _ => return Err(Problem::new(Reason::Header, "is no zstd frame")),
    }
    let descriptor = *bytes.get(4).ok_or(short)?;
    let single_segment = descriptor & 0x20 != 0;
    if descriptor & 0x08 != 0 {
        return Err(Problem::new(
            Reason::Header,
            "has a zstd header with a reserved bit",
        ));
    }
    if descriptor & 0x03 != 0 {
        return Err(Problem::new(Reason::Header, "needs a zstd dictionary"));
    }
    let mut at = 5;
    let mut window = 0;
    if !single_segment {
        let byte = u64::from(*bytes.get(at).ok_or(short)?);
        let base = 1_u64 << (10 + (byte >> 3));
        window = base + base / 8 * (byte & 7);
        at += 1;
    }
    let length = match descriptor >> 6 {
        0 if single_segment => 1,
        0 => {
            return Err(Problem::new(
                Reason::Limit,
                "does not say how many bytes it holds",
            ));
        }
        flag => 1 << flag,
    };
    let stored = little(bytes.get(at..at + length).ok_or(short)?);
    // Two bytes hold what is left above the 256 of the one-byte form.
    let content = if length == 2 { stored + 256 } else { stored };
    if window.max(if single_segment { content } else { 0 }) > WINDOW_LIMIT {
        return Err(Problem::new(
            Reason::Window,
            "needs a zstd window over 8 MiB",
        ));
    }
    if content != unpacked {
        return Err(Problem::new(
            Reason::Limit,
            "holds more or fewer bytes than were signed",
        ));
    }
    Ok(at + length)
}

/// Checks that `bytes` is exactly one frame of `unpacked` bytes, by the lengths that its blocks
/// state.
pub(super) fn whole(bytes: &[u8], unpacked: u64) -> Result<(), Problem> {
    let short = Problem::new(Reason::Truncated, "ends within its zstd frame");
    let mut rest = &bytes[header(bytes, unpacked)?..];
    loop {
        let (head, after) = rest.split_at_checked(3).ok_or(short)?;
        let head = little(head);
        let size = usize::try_from(head >> 3).unwrap_or(usize::MAX);
        let stored = match head >> 1 & 3 {
            // One byte, repeated.
            1 => 1,
            3 => {
                return Err(Problem::new(
                    Reason::Header,
                    "has a zstd block of a reserved type",
                ));
            }
            _ => size,
        };
        rest = after.get(stored..).ok_or(short)?;
        if head & 1 != 0 {
            break;
        }
    }
    let checksum = if bytes[4] & 0x04 != 0 { 4 } else { 0 };
    match rest.len() {
        left if left == checksum => Ok(()),
        left if left < checksum => Err(short),
        _ => Err(Problem::new(
            Reason::Trailing,
            "has bytes after its zstd frame",
        )),
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_zstd_writes_is_whole_and_a_part_is_not(
            contents in proptest::collection::vec(0_u8..4, 0..5000),
            level in 1..19,
            cut in any::<prop::sample::Index>(),
        ) {
            let frame = zstd::bulk::compress(&contents, level).unwrap();
            prop_assert_eq!(whole(&frame, contents.len() as u64), Ok(()));
            let part = &frame[..cut.index(frame.len())];
            prop_assert_eq!(
                whole(part, contents.len() as u64).unwrap_err().reason,
                Reason::Truncated
            );
        }

        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            magic in any::<bool>(),
        ) {
            let bytes = if magic {
                [&MAGIC.to_le_bytes(), bytes.as_slice()].concat()
            } else {
                bytes
            };
            prop_assert!(whole(&bytes, 1 << 40).is_err());
        }
    }
}
