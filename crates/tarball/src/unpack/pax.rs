//! PAX extension headers: only the three keys of our format, each once.

use crate::problem::Problem;
use release::Reason;

/// Bytes (4 KiB) of one extension header: two paths of 1024 and a size fit well.
pub(super) const LIMIT: u64 = 4096;

/// Which keys an extension header has; the texts go where its reader wants them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: bool,
    pub(super) linkpath: bool,
    pub(super) size: Option<u64>,
}

const MALFORMED: Problem = Problem::new(Reason::Header, "has a malformed extension header");

impl Pax {
    /// Reads the records in `bytes`.
    pub(super) fn read(
        mut bytes: &[u8],
        path: &mut Vec<u8>,
        linkpath: &mut Vec<u8>,
    ) -> Result<Self, Problem> {
        let mut pax = Self::default();
        while !bytes.is_empty() {
            let (key, value) = record(&mut bytes)?;
            let again = match key {
                b"path" => {
                    path.clear();
                    path.extend_from_slice(value);
                    std::mem::replace(&mut pax.path, true)
                }
                b"linkpath" => {
                    linkpath.clear();
                    linkpath.extend_from_slice(value);
                    std::mem::replace(&mut pax.linkpath, true)
                }
                b"size" => pax.size.replace(decimal(value).ok_or(MALFORMED)?).is_some(),
                _ => return Err(foreign(key)),
            };
            if again {
                return Err(Problem::new(Reason::Header, "has an extension key twice"));
            }
        }
        Ok(pax)
    }
}

/// Takes `"<length> <key>=<value>\n"` off the front.
fn record<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let space = bytes
        .iter()
        .position(|&byte| byte == b' ')
        .ok_or(MALFORMED)?;
    let length = decimal(&bytes[..space])
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(MALFORMED)?;
    let (record, rest) = bytes.split_at_checked(length).ok_or(MALFORMED)?;
    let body = record
        .get(space + 1..)
        .and_then(|body| body.strip_suffix(b"\n"))
        .ok_or(MALFORMED)?;
    let equals = body
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or(MALFORMED)?;
    *bytes = rest;
    Ok((&body[..equals], &body[equals + 1..]))
}

/// A decimal number without sign or leading zero.
fn decimal(text: &[u8]) -> Option<u64> {
    if !matches!(text, [b'1'..=b'9', ..]) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn foreign(key: &[u8]) -> Problem {
    let attributes: [&[u8]; 4] = [
        b"SCHILY.xattr.",
        b"SCHILY.acl.",
        b"LIBARCHIVE.xattr.",
        b"RHT.security.",
    ];
    if attributes.iter().any(|prefix| key.starts_with(prefix)) {
        Problem::new(
            Reason::TypeForbidden,
            "has extended attributes, an ACL or capabilities",
        )
    } else if key.starts_with(b"GNU.sparse.") {
        Problem::new(Reason::Header, "is a GNU sparse file")
    } else {
        Problem::new(
            Reason::Header,
            "has an extension key other than path, linkpath and size",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(Pax, Vec<u8>, Vec<u8>), Problem> {
        let (mut path, mut linkpath) = (Vec::new(), Vec::new());
        Pax::read(bytes, &mut path, &mut linkpath).map(|pax| (pax, path, linkpath))
    }

    #[test]
    fn records_are_read() {
        let (pax, path, linkpath) =
            read(b"14 linkpath=b\n12 path=a=\n\n19 size=8589934592\n").unwrap();
        assert_eq!(
            pax,
            Pax {
                path: true,
                linkpath: true,
                size: Some(1 << 33)
            }
        );
        assert_eq!(
            (path.as_slice(), linkpath.as_slice()),
            (b"a=\n".as_slice(), b"b".as_slice())
        );
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [
            b"9 path=a\n9 path=b\n".as_slice(),
            b"8 path=a\n",
            b"11 path=a\n",
            b"010 path=a\n",
            b"+10 path=a\n",
            b"9 path:a\n",
            b"9path=aa\n",
            b"9 path=aa",
            b"0 \n",
            b"1 ",
            b" path=a\n",
            b"99999999999999999999 path=a\n",
            b"9 size=-1\n",
            b"9 size=01\n",
            b"12 atime=12\n",
            b"9 path=a\n\0",
        ] {
            assert_eq!(
                read(bytes).unwrap_err().reason,
                Reason::Header,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(prop_oneof![Just(b'1'), Just(b' '), Just(b'='), Just(b'\n'), any::<u8>()], 0..40),
        ) {
            drop(read(&bytes));
        }
    }
}
