//! Logs that the shop's own rotation has set aside, such as `system.log.1`: they were told while
//! they were written, and of those of a directory that are too large together the oldest go.

use rustix::{
    fs::{AtFlags, Dir, FileType, statat},
    io::Errno,
};
use std::{
    cmp::Reverse,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    time::Duration,
};
use tracing::{debug, warn};

/// How often they are looked at: rotation is a matter of days.
pub(super) const EVERY: Duration = Duration::from_mins(1);
/// Bytes of those of a directory that are kept.
const LIMIT: u64 = 64 << 20;
/// Files of a directory that are looked at.
const FILES: usize = 2000;

/// A file that rotation has set aside.
#[derive(Debug, PartialEq, Eq)]
struct Rotated {
    name: OsString,
    bytes: u64,
    /// When it was last written, in seconds and nanoseconds.
    written: (i64, i64),
}

/// Removes those that are too much of a directory.
///
/// # Errors
///
/// The directory cannot be read.
pub(super) fn prune(directory: &File) -> io::Result<()> {
    for Rotated { name, bytes, .. } in surplus(list(directory)?, LIMIT) {
        match rustix::fs::unlinkat(directory, &name, AtFlags::empty()) {
            Ok(()) => warn!(bytes, "a rotated log of the shop was removed"),
            Err(error) => debug!(%error, "a rotated log stays"),
        }
    }
    Ok(())
}

fn list(directory: &File) -> io::Result<Vec<Rotated>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)?.take(FILES) {
        let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
        if !is_rotated(&name) {
            continue;
        }
        // What a link leads to is not looked at, and a link is none.
        let stat = match statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            found.push(Rotated {
                name,
                bytes: u64::try_from(stat.st_size).unwrap_or(0),
                written: (stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            });
        }
    }
    Ok(found)
}

/// `system.log.1`, `debug.log-20261201.gz`, and not `system.log` or `catalog.xml`.
fn is_rotated(name: &OsStr) -> bool {
    let name = name.as_bytes();
    [&b".log."[..], b".log-"]
        .iter()
        .any(|mark| name.windows(mark.len()).any(|part| part == *mark))
        && !name.ends_with(b".log")
}

/// The oldest, as many as it takes for the others to be within the limit.
fn surplus(mut all: Vec<Rotated>, limit: u64) -> Vec<Rotated> {
    all.sort_by_key(|it| Reverse(it.written));
    let mut kept = 0_u64;
    let first = all.iter().position(|it| {
        kept = kept.saturating_add(it.bytes);
        kept > limit
    });
    all.split_off(first.unwrap_or(all.len()))
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]
mod tests {
    use super::*;
    use std::fs;

    fn rotated(name: &str, bytes: u64, written: i64) -> Rotated {
        Rotated {
            name: name.into(),
            bytes,
            written: (written, 0),
        }
    }

    #[test]
    fn the_oldest_go_until_the_rest_is_within_the_limit() {
        let all = || {
            vec![
                rotated("b", 40, 2),
                rotated("a", 40, 1),
                rotated("c", 40, 3),
            ]
        };
        let gone = |limit| -> Vec<_> {
            let gone = surplus(all(), limit).into_iter();
            gone.map(|it| it.name.into_string().unwrap()).collect()
        };
        assert_eq!(gone(120), [""; 0]);
        assert_eq!(gone(119), ["a"]);
        assert_eq!(gone(79), ["b", "a"]);
        assert_eq!(gone(39), ["c", "b", "a"]);
    }

    #[test]
    fn what_rotation_leaves_is_told_from_logs_and_all_else() {
        for name in [
            "system.log.1",
            "system.log.2.gz",
            "debug.log-20261201",
            "a.log.2026-12-01",
        ] {
            assert!(is_rotated(name.as_ref()), "{name}");
        }
        for name in [
            "system.log",
            "catalog.xml",
            "log.1",
            ".log",
            "a.log-1.log",
            "12345",
        ] {
            assert!(!is_rotated(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn links_directories_and_logs_stay_whatever_their_names() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        for (name, megabytes) in [("a.log.2", 60), ("a.log.1", 60), ("a.log", 60)] {
            // Of nothing, and as large as it says.
            fs::File::create(path(name))
                .unwrap()
                .set_len(megabytes << 20)
                .unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::create_dir(path("b.log.1")).unwrap();
        std::os::unix::fs::symlink(path("a.log"), path("c.log.1")).unwrap();
        prune(&File::open(scratch.path()).unwrap()).unwrap();
        let mut left: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a.log", "a.log.1", "b.log.1", "c.log.1"]);
    }
}
