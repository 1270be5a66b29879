//! The chunks that this process alone fetches on its node, until they are published.

use super::download::ChunkIndex;
use crate::cache::Claim;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Claims that one process holds, at least and at most: 64 chunks are one request, 2048 are more
/// than fit into the usual memory.
const CLAIMS: (u64, u64) = (BATCH as u64, 2048);

/// The claims that this process holds, until a worker publishes their chunks.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(super) held: Mutex<HashMap<ChunkIndex, (Claim, OwnedSemaphorePermit)>>,
    pub(super) permits: Arc<Semaphore>,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            permits: Arc::new(Semaphore::new(claims())),
        }
    }
}

/// How many claims one process may hold: each is an open file, and a quarter of those that it may
/// open is for them. 1024 is the usual limit, which exists for programs that call `select`, and may
/// be raised to the hard one by those that do not.
fn claims() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = 4 * CLAIMS.1;
    let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let mut open = limit.current.unwrap_or(wanted);
    if open < raised
        && setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                ..limit
            },
        )
        .is_ok()
    {
        open = raised;
    }
    usize::try_from((open / 4).clamp(CLAIMS.0, CLAIMS.1)).unwrap_or(BATCH)
}

impl Claims {
    /// Takes the claim of a chunk, to publish it.
    pub(crate) fn take(&self, chunk: ChunkIndex) -> Option<Claim> {
        self.held.lock().remove(&chunk).map(|(claim, _)| claim)
    }
}

/// Chunks that are claimed at once at most, however small they are.
pub(super) const BATCH: usize = 64;

/// The first pause between two rounds, which doubles up to the last: the time in which a chunk of
/// 250 KB comes at 25 MB/s, and the delay that nobody notices.
pub(super) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_millis(100));

/// How long others are waited for while nothing of theirs comes. They may be stopped, or have a
/// worse network than we: then each chunk that is still missing is downloaded, too. 30 s, three
/// times what the store's options let one answer take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
