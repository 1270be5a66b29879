//! Why a pull did not put the release on the disk.

use crate::{DiskError, PlaceError, RootError, cache::CacheError};
use release::{ChannelName, EnvelopeError, ManifestError, Reason, Refusal, TrustError};
use std::{io, path::PathBuf, time::Duration};
use store::StoreError;
use tarball::UnpackError;

/// Why a pull did not put the release on the disk. Whatever it was, `current` is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The release root cannot be used.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The node's cache must not be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The store holds no release of the channel.
    #[error("channel {channel} has no release {what}")]
    ChannelMissing {
        /// The channel.
        channel: ChannelName,
        /// Which release was asked for: the one in force, or a sequence.
        what: String,
        /// The store's answer.
        source: Box<StoreError>,
    },
    /// The file of the release in force cannot be read.
    #[error("cannot read the release object {}", path.display())]
    ReleaseFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the cluster says beside the release object cannot be understood.
    #[error("{} says {found:?}, expected {expected}", path.display())]
    Said {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
    /// The release object is not an envelope.
    #[error("release object of channel {channel} is not usable")]
    Envelope {
        /// The channel that it was offered for.
        channel: ChannelName,
        /// Why.
        source: EnvelopeError,
    },
    /// The trust root, its successors or the signatures of the release are not what they must be.
    #[error("cannot verify the release")]
    Trust(#[source] Box<TrustError>),
    /// The chain of trust roots does not end.
    #[error("trust root {from} has over {limit} successors in the store")]
    RootChain {
        /// The version that the pod was given.
        from: u64,
        /// The limit.
        limit: u64,
    },
    /// The release is signed, and may not run here, now.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The manifest is not the signed one, or not well-formed.
    #[error("cannot use the manifest")]
    Manifest(#[source] Box<ManifestError>),
    /// The store does not hold a module's tarball.
    #[error("tarball {key} of module {module} is not in the store")]
    BlobMissing {
        /// Its key.
        key: String,
        /// The module.
        module: String,
    },
    /// The store did not give what was asked for.
    #[error("cannot fetch from the store")]
    Store(#[source] Box<StoreError>),
    /// A chunk was refused, or could not be written.
    #[error("cannot unpack module {module}")]
    Unpack {
        /// The module.
        module: String,
        /// Why.
        source: Box<UnpackError>,
    },
    /// The tree as a whole was refused, or could not be built.
    #[error("cannot build the tree")]
    Tree(#[source] Box<UnpackError>),
    /// The tree does not have as many files or bytes as was signed.
    #[error(
        "the tree has {found_files} files of {found_bytes} bytes, signed are {files} files of \
         {bytes} bytes"
    )]
    Totals {
        /// Files in the tree.
        found_files: u64,
        /// Bytes in those.
        found_bytes: u64,
        /// Files that were signed.
        files: u64,
        /// Bytes that were signed.
        bytes: u64,
    },
    /// Something that the tree leads to is not there: a directory, or the shop's configuration.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The disk has too little space, said before anything is downloaded.
    #[error("{} has {has} {unit} left, the release needs about {needs}", path.display())]
    Space {
        /// The release root.
        path: PathBuf,
        /// `bytes` or `inodes`.
        unit: &'static str,
        /// How many it needs.
        needs: u64,
        /// How many there are.
        has: u64,
    },
    /// The disk takes names for one that differ in case, and the release has such names.
    #[error("the file system of {} takes names for one that differ in case only, and the release has such names", path.display())]
    CaseFolding {
        /// The release root.
        path: PathBuf,
    },
    /// The local disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The deadline passed.
    #[error("the pull took over {0:?}")]
    Deadline(Duration),
    /// The process was asked to stop.
    #[error("the pull was interrupted")]
    Interrupted,
}

// Boxed, as a refusal with its names and times is larger than everything that succeeds.
macro_rules! boxed {
    ($($variant:ident $source:ty;)+) => {
        $(impl From<$source> for PullError {
            fn from(source: $source) -> Self {
                Self::$variant(Box::new(source))
            }
        })+
    };
}

boxed! {
    Trust TrustError;
    Refused Refusal;
    Manifest ManifestError;
    Store StoreError;
    Tree UnpackError;
}

impl PullError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Root(error) => error.reason(),
            Self::Cache(error) => error.reason(),
            Self::ChannelMissing { .. } => Reason::ChannelMissing,
            Self::ReleaseFile { .. } | Self::Said { .. } => Reason::Config,
            Self::Envelope { source, .. } => source.reason(),
            Self::Trust(error) => error.reason(),
            Self::RootChain { .. } => Reason::RootChain,
            Self::Refused(refusal) => refusal.reason(),
            Self::Manifest(error) => error.reason(),
            Self::BlobMissing { .. } => Reason::ObjectMissing,
            Self::Store(error) => error.reason(),
            Self::Unpack { source, .. } | Self::Tree(source) => source.reason(),
            Self::Totals { .. } => Reason::Manifest,
            Self::Place(error) => error.reason(),
            Self::Space { .. } => Reason::Disk,
            Self::CaseFolding { .. } => Reason::CaseFolding,
            Self::Disk(error) => error.reason(),
            Self::Deadline(_) => Reason::Deadline,
            Self::Interrupted => Reason::Interrupted,
        }
    }

    /// Whether the same pull may succeed later without anyone changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Root(RootError::Busy { .. }) | Self::Deadline(_) | Self::Interrupted => true,
            Self::Store(error) => error.is_transient(),
            _ => false,
        }
    }
}
