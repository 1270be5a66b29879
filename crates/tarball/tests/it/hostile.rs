//! Every row of SECURITY.md's extraction profile, crafted byte by byte: the reason, and that
//! nothing appears outside of the tree.

use crate::archive::{
    chunk, directory, file, header, link, pax, record, scratch, signed, snapshot, with_body,
};
use proptest::prelude::*;
use release::{Chunk, Reason, RelativePath};
use std::{collections::BTreeSet, fs, io::Write as _, os::unix::fs::MetadataExt as _};
use tarball::{Place, Totals, UnpackError, Unpacker};

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
            let place = Place {
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
        unpacker.finish(&release::Asked::default())
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
fn paths_and_links() {
    use Reason::{LinkEscape, PathUnsafe};
    all_refused(vec![
        // zip-slip
        (
            "absolute path",
            vec![file(b"/tmp/longshore-hostile", b"x")],
            PathUnsafe,
        ),
        ("parent", vec![file(b"../outside", b"x")], PathUnsafe),
        (
            "parent within",
            vec![file(b"a/../../outside", b"x")],
            PathUnsafe,
        ),
        (
            "parent in a PAX path",
            vec![at_path("../outside")],
            PathUnsafe,
        ),
        ("absolute PAX path", vec![at_path("/etc/x")], PathUnsafe),
        (
            "parent by ustar's prefix",
            vec![changed(b"outside", b'0', |h| {
                h[345..347].copy_from_slice(b"..");
            })],
            PathUnsafe,
        ),
        ("parent directory", vec![directory(b"../d/")], PathUnsafe),
        ("dot", vec![directory(b"./")], PathUnsafe),
        ("empty name", vec![file(b"", b"x")], PathUnsafe),
        (
            "file name that ends with a slash",
            vec![file(b"f/", b"x")],
            PathUnsafe,
        ),
        ("doubled slash", vec![file(b"a//f", b"x")], PathUnsafe),
        ("NUL in a name", vec![file(b"a\0b", b"x")], PathUnsafe),
        ("NUL in a PAX path", vec![at_path("a\0b")], PathUnsafe),
        (
            "NUL in a link's target",
            vec![link(b"l", b"a\0b")],
            PathUnsafe,
        ),
        ("empty link target", vec![link(b"l", b"")], PathUnsafe),
        // through links
        (
            "file through a link",
            vec![link(b"l", b"d"), file(b"l/f", b"x")],
            PathUnsafe,
        ),
        (
            "file through a link that comes later",
            vec![file(b"l/f", b"x"), link(b"l", b"d")],
            PathUnsafe,
        ),
        (
            "link through a link",
            vec![link(b"l", b"d"), link(b"l/m", b"x")],
            PathUnsafe,
        ),
        // where links lead
        (
            "absolute link",
            vec![link(b"l", b"/etc/passwd")],
            LinkEscape,
        ),
        ("escaping link", vec![link(b"l", b"..")], LinkEscape),
        (
            "escaping link, deeper",
            vec![link(b"a/l", b"../../outside")],
            LinkEscape,
        ),
        (
            "escaping PAX link",
            vec![
                [
                    pax(record("linkpath", "../outside").as_bytes()),
                    link(b"l", b""),
                ]
                .concat(),
            ],
            LinkEscape,
        ),
        (
            "chain that escapes",
            vec![link(b"a/b", b".."), link(b"l", b"a/b/../outside")],
            LinkEscape,
        ),
        (
            "chain that escapes, listed first",
            vec![link(b"a", b"b/c/../../x"), link(b"b/c", b"..")],
            LinkEscape,
        ),
        ("loop", vec![link(b"a", b"b"), link(b"b", b"a")], LinkEscape),
    ]);
}

#[test]
fn types_and_extensions() {
    use Reason::{Header, TypeForbidden};
    all_refused(vec![
        // types
        (
            "hard link",
            vec![header(b"h", b'1', 0, b"/etc/passwd", |_| ())],
            TypeForbidden,
        ),
        (
            "character device",
            vec![changed(b"d", b'3', |_| ())],
            TypeForbidden,
        ),
        (
            "block device",
            vec![changed(b"d", b'4', |_| ())],
            TypeForbidden,
        ),
        ("FIFO", vec![changed(b"p", b'6', |_| ())], TypeForbidden),
        ("socket", vec![changed(b"s", b's', |_| ())], TypeForbidden),
        (
            "contiguous file",
            vec![changed(b"f", b'7', |_| ())],
            TypeForbidden,
        ),
        (
            "file of type NUL",
            vec![changed(b"f", 0, |_| ())],
            TypeForbidden,
        ),
        (
            "xattr",
            vec![with_record("SCHILY.xattr.user.x", "value")],
            TypeForbidden,
        ),
        (
            "ACL",
            vec![with_record("SCHILY.acl.access", "value")],
            TypeForbidden,
        ),
        (
            "capability",
            vec![with_record("SCHILY.xattr.security.capability", "value")],
            TypeForbidden,
        ),
        (
            "bsdtar's xattr",
            vec![with_record("LIBARCHIVE.xattr.user.x", "value")],
            TypeForbidden,
        ),
        (
            "SELinux label",
            vec![with_record("RHT.security.selinux", "value")],
            TypeForbidden,
        ),
        // PAX
        (
            "PAX size against header size",
            vec![[pax(b"10 size=3\n"), file(b"f", b"four")].concat()],
            Header,
        ),
        (
            "PAX size that the header could hold",
            vec![with_record("size", "512")],
            Header,
        ),
        (
            "PAX size, negative",
            vec![with_record("size", "-1")],
            Header,
        ),
        (
            "PAX size over 2^64",
            vec![with_record("size", "99999999999999999999999")],
            Header,
        ),
        (
            "PAX without a length",
            vec![[pax(b"path=f\n"), file(b"f", b"")].concat()],
            Header,
        ),
        (
            "PAX with a wrong length",
            vec![[pax(b"11 path=f\n"), file(b"f", b"")].concat()],
            Header,
        ),
        (
            "PAX that is empty",
            vec![[pax(b""), file(b"f", b"")].concat()],
            Header,
        ),
        (
            "PAX key twice",
            vec![[pax(b"9 path=f\n9 path=g\n"), file(b"f", b"")].concat()],
            Header,
        ),
        (
            "PAX key of another meaning",
            vec![with_record("mtime", "value")],
            Header,
        ),
        ("PAX over 4 KiB", vec![at_path(&"p".repeat(5000))], Header),
        (
            "global PAX",
            vec![
                with_body(header(b"g", b'g', 9, b"", |_| ()), b"9 path=f\n"),
                file(b"f", b""),
            ],
            Header,
        ),
        (
            "extension before extension",
            vec![[pax(b"9 path=f\n"), pax(b"9 path=g\n"), file(b"f", b"")].concat()],
            Header,
        ),
        ("extension before the end", vec![pax(b"9 path=f\n")], Header),
        // GNU
        ("GNU sparse", vec![changed(b"f", b'S', |_| ())], Header),
        (
            "GNU sparse by PAX",
            vec![with_record("GNU.sparse.major", "value")],
            Header,
        ),
        (
            "GNU long name",
            vec![
                with_body(header(b"././@LongLink", b'L', 4, b"", |_| ()), b"name"),
                file(b"f", b""),
            ],
            Header,
        ),
        (
            "GNU long link",
            vec![
                with_body(header(b"././@LongLink", b'K', 4, b"", |_| ()), b"name"),
                file(b"f", b""),
            ],
            Header,
        ),
        (
            "GNU long name beside PAX",
            vec![
                [
                    pax(b"9 path=f\n"),
                    header(b"././@LongLink", b'L', 0, b"", |_| ()),
                ]
                .concat(),
            ],
            Header,
        ),
        (
            "GNU magic",
            vec![changed(b"f", b'0', |h| {
                h[257..265].copy_from_slice(b"ustar  \0");
            })],
            Header,
        ),
    ]);
}

#[test]
fn duplicates_and_names() {
    use Reason::{Duplicate, NameEncoding, PathTooLong};
    let long_name = "n".repeat(256);
    let long_path = format!("{}f", "directory/".repeat(110));
    let deep = format!("{}f", "d/".repeat(64));
    all_refused(vec![
        // twice
        (
            "file twice",
            vec![file(b"f", b"1"), file(b"f", b"2")],
            Duplicate,
        ),
        (
            "file and link",
            vec![file(b"f", b"1"), link(b"f", b"g")],
            Duplicate,
        ),
        (
            "link twice",
            vec![link(b"l", b"g"), link(b"l", b"g")],
            Duplicate,
        ),
        (
            "file against directory",
            vec![directory(b"d/"), file(b"d", b"1")],
            Duplicate,
        ),
        (
            "directory against file",
            vec![file(b"d", b"1"), directory(b"d/")],
            Duplicate,
        ),
        (
            "file below a file",
            vec![file(b"d", b"1"), file(b"d/f", b"1")],
            Duplicate,
        ),
        (
            "link against directory",
            vec![directory(b"d/"), link(b"d", b"x")],
            Duplicate,
        ),
        // names
        (
            "name that is not UTF-8",
            vec![file(b"f\xff", b"")],
            NameEncoding,
        ),
        ("control byte", vec![file(b"a\x1b[31m", b"")], NameEncoding),
        ("newline in a PAX path", vec![at_path("a\nb")], NameEncoding),
        (
            "link target that is not UTF-8",
            vec![link(b"l", b"\xff")],
            NameEncoding,
        ),
        (
            "control byte in a link's target",
            vec![link(b"l", b"a\nb")],
            NameEncoding,
        ),
        (
            "name over 255 bytes",
            vec![at_path(&long_name)],
            PathTooLong,
        ),
        (
            "path over 1024 bytes",
            vec![at_path(&long_path)],
            PathTooLong,
        ),
        ("path deeper than 64", vec![at_path(&deep)], PathTooLong),
        (
            "link target over 1024 bytes",
            vec![
                [
                    pax(record("linkpath", &long_path).as_bytes()),
                    link(b"l", b""),
                ]
                .concat(),
            ],
            PathTooLong,
        ),
    ]);
}

#[test]
fn fields() {
    use Reason::Header;
    all_refused(vec![
        // numbers
        (
            "negative size",
            vec![changed(b"f", b'0', |h| {
                h[124..136].copy_from_slice(b"-0000000001\0");
            })],
            Header,
        ),
        (
            "negative size in base 256",
            vec![changed(b"f", b'0', |h| h[124..136].fill(0xff))],
            Header,
        ),
        (
            "size in base 256",
            vec![changed(b"f", b'0', |h| {
                h[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\x01");
            })],
            Header,
        ),
        (
            "size that is no number",
            vec![changed(b"f", b'0', |h| h[124] = b'9')],
            Header,
        ),
        (
            "mode that is no number",
            vec![changed(b"f", b'0', |h| h[100] = b'x')],
            Header,
        ),
        (
            "body of a directory",
            vec![with_body(header(b"d/", b'5', 4, b"", |_| ()), b"body")],
            Header,
        ),
        (
            "body of a link",
            vec![with_body(header(b"l", b'2', 4, b"x", |_| ()), b"body")],
            Header,
        ),
        (
            "bad checksum",
            vec![{
                let mut entry = file(b"f", b"");
                entry[0] = b'g';
                entry
            }],
            Header,
        ),
        (
            "target of a file",
            vec![header(b"f", b'0', 0, b"x", |_| ())],
            Header,
        ),
        (
            "directory without its slash",
            vec![changed(b"d", b'5', |_| ())],
            Header,
        ),
        (
            "bytes behind the fields",
            vec![changed(b"f", b'0', |h| h[511] = 1)],
            Header,
        ),
        (
            "padding that is not zero",
            vec![{
                let mut entry = file(b"f", b"x");
                entry[600] = 1;
                entry
            }],
            Header,
        ),
        // times: 999999999, 10^9 + 2^29, and a directory's that is not 10^9
        (
            "mtime too low",
            vec![changed(b"f", b'0', |h| {
                h[136..148].copy_from_slice(b"07346544777\0");
            })],
            Header,
        ),
        (
            "mtime too high",
            vec![changed(b"f", b'0', |h| {
                h[136..148].copy_from_slice(b"13346545000\0");
            })],
            Header,
        ),
        (
            "mtime of a directory",
            vec![changed(b"d/", b'5', |h| {
                h[136..148].copy_from_slice(b"07346545001\0");
            })],
            Header,
        ),
        (
            "mtime of a link",
            vec![header(b"l", b'2', 0, b"x", |h| {
                h[136..148].copy_from_slice(b"07346545001\0");
            })],
            Header,
        ),
    ]);
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
            &Place {
                target: None,
                replaced: &BTreeSet::new(),
                last: true,
            },
        )
        .unwrap();
    unpacker.finish(&release::Asked::default()).unwrap();
    let metadata = tree.path().join("f").metadata().unwrap();
    assert_eq!(metadata.mode(), 0o100_755);
    assert_eq!(metadata.uid(), tree.path().metadata().unwrap().uid());
}

proptest! {
    #![proptest_config(crate::archive::cases(300))]
    #[test]
    fn mutated_archives_stay_in_the_tree(flips in proptest::collection::vec((0_usize..5120, any::<u8>()), 1..6), reseal in any::<bool>(), last in any::<bool>()) {
        let entries = [directory(b"a/"), file(b"a/b", b"text"), link(b"a/l", b"../a/b"), pax(b"9 path=c\n"), file(b"", b"text")];
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
    fn signed_noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), unpacked in 0_u64..4096) {
        for from in [From::Memory, From::Spool] {
            prop_assert!(unpack(&[signed(bytes.clone(), unpacked, 1)], true, from, None).is_err());
        }
    }
}
