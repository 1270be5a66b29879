//! Every row of SECURITY.md's extraction profile, crafted byte by byte: the reason, and that
//! nothing appears outside of the tree.

mod headers;
mod paths;

use crate::archive::{
    chunk, directory, file, header, link, pax, record, scratch, signed, snapshot,
};
use proptest::prelude::*;
use release::{Chunk, Reason, RelativePath};
use std::{collections::BTreeSet, fs, io::Write as _, os::unix::fs::MetadataExt as _};
use tarball::{ChunkTarget, Totals, UnpackError, Unpacker};

/// Where the bytes of a chunk are when it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Memory,
    Spool,
}

const TARGETS: [Option<&str>; 2] = [None, Some("vendor/shop")];

/// Unpacks chunks, as the only ones of their module, into a tree beside which nothing may change.
pub(crate) fn unpack(
    chunks: &[(Vec<u8>, Chunk)],
    last: bool,
    from: From,
    target: Option<&str>,
) -> Result<Totals, UnpackError> {
    let parent = scratch();
    let tree = parent.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(parent.path().join("outside"), "untouched").unwrap();
    let outside = || {
        snapshot(parent.path())
            .into_iter()
            .filter(|(path, _)| !path.starts_with("tree"))
            .collect::<Vec<_>>()
    };
    let before = outside();
    let target: Option<RelativePath> = target.map(|target| target.parse().unwrap());
    let result = (|| {
        let unpacker = Unpacker::new(&tree)?;
        for (index, (bytes, chunk)) in chunks.iter().enumerate() {
            let place = ChunkTarget {
                target: target.as_ref(),
                replaced: &BTreeSet::new(),
                last: last && index + 1 == chunks.len(),
            };
            match from {
                From::Memory => unpacker.worker().chunk(bytes, chunk, &place)?,
                From::Spool => {
                    let mut spool = tempfile::tempfile_in(parent.path()).unwrap();
                    spool.write_all(bytes).unwrap();
                    unpacker.worker().spooled(&spool, chunk, &place)?
                }
            };
        }
        unpacker.finish(&release::RequiredDirectories::default())
    })();
    assert_eq!(outside(), before);
    result
}

pub(crate) fn refused(
    case: &str,
    chunks: &[(Vec<u8>, Chunk)],
    last: bool,
    reason: Reason,
) -> String {
    let mut said = String::new();
    for from in [From::Memory, From::Spool] {
        for target in TARGETS {
            let error = unpack(chunks, last, from, target).expect_err(case);
            assert_eq!(
                error.reason(),
                reason,
                "{case} from {from:?} at {target:?}: {error}"
            );
            said = error.to_string();
        }
    }
    said
}

/// Entries with the end mark behind them, in one chunk.
fn whole(entries: &[Vec<u8>]) -> Vec<(Vec<u8>, Chunk)> {
    vec![chunk(
        &[entries.concat(), vec![0; 1024]].concat(),
        entries.len() as u64,
    )]
}

fn changed(name: &[u8], typeflag: u8, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    header(name, typeflag, 0, b"", change)
}

#[test]
fn what_the_cases_are_made_of_is_accepted() {
    let entries = [
        directory(b"a/"),
        file(b"a/b", b"text"),
        link(b"a/l", b"../a/b"),
    ];
    for from in [From::Memory, From::Spool] {
        for target in TARGETS {
            let totals = unpack(&whole(&entries), true, from, target).unwrap();
            assert_eq!((totals.files, totals.bytes, totals.links), (1, 4, 1));
        }
    }
}

/// What a table of entries says: the case, its entries, and the reason why they are refused.
type Rows = Vec<(&'static str, Vec<Vec<u8>>, Reason)>;

fn all_refused(rows: Rows) {
    for (case, entries, reason) in rows {
        refused(case, &whole(&entries), true, reason);
    }
}

/// A file whose path is in PAX.
fn at_path(path: &str) -> Vec<u8> {
    [pax(record("path", path).as_bytes()), file(b"", b"")].concat()
}

/// A file with some PAX record.
fn with_record(key: &str, value: &str) -> Vec<u8> {
    [pax(record(key, value).as_bytes()), file(b"f", b"")].concat()
}

#[test]
fn across_chunks() {
    let first = chunk(&file(b"f", b"1"), 1);
    let links = |target: &[u8]| chunk(&link(b"a/b", target), 1);
    let end = |entry: Vec<u8>| chunk(&[entry, vec![0; 1024]].concat(), 1);
    refused(
        "file in two chunks",
        &[first.clone(), end(file(b"f", b"1"))],
        true,
        Reason::Duplicate,
    );
    refused(
        "directory over a file of another chunk",
        &[first, end(directory(b"f/"))],
        true,
        Reason::Duplicate,
    );
    refused(
        "chain over two chunks",
        &[links(b".."), end(link(b"l", b"a/b/../x"))],
        true,
        Reason::LinkEscape,
    );
    refused(
        "path through a link of another chunk",
        &[links(b"c"), end(file(b"a/b/f", b"1"))],
        true,
        Reason::PathUnsafe,
    );
}

#[test]
fn errors_name_the_entry_and_the_rule() {
    let said = |entries: &[Vec<u8>], reason| refused("", &whole(entries), true, reason);
    assert_eq!(
        said(
            &[file(b"ok", b""), header(b"a/dev", b'3', 0, b"", |_| ())],
            Reason::TypeForbidden
        ),
        "entry \"vendor/shop/a/dev\" is a device"
    );
    assert_eq!(
        said(&[link(b"l", b"../x")], Reason::LinkEscape),
        "entry \"vendor/shop/l\" is a link that leads out of its module",
        "the module's target is the limit, not the tree"
    );
}

#[test]
fn owners_and_special_modes_have_no_effect() {
    let entry = header(b"f", b'0', 0, b"", |h| {
        h[100..108].copy_from_slice(b"0007755\0");
        h[108..124].copy_from_slice(b"0001750\x000001750\0");
        h[265..269].copy_from_slice(b"root");
    });
    let (bytes, chunk) = chunk(&[entry, vec![0; 1024]].concat(), 1);
    let tree = scratch();
    let unpacker = Unpacker::new(tree.path()).unwrap();
    unpacker
        .worker()
        .chunk(
            &bytes,
            &chunk,
            &ChunkTarget {
                target: None,
                replaced: &BTreeSet::new(),
                last: true,
            },
        )
        .unwrap();
    unpacker
        .finish(&release::RequiredDirectories::default())
        .unwrap();
    let metadata = tree.path().join("f").metadata().unwrap();
    assert_eq!(metadata.mode(), 0o100_755);
    assert_eq!(metadata.uid(), tree.path().metadata().unwrap().uid());
}

proptest! {
    #![proptest_config(crate::archive::cases(300))]
    #[test]
    fn mutated_archives_stay_in_the_tree(
        flips in proptest::collection::vec((0_usize..5120, any::<u8>()), 1..6),
        reseal in any::<bool>(),
        last in any::<bool>(),
    ) {
        let entries = [
            directory(b"a/"),
            file(b"a/b", b"text"),
            link(b"a/l", b"../a/b"),
            pax(b"9 path=c\n"),
            file(b"", b"text"),
        ];
        let mut tar = [entries.concat(), vec![0; 1024]].concat();
        for (at, byte) in flips {
            let at = at % tar.len();
            tar[at] = byte;
            if reseal {
                crate::archive::seal(&mut tar[at / 512 * 512..][..512]);
            }
        }
        // `unpack` looks for anything outside of the tree.
        drop(unpack(&[chunk(&tar, 4)], last, From::Memory, None));
    }

    #[test]
    fn signed_noise_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        unpacked in 0_u64..4096,
    ) {
        for from in [From::Memory, From::Spool] {
            prop_assert!(unpack(&[signed(bytes.clone(), unpacked, 1)], true, from, None).is_err());
        }
    }
}
