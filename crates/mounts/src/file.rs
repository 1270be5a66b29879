//! The mounts file: which directories a pod shares, from where, and where. `docs/formats/mounts.md`
//! is its specification.

mod check;
mod raw;
mod server;

use crate::{mount_options::MountOptions, nfs::Nfs};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// The most bytes that a mounts file may have.
pub const FILE_LIMIT: usize = 64 << 10;
/// The most mounts that it may list: each costs a child process at every probe.
pub const MOUNTS_LIMIT: usize = 32;

/// A mounts file that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountsFile {
    /// The mounts, in the order of the file.
    pub mounts: Vec<Mount>,
}

impl MountsFile {
    /// Reads the text of a mounts file: JSON where it starts with `{`, otherwise TOML.
    ///
    /// # Errors
    ///
    /// Every problem of the file, each with its mount and value; only text that is neither JSON nor
    /// TOML gives one alone.
    pub fn parse(text: &str) -> Result<Self, MountsFileError> {
        check::file(text).map_err(MountsFileError)
    }
}

/// One mount of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its name in logs, metrics and `/status`.
    pub name: String,
    /// Where it is mounted.
    pub path: PathBuf,
    /// What is mounted, and by whom.
    pub what: What,
    /// Mount options beyond the defaults.
    pub options: MountOptions,
    /// Whether writes are refused by the kernel.
    pub read_only: bool,
    /// Whether the pod is not ready without it.
    pub required: bool,
    /// Whether each probe writes a byte, too.
    pub write_probe: bool,
    /// Directories to make where they are missing.
    pub directories: Vec<Directory>,
}

impl Mount {
    /// The kind that the file names.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.what {
            What::Nfs4(_) => Kind::Nfs4,
            What::Bind { .. } => Kind::Bind,
            What::Adopt { .. } => Kind::Adopt,
        }
    }
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A directory of an NFS server.
    Nfs4(Nfs),
    /// A local directory.
    Bind {
        /// Which one, its subdirectory included.
        source: PathBuf,
        /// How many of its last names are made if they are missing: those of the subdirectory.
        made: usize,
    },
    /// Whatever somebody else mounted there; never mounted or unmounted by us.
    Adopt {
        /// The file system's type that is expected, such as `nfs4`.
        fstype: Option<String>,
        /// The source that is expected, as mountinfo shows it.
        source: Option<String>,
    },
}

/// The kind of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// NFSv4.1, such as EFS.
    Nfs4,
    /// A local directory.
    Bind,
    /// Mounted by somebody else, such as a CSI driver.
    Adopt,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nfs4 => "nfs4",
            Self::Bind => "bind",
            Self::Adopt => "adopt",
        })
    }
}

/// A directory of the shop that is made on the mount where it is missing; one that exists is left
/// as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Directory {
    /// Below the mount.
    pub path: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: u32,
}

/// Everything that is wrong with a mounts file, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MountsFileError(Vec<String>);

impl MountsFileError {
    /// The stable reason: `config`.
    #[must_use]
    pub fn reason(&self) -> release::Reason {
        release::Reason::Config
    }

    /// The problems, one line each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for MountsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the mounts file is not usable\n  {}",
            self.0.join("\n  ")
        )
    }
}

#[cfg(test)]
mod tests;
