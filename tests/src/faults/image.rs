//! A file system in a file, with a pod's root in it: what the power or a bad sector leaves is what
//! is in that file.

use super::rig::Rig;
use crate::process::Program;
use rustix::process::geteuid;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How one is made and mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    make: &'static [&'static str],
    /// What it is mounted with. Nothing is written by the kernel on its own account: only what we
    /// ask for is on the disk.
    pub(super) options: &'static str,
}

pub(super) const ORDERED: Kind = Kind {
    name: "ext4",
    make: EXT4,
    options: "loop,commit=300,data=ordered",
};
/// A file's size may be on the disk before its contents.
pub(super) const WRITEBACK: Kind = Kind {
    name: "ext4 with data=writeback",
    make: EXT4,
    options: "loop,commit=300,data=writeback",
};
/// It has checksums of contents, and answers EIO if they do not fit. Small files are no part of
/// its trees, so that they have them, too.
pub(super) const BTRFS: Kind = Kind {
    name: "btrfs",
    make: &["mkfs.btrfs", "--quiet", "--mixed"],
    options: "loop,commit=300,max_inline=0",
};

const EXT4: &[&str] = &[
    "mkfs.ext4",
    "-q",
    "-F",
    "-b",
    "4096",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0",
];
const SIZE: u64 = 64 << 20;

/// Whether this machine lets us make and mount them.
pub(super) fn possible() -> Result<(), &'static str> {
    if !geteuid().is_root() {
        return Err("SKIPPED: only root mounts an image");
    }
    for program in ["mkfs.ext4", "mkfs.btrfs"] {
        if Program::new("sh")
            .args(["-c", "command -v \"$0\"", program])
            .run()
            .code()
            != Some(0)
        {
            return Err(
                "SKIPPED: mkfs.ext4 or mkfs.btrfs is not there (Debian: e2fsprogs, btrfs-progs)",
            );
        }
    }
    Ok(())
}

/// Makes one with a copy of the pod's root in its directory `root`; nothing of it is mounted when
/// this returns.
///
/// # Panics
///
/// The machine does not let us.
pub(super) fn make(rig: &Rig, kind: Kind, pod: &str) -> PathBuf {
    let (path, point) = (
        rig.shop.path(format!("{pod}.image")),
        rig.shop.path(format!("{pod}.point")),
    );
    let made = fs::File::create(&path)
        .and_then(|file| file.set_len(SIZE))
        .and_then(|()| fs::create_dir(&point));
    made.expect("a scratch directory is writable");
    Program::new(kind.make[0])
        .args(&kind.make[1..])
        .arg(&path)
        .run()
        .expect(0);
    let script = r#"mount -o "$1" "$2" "$3" && mkdir "$3/root" && if [ -d "$4" ]; then cp -a "$4/." "$3/root"; fi && umount "$3""#;
    let filled =
        Program::new("unshare").args(["--mount", "sh", "-euc", script, "sh", kind.options]);
    filled
        .arg(&path)
        .arg(&point)
        .arg(rig.shop.path(pod))
        .run()
        .expect(0);
    path
}

/// A copy that takes no more space than what is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    Program::new("cp")
        .arg("--sparse=always")
        .arg(from)
        .arg(to)
        .run()
        .expect(0);
}

/// Turns one bit of what begins like `contents` in the image, wherever that is; gives how many
/// places these were.
///
/// # Errors
///
/// The image cannot be read or written.
pub(super) fn rot(image: &Path, contents: &[u8], at: usize, bit: u8) -> io::Result<usize> {
    const SECTOR: usize = 512;
    let mut bytes = fs::read(image)?;
    let begins = &contents[..contents.len().min(4096)];
    let places: Vec<_> = (0..bytes.len())
        .step_by(SECTOR)
        .filter(|place| bytes[*place..].starts_with(begins))
        .collect();
    for place in &places {
        bytes[place + at % begins.len()] ^= 1 << (bit % 8);
    }
    fs::write(image, bytes)?;
    Ok(places.len())
}
