//! The file systems on which trees are made.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its directories itself, and has no failpoints"
)]

use super::BenchError;
use crate::{
    process::{Ended, Program},
    shop,
};
use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The image of the XFS; it has holes, and takes as much memory as is written. The huge shop needs
/// 1.7 GB twice for an update.
const IMAGE: u64 = 6 << 30;

/// Where trees are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    /// /dev/shm
    Tmpfs,
    /// An XFS image on a loop device, the image in /dev/shm; needs root and mkfs.xfs
    Xfs,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tmpfs => "tmpfs",
            Self::Xfs => "XFS",
        }
    }
}

/// An empty directory on such a file system; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) kind: Kind,
    scratch: TempDir,
    mounted: bool,
}

/// Whether this machine lets us have one.
#[derive(Debug)]
pub(super) enum Opened {
    Place(Place),
    /// It does not, for this reason.
    Unavailable(String),
}

impl Place {
    /// Makes one.
    pub(super) fn open(kind: Kind) -> Result<Opened, BenchError> {
        let mut place = Self {
            kind,
            scratch: shop::scratch(),
            mounted: false,
        };
        fs::create_dir(place.path(""))?;
        if kind == Kind::Xfs {
            let image = place.scratch.path().join("image");
            fs::File::create(&image)?.set_len(IMAGE)?;
            let made = Program::new("sh")
                .args(["-c", "command -v mkfs.xfs >/dev/null && mkfs.xfs -q \"$0\""])
                .arg(&image)
                .run();
            if made.ended != Ended::Code(0) {
                return Ok(Opened::Unavailable(format!(
                    "mkfs.xfs does not work or is not installed: {}",
                    made.stderr.trim()
                )));
            }
            let mounted = Program::new("mount")
                .args(["-o", "loop,noatime"])
                .arg(&image)
                .arg(place.path(""))
                .run();
            if mounted.ended != Ended::Code(0) {
                return Ok(Opened::Unavailable(format!(
                    "this machine lets us mount nothing: {}",
                    mounted.stderr.trim()
                )));
            }
            place.mounted = true;
        }
        Ok(Opened::Place(place))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        let place = self.scratch.path().join("place");
        if name.is_empty() {
            place
        } else {
            place.join(name)
        }
    }

    /// Waits until nothing is left to be written, so that no run pays for the one before.
    pub(super) fn settle(&self) -> Result<(), BenchError> {
        Ok(rustix::fs::syncfs(fs::File::open(self.path(""))?).map_err(io::Error::from)?)
    }

    /// Empties it.
    pub(super) fn clear(&self) -> Result<(), BenchError> {
        for entry in fs::read_dir(self.path(""))? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(&path)?;
            } else {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.mounted {
            drop(Program::new("umount").arg(Path::new(&self.path(""))).run());
        }
    }
}
