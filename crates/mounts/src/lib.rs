//! The shared directories of a pod: mounts, adopts, probes and unmounts them, and tunnels NFS
//! through TLS.
//!
//! ```text
//!  mounts file ──► file ─┐
//!  mountinfo ────────────┴► plan: mount │ adopt │ wait │ refuse          pure
//!                             │
//!  supervisor ─► keeper ──────┴► child_runner ─► child: mount(2), umount2(2), statfs(2) …
//!                  │                                    may block, has a deadline
//!                  └► tunnel: 127.0.0.1:port ─► TLS ─► server
//! ```
//!
//! The supervising process never accesses a mounted file system, because a server that does not
//! answer would block it. A child process does, which is killed at its deadline, and left behind if
//! the kill does not end it: see `child_runner.rs`.
//!
//! `docs/formats/mounts.md` specifies the file and the states. Start reading in `plan`, then
//! `keeper.rs`.

mod child;
mod child_request;
mod child_runner;
mod file;
mod health;
mod keeper;
mod mount_options;
mod mountinfo;
mod nfs;
mod pace;
mod plan;
mod report;
mod supervisor;
pub mod tunnel;
mod unmount;

pub use child::{PROBE_FILE, child_main};
pub use child_runner::Program;
pub use file::{
    Directory, FILE_LIMIT, Kind, MOUNTS_LIMIT, Mount, MountsFile, MountsFileError, What,
};
pub use health::{Health, MountHealth};
pub use mount_options::{MountOption, MountOptions, NFS_DEFAULTS, UnknownOption};
pub use mountinfo::{Entry, MOUNTINFO_LIMIT, MountTable, MountTableError};
pub use nfs::{EfsClient, NFS_PORT, Nfs, Server, Tls};
pub use pace::Timing;
pub use plan::{Plan, Refusal, plan};
pub use report::Options;
pub use supervisor::{MountError, Supervisor};
