//! Class 21: tarballs that no packer of ours writes, properly signed. The crate `tarball` tries
//! every row of the profile; here the binary meets some of each kind.

use super::{
    Counts, Row, Start,
    rig::{HEAD, NEW, Rig, sequence},
};
use release::{Chunk, Sha256};

const BLOCK: usize = 512;

pub(super) fn tarballs(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(21, "hostile tarballs, properly signed"),
    );
    let head = rig.server.get(HEAD).unwrap_or_default();
    let outside = rig.shop.path("evil").to_string_lossy().into_owned();
    let cases: [(&str, Vec<Vec<u8>>, &str); 12] = [
        ("a path up", vec![file("../evil")], "path-unsafe"),
        (
            "a path up from below",
            vec![file("a/../../../evil")],
            "path-unsafe",
        ),
        ("an absolute path", vec![file(&outside)], "path-unsafe"),
        (
            "a file below a link",
            vec![link("a", "b"), file("a/evil")],
            "path-unsafe",
        ),
        (
            "a link up",
            vec![link("a", "../../../../../src")],
            "link-escape",
        ),
        ("an absolute link", vec![link("a", &outside)], "link-escape"),
        (
            "a chain of links that leads out",
            vec![link("a", "b/../../.."), link("b", "c/d")],
            "link-escape",
        ),
        (
            "a hard link",
            vec![entry("a", b'1', &outside, b"")],
            "type-forbidden",
        ),
        (
            "a device",
            vec![entry("a", b'3', "", b"")],
            "type-forbidden",
        ),
        ("a file twice", vec![file("a"), file("a")], "duplicate"),
        (
            "a long name of GNU's",
            vec![entry("././@LongLink", b'L', "", b"../evil\0"), file("a")],
            "header",
        ),
        (
            "a name with a line break",
            vec![file("a\nb")],
            "name-encoding",
        ),
    ];
    let rounds = 0..counts.rounds(24);
    for (round, start) in rounds.flat_map(|round| Start::ALL.map(|start| (round, start))) {
        for (what, entries, reason) in &cases {
            publish(&rig, entries, round);
            let pod = rig.pod(start);
            let outcome = rig.shop.init(&pod).run();
            rig.server.put(HEAD, head.clone());
            let refused = rig.refused(&pod, &outcome, &[*reason]);
            row.count(
                || format!("{what}, {start}, round {round}"),
                refused.and_then(|()| rig.check(&pod)),
            );
        }
    }
    row
}

/// Puts a release in force whose only module has these entries. Each round has a sequence of its
/// own.
fn publish(rig: &Rig, entries: &[Vec<u8>], round: u32) {
    let mut tar = entries.concat();
    tar.resize(tar.len() + 2 * BLOCK, 0);
    let frame = zstd::bulk::compress(&tar, 1).expect("zstd compresses");
    let sha256 = Sha256::digest(&frame);
    let mut manifest = rig.manifest();
    manifest.modules.truncate(1);
    // An entry is refused before anybody counts what a tree has.
    (manifest.files, manifest.bytes) = (0, 0);
    let module = &mut manifest.modules[0];
    let size = frame.len() as u64;
    module.chunks = vec![Chunk {
        sha256,
        size,
        unpacked: tar.len() as u64,
        entries: entries.len() as u64,
    }];
    (module.sha256, module.size) = (sha256, size);
    manifest
        .validate()
        .expect("the manifest itself is as it must be");
    let json = manifest.to_json();
    rig.force(|release| {
        (release.manifest, release.manifest_size) = (Sha256::digest(&json), json.len() as u64);
        release.sequence = sequence(NEW + 1 + u64::from(round));
    });
    rig.server
        .put(&format!("prod/{}", release::key::blob(&sha256)), frame);
    rig.server.put(
        &format!("prod/{}", release::key::blob(&Sha256::digest(&json))),
        json,
    );
}

fn file(name: &str) -> Vec<u8> {
    entry(name, b'0', "", b"<?php evil();")
}

fn link(name: &str, target: &str) -> Vec<u8> {
    entry(name, b'2', target, b"")
}

/// A ustar entry with a right checksum; times are those that the format gives contents.
fn entry(name: &str, typeflag: u8, target: &str, body: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(body);
    let [a, b, c, d] = digest.as_bytes()[..4] else {
        unreachable!("a digest has 32 bytes")
    };
    let of_contents = if typeflag == b'0' {
        u32::from_be_bytes([a, b, c, d]) % (1 << 29)
    } else {
        0
    };
    let mut entry = vec![0; BLOCK];
    let mut put = |at: usize, field: &[u8]| entry[at..at + field.len()].copy_from_slice(field);
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(
        124,
        format!(
            "{:011o}\0{:011o}\0        ",
            body.len(),
            1_000_000_000 + of_contents
        )
        .as_bytes(),
    );
    put(156, &[typeflag]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u64 = entry.iter().map(|&byte| u64::from(byte)).sum();
    entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    entry.extend_from_slice(body);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}
