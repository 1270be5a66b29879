//! `/proc/self/mountinfo`, parsed, and walked as the kernel walks a path. Pure.
//!
//! ```text
//! 36 35 0:52 /shops/acme /srv/shop\040one rw,nosuid shared:1 - nfs4 fs.example:/ rw,vers=4.1
//! id parent device root  mount point      flags     optional   type source       fs options
//! ```
//!
//! Blanks, newlines and backslashes in a field are written as `\040`, `\012` and `\134`: see
//! `proc_pid_mountinfo(5)`.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

/// How much of the table is read: 16 MiB is about 100,000 mounts.
pub const MOUNTINFO_LIMIT: u64 = 16 << 20;

/// One mount of this process's mount namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, which the kernel may give to another mount once this one is gone.
    pub id: u64,
    /// The mount that it lies on.
    pub parent: u64,
    /// Major and minor number of the file system, such as `0:52`.
    pub device: String,
    /// Which directory of the file system is mounted.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// Flags of this mount, such as `rw,nosuid`.
    pub flags: String,
    /// Type of the file system, such as `nfs4`.
    pub fstype: String,
    /// What is mounted, as its file system names it.
    pub source: String,
    /// Options of the file system, such as `vers=4.1,port=2049`.
    pub options: String,
}

impl Entry {
    /// Whether this mount refuses writes.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.flags.split(',').any(|flag| flag == "ro")
    }

    /// The value of an option of the file system.
    ///
    /// ```
    /// let lines = b"1 0 8:1 / / rw - ext4 d rw\n2 1 0:5 / /a rw - nfs4 h:/ rw,port=2049\n";
    /// let table = mounts::MountTable::parse(lines).unwrap();
    /// assert_eq!(table.at("/a".as_ref()).unwrap().option("port"), Some("2049"));
    /// ```
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .split(',')
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        // Split at each single blank: a field may be empty, such as the source of a mount that was
        // given none.
        let mut fields = line.split(|&byte| byte == b' ');
        let mut text = || fields.next().map(unescape);
        let id = number(&text()?)?;
        let parent = number(&text()?)?;
        let device = lossy(text()?);
        let (root, point) = (path(text()?), path(text()?));
        let flags = lossy(text()?);
        while text()? != b"-" {}
        let (fstype, source, options) = (lossy(text()?), lossy(text()?), lossy(text()?));
        Some(Self {
            id,
            parent,
            device,
            root,
            point,
            flags,
            fstype,
            source,
            options,
        })
    }
}

/// A line that is no mount; the number counts from one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of mountinfo is not a mount: {text}")]
pub struct MountTableError {
    line: usize,
    text: String,
}

/// All mounts of this process's mount namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountTable(Vec<Entry>);

impl MountTable {
    /// Parses the whole of `/proc/self/mountinfo`.
    ///
    /// # Errors
    ///
    /// The first line that is no mount. A table that lacks a line would show a foreign mount as an
    /// empty place, so none is skipped.
    pub fn parse(bytes: &[u8]) -> Result<Self, MountTableError> {
        let lines = bytes
            .split(|&byte| byte == b'\n')
            .enumerate()
            .filter(|(_, line)| !line.is_empty());
        let parse = |(index, line): (usize, &[u8])| {
            let shown = || String::from_utf8_lossy(line).chars().take(200).collect();
            Entry::parse(line).ok_or_else(|| MountTableError {
                line: index + 1,
                text: shown(),
            })
        };
        lines.map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The mount that `path` lies on: what a new mount at `path` would be mounted over.
    ///
    /// `path` is absolute and goes through no symbolic link.
    #[must_use]
    pub fn covering(&self, path: &Path) -> Option<&Entry> {
        let mut here = self.root()?;
        // Each step goes to another mount, so more steps than mounts would be a circle.
        for _ in 0..self.0.len() {
            let crossed = self
                .0
                .iter()
                .filter(|entry| entry.parent == here.id && entry.id != here.id);
            let crossed = crossed.filter(|entry| {
                entry.point.starts_with(&here.point) && path.starts_with(&entry.point)
            });
            // The kernel walks name by name, so that the shortest mount point is crossed first;
            // longer ones of this parent are hidden.
            match crossed.min_by_key(|entry| entry.point.as_os_str().len()) {
                Some(next) => here = next,
                None => break,
            }
        }
        Some(here)
    }

    /// The mount whose mount point is `path` and which a process sees there.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<&Entry> {
        self.covering(path).filter(|entry| entry.point == path)
    }

    /// The mount that `entry` lies on.
    pub(crate) fn parent(&self, entry: &Entry) -> Option<&Entry> {
        self.0.iter().find(|other| other.id == entry.parent)
    }

    /// The mount at `/`: the one whose parent is out of sight.
    fn root(&self) -> Option<&Entry> {
        let slash = || self.0.iter().filter(|entry| entry.point == Path::new("/"));
        slash()
            .find(|entry| {
                entry.parent == entry.id || self.0.iter().all(|other| other.id != entry.parent)
            })
            .or_else(|| slash().next())
    }
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = |digit: &u8| {
            (b'0'..=b'7')
                .contains(digit)
                .then(|| u32::from(digit - b'0'))
        };
        let code = match after {
            [a, b, c, ..] if first == b'\\' => octal(a)
                .zip(octal(b))
                .zip(octal(c))
                .map(|((a, b), c)| a << 6 | b << 3 | c),
            _ => None,
        };
        if let Some(byte) = code.and_then(|code| u8::try_from(code).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POD: &str = "\
        21 1 254:0 / / rw,relatime - ext4 /dev/root rw\n30 21 254:0 \
                       /pods/a/kubernetes.io~empty-dir/data /srv rw - ext4 /dev/root rw\n31 30 \
                       254:0 /host /srv/shop rw shared:7 master:2 - ext4 /dev/root rw\n32 31 0:50 \
                       / /srv/shop/media\\040one rw,nosuid - nfs4 fs.example:/ \
                       rw,vers=4.1,port=20049,addr=127.0.0.1\n33 32 0:51 / \
                       /srv/shop/media\\040one ro - tmpfs  rw\n";

    fn id(table: &str, path: &str) -> Option<u64> {
        MountTable::parse(table.as_bytes())
            .unwrap()
            .covering(Path::new(path))
            .map(|entry| entry.id)
    }

    #[test]
    fn a_path_lies_on_the_mount_that_the_kernel_reaches() {
        for (path, expected) in [
            ("/", 21),
            ("/srvx", 21),
            ("/srv/a", 30),
            ("/srv/shop", 31),
            ("/srv/shop/media one", 33),
            ("/srv/shop/media one/x", 33),
        ] {
            assert_eq!(id(POD, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_a_later_mount_hides_is_not_there() {
        let hidden = "1 0 8:1 / / rw - ext4 d rw\n2 1 8:2 / /a/b rw - ext4 d rw\n3 1 8:3 / /a rw \
                      - ext4 d rw\n";
        assert_eq!(id(hidden, "/a/b"), Some(3));
        assert!(
            MountTable::parse(hidden.as_bytes())
                .unwrap()
                .at(Path::new("/a/b"))
                .is_none()
        );
    }

    #[test]
    fn fields_are_what_the_kernel_meant() {
        let table = MountTable::parse(POD.as_bytes()).unwrap();
        let top = table.at(Path::new("/srv/shop/media one")).unwrap();
        assert!(top.is_read_only() && top.source.is_empty());
        let nfs = &table.0[3];
        assert_eq!(
            (nfs.fstype.as_str(), nfs.source.as_str(), nfs.option("port")),
            ("nfs4", "fs.example:/", Some("20049"))
        );
        assert_eq!(
            (nfs.option("vers"), nfs.option("por"), nfs.is_read_only()),
            (Some("4.1"), None, false)
        );
    }

    #[test]
    fn a_line_that_is_no_mount_is_named() {
        let error = MountTable::parse(b"1 0 8:1 / / rw - ext4 d rw\nnonsense\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2 of mountinfo is not a mount: nonsense"
        );
    }

    #[test]
    fn this_machine_can_be_read() {
        let table = MountTable::parse(&std::fs::read("/proc/self/mountinfo").unwrap()).unwrap();
        assert_eq!(table.at(Path::new("/proc")).unwrap().fstype, "proc");
    }

    fn escape(path: &str) -> String {
        path.chars()
            .map(|c| {
                if matches!(c, ' ' | '\t' | '\n' | '\\') {
                    format!("\\{:03o}", c as u32)
                } else {
                    c.to_string()
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(table) = MountTable::parse(&bytes) {
                assert!(
                    table
                        .covering(Path::new("/srv"))
                        .is_none_or(|entry| Path::new("/srv").starts_with(&entry.point))
                );
            }
        }

        #[test]
        fn numbers_that_form_circles_end(
            links in proptest::collection::vec((0_u64..6, 0_u64..6, "(/|/a|/a/b)"), 0..12),
        ) {
            let line = |(id, parent, point): (u64, u64, String)| {
                format!("{id} {parent} 8:1 / {point} rw - ext4 d rw\n")
            };
            let text: String = links.into_iter().map(line).collect();
            let table = MountTable::parse(text.as_bytes()).unwrap();
            prop_assert!(
                table
                    .covering(Path::new("/a/b/c"))
                    .is_none_or(|entry| table.0.contains(entry))
            );
        }

        #[test]
        fn any_name_survives_its_escape(name in "/[ -~\\t\\n]{1,40}") {
            let text = format!("1 0 8:1 / {} rw - ext4 d rw\n", escape(&name));
            prop_assert_eq!(
                &MountTable::parse(text.as_bytes()).unwrap().0[0].point,
                Path::new(&name)
            );
        }
    }
}
