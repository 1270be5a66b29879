//! Lengths, frames and digests of hostile chunks.

use crate::{
    archive::{chunk, file, header, pax, record, signed},
    hostile::{From, refused, unpack},
};
use release::Reason;
use std::io::Write as _;
use tarball::SPOOL_THRESHOLD;

#[test]
fn lengths() {
    use Reason::{Limit, Trailing, Truncated};
    let entry = file(b"f", b"body");
    let mark = vec![0; 1024];
    let tar = [entry.clone(), mark.clone()].concat();
    let cases = [
        ("more entries than signed", chunk(&tar, 0), true, Limit),
        ("fewer entries than signed", chunk(&tar, 2), true, Truncated),
        (
            "short body",
            chunk(
                &[header(b"f", b'0', 5000, b"", |_| ()), mark.clone()].concat(),
                1,
            ),
            true,
            Truncated,
        ),
        (
            "huge size",
            chunk(
                &[
                    header(b"f", b'0', 0o77_777_777_777, b"", |_| ()),
                    mark.clone(),
                ]
                .concat(),
                1,
            ),
            true,
            Truncated,
        ),
        (
            "huge PAX size",
            chunk(
                &[
                    pax(record("size", "18446744073709551615").as_bytes()),
                    file(b"f", b""),
                    mark.clone(),
                ]
                .concat(),
                1,
            ),
            true,
            Truncated,
        ),
        ("half a header", chunk(&tar[..300], 1), true, Truncated),
        ("no body", chunk(&tar[..512], 1), true, Truncated),
        (
            "PAX, and nothing",
            chunk(&pax(b"9 path=f\n"), 1),
            false,
            Truncated,
        ),
        ("no end mark", chunk(&entry, 1), true, Truncated),
        ("half an end mark", chunk(&tar[..1536], 1), true, Truncated),
        ("nothing in a last chunk", chunk(b"", 0), true, Truncated),
        (
            "end mark in a chunk that is not the last",
            chunk(&tar, 1),
            false,
            Trailing,
        ),
        (
            "entry after the end mark",
            chunk(&[tar.clone(), entry.clone()].concat(), 2),
            true,
            Trailing,
        ),
        (
            "zero bytes after the end mark",
            chunk(&[tar.clone(), vec![0; 8192]].concat(), 1),
            true,
            Trailing,
        ),
        (
            "one zero block between entries",
            chunk(
                &[entry.clone(), vec![0; 512], entry.clone(), mark.clone()].concat(),
                2,
            ),
            true,
            Trailing,
        ),
    ];
    for (case, chunk, last, reason) in cases {
        refused(case, &[chunk], last, reason);
    }
}

/// The bytes that a frame begins with (RFC 8878 §3.1.1).
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

fn tar() -> Vec<u8> {
    [file(b"f", &[b'x'; 2000]), vec![0; 1024]].concat()
}

fn frame() -> (Vec<u8>, u64) {
    let tar = tar();
    (zstd::bulk::compress(&tar, 3).unwrap(), tar.len() as u64)
}

/// A frame by hand: magic, descriptor, `content` as its size, and a block with a header of 3 bytes
/// that repeats a byte.
fn bomb(content: u32, repeated: u32) -> Vec<u8> {
    let block = (repeated << 3 | 1 << 1 | 1).to_le_bytes();
    [
        &MAGIC[..],
        &[0xA0],
        &content.to_le_bytes(),
        &block[..3],
        &[0],
    ]
    .concat()
}

/// The same with a window.
fn windowed(window: u8) -> Vec<u8> {
    let block = (1024_u32 << 3 | 1 << 1 | 1).to_le_bytes();
    [
        &MAGIC[..],
        &[0x80, window],
        &1024_u32.to_le_bytes(),
        &block[..3],
        &[0],
    ]
    .concat()
}

#[test]
fn a_frame_holds_what_was_signed() {
    use Reason::{Limit, Truncated};
    let (good, unpacked) = frame();
    let longer = |bytes: u64| {
        let (frame, mut chunk) = signed(good.clone(), unpacked, 1);
        chunk.size = chunk.size.strict_add(bytes).strict_sub(1);
        vec![(frame, chunk)]
    };
    let without_size = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.write_all(&tar()).unwrap();
        encoder.finish().unwrap()
    };
    let one = |frame: Vec<u8>| vec![signed(frame, unpacked, 1)];
    refused(
        "content size over the signed one",
        &[signed(good.clone(), unpacked - 512, 1)],
        true,
        Limit,
    );
    refused(
        "content size under the signed one",
        &[signed(good.clone(), unpacked + 512, 1)],
        true,
        Limit,
    );
    refused("no content size", &one(without_size), true, Limit);
    refused(
        "bomb: more bytes than its header says",
        &[signed(bomb(1024, 100_000), 1024, 0)],
        true,
        Limit,
    );
    refused(
        "fewer bytes than its header says",
        &[signed(bomb(1024, 512), 1024, 0)],
        true,
        Limit,
    );
    refused(
        "compressed bytes over the signed ones",
        &longer(0),
        true,
        Limit,
    );
    refused(
        "compressed bytes under the signed ones",
        &longer(2),
        true,
        Truncated,
    );
}

#[test]
fn windows() {
    use Reason::{Limit, Window};
    // 2^(10+13) = 8 MiB is allowed; its next step, 9 MiB, is not.
    assert!(
        unpack(
            &[signed(windowed(13 << 3), 1024, 0)],
            true,
            From::Memory,
            None
        )
        .is_ok()
    );
    refused(
        "window of 9 MiB",
        &[signed(windowed(13 << 3 | 1), 1024, 0)],
        true,
        Window,
    );
    refused(
        "window of 128 MiB",
        &[signed(windowed(17 << 3), 1024, 0)],
        true,
        Window,
    );
    let large = [signed(bomb(9 << 20, 1024), 9 << 20, 0)];
    assert_eq!(
        unpack(&large, true, From::Spool, None)
            .unwrap_err()
            .reason(),
        Window,
        "one segment is one window"
    );
    assert_eq!(
        unpack(&large, true, From::Memory, None)
            .unwrap_err()
            .reason(),
        Limit,
        "over {SPOOL_THRESHOLD}, so not for memory"
    );
}

#[test]
fn a_chunk_is_one_frame_and_nothing_else() {
    use Reason::{Header, Trailing, Truncated};
    let (good, unpacked) = frame();
    let skippable = [
        &0x184D_2A50_u32.to_le_bytes()[..],
        &4_u32.to_le_bytes(),
        b"skip",
    ]
    .concat();
    let one = |frame: Vec<u8>| vec![signed(frame, unpacked, 1)];
    refused(
        "second frame",
        &one([good.clone(), good.clone()].concat()),
        true,
        Trailing,
    );
    refused(
        "second frame, skippable",
        &one([good.clone(), skippable.clone()].concat()),
        true,
        Trailing,
    );
    refused(
        "first frame, skippable",
        &one([skippable, good.clone()].concat()),
        true,
        Trailing,
    );
    refused(
        "a byte behind the frame",
        &one([good.clone(), vec![0]].concat()),
        true,
        Trailing,
    );
    refused(
        "frame that is cut off",
        &one(good[..good.len() - 5].to_vec()),
        true,
        Truncated,
    );
    refused("nothing", &one(Vec::new()), true, Truncated);
    refused(
        "no frame",
        &one(b"PK\x03\x04 and more bytes than a header".to_vec()),
        true,
        Header,
    );
    refused(
        "dictionary",
        &one([&MAGIC[..], &[0x21, 7, 4], &[0; 20]].concat()),
        true,
        Header,
    );
    refused(
        "reserved bit",
        &one([&MAGIC[..], &[0x28, 4], &[0; 20]].concat()),
        true,
        Header,
    );
}

#[test]
fn wrong_bytes_are_refused_before_they_are_looked_at() {
    let (good, chunk) = chunk(&[file(b"f", b"body"), vec![0; 1024]].concat(), 1);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        refused("flipped bit", &[(bytes, chunk)], true, Reason::Digest);
        refused(
            "cut off",
            &[(good[..at].to_vec(), chunk)],
            true,
            Reason::Digest,
        );
    }
    refused(
        "excess byte",
        &[([good, vec![0]].concat(), chunk)],
        true,
        Reason::Digest,
    );
}
