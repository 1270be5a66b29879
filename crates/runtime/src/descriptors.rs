//! How many files and sockets this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Lets this process have as many descriptors as it may, and no more than `enough`: each question
/// to DNS, and each probe, is a socket, and the usual limit of 1024 is that of programs from before
/// `poll`.
pub fn more_descriptors(enough: u64) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(enough, |most| most.min(enough));
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    if limit.current.is_some_and(|open| open < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        warn!(%error, limit = limit.current, "descriptors stay few");
    }
}
