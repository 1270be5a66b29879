//! Tar headers, read as far as our own packer writes them (docs/formats/tarball.md).

use std::borrow::Cow;

const BLOCK: usize = 512;

/// One entry of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'b> {
    /// Below the module's target, without a `/` at its end.
    pub(super) path: Cow<'b, str>,
    pub(super) kind: Kind<'b>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'b> {
    File {
        body: &'b [u8],
        executable: bool,
        mtime: u64,
    },
    Directory,
    Link {
        target: Cow<'b, str>,
    },
}

/// The entries of a chunk, in order; `None` among them is one that cannot be read, and the last.
#[derive(Debug)]
pub(super) struct Entries<'b> {
    rest: &'b [u8],
}

/// What a PAX header says about the entry after it.
#[derive(Debug, Default)]
struct Pax<'b> {
    path: Option<&'b str>,
    link: Option<&'b str>,
    size: Option<usize>,
}

impl<'b> Entries<'b> {
    pub(super) const fn new(unpacked: &'b [u8]) -> Self {
        Self { rest: unpacked }
    }

    /// So many bytes, and the padding behind them.
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length.next_multiple_of(BLOCK))?;
        self.rest = rest;
        taken.get(..length)
    }

    fn entry(&mut self) -> Option<Entry<'b>> {
        let mut pax = Pax::default();
        loop {
            let header = self.take(BLOCK)?;
            let size = octal(&header[124..136])?;
            if header[156] == b'x' {
                pax = records(self.take(size)?)?;
                continue;
            }
            let (name, prefix) = (text(&header[..100])?, text(&header[345..500])?);
            let path = match pax.path {
                Some(path) => Cow::Borrowed(path),
                None if prefix.is_empty() => Cow::Borrowed(name),
                None => Cow::Owned(format!("{prefix}/{name}")),
            };
            let kind = match header[156] {
                b'0' => Kind::File {
                    body: self.take(pax.size.unwrap_or(size))?,
                    executable: octal(&header[100..108])? & 0o100 != 0,
                    mtime: octal(&header[136..148])? as u64,
                },
                b'5' => Kind::Directory,
                b'2' => Kind::Link {
                    target: Cow::Borrowed(pax.link.map_or_else(|| text(&header[157..257]), Some)?),
                },
                _ => return None,
            };
            let path = match path {
                Cow::Borrowed(path) => Cow::Borrowed(path.trim_end_matches('/')),
                Cow::Owned(path) => Cow::Owned(path.trim_end_matches('/').to_owned()),
            };
            return Some(Entry { path, kind });
        }
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = Option<Entry<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        // A zero byte where a name should be is the mark at a tarball's end; only a PAX header
        // leaves the name to its records.
        let over = self
            .rest
            .first()
            .is_none_or(|first| *first == 0 && self.rest.iter().take(BLOCK).all(|byte| *byte == 0));
        (!over).then(|| self.entry())
    }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field.split(|byte| *byte == 0).next()?).ok()
}

fn octal(field: &[u8]) -> Option<usize> {
    usize::from_str_radix(text(field)?.trim_end(), 8).ok()
}

/// `<length> <key>=<value>` and a line feed, again and again.
fn records(mut bytes: &[u8]) -> Option<Pax<'_>> {
    let mut pax = Pax::default();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let record = std::str::from_utf8(bytes.get(space + 1..length.checked_sub(1)?)?).ok()?;
        match record.split_once('=')? {
            ("path", path) => pax.path = Some(path),
            ("linkpath", link) => pax.link = Some(link),
            ("size", size) => pax.size = Some(size.parse().ok()?),
            _ => return None,
        }
        bytes = &bytes[length..];
    }
    Some(pax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records_name_path_link_and_size() {
        let pax = records("20 path=café.phtml\n13 linkpath=x\n11 size=99\n".as_bytes());
        assert!(pax.is_none(), "a record whose length is wrong");
        let pax = records("20 path=café.phtml\n14 linkpath=x\n11 size=99\n".as_bytes()).unwrap();
        assert_eq!(
            (pax.path, pax.link, pax.size),
            (Some("café.phtml"), Some("x"), Some(99))
        );
    }

    #[test]
    fn what_is_no_entry_ends_the_list() {
        assert!(Entries::new(&[0; 1024]).next().is_none());
        assert_eq!(Entries::new(&[b'a'; 600]).next(), Some(None));
    }
}
