//! What to pull, and where to.

use crate::{cache, places::Places};
use jiff::Timestamp;
use release::{ChannelName, Sequence, TrustRoot, Verified};
use std::{path::PathBuf, time::Duration};

/// Memory for a pull's buffers if nobody says otherwise: 64 MiB.
pub const MEMORY: u64 = 64 << 20;

/// What to pull, and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The channel to follow.
    pub channel: ChannelName,
    /// The release root, an absolute path.
    pub root: PathBuf,
    /// The trust root that is believed.
    pub trust: Verified<TrustRoot>,
    /// Where the release object is.
    pub source: Source,
    /// The lowest sequence to accept.
    pub floor: Option<Sequence>,
    /// The lowest version of the trust root to accept a release under: a key that was withdrawn
    /// since is no key for a fresh node either.
    pub trust_floor: u64,
    /// Where trees lead to.
    pub places: Places,
    /// The cache that this node's pods share, if there is one.
    pub cache: Option<cache::Settings>,
    /// Bytes for buffers, at least [`MEMORY_FLOOR`](super::MEMORY_FLOOR).
    pub memory: u64,
    /// How long all of it may take.
    pub deadline: Duration,
    /// The time, read once for the whole run.
    pub now: Timestamp,
}

/// Where the release object comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The store's channel decides.
    Channel,
    /// A file, or a directory with a `release.json`, such as a projected volume.
    File(PathBuf),
    /// As [`Self::File`], for a pod that starts: where the directory says that the database is not
    /// ready for the release object in force, or that the shop's pods rejected it, what ran here
    /// goes on, or its `previous.json` counts.
    Start(PathBuf),
    /// An operator chose this sequence of the channel. It may be older than the accepted one, which
    /// is still remembered, and it may have been rejected before; signatures, channel, floor and
    /// expiry count as ever.
    Chosen(Sequence),
}

impl Source {
    pub(super) const fn is_in_force(&self) -> bool {
        matches!(self, Self::Channel | Self::File(_) | Self::Start(_))
    }
}
