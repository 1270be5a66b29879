//! What a disposable child is asked to do, and what it answers: JSON, as its argument and as one
//! line of its output.

use crate::file::Directory;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One task for one child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChildRequest {
    /// Mount something at `path`, which is made if it is missing.
    Mount {
        path: PathBuf,
        what: Thing,
        flags: Vec<String>,
        read_only: bool,
    },
    /// Make the shop's directories that are missing below `path`.
    Directories {
        path: PathBuf,
        directories: Vec<Directory>,
    },
    /// Unmount what is at `path`.
    Unmount { path: PathBuf, how: How },
    /// Ask the file system at `path` for its figures and its first entry, and have it write a byte.
    Probe { path: PathBuf, write: bool },
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Thing {
    /// `device` with the options `data`; `export` is the same without `subdirectory`, which is made
    /// where it is missing.
    Nfs {
        device: String,
        export: String,
        subdirectory: Option<String>,
        data: String,
    },
    /// The directory `source`, of which the last `made` names are made if they are missing.
    Bind { source: PathBuf, made: usize },
}

/// How to unmount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// As long as nobody uses it; writes what is not written yet.
    Plainly,
    /// The same, but requests that wait for the server fail: only if it does not answer anyway.
    Forcibly,
    /// From the tree at once, and from its users when they end.
    Lazily,
}

/// What a child answers.
pub(crate) type ChildResult = Result<(), Fault>;

/// Which call failed, on what, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error(
    "cannot {action} {}: {} (error {errno})",
    path.display(),
    std::io::Error::from_raw_os_error(*errno).kind()
)]
pub(crate) struct Fault {
    pub(crate) action: String,
    pub(crate) path: PathBuf,
    pub(crate) errno: i32,
}

impl Fault {
    pub(crate) fn new(action: &str, path: &Path, errno: Errno) -> Self {
        Self {
            action: action.to_owned(),
            path: path.to_owned(),
            errno: errno.raw_os_error(),
        }
    }

    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.errno == errno.raw_os_error()
    }
}
