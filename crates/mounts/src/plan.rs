//! What to do about a mount, given the file and the kernel's table. Pure.

use crate::{
    file::{Mount, What},
    mountinfo::{Entry, MountTable},
    nfs::Nfs,
};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The directory in which the kubelet keeps a pod's volumes of kind emptyDir.
const EMPTY_DIR: &str = "kubernetes.io~empty-dir";
/// Where a tunnel listens.
pub(crate) const LOOPBACK: &str = "127.0.0.1";

/// What to do about a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is mounted there.
    Mount,
    /// What is mounted there is what the file asks for.
    Adopt {
        /// The mount's number in the table.
        id: u64,
        /// The port of the tunnel that it goes through.
        tunnel: Option<u16>,
    },
    /// Nothing is mounted there, and doing so is somebody else's task.
    Wait,
    /// Neither mounting nor using what is there would be right.
    Refuse(Refusal),
}

/// Why a mount is neither made nor adopted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something else is mounted there.
    #[error(
        "{path} has {found} mounted, but the mounts file asks for {expected}: unmount it, or \
         correct the file"
    )]
    Foreign {
        /// Where.
        path: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// The mount would be in the way of the kubelet, which deletes an emptyDir with all that it can
    /// reach in it.
    #[error(
        "{path} lies in an emptyDir ({place}), which the kubelet deletes recursively, shared \
         files and all: use a hostPath volume with Bidirectional propagation"
    )]
    EmptyDir {
        /// The directory of the file.
        path: String,
        /// Where that is for the kubelet.
        place: String,
    },
}

/// Says what to do about `mount`.
#[must_use]
pub fn plan(mount: &Mount, table: &MountTable) -> Plan {
    let there = table.at(&mount.path);
    let fits = there.is_some_and(|entry| expectation(mount, table).is_met_by(entry));
    let adopted = matches!(mount.what, What::Adopt { .. });
    // If our mount is there already, what counts is what it lies on.
    let below = if fits {
        there.and_then(|entry| table.parent(entry))
    } else {
        table.covering(&mount.path)
    };
    let source = match &mount.what {
        What::Bind { source, .. } => table.covering(source).map(|entry| (source, entry)),
        _ => None,
    };
    let places = below
        .map(|entry| (&mount.path, entry))
        .filter(|_| !adopted)
        .into_iter()
        .chain(source);
    for (path, entry) in places {
        let place = place(entry, path);
        if place.iter().any(|name| name == OsStr::new(EMPTY_DIR)) {
            return Plan::Refuse(Refusal::EmptyDir {
                path: path.display().to_string(),
                place: place.display().to_string(),
            });
        }
    }
    match there {
        Some(entry) if fits => Plan::Adopt {
            id: entry.id,
            tunnel: tunnel(mount, entry),
        },
        Some(entry) => Plan::Refuse(Refusal::Foreign {
            path: mount.path.display().to_string(),
            found: found(entry),
            expected: expectation(mount, table).to_string(),
        }),
        None if adopted => Plan::Wait,
        None => Plan::Mount,
    }
}

/// Where a path of ours is in the file system that it lies on: of a bind mount, this is what the
/// rest of the node sees.
fn place(entry: &Entry, path: &Path) -> PathBuf {
    entry
        .root
        .join(path.strip_prefix(&entry.point).unwrap_or(Path::new("")))
}

fn tunnel(mount: &Mount, entry: &Entry) -> Option<u16> {
    matches!(&mount.what, What::Nfs4(Nfs { tls: Some(_), .. }))
        .then(|| entry.option("port")?.parse().ok())
        .flatten()
}

fn found(entry: &Entry) -> String {
    let writes = if entry.is_read_only() {
        "read-only"
    } else {
        "read-write"
    };
    let address = entry
        .option("addr")
        .map(|address| format!(" at {address}"))
        .unwrap_or_default();
    format!(
        "{} {}{address} (directory {}, {writes})",
        entry.fstype,
        entry.source,
        entry.root.display()
    )
}

/// What an entry of the table must look like to be the mount of the file.
#[derive(Debug)]
enum Expectation<'a> {
    Nfs {
        device: String,
        encrypted: bool,
        loopback: bool,
        read_only: bool,
    },
    Bind {
        source: &'a Path,
        device: Option<&'a str>,
        root: Option<PathBuf>,
        read_only: bool,
    },
    Adopt {
        fstype: Option<&'a str>,
        source: Option<&'a str>,
        read_only: bool,
    },
}

fn expectation<'a>(mount: &'a Mount, table: &'a MountTable) -> Expectation<'a> {
    let read_only = mount.read_only;
    match &mount.what {
        What::Nfs4(nfs) => {
            let loopback = nfs
                .server
                .address()
                .is_some_and(|address| address.is_loopback())
                || nfs.server.host() == "localhost";
            Expectation::Nfs {
                device: nfs.device(),
                encrypted: nfs.tls.is_some(),
                loopback,
                read_only,
            }
        }
        What::Bind { source, .. } => {
            let entry = table.covering(source);
            let root = entry.map(|entry| place(entry, source));
            Expectation::Bind {
                source,
                device: entry.map(|entry| entry.device.as_str()),
                root,
                read_only,
            }
        }
        What::Adopt { fstype, source } => Expectation::Adopt {
            fstype: fstype.as_deref(),
            source: source.as_deref(),
            read_only,
        },
    }
}

impl Expectation<'_> {
    fn is_met_by(&self, entry: &Entry) -> bool {
        match self {
            Self::Nfs {
                device,
                encrypted,
                loopback,
                read_only,
            } => {
                // An encrypted mount goes to a port of this pod; any other one that does goes
                // through a tunnel that is no more.
                let local = entry.option("addr") == Some(LOOPBACK);
                let way = if *encrypted {
                    local
                } else {
                    !local || *loopback
                };
                entry.fstype == "nfs4"
                    && entry.source == *device
                    && way
                    && entry.is_read_only() == *read_only
            }
            Self::Bind {
                device,
                root,
                read_only,
                ..
            } => {
                Some(entry.device.as_str()) == *device
                    && Some(&entry.root) == root.as_ref()
                    && entry.is_read_only() == *read_only
            }
            // A mount that refuses more writes than asked for is the business of whoever made it.
            Self::Adopt {
                fstype,
                source,
                read_only,
            } => {
                fstype.is_none_or(|fstype| entry.fstype == fstype)
                    && source.is_none_or(|source| entry.source == source)
                    && (!read_only || entry.is_read_only())
            }
        }
    }
}

impl std::fmt::Display for Expectation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let writes = |read_only: &bool| {
            if *read_only {
                "read-only"
            } else {
                "read-write"
            }
        };
        match self {
            Self::Nfs {
                device,
                encrypted,
                read_only,
                ..
            } => {
                let way = if *encrypted {
                    "through our tunnel at 127.0.0.1"
                } else {
                    "without a tunnel"
                };
                write!(f, "nfs4 {device} {way} ({})", writes(read_only))
            }
            Self::Bind {
                source, read_only, ..
            } => write!(
                f,
                "the directory {} ({})",
                source.display(),
                writes(read_only)
            ),
            Self::Adopt {
                fstype,
                source,
                read_only,
            } => {
                let (fstype, source) =
                    (fstype.unwrap_or("any type"), source.unwrap_or("any source"));
                write!(
                    f,
                    "{fstype} of {source}{}",
                    if *read_only { " (read-only)" } else { "" }
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
