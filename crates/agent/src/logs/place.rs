//! Where a log directory of a tree is. The shop writes there: no link of its making is followed.

use release::RelativePath;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt as _},
    path::{Component, Path, PathBuf},
};

/// How far towards a directory one comes.
#[derive(Debug)]
pub(super) struct Reached {
    /// The directory itself, or the nearest one above it that is there.
    pub(super) directory: File,
    /// It is the directory itself.
    pub(super) whole: bool,
}

/// Opens `path` of `tree`, in the release root at `root`, as far as it is there; `None` if it is
/// neither in the root nor on the volume.
///
/// Links of the tree were made with it, in a place that the shop cannot write; beyond the first of
/// them there is none to be followed.
pub(super) fn reach(
    root: &Path,
    tree: &Path,
    writable: Option<&Path>,
    path: &RelativePath,
) -> io::Result<Option<Reached>> {
    let top = open(root)?;
    let Ok(within) = tree.strip_prefix(root) else {
        return Ok(None);
    };
    let names: Vec<&str> = path.as_str().split('/').collect();
    for count in 1..=names.len() {
        let (prefix, rest) = (
            within.join(names[..count].join("/")),
            names[count..].join("/"),
        );
        match rustix::fs::readlinkat(&top, &prefix, Vec::new()) {
            Ok(target) => {
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                return match leads(root, &prefix, writable, target) {
                    Some((base, below)) => deepest(&open(base)?, &below.join(rest)).map(Some),
                    None => Ok(None),
                };
            }
            // A directory, or nothing.
            Err(Errno::INVAL) => {}
            Err(Errno::NOENT | Errno::NOTDIR) => break,
            Err(error) => return Err(error.into()),
        }
    }
    deepest(&top, &within.join(path)).map(Some)
}

/// The place, and the path below it, to which a link at `at` of the root leads: the volume's, or
/// the root's own `kept`.
fn leads<'a>(
    root: &'a Path,
    at: &Path,
    writable: Option<&'a Path>,
    target: &Path,
) -> Option<(&'a Path, PathBuf)> {
    if let Some(volume) = writable
        && let Ok(below) = target.strip_prefix(volume)
    {
        return plain(below).then(|| (volume, below.to_owned()));
    }
    let up = target
        .components()
        .take_while(|part| *part == Component::ParentDir)
        .count();
    let below: PathBuf = target.components().skip(up).collect();
    (up + 1 == at.components().count() && below.starts_with("kept") && plain(&below))
        .then_some((root, below))
}

fn plain(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn deepest(base: &File, path: &Path) -> io::Result<Reached> {
    for above in path.ancestors() {
        let name = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        match directory(base, name) {
            Ok(directory) => {
                return Ok(Reached {
                    directory,
                    whole: above == path,
                });
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn directory(base: impl AsFd, path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    inside(base, path, flags)
}

/// Opens a path below `base`, through no link.
pub(super) fn inside(
    base: impl AsFd,
    path: impl rustix::path::Arg,
    flags: OFlags,
) -> rustix::io::Result<File> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(base, path, flags, Mode::empty(), resolve).map(File::from)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, symlink},
    };

    #[test]
    fn links_of_the_tree_are_followed_and_those_of_the_shop_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for made in [
            "root/releases/1/var/tmp",
            "root/kept/log",
            "volume/1/var/report",
            "elsewhere/log",
        ] {
            fs::create_dir_all(at(made)).unwrap();
        }
        let tree = at("root/releases/1");
        symlink("../../kept/log", tree.join("log")).unwrap();
        symlink(at("volume/1/var"), tree.join("cache")).unwrap();
        symlink(at("elsewhere"), tree.join("media")).unwrap();
        symlink("../../../../elsewhere", tree.join("up")).unwrap();
        symlink(at("elsewhere/log"), at("volume/1/var/log")).unwrap();
        let reach = |path: &str| {
            let found = super::reach(
                &at("root"),
                &tree,
                Some(&at("volume")),
                &path.parse().unwrap(),
            )
            .unwrap();
            found.map(|found| (found.directory.metadata().unwrap().ino(), found.whole))
        };
        let inode = |path: &str| fs::metadata(at(path)).unwrap().ino();
        for (path, expected, whole) in [
            ("var/tmp", "root/releases/1/var/tmp", true),
            ("var/new/deep", "root/releases/1/var", false),
            ("log", "root/kept/log", true),
            ("log/sub", "root/kept/log", false),
            ("cache/report", "volume/1/var/report", true),
            ("cache/new", "volume/1/var", false),
            // A link that the shop made.
            ("cache/log", "volume/1/var", false),
        ] {
            assert_eq!(reach(path), Some((inode(expected), whole)), "{path}");
        }
        assert_eq!((reach("media/log"), reach("up/log")), (None, None));
    }
}
