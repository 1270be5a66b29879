//! Headers: types, extensions, and the fields of both.

use super::*;
use crate::archive::{file, header, pax, with_body};
use release::Reason;

#[test]
fn types() {
    use Reason::TypeForbidden;
    all_refused(vec![
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
    ]);
}

#[test]
fn pax_extensions() {
    use Reason::Header;
    all_refused(vec![
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
    ]);
}

#[test]
fn gnu_extensions() {
    use Reason::Header;
    all_refused(vec![
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
fn fields() {
    use Reason::Header;
    all_refused(vec![
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
    ]);
}

/// 999999999, 10^9 + 2^29, and a directory's that is not 10^9.
#[test]
fn times() {
    use Reason::Header;
    all_refused(vec![
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
