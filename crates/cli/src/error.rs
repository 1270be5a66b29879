//! Why a command failed.

use crate::{
    compose::ComposeError,
    init::InitError,
    publish::{Exhausted, RolloutError},
    spec::SpecError,
};
use jiff::SignedDuration;
use release::{
    AttachError, ChannelName, EnvelopeError, KeyError, ManifestError, ModuleName, Reason, Refusal,
    Sequence, Sha256, StatementError, TrustError,
};
use std::{io, path::PathBuf};
use store::StoreError;

/// Why a command failed. Each has a stable reason code, which decides the exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommandError {
    /// An argument contradicts another or the world.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache of packed modules is not ours alone.
    #[error("the cache of packed modules {} {problem}: make it yours with mode 0700, name another, or use --no-cache", path.display())]
    Cache {
        /// Its directory.
        path: PathBuf,
        /// The rest of the sentence.
        problem: &'static str,
    },
    /// A command of clusters failed.
    #[error(transparent)]
    Cluster(#[from] crate::cluster::ClusterError),
    /// The process cannot wait for anything.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("cannot write the result to standard output")]
    Output(#[source] io::Error),
    /// The description is not usable.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A tree cannot be described.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A module's directory holds what must not be packed.
    #[error("cannot pack module {module}")]
    Scan {
        /// Which module.
        module: ModuleName,
        /// Which entry, and why.
        source: tarball::ScanError,
    },
    /// A module cannot be packed.
    #[error("cannot pack module {module}")]
    Pack {
        /// Which module.
        module: ModuleName,
        /// Why.
        source: tarball::PackError,
    },
    /// A chunk cannot be unpacked.
    #[error("pods could not unpack it")]
    Unpack {
        /// Why.
        source: tarball::UnpackError,
    },
    /// Two modules claim one path.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A file is not a key.
    #[error("{} cannot be used as a key", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// Something is not an envelope.
    #[error("{what} is not a release object")]
    Envelope {
        /// Which file or key.
        what: String,
        /// Why.
        source: EnvelopeError,
    },
    /// A signature does not belong to an envelope.
    #[error("{} cannot be attached", path.display())]
    Attach {
        /// The signature's file.
        path: PathBuf,
        /// Why.
        source: AttachError,
    },
    /// An envelope holds no release.
    #[error("{what} does not state a release")]
    Statement {
        /// Which file or key.
        what: String,
        /// Why.
        source: StatementError,
    },
    /// Something is not signed by those who must.
    #[error("{what} is not trusted")]
    Trust {
        /// Which file, key or release.
        what: String,
        /// Why.
        source: TrustError,
    },
    /// A release stands in another channel's place.
    #[error("{what} holds a release of channel {found}")]
    OtherChannel {
        /// Which key.
        what: String,
        /// Whose release it is.
        found: ChannelName,
    },
    /// The policy that pods follow refuses a release.
    #[error("pods would refuse this release")]
    Refused(#[from] Refusal),
    /// Something is not a manifest.
    #[error("{what} is not a manifest")]
    Manifest {
        /// Which file or key.
        what: String,
        /// Why.
        source: ManifestError,
    },
    /// Bytes are not those that were signed.
    #[error("{what}: signed digest is {signed}, received {found}")]
    Digest {
        /// Which key.
        what: String,
        /// What was signed.
        signed: Sha256,
        /// What came.
        found: Sha256,
    },
    /// A blob has another size than was signed.
    #[error("{key} has {found} bytes in the store, signed are {signed}")]
    Size {
        /// Which blob.
        key: String,
        /// What was signed, in bytes.
        signed: u64,
        /// What is there, in bytes.
        found: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A channel has no release.
    #[error("channel {channel} has no release in this store")]
    NoRelease {
        /// Which channel.
        channel: ChannelName,
    },
    /// A channel lacks a sequence.
    #[error("channel {channel} has no release {sequence}")]
    NoSequence {
        /// Which channel.
        channel: ChannelName,
        /// Which sequence.
        sequence: Sequence,
    },
    /// A blob that a release needs is gone.
    #[error("release {sequence} needs {key}, which the store no longer has")]
    BlobMissing {
        /// Which blob.
        key: String,
        /// Which release.
        sequence: Sequence,
    },
    /// A gc is at work already.
    #[error("a gc is at work in this store, until {until} at most")]
    Collecting {
        /// Until when its mark counts.
        until: jiff::Timestamp,
    },
    /// A gc took too long.
    #[error("not all was deleted within {limit:?}; the next run goes on")]
    Late {
        /// How long it may take.
        limit: std::time::Duration,
    },
    /// Releases need what the store does not hold, or holds damaged.
    #[error(
        "releases need {} objects that are missing or damaged: {}",
        objects.len(),
        objects.join(", ")
    )]
    Damaged {
        /// Their keys.
        objects: Vec<String>,
    },
    /// The key that signs lies in what is shipped.
    #[error("{} is the private key that signs, and module {module} would ship it to every pod; exclude it, or keep it elsewhere", path.display())]
    OwnKey {
        /// The file.
        path: PathBuf,
        /// Which module.
        module: ModuleName,
    },
    /// Pods would refuse what is made at this time.
    #[error(
        "this machine's clock is {} ahead of the store's, and pods refuse a release that was made more than {} after their own time",
        whole(*ahead), whole(release::limits::CLOCK_TOLERANCE)
    )]
    Ahead {
        /// By how much.
        ahead: SignedDuration,
    },
    /// Another publisher was faster.
    #[error("another publisher changed {key} while this one was working ({channel}: {was})")]
    Conflict {
        /// Which channel.
        channel: ChannelName,
        /// Which object.
        key: String,
        /// What this run started from.
        was: String,
    },
    /// The channel is full.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The store holds another trust root of this version.
    #[error("the store's {key} is another trust root than the given one")]
    OtherRoot {
        /// Which object.
        key: String,
    },
    /// A pull failed.
    #[error(transparent)]
    Pull(#[from] deploy::pull::PullError),
    /// A release root cannot be read.
    #[error(transparent)]
    Root(#[from] deploy::RootError),
    /// The release is published, and its rollout failed.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The request to stop cannot be listened for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// We are wrong.
    #[error("this is a bug of longshore: {0}")]
    Bug(&'static str),
}

/// To the second.
pub(crate) fn whole(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs()))
}

impl CommandError {
    /// The stable reason code.
    #[must_use]
    pub(crate) fn reason(&self) -> Reason {
        match self {
            // A file that a person named cannot be read: wrong name or rights, which the person
            // corrects.
            Self::Usage(_)
            | Self::Read { .. }
            | Self::Spec(_)
            | Self::Init(_)
            | Self::Cache { .. }
            | Self::OwnKey { .. } => Reason::Config,
            Self::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Reason::Config
            }
            Self::Write { .. } | Self::Output(_) => Reason::Disk,
            Self::Scan { source, .. } => source.reason(),
            Self::Pack { source, .. } => source.reason(),
            Self::Unpack { source } => source.reason(),
            Self::Compose(error) => error.reason(),
            Self::Ahead { .. } => Reason::Clock,
            Self::Key { .. } => Reason::Key,
            Self::Envelope { source, .. } => source.reason(),
            Self::Attach { source, .. } => source.reason(),
            Self::Statement { source, .. } => source.reason(),
            Self::Trust { source, .. } => source.reason(),
            Self::OtherChannel { .. } => Reason::Channel,
            Self::Refused(refusal) => refusal.reason(),
            Self::Manifest { source, .. } => source.reason(),
            Self::Digest { .. } | Self::Size { .. } => Reason::Digest,
            Self::Store(error) => error.reason(),
            Self::NoRelease { .. } | Self::NoSequence { .. } => Reason::ChannelMissing,
            Self::BlobMissing { .. } | Self::Damaged { .. } => Reason::ObjectMissing,
            Self::Conflict { .. } | Self::Collecting { .. } => Reason::Conflict,
            Self::Late { .. } => Reason::Deadline,
            Self::Exhausted(_) => Reason::SequenceJump,
            Self::OtherRoot { .. } => Reason::RootChain,
            Self::Pull(error) => error.reason(),
            Self::Root(error) => error.reason(),
            Self::Rollout(error) => error.reason(),
            Self::Cluster(error) => error.reason(),
            Self::Signals(_) | Self::Runtime(_) | Self::Bug(_) => Reason::Bug,
        }
    }
}
