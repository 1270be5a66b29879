//! What rendering is told besides the shop and its class.

use crate::{DOWNLOADS, Downloads};
use release::{ChannelName, Envelope, Migration, NameError, Sequence, Sha256};

/// A release that was chosen for a shop: its envelope, and what the envelope states. Signatures are
/// the pods' to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRelease {
    /// The name of its Release in the cluster.
    pub name: String,
    /// The channel that it belongs to.
    pub channel: ChannelName,
    /// Its position there.
    pub sequence: Sequence,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// What it does to the database.
    pub migration: Migration,
    /// The release object, byte for byte.
    pub envelope: String,
    /// What its pods download, if somebody noted it.
    pub downloads: Option<Downloads>,
}

/// Why a `Release` of the cluster cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The field is not an envelope.
    #[error("Release {name}: spec.envelope is not a release object")]
    Envelope {
        /// The Release.
        name: String,
        /// Why.
        source: release::EnvelopeError,
    },
    /// The envelope holds something else.
    #[error("Release {name}: spec.envelope does not state a release")]
    Statement {
        /// The Release.
        name: String,
        /// Why.
        source: release::StatementError,
    },
    /// The fields beside the envelope say something else.
    #[error(
        "Release {name}: spec says {said}, the envelope {stated}: apply what `longshore release \
         resource` prints"
    )]
    Differs {
        /// The Release.
        name: String,
        /// What the fields say.
        said: String,
        /// What the envelope states.
        stated: String,
    },
    /// A field is not a name.
    #[error("Release {name}")]
    Name {
        /// The Release.
        name: String,
        /// Why.
        source: NameError,
    },
}

impl ResolvedRelease {
    /// Reads what the envelope of `release` states.
    ///
    /// # Errors
    ///
    /// If it is no release object, or `spec.channel` or `spec.sequence` says something else than
    /// the envelope.
    pub fn read(release: &crate::Release) -> Result<Self, ReleaseError> {
        let name = || release.metadata.name.clone().unwrap_or_default();
        let envelope = Envelope::parse(release.spec.envelope.as_bytes()).map_err(|source| {
            ReleaseError::Envelope {
                name: name(),
                source,
            }
        })?;
        let stated =
            release::Release::unverified(&envelope).map_err(|source| ReleaseError::Statement {
                name: name(),
                source,
            })?;
        if (stated.channel.as_str(), stated.sequence.get())
            != (release.spec.channel.as_str(), release.spec.sequence)
        {
            return Err(ReleaseError::Differs {
                name: name(),
                said: format!("{} {}", release.spec.channel, release.spec.sequence),
                stated: format!("{} {}", stated.channel, stated.sequence),
            });
        }
        Ok(Self {
            name: name(),
            channel: stated.channel,
            sequence: stated.sequence,
            manifest: stated.manifest,
            migration: stated.migration,
            envelope: release.spec.envelope.clone(),
            // A note that cannot be read is as good as none.
            downloads: release
                .metadata
                .annotations
                .as_ref()
                .and_then(|notes| notes.get(DOWNLOADS))
                .and_then(|note| serde_json::from_str(note).ok()),
        })
    }
}

/// Whether the database is being changed, which nothing else may do meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Migrating {
    /// It is not.
    #[default]
    No,
    /// Cron is told to end; the Job is made once it has.
    Soon,
    /// The Job is there.
    Now,
}

/// What the controller knows of this moment. The default is a shop of which nothing is known:
/// rendering files takes that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderContext {
    /// Pods at least, of the campaigns that run now; see
    /// [`campaign_floor`](crate::schedule::campaign_floor).
    pub floor: Option<u32>,
    /// Whether the shop has no pods for want of visitors.
    pub at_zero: bool,
    /// The sequence up to which the database is migrated.
    pub migrated: Option<Sequence>,
    /// Whether the database is being changed.
    pub migrating: Migrating,
    /// Whether visitors are kept out until a breaking migration is over and every pod runs the
    /// release; others keep nobody out.
    pub closed: bool,
    /// Why no release may be switched, if that is so.
    pub paused: Option<String>,
    /// What the shop ran before the release in force, and can run again: pods that start while the
    /// other waits start with it.
    pub previous: Option<ResolvedRelease>,
    /// Digests of manifests that pods of the shop rejected.
    pub rejected: Vec<String>,
    /// Since when a release that was rejected is to be tried again.
    pub retried: Option<String>,
    /// Hosts of the shop that get no traffic.
    pub withheld: Vec<String>,
    /// Whether the release in force counts though it is older than what pods have accepted.
    pub chosen: bool,
}
