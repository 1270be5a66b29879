//! Paths, links, and names that occur twice.

use super::*;
use crate::archive::{directory, file, link, pax, record};
use release::Reason;

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
