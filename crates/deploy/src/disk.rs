//! Every call of this crate that changes the local disk: each passes a failpoint first, and each
//! error names its path.

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// What every directory that others read gets, whatever the umask: their readers run under other
/// users.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;
/// What every file that others read gets.
const FILE_MODE: u32 = 0o644;

/// The local disk refused a call.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}{}", path.display(), elsewhere(source))]
pub struct DiskError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn elsewhere(source: &io::Error) -> &'static str {
    let crosses = source.kind() == io::ErrorKind::CrossesDevices;
    if crosses {
        ": all of a release root has to be on one file system, and a part of it is a link or a \
         mount of another one"
    } else {
        ""
    }
}

impl DiskError {
    pub(crate) fn new(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// The stable reason: `workspace` where permissions or the path itself are in the way,
    /// otherwise `disk`.
    #[must_use]
    pub fn reason(&self) -> release::Reason {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                release::Reason::Workspace
            }
            _ => release::Reason::Disk,
        }
    }

    /// What the operating system said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The file system does not rename this, as it is of another one or of a lower layer.
    pub(crate) fn is_across(&self) -> bool {
        self.source.kind() == io::ErrorKind::CrossesDevices
    }

    /// The same as a number, if it is one.
    pub(crate) fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.source)
    }

    /// The path that the call was about.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) fn attempt<T, E: Into<io::Error>>(
    point: &'static str,
    action: &'static str,
    path: &Path,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, DiskError> {
    failpoint::hit(point)
        .and_then(|()| call().map_err(Into::into))
        .map_err(|source| DiskError::new(action, path, source))
}

/// A name that nobody else has chosen: 16 hexadecimal digits.
pub(crate) fn random_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Makes `path` a directory that everyone may read; leaves one that exists as it is.
pub(crate) fn ensure_directory(path: &Path) -> Result<(), DiskError> {
    let made = attempt("deploy.directory.make", "make the directory", path, || {
        rustix::fs::mkdir(path, Mode::from_raw_mode(DIRECTORY_MODE))
    });
    match made {
        Ok(()) => set_mode(path, DIRECTORY_MODE),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), DiskError> {
    let directory = open_directory(path)?;
    let now = rustix::fs::fstat(&directory)
        .map_err(|error| DiskError::new("look at", path, error))?
        .st_mode;
    if now & 0o777 == mode {
        return Ok(());
    }
    // Set-group-ID comes from the parent (a Kubernetes fsGroup volume) and is how the pod's other
    // users get in: it stays.
    let mode = Mode::from_raw_mode(mode | now & 0o2000);
    attempt("deploy.directory.mode", "set the mode of", path, || {
        rustix::fs::fchmod(&directory, mode)
    })
}

/// Makes a new file for writing, which must not exist.
pub(crate) fn create_file(path: &Path) -> Result<File, DiskError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = attempt("deploy.file.create", "create", path, || {
        rustix::fs::open(path, flags, Mode::from_raw_mode(FILE_MODE))
    })?;
    attempt("deploy.file.mode", "set the mode of", path, || {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(FILE_MODE))
    })?;
    Ok(File::from(file))
}

/// Puts `bytes` in place of the file `target`: readers and crashes see the old file or the new one,
/// durably.
pub(crate) fn replace_file(
    temporaries: &Path,
    target: &Path,
    bytes: &[u8],
) -> Result<(), DiskError> {
    let temporary = temporaries.join(random_name());
    let mut file = create_file(&temporary)?;
    attempt("deploy.file.write", "write", &temporary, || {
        file.write_all(bytes)
    })
    .and_then(|()| sync(&file, &temporary))
    .and_then(|()| rename(&temporary, target))
    .inspect_err(|_| discard(&temporary))?;
    sync_parent(target)
}

/// Makes `link` a symbolic link to `contents`, in place of the link that was there, durably.
pub(crate) fn replace_link(
    temporaries: &Path,
    link: &Path,
    contents: &Path,
) -> Result<(), DiskError> {
    let temporary = temporaries.join(random_name());
    attempt("deploy.link.make", "make the link", &temporary, || {
        rustix::fs::symlink(contents, &temporary)
    })?;
    rename(&temporary, link).inspect_err(|_| discard(&temporary))?;
    sync_parent(link)
}

/// Renames, replacing what is at `to` where the kernel allows it.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), DiskError> {
    attempt("deploy.path.rename", "rename to", to, || {
        rustix::fs::rename(from, to)
    })
}

/// Gives each of two directories the other's name, in one step.
pub(crate) fn exchange(one: &Path, other: &Path) -> Result<(), DiskError> {
    attempt("deploy.tree.exchange", "exchange", other, || {
        rustix::fs::renameat_with(
            rustix::fs::CWD,
            one,
            rustix::fs::CWD,
            other,
            rustix::fs::RenameFlags::EXCHANGE,
        )
    })
}

/// Removes a file or a link.
pub(crate) fn remove_file(path: &Path) -> Result<(), DiskError> {
    attempt("deploy.file.remove", "remove", path, || {
        rustix::fs::unlinkat(CWD, path, AtFlags::empty())
    })
}

/// Writes a file's data and metadata to the disk.
pub(crate) fn sync(file: impl AsFd, path: &Path) -> Result<(), DiskError> {
    attempt("deploy.file.sync", "sync", path, || {
        rustix::fs::fsync(&file)
    })
}

/// Writes the names in a directory to the disk.
pub(crate) fn sync_directory(path: &Path) -> Result<(), DiskError> {
    sync(open_directory(path)?, path)
}

fn sync_parent(path: &Path) -> Result<(), DiskError> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Writes everything of the file system that holds the open `directory` to the disk: one call for
/// 100,000 files.
pub(crate) fn sync_file_system(directory: &File, path: &Path) -> Result<(), DiskError> {
    attempt(
        "deploy.filesystem.sync",
        "sync the file system of",
        path,
        || rustix::fs::syncfs(directory),
    )
}

/// Opens a directory; never through a link at its last name.
pub(crate) fn open_directory(path: &Path) -> Result<File, DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| DiskError::new("open the directory", path, error))
}

/// The names in a directory, in no order; those that are not UTF-8 are nobody's of ours.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, DiskError> {
    let refused = |error| DiskError::new("read the directory", directory, error);
    let entries = fs::read_dir(directory).map_err(refused)?;
    entries
        .filter_map(|entry| {
            entry
                .map(|entry| entry.file_name().into_string().ok())
                .transpose()
        })
        .collect::<io::Result<_>>()
        .map_err(refused)
}

// The first error is the one to report; what is left is swept at the next start.
fn discard(temporary: &Path) {
    if let Err(error) = remove_file(temporary) {
        tracing::debug!(path = %temporary.display(), %error, "a temporary file stays until the next start");
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;

    #[test]
    fn a_replaced_file_leaves_no_temporary() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("state.json");
        for text in ["one", "two"] {
            replace_file(directory.path(), &target, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_link_never_follows_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let (link, old) = (
            directory.path().join("current"),
            directory.path().join("old"),
        );
        fs::create_dir(&old).unwrap();
        replace_link(directory.path(), &link, Path::new("old")).unwrap();
        replace_link(directory.path(), &link, Path::new("new")).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("new"));
        assert_eq!(fs::read_dir(&old).unwrap().count(), 0);
    }

    #[test]
    fn an_error_names_the_path_and_a_failed_rename_leaves_no_temporary() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("full");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("child"), "").unwrap();
        let error = replace_link(directory.path(), &target, Path::new("x")).unwrap_err();
        assert!(error.to_string().ends_with("/full"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
