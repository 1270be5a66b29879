//! An S3 server on loopback that checks signatures, keeps its objects in memory, and lets things go
//! wrong on demand.
//!
//! The protocol is the crate `s3s`; ours are the objects ([`Server`]), the faults around them
//! ([`Faults`]) and the counts ([`Counts`]). It runs inside a test, or as the binary `s3-server`,
//! which is steered over HTTP below `/-/`. Requests are path-style: `/bucket/key`.

mod backend;
mod body;
mod checksum;
mod content;
mod control;
mod credentials;
mod fault;
mod layer;
mod listing;
mod memory;
mod operation;
mod page;
mod server;
mod stats;
mod throttle;
mod transfer;
mod wire;

pub use fault::{Effect, Fault, Faults};
pub use operation::Operation;
pub use server::{Options, Server};
pub use stats::Counts;

use credentials::Keyring;
use fault::Board;
use stats::Stats;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use wire::Pace;

/// What can be changed and asked while the server runs, from inside the process and over HTTP.
struct Switches {
    board: Arc<Board>,
    stats: Arc<Stats>,
    keyring: Keyring,
    pace: Arc<Pace>,
    refuse: AtomicBool,
}

impl std::fmt::Debug for Switches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switches")
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

impl Switches {
    fn set_faults(&self, faults: Faults) {
        self.pace.set(faults.bandwidth);
        self.refuse.store(faults.refuse, Ordering::Release);
        self.board.set(faults);
    }

    fn faults(&self) -> Faults {
        self.board.get()
    }

    fn refuses(&self) -> bool {
        self.refuse.load(Ordering::Acquire)
    }
}

/// The variables with which AWS's SDKs and tools reach one endpoint with one key, whatever this
/// machine has configured.
#[must_use]
pub fn environment(
    endpoint: &str,
    region: &str,
    access_key: &str,
    secret_key: &str,
) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
