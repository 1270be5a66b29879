//! What the cluster says of an object without showing it: enough to tell whether it has to be
//! written.

use jiff::Timestamp;
use kube::core::ObjectMeta;
use release::Sha256;

/// The annotation in which each written object carries the digest of what was asked for.
pub const APPLIED: &str = "longshore.dev/applied";

/// An object of the cluster, by its metadata alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMetaSummary {
    /// Tells it from another one of the same name.
    pub uid: String,
    /// Its version.
    pub version: String,
    /// How often its specification changed, if the kind counts that.
    pub generation: Option<i64>,
    /// Digest of what was asked for when we wrote it last.
    pub applied: Option<Sha256>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it is on its way out.
    pub deleting: bool,
}

impl ObjectMetaSummary {
    /// Takes what matters out of an object's metadata.
    #[must_use]
    pub fn new(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            version: meta.resource_version.clone().unwrap_or_default(),
            generation: meta.generation.filter(|generation| *generation > 0),
            applied: meta
                .annotations
                .as_ref()
                .and_then(|all| all.get(APPLIED))
                .and_then(|text| text.parse().ok()),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }

    /// A number that is another one if somebody changed what is asked for: the generation; for
    /// kinds that count none, the version, if nothing but such a change makes a new one. Nothing
    /// for kinds of which neither can be said, such as a quota whose status counts pods.
    #[must_use]
    pub fn drift_token(&self, kind: &str) -> Option<i64> {
        let quiet = matches!(
            kind,
            "ConfigMap" | "LimitRange" | "Namespace" | "Service" | "ServiceAccount"
        );
        self.generation
            .or_else(|| quiet.then(|| self.version.parse().ok()).flatten())
    }

    /// Whether this is an earlier state of the same object. Versions are numbers that grow, and
    /// where they are not, it is not.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        let versions = self
            .version
            .parse::<u64>()
            .ok()
            .zip(other.version.parse().ok());
        self.uid == other.uid && versions.is_some_and(|(this, other)| this < other)
    }
}
