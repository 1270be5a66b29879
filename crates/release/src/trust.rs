//! Trust roots: which keys may sign, how many must, and how one root hands over to the next.
//! `docs/formats/trust-root.md` is the specification.

use crate::{
    Envelope, EnvelopeError, PublicKey, Reason, Release, StatementError, Verified, json, limits,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `payloadType` of a trust root.
pub const ROOT_PAYLOAD_TYPE: &str = "application/vnd.longshore.root.v1+json";

/// Which public keys may sign releases and the next trust root, and how many must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    version: u64,
    expires: Timestamp,
    keys: BTreeSet<PublicKey>,
    threshold: u32,
}

/// Why a trust root or a release is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The bytes are not an envelope.
    #[error("cannot read the envelope")]
    Envelope(#[from] EnvelopeError),
    /// The payload is not a well-formed trust root, or such a root cannot be made.
    #[error("trust root is not well-formed: {0}")]
    Root(String),
    /// The payload is signed, but is not a well-formed release.
    #[error("signed payload is not a release")]
    Statement(#[from] StatementError),
    /// None of the keys signed.
    #[error("none of the {keys} keys of trust root {root} signed this {what}")]
    Signature {
        /// What was checked.
        what: &'static str,
        /// How many keys there are.
        keys: usize,
        /// The version of the root whose keys they are.
        root: u64,
    },
    /// Some of the keys signed, but not enough.
    #[error("{found} of the keys of trust root {root} signed this {what}, which needs {needed}")]
    Threshold {
        /// What was checked.
        what: &'static str,
        /// How many distinct keys signed.
        found: usize,
        /// How many must.
        needed: u32,
        /// The version of the root whose keys they are.
        root: u64,
    },
    /// The next root is not the one after this one.
    #[error("trust root {found} does not follow from {current}: expected version {}", current + 1)]
    Version {
        /// The version of the root that is trusted.
        current: u64,
        /// The version of the root that was offered.
        found: u64,
    },
    /// The next root lacks signatures.
    #[error("trust root {next} does not follow from {current}")]
    Handover {
        /// The version of the root that is trusted.
        current: u64,
        /// The version of the root that was offered.
        next: u64,
        /// Whose signatures are missing.
        source: Box<TrustError>,
    },
}

impl TrustError {
    /// The stable reason: `signature` and `threshold` for what is signed under a root, `root-chain`
    /// for a root that does not follow, `envelope`, `statement` and `too-large` for what is
    /// malformed.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Envelope(error) => error.reason(),
            Self::Statement(error) => error.reason(),
            Self::Root(_) => Reason::Statement,
            Self::Signature { .. } => Reason::Signature,
            Self::Threshold { .. } => Reason::Threshold,
            Self::Version { .. } | Self::Handover { .. } => Reason::RootChain,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u64,
    #[serde(with = "json::time")]
    expires: Timestamp,
    keys: Vec<String>,
    threshold: u32,
}

impl TrustRoot {
    /// A trust root that nobody has signed yet.
    ///
    /// # Errors
    ///
    /// If the version is 0 or over 2^53 − 1, there are no keys or over [`limits::KEYS_LIMIT`],
    /// or the threshold is 0 or more than there are keys.
    pub fn new(
        version: u64,
        expires: Timestamp,
        keys: BTreeSet<PublicKey>,
        threshold: u32,
    ) -> Result<Self, TrustError> {
        let (count, refuse) = (keys.len(), |problem: String| Err(TrustError::Root(problem)));
        if !(1..=limits::NUMBER_LIMIT).contains(&version) {
            return refuse(format!(
                "version is {version}, expected 1 to {}",
                limits::NUMBER_LIMIT
            ));
        }
        if !(1..=limits::KEYS_LIMIT).contains(&count) {
            return refuse(format!(
                "it has {count} keys, expected 1 to {}",
                limits::KEYS_LIMIT
            ));
        }
        if threshold == 0 || threshold as usize > count {
            return refuse(format!(
                "threshold is {threshold}, expected 1 to {count}, the number of keys"
            ));
        }
        Ok(Self {
            version,
            expires,
            keys,
            threshold,
        })
    }

    /// The envelope to sign: with keys of this root, and of the one before it if there is one.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let keys = self.keys.iter().map(PublicKey::to_pem).collect();
        let wire = Wire {
            version: self.version,
            expires: self.expires,
            keys,
            threshold: self.threshold,
        };
        Envelope::new(ROOT_PAYLOAD_TYPE, json::write(&wire))
    }

    /// Reads a root that **nobody vouches for**: to show it, or to sign it.
    ///
    /// # Errors
    ///
    /// If the envelope does not hold a well-formed trust root.
    pub fn unverified(envelope: &Envelope) -> Result<Self, TrustError> {
        if envelope.payload_type() != ROOT_PAYLOAD_TYPE {
            let found: String = envelope.payload_type().chars().take(200).collect();
            return Err(TrustError::Root(format!(
                "payload is {found:?}, expected {ROOT_PAYLOAD_TYPE:?}"
            )));
        }
        let wire: Wire =
            json::read(envelope.payload()).map_err(|error| TrustError::Root(error.to_string()))?;
        let mut keys = BTreeSet::new();
        for (index, pem) in wire.keys.iter().enumerate() {
            let key = PublicKey::from_pem(pem).map_err(|error| {
                TrustError::Root(format!("key {} of {}: {error}", index + 1, wire.keys.len()))
            })?;
            if let Some(key) = keys.replace(key) {
                return Err(TrustError::Root(format!(
                    "key {} is listed twice",
                    key.id()
                )));
            }
        }
        Self::new(wire.version, wire.expires, keys, wire.threshold)
    }

    /// Reads a root that the caller trusts because of where it comes from: a file given by whoever
    /// configured the pod.
    ///
    /// # Errors
    ///
    /// If it is malformed, or lacks signatures of its own threshold.
    pub fn from_trusted(bytes: &[u8]) -> Result<Verified<Self>, TrustError> {
        let envelope = Envelope::parse(bytes)?;
        let root = Self::unverified(&envelope)?;
        root.check(&envelope, "trust root")?;
        Ok(Verified::vouch(root))
    }

    /// The version: 1 for the first, one more for each that follows.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// After when nothing new is activated under it.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The keys that may sign, in the order of their SPKI bytes.
    #[must_use]
    pub const fn keys(&self) -> &BTreeSet<PublicKey> {
        &self.keys
    }

    /// How many distinct keys must sign.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Whether `now` is at or after its end.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    fn check(&self, envelope: &Envelope, what: &'static str) -> Result<(), TrustError> {
        let (found, needed, root) = (
            envelope.signers(&self.keys).len(),
            self.threshold,
            self.version,
        );
        match found {
            0 => Err(TrustError::Signature {
                what,
                keys: self.keys.len(),
                root,
            }),
            _ if found < needed as usize => Err(TrustError::Threshold {
                what,
                found,
                needed,
                root,
            }),
            _ => Ok(()),
        }
    }
}

impl Verified<TrustRoot> {
    /// Reads the root after this one.
    ///
    /// # Errors
    ///
    /// If it is malformed, its version is not this one's plus 1, or it lacks signatures of this
    /// root's threshold or of its own.
    pub fn successor(&self, bytes: &[u8]) -> Result<Self, TrustError> {
        let envelope = Envelope::parse(bytes)?;
        let (current, next) = (self.version, self.version + 1);
        let handover = |source| TrustError::Handover {
            current,
            next,
            source: Box::new(source),
        };
        // The payload is read only once keys that we trust have signed it.
        self.check(&envelope, "trust root").map_err(handover)?;
        let root = TrustRoot::unverified(&envelope)?;
        if root.version != next {
            return Err(TrustError::Version {
                current,
                found: root.version,
            });
        }
        root.check(&envelope, "trust root").map_err(handover)?;
        Ok(Self::vouch(root))
    }

    /// Reads the release in `envelope` where enough keys of this root signed it. Whether it may run
    /// here is for [`crate::AcceptancePolicy`].
    ///
    /// # Errors
    ///
    /// If signatures are missing, or the signed payload is not a release.
    pub fn verify_release(&self, envelope: &Envelope) -> Result<Verified<Release>, TrustError> {
        self.check(envelope, "release")?;
        Ok(Verified::vouch(Release::unverified(envelope)?))
    }
}
