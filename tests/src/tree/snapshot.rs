//! What a tree holds.

use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is, with its content.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Bytes.
        len: u64,
        /// SHA-256 of its content, in hexadecimal digits.
        sha256: String,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// Where it points.
        target: PathBuf,
    },
    /// A device, socket or pipe.
    Other,
}

/// Everything below `root`, by path relative to it. Links are not followed.
///
/// # Errors
///
/// Something cannot be read.
pub fn snapshot(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    collect(root, Path::new(""), &mut entries)?;
    Ok(entries)
}

/// What is at `path`. A link is not followed.
///
/// # Errors
///
/// It cannot be read.
pub fn entry(path: &Path) -> io::Result<Entry> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = if metadata.is_file() {
        let sha256 = Sha256::digest(fs::read(path)?)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat();
        Kind::File {
            len: metadata.len(),
            sha256,
        }
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_symlink() {
        Kind::Link {
            target: fs::read_link(path)?,
        }
    } else {
        Kind::Other
    };
    Ok(Entry {
        kind,
        mode: metadata.permissions().mode() & 0o7777,
        mtime: metadata.mtime(),
    })
}

fn collect(root: &Path, below: &Path, entries: &mut BTreeMap<PathBuf, Entry>) -> io::Result<()> {
    for found in fs::read_dir(root.join(below))? {
        let relative = below.join(found?.file_name());
        let entry = entry(&root.join(&relative))?;
        let directory = entry.kind == Kind::Directory;
        entries.insert(relative.clone(), entry);
        if directory {
            collect(root, &relative, entries)?;
        }
    }
    Ok(())
}
