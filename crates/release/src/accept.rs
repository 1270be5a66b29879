//! The acceptance policy: whether a release that is properly signed may run here, now. Pure: all
//! that it knows is in its fields.

use crate::{ChannelName, Reason, Release, Sequence, Sha256, TrustRoot, Verified, limits};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What a node knows when it is offered a release.
#[derive(Debug, Clone)]
pub struct AcceptancePolicy<'a> {
    /// The channel that it follows.
    pub channel: &'a ChannelName,
    /// The lowest sequence to accept, for nodes that have accepted nothing yet.
    pub floor: Option<Sequence>,
    /// What it accepted last.
    pub accepted: Option<Accepted>,
    /// Manifests that failed here.
    pub rejected: &'a BTreeSet<Sha256>,
    /// The time, read once per run.
    pub now: Timestamp,
}

/// The release that a node accepted last: the one with the highest sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its manifest: a second one under the same sequence is refused.
    pub manifest: Sha256,
    /// The version of the trust root that verified it.
    pub root_version: u64,
    /// When it was accepted.
    pub at: Timestamp,
}

/// Why a properly signed release may not run here, now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is another channel's.
    #[error("release {sequence} is of channel {found}, this node follows {ours}")]
    Channel {
        /// Its sequence.
        sequence: Sequence,
        /// Its channel.
        found: ChannelName,
        /// The node's channel.
        ours: ChannelName,
    },
    /// It was signed under a trust root that the store does not offer.
    #[error(
        "release {sequence} of {channel} needs trust root {needed}, the newest here is {found}"
    )]
    RootMissing {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// The version that it asks for.
        needed: u64,
        /// The version that is there.
        found: u64,
    },
    /// The newest trust root at hand is older than one used here before: somebody withholds the
    /// newer one.
    #[error(
        "trust root {found} is older than {accepted}, which verified what was accepted here at \
         {at}"
    )]
    RootOlder {
        /// The version that is there.
        found: u64,
        /// The version that was used.
        accepted: u64,
        /// When.
        at: Timestamp,
    },
    /// The newest trust root at hand is older than this node was told to want: somebody withholds
    /// the newer one.
    #[error(
        "the newest trust root here is {found}, and this node was told to take none below \
         {floor}: upload trust/{floor}.root.json"
    )]
    RootBelow {
        /// The version that is there.
        found: u64,
        /// The lowest version to take.
        floor: u64,
    },
    /// It is below the floor.
    #[error("release {sequence} of {channel} is below {floor}, the floor given to this node")]
    Floor {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// The floor.
        floor: Sequence,
    },
    /// It is older than the one accepted last.
    #[error("release {sequence} of {channel} is older than {accepted}, accepted here at {at}")]
    Older {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// The sequence accepted last.
        accepted: Sequence,
        /// When.
        at: Timestamp,
    },
    /// It has the sequence accepted last, but another manifest.
    #[error(
        "release {sequence} of {channel} names manifest {found}, but the one accepted here at \
         {at} names {accepted}"
    )]
    Equivocation {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        found: Sha256,
        /// The manifest accepted under this sequence.
        accepted: Sha256,
        /// When.
        at: Timestamp,
    },
    /// It is implausibly far ahead.
    #[error("release {sequence} of {channel} is {} ahead of {accepted}, accepted here; the limit is {}", sequence.get() - accepted.get(), limits::SEQUENCE_JUMP_LIMIT)]
    SequenceJump {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// The sequence accepted last.
        accepted: Sequence,
    },
    /// The node's clock is behind a time that has passed.
    #[error("the clock says {now}, which is before {known}, when {event}")]
    Clock {
        /// What the clock says.
        now: Timestamp,
        /// A time that has passed.
        known: Timestamp,
        /// What happened then.
        event: &'static str,
    },
    /// The trust root has expired.
    #[error("trust root {version} expired at {expires}, it is {now}")]
    RootExpired {
        /// Its version.
        version: u64,
        /// Its end.
        expires: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// The release has expired.
    #[error("release {sequence} of {channel} expired at {expires}, it is {now}")]
    Expired {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// Its end.
        expires: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// Its manifest failed here before.
    #[error(
        "release {sequence} of {channel} names manifest {manifest}, which was rejected here before"
    )]
    Rejected {
        /// Its channel.
        channel: ChannelName,
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Channel { .. } => Reason::Channel,
            Self::RootMissing { .. } | Self::RootOlder { .. } | Self::RootBelow { .. } => {
                Reason::RootVersion
            }
            Self::Floor { .. } | Self::Older { .. } | Self::Equivocation { .. } => Reason::Rollback,
            Self::SequenceJump { .. } => Reason::SequenceJump,
            Self::Clock { .. } => Reason::Clock,
            Self::RootExpired { .. } | Self::Expired { .. } => Reason::Expired,
            Self::Rejected { .. } => Reason::Rejected,
        }
    }
}

impl AcceptancePolicy<'_> {
    /// Whether `release`, verified under `root`, may be activated.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, in the order of `docs/formats/release.md`.
    pub fn accept(
        &self,
        root: &Verified<TrustRoot>,
        release: &Verified<Release>,
    ) -> Result<(), Refusal> {
        self.accept_running(root, release)?;
        let (channel, sequence, now) = (release.channel.clone(), release.sequence, self.now);
        if root.is_expired(now) {
            return Err(Refusal::RootExpired {
                version: root.version(),
                expires: root.expires(),
                now,
            });
        }
        if let Some(expires) = release.expires.filter(|&expires| expires <= now) {
            return Err(Refusal::Expired {
                channel,
                sequence,
                expires,
                now,
            });
        }
        if self.rejected.contains(&release.manifest) {
            return Err(Refusal::Rejected {
                channel,
                sequence,
                manifest: release.manifest,
            });
        }
        Ok(())
    }

    /// Whether `release` may be recorded where its manifest runs already: as [`Self::accept`], but
    /// expiry and the list of rejected manifests, which guard activation, do not count.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn accept_running(
        &self,
        root: &Verified<TrustRoot>,
        release: &Verified<Release>,
    ) -> Result<(), Refusal> {
        let (channel, sequence) = (release.channel.clone(), release.sequence);
        if channel != *self.channel {
            return Err(Refusal::Channel {
                sequence,
                found: channel,
                ours: self.channel.clone(),
            });
        }
        if release.root_version > root.version() {
            return Err(Refusal::RootMissing {
                channel,
                sequence,
                needed: release.root_version,
                found: root.version(),
            });
        }
        if let Some(floor) = self.floor.filter(|&floor| sequence < floor) {
            return Err(Refusal::Floor {
                channel,
                sequence,
                floor,
            });
        }
        if let Some(accepted) = self.accepted {
            follows(root, release, &accepted)?;
            self.clock(accepted.at, "this node last accepted a release")?;
        }
        self.clock(release.created, "the release was created")
    }

    fn clock(&self, known: Timestamp, event: &'static str) -> Result<(), Refusal> {
        if known.duration_since(self.now) > limits::CLOCK_TOLERANCE {
            return Err(Refusal::Clock {
                now: self.now,
                known,
                event,
            });
        }
        Ok(())
    }
}

/// Whether `release` may come after what was accepted.
fn follows(
    root: &Verified<TrustRoot>,
    release: &Release,
    accepted: &Accepted,
) -> Result<(), Refusal> {
    let (channel, sequence, at) = (release.channel.clone(), release.sequence, accepted.at);
    if root.version() < accepted.root_version {
        return Err(Refusal::RootOlder {
            found: root.version(),
            accepted: accepted.root_version,
            at,
        });
    }
    if sequence < accepted.sequence {
        return Err(Refusal::Older {
            channel,
            sequence,
            accepted: accepted.sequence,
            at,
        });
    }
    if sequence == accepted.sequence && release.manifest != accepted.manifest {
        return Err(Refusal::Equivocation {
            channel,
            sequence,
            found: release.manifest,
            accepted: accepted.manifest,
            at,
        });
    }
    let jump = sequence.get() - accepted.sequence.get();
    if jump > limits::SEQUENCE_JUMP_LIMIT && root.version() == accepted.root_version {
        return Err(Refusal::SequenceJump {
            channel,
            sequence,
            accepted: accepted.sequence,
        });
    }
    Ok(())
}
