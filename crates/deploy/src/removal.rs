//! Removing a directory tree without ever leaving it: no link is followed and no mount point is
//! crossed.
//!
//! A shop's media may be mounted below a release tree. `openat2` with `RESOLVE_NO_XDEV` refuses to
//! enter any mount, also a bind mount of the same file system, which a comparison of device numbers
//! would take for a plain directory.

use crate::disk::{DiskError, attempt, open_directory, random_name};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

/// Descriptors that a removal holds at most. A shop can nest its writable directories without end;
/// what is deeper is first moved up to the top of the tree that goes.
const DEPTH: usize = 128;

/// Whether all of a tree is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Nothing is left.
    Complete,
    /// Something is mounted here: it and the directories above it stay.
    Mounted(PathBuf),
}

/// Removes the directory `path` and everything in it. A path that does not exist is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<Removal, DiskError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(DiskError::new("remove", path, Errno::INVAL));
    };
    let parent = open_directory(parent)?;
    let top = match enter(parent.as_fd(), name) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(Removal::Complete),
        Err(Errno::XDEV) => return Ok(Removal::Mounted(path.to_owned())),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return remove(parent.as_fd(), name, AtFlags::empty(), path).map(|_| Removal::Complete);
        }
        Err(error) => return Err(DiskError::new("open the directory", path, error)),
    };
    loop {
        let mut pass = Pass {
            top: top.as_fd(),
            root: path,
            mounted: None,
            moved_up: false,
        };
        pass.empty(top.as_fd(), &mut path.to_owned(), 0)?;
        match pass {
            Pass {
                mounted: Some(mount),
                ..
            } => return Ok(Removal::Mounted(mount)),
            Pass { moved_up: true, .. } => {}
            Pass { .. } => break,
        }
    }
    remove(parent.as_fd(), name, AtFlags::REMOVEDIR, path).map(|gone| {
        if gone {
            Removal::Complete
        } else {
            Removal::Mounted(path.to_owned())
        }
    })
}

struct Pass<'a> {
    top: BorrowedFd<'a>,
    root: &'a Path,
    mounted: Option<PathBuf>,
    moved_up: bool,
}

impl Pass<'_> {
    fn empty(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &mut PathBuf,
        depth: usize,
    ) -> Result<(), DiskError> {
        let read = |error, path: &Path| DiskError::new("read the directory", path, error);
        for entry in Dir::read_from(directory).map_err(|error| read(error, path))? {
            let entry = entry.map_err(|error| read(error, path))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            path.push(name);
            match entry.file_type() {
                FileType::RegularFile | FileType::Symlink => {
                    self.gone(directory, name, AtFlags::empty(), path)?;
                }
                _ => self.entry(directory, name, path, depth)?,
            }
            path.pop();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        path: &mut PathBuf,
        depth: usize,
    ) -> Result<(), DiskError> {
        let child = match enter(directory, name) {
            Ok(child) => child,
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::XDEV) => {
                self.mounted = Some(path.clone());
                return Ok(());
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return self.gone(directory, name, AtFlags::empty(), path);
            }
            Err(error) => return Err(DiskError::new("open the directory", path, error)),
        };
        if depth >= DEPTH {
            let aside = random_name();
            let to = self.root.join(&aside);
            attempt("deploy.tree.move", "rename to", &to, || {
                rustix::fs::renameat(directory, name, self.top, &aside)
            })?;
            self.moved_up = true;
            return Ok(());
        }
        let mounted = self.mounted.take();
        self.empty(child.as_fd(), path, depth + 1)?;
        if self.mounted.is_none() {
            self.gone(directory, name, AtFlags::REMOVEDIR, path)?;
        }
        self.mounted = self.mounted.take().or(mounted);
        Ok(())
    }

    fn gone(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        flags: AtFlags,
        path: &Path,
    ) -> Result<(), DiskError> {
        if !remove(directory, name, flags, path)? {
            self.mounted = Some(path.to_owned());
        }
        Ok(())
    }
}

fn enter(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(
        directory,
        name,
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV,
    )
}

// `false` if a mount stands on the name.
fn remove(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    flags: AtFlags,
    path: &Path,
) -> Result<bool, DiskError> {
    attempt(
        "deploy.tree.remove",
        "remove",
        path,
        || match rustix::fs::unlinkat(directory, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::BUSY) => Ok(false),
            Err(error) => Err(error),
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn a_tree_goes_and_what_its_links_name_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (tree, outside) = (
            directory.path().join("tree"),
            directory.path().join("outside"),
        );
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        assert_eq!(remove_tree(&tree).unwrap(), Removal::Complete);
        assert!(!tree.exists() && outside.join("kept").exists());
        assert_eq!(remove_tree(&tree).unwrap(), Removal::Complete);
    }

    #[test]
    fn a_link_in_the_place_of_a_tree_goes_alone() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, directory.path().join("tree")).unwrap();
        assert_eq!(
            remove_tree(&directory.path().join("tree")).unwrap(),
            Removal::Complete
        );
        assert!(outside.exists() && !directory.path().join("tree").is_symlink());
    }

    #[test]
    fn a_tree_deeper_than_the_descriptors_goes() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("d/".repeat(3 * DEPTH))).unwrap();
        assert_eq!(remove_tree(&tree).unwrap(), Removal::Complete);
        assert!(!tree.exists());
    }

    // Runs once more as itself, in a mount namespace of its own where the shop's media are bound
    // below the tree.
    #[test]
    fn what_is_mounted_in_a_tree_stays() {
        use std::process::Command;
        const INNER: &str = "LONGSHORE_TEST_MOUNTED_TREE";
        #[allow(
            clippy::disallowed_methods,
            reason = "the test hands the directory to itself"
        )]
        if let Some(directory) = std::env::var_os(INNER) {
            let tree = Path::new(&directory).join("tree");
            assert_eq!(
                remove_tree(&tree).unwrap(),
                Removal::Mounted(tree.join("pub/media"))
            );
            assert!(
                tree.join("pub/media/photo").exists()
                    && !tree.join("pub/index.php").exists()
                    && !tree.join("lib").exists()
            );
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (tree, media) = (
            directory.path().join("tree"),
            directory.path().join("media"),
        );
        for made in [tree.join("pub/media"), tree.join("lib/deep"), media.clone()] {
            fs::create_dir_all(made).unwrap();
        }
        for file in [tree.join("pub/index.php"), media.join("photo")] {
            fs::write(file, "x").unwrap();
        }
        // A bind mount of the same file system: its device number is the tree's.
        let inner = "mount --bind \"$1/media\" \"$1/tree/pub/media\" && exec \"$0\" --exact \
                     removal::tests::what_is_mounted_in_a_tree_stays";
        let status = Command::new("unshare")
            .args(["-rm", "sh", "-c", inner])
            .arg(std::env::current_exe().unwrap())
            .arg(directory.path())
            .env(INNER, directory.path())
            .status();
        assert!(
            status.unwrap().success(),
            "needs util-linux, and a kernel that lets its user make a mount namespace"
        );
        assert!(media.join("photo").exists());
    }
}
