//! The directories that a release asks for besides its modules: shared, writable, and kept ones.
//!
//! - *shared*: a link to where the shop's storage is mounted, outside of the release root; without such a place, an empty directory.
//!   A link, as whoever removes a tree or the whole root recursively must never come through it to the shop's files.
//! - *writable*: an empty directory in each tree, so that a release never meets what another compiled.
//! - *kept*: a relative link into `<root>/kept/<path>`, which outlives every release and which nothing here ever removes.
//!
//! Writable and kept directories have mode 2775 and the group of the release root's directory. In a pod that is the
//! volume's fsGroup, which every container of the pod has, so php-fpm may write there under its own user, while nobody
//! else on the node may. Set-group-ID lets what it creates stay removable for us.

use crate::disk::{self, DiskError, attempt};
use release::{Manifest, Reason, RelativePath, limits::MTIME_BASE};
use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    fs::File,
    os::{fd::AsFd, unix::fs::MetadataExt as _},
    path::Path,
};

const WRITABLE_MODE: u32 = 0o2775;

/// Why a directory that the manifest asks for is not there.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A module put a file or a link where the directory, or one above it, has to be.
    #[error("{0} has to be a directory, and a module owns a file or a link of that name")]
    Occupied(RelativePath),
    /// A module ships contents into a directory that is to outlive releases.
    #[error("{0} is kept across releases, and a module has files in it")]
    KeptHasFiles(RelativePath),
    /// The local disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl DirectoryError {
    /// The stable reason: `duplicate`, or the disk's.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Occupied(_) | Self::KeptHasFiles(_) => Reason::Duplicate,
            Self::Disk(error) => error.reason(),
        }
    }
}

/// The paths of a tree of `manifest` that, with all below them, are not the release's own: the shop may write there, so they are
/// neither looked after nor linked into another tree.
pub(crate) fn outside(manifest: &Manifest) -> Vec<RelativePath> {
    let aside = manifest.shared.iter().filter_map(|path| {
        let above = path.as_str().strip_suffix(path.name())?;
        format!("{above}{}", aside(path)).parse().ok()
    });
    aside.chain(manifest.shared.iter().cloned()).chain(manifest.writable.iter().map(|writable| writable.path.clone())).collect()
}

/// The directories of a tree of `manifest` that it has for itself and the shop writes; none that is in another one.
pub(crate) fn written(manifest: &Manifest) -> Vec<RelativePath> {
    let own: Vec<_> = manifest.writable.iter().filter(|writable| !writable.keep).map(|writable| writable.path.clone()).collect();
    let inner = |path: &RelativePath| own.iter().any(|other| other != path && path.is_within(other));
    own.iter().filter(|path| !inner(path)).cloned().collect()
}

/// Whether `path` is one of `places`, or below one.
pub(crate) fn is_within(path: &RelativePath, places: &[RelativePath]) -> bool {
    places.iter().any(|place| path.is_within(place))
}

// What a module shipped for a shared directory is kept beside the link, under this name.
fn aside(path: &RelativePath) -> String {
    format!(".{}.shipped", path.name())
}

/// Makes what `manifest` asks for in the tree that was just unpacked; `storage` is where the shop's storage is mounted.
pub(crate) fn make(root: &Path, kept: &Path, tree: &Path, manifest: &Manifest, storage: Option<&Path>) -> Result<(), DirectoryError> {
    let group = root.metadata().map_err(|error| DiskError::new("look at", root, error))?.gid();
    let top = disk::open_directory(tree)?;
    for path in &manifest.shared {
        let place = Place { top: &top, above: tree };
        match storage {
            Some(storage) => place.link(path, &storage.join(path), Contents::SetAside)?,
            None => drop(place.directory(path)?),
        }
    }
    for writable in &manifest.writable {
        let place = Place { top: &top, above: tree };
        if writable.keep {
            disk::ensure_directory(kept)?;
            let outlives = Place { top: &disk::open_directory(kept)?, above: kept };
            outlives.open_to(&writable.path, group)?;
            place.link(&writable.path, Path::new(&link_contents(&writable.path)), Contents::Refused)?;
        } else {
            place.open_to(&writable.path, group)?;
        }
    }
    date(&top, tree, manifest)
}

/// Gives the tree's top, and every path that is there because the manifest names it or one below it, the time that tar entries of
/// directories have: so two trees of one manifest are the same, however each came to be.
fn date(top: &File, tree: &Path, manifest: &Manifest) -> Result<(), DirectoryError> {
    let targets = manifest.modules.iter().filter_map(|module| module.target.as_ref());
    let named = targets.chain(&manifest.shared).chain(manifest.writable.iter().map(|writable| &writable.path));
    let with_those_above = |path: &'_ RelativePath| -> Vec<String> {
        let text = path.as_str();
        text.match_indices('/').map(|(at, _)| text[..at].to_owned()).chain([text.to_owned()]).collect()
    };
    let dated: BTreeSet<String> = named.flat_map(with_those_above).chain([".".to_owned()]).collect();
    let time = Timespec { tv_sec: MTIME_BASE.cast_signed(), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    for path in dated {
        attempt("deploy.directory.date", "set the time of", &tree.join(&path), || {
            rustix::fs::utimensat(top, &path, &times, AtFlags::SYMLINK_NOFOLLOW)
        })?;
    }
    Ok(())
}

// What to do with what a module ships where a link is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Refused,
    // Beside the link ([`aside`]): shops come with a few files for their media, such as .htaccess.
    SetAside,
}

// A directory below which paths are made; no link is followed on the way.
#[derive(Clone, Copy)]
struct Place<'a> {
    top: &'a File,
    above: &'a Path,
}

impl Place<'_> {
    fn directory(self, path: &RelativePath) -> Result<File, DirectoryError> {
        let shown = self.above.join(path);
        let mut directory = self.top.try_clone().map_err(|error| DiskError::new("open the directory", self.above, error))?;
        for name in path.as_str().split('/') {
            let made = attempt("deploy.directory.make", "make the directory", &shown, || {
                match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(disk::DIRECTORY_MODE)) {
                    Ok(()) => Ok(true),
                    Err(Errno::EXIST) => Ok(false),
                    Err(error) => Err(error),
                }
            })?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let next = rustix::fs::openat2(&directory, name, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS);
            directory = match next {
                Ok(next) => next.into(),
                Err(Errno::NOTDIR | Errno::LOOP) => return Err(DirectoryError::Occupied(path.clone())),
                Err(error) => return Err(DiskError::new("open the directory", &shown, error).into()),
            };
            if made {
                set_mode(&directory, disk::DIRECTORY_MODE, &shown)?;
            }
        }
        Ok(directory)
    }

    fn open_to(self, path: &RelativePath, group: u32) -> Result<(), DirectoryError> {
        let (directory, shown) = (self.directory(path)?, self.above.join(path));
        let now = rustix::fs::fstat(&directory).map_err(|error| DiskError::new("look at", &shown, error))?;
        if now.st_gid != group {
            let owner = rustix::fs::Gid::from_raw(group);
            attempt("deploy.directory.group", "set the group of", &shown, || match rustix::fs::fchown(&directory, None, Some(owner)) {
                // Not a member of that group: then the pod has no fsGroup, and its containers share one user.
                Err(Errno::PERM) => Ok(()),
                other => other,
            })?;
        }
        // A kept directory that the shop's own user has taken over is not ours to change, and does not need it.
        if now.st_mode & 0o7777 != WRITABLE_MODE && now.st_uid == rustix::process::geteuid().as_raw() {
            set_mode(&directory, WRITABLE_MODE, &shown)?;
        }
        Ok(())
    }

    fn link(self, path: &RelativePath, to: &Path, contents: Contents) -> Result<(), DirectoryError> {
        let above = path.parent().and_then(|parent| parent.parse::<RelativePath>().ok());
        let directory = match &above {
            Some(above) => self.directory(above)?,
            None => self.top.try_clone().map_err(|error| DiskError::new("open the directory", self.above, error))?,
        };
        let shown = self.above.join(path);
        attempt("deploy.directory.remove", "remove", &shown, || {
            match rustix::fs::unlinkat(&directory, path.name(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => Ok(Ok(())),
                Err(Errno::NOTEMPTY | Errno::EXIST) if contents == Contents::SetAside => {
                    let aside = aside(path);
                    rustix::fs::renameat_with(&directory, path.name(), &directory, aside, RenameFlags::NOREPLACE).map(Ok)
                }
                Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Err(DirectoryError::KeptHasFiles(path.clone()))),
                Err(Errno::NOTDIR) => Ok(Err(DirectoryError::Occupied(path.clone()))),
                Err(error) => Err(error),
            }
        })??;
        attempt("deploy.link.make", "make the link", &shown, || rustix::fs::symlinkat(to, &directory, path.name()))?;
        Ok(())
    }
}

// From releases/<short>/<path's directory> up to the root, and down into kept/.
fn link_contents(path: &RelativePath) -> String {
    let up = path.as_str().split('/').count() + 1;
    format!("{}{}/{path}", "../".repeat(up), crate::layout::KEPT)
}

fn set_mode(directory: impl AsFd, mode: u32, shown: &Path) -> Result<(), DiskError> {
    let mode = Mode::from_raw_mode(mode);
    attempt("deploy.directory.mode", "set the mode of", shown, || rustix::fs::fchmod(&directory, mode))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test prepares what is on the disk")]

    use super::*;
    use release::{Migration, Writable};
    use std::fs;

    fn manifest(shared: &[&str], writable: &[(&str, bool)]) -> Manifest {
        Manifest {
            schema: 1,
            modules: Vec::new(),
            files: 0,
            bytes: 0,
            shared: shared.iter().map(|path| path.parse().unwrap()).collect(),
            writable: writable.iter().map(|(path, keep)| Writable { path: path.parse().unwrap(), keep: *keep }).collect(),
            php: None,
            migration: Migration::None,
        }
    }

    struct Root(tempfile::TempDir);

    impl Root {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("releases/0123456789abcdef/var")).unwrap();
            Self(root)
        }

        fn tree(&self) -> std::path::PathBuf {
            self.0.path().join("releases/0123456789abcdef")
        }

        fn make(&self, manifest: &Manifest) -> Result<(), DirectoryError> {
            make(self.0.path(), &self.0.path().join("kept"), &self.tree(), manifest, None)
        }
    }

    #[test]
    fn each_kind_is_made() {
        let root = Root::new();
        root.make(&manifest(&["media", "var/import"], &[("var/cache", false), ("var/session", true), ("log", true)])).unwrap();
        let mode = |path: &str| root.tree().join(path).metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode("media"), mode("var/import")), (0o755, 0o755));
        assert_eq!((mode("var/cache"), mode("var/session"), mode("log")), (0o2775, 0o2775, 0o2775));
        for path in ["var/session", "log"] {
            assert_eq!(root.tree().join(path).canonicalize().unwrap(), root.0.path().join("kept").join(path).canonicalize().unwrap());
        }
    }

    #[test]
    fn a_modules_file_in_the_way_is_a_duplicate() {
        let root = Root::new();
        fs::write(root.tree().join("media"), "").unwrap();
        fs::write(root.tree().join("var/session"), "").unwrap();
        for case in [manifest(&["media"], &[]), manifest(&["media/catalog"], &[]), manifest(&[], &[("var/session", true)])] {
            assert!(matches!(root.make(&case), Err(DirectoryError::Occupied(_))));
        }
        assert!(matches!(root.make(&manifest(&[], &[("var", true)])), Err(DirectoryError::KeptHasFiles(_))));
    }

    #[test]
    fn storage_is_linked_and_what_a_module_ships_for_it_is_set_aside() {
        let (root, storage) = (Root::new(), tempfile::tempdir().unwrap());
        fs::create_dir(root.tree().join("media")).unwrap();
        fs::write(root.tree().join("media/.htaccess"), "deny").unwrap();
        let (tree, kept) = (root.tree(), root.0.path().join("kept"));
        make(root.0.path(), &kept, &tree, &manifest(&["media", "var/import"], &[]), Some(storage.path())).unwrap();
        assert_eq!(fs::read_link(tree.join("media")).unwrap(), storage.path().join("media"));
        assert_eq!(fs::read_link(tree.join("var/import")).unwrap(), storage.path().join("var/import"));
        assert_eq!(fs::read_to_string(tree.join(".media.shipped/.htaccess")).unwrap(), "deny");
    }

    #[test]
    fn an_empty_directory_of_a_module_becomes_the_kept_one() {
        let root = Root::new();
        root.make(&manifest(&[], &[("var", true)])).unwrap();
        assert!(root.tree().join("var").is_symlink());
    }

    #[test]
    fn no_link_is_followed_out_of_the_tree() {
        let root = Root::new();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.tree().join("out")).unwrap();
        assert!(matches!(root.make(&manifest(&["out/media"], &[])), Err(DirectoryError::Occupied(_))));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
