//! The statement inside a release object: this channel, at this sequence, runs this manifest.

use crate::{ChannelName, Envelope, Migration, Reason, Sequence, Sha256, json, limits};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `payloadType` of a release object: an in-toto statement in JSON.
pub const RELEASE_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// `_type` of the statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType` of a release.
pub const RELEASE_PREDICATE_TYPE: &str = "https://longshore.dev/release/v1";

/// A release: what CI signs and pods accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The stream of releases that it belongs to.
    pub channel: ChannelName,
    /// Its position there.
    pub sequence: Sequence,
    /// When it was made, by the publisher's clock.
    pub created: Timestamp,
    /// After when it is no longer activated; a release that runs goes on running.
    pub expires: Option<Timestamp>,
    /// The version of the trust root that the publisher signed under; a pod needs this one or a
    /// later one.
    pub root_version: u64,
    /// What it does to the database; equal to the manifest's.
    pub migration: Migration,
    /// The manifest's SHA-256.
    pub manifest: Sha256,
    /// The manifest's size in bytes.
    pub manifest_size: u64,
}

/// Why a payload is not a release, or a release cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The envelope holds something else.
    #[error("payload is {found:?}, expected {expected:?}")]
    PayloadType {
        /// The payload type that is there.
        found: String,
        /// The payload type of what was asked for.
        expected: &'static str,
    },
    /// The payload is not JSON of the statement's shape.
    #[error("payload is not a release statement")]
    Json(#[from] serde_json::Error),
    /// The statement has another type.
    #[error("{field} is {found:?}, expected {expected:?}")]
    Type {
        /// `_type` or `predicateType`.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A statement about nothing, or about several things.
    #[error("statement has {0} subjects, expected one, the manifest")]
    Subjects(usize),
    /// A number is outside its range.
    #[error("{field} is {value}, expected 1 to {limit}")]
    Number {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The largest value that it may have.
        limit: u64,
    },
    /// It would expire before it was made.
    #[error("release expires at {expires}, which is not after it was created at {created}")]
    Dates {
        /// When it was made.
        created: Timestamp,
        /// When it would expire.
        expires: Timestamp,
    },
    /// The bytes to sign are more than a KMS signs.
    #[error(
        "the bytes to sign are {size}, over the limit of {} that a KMS can sign",
        limits::PAE_LIMIT
    )]
    TooLarge {
        /// How many there would be.
        size: usize,
    },
}

impl StatementError {
    /// The stable reason: `statement` or `too-large`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TooLarge,
            _ => Reason::Statement,
        }
    }
}

// in-toto's parsing rules: unknown fields of the statement are ignored. The predicate is ours and
// refuses them: a field that a reader does not know could be a condition that it does not check, so
// a new one comes with a new predicateType.
#[derive(Serialize, Deserialize)]
struct Statement<P> {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(deserialize_with = "json::list")]
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: P,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    #[serde(deserialize_with = "json::one")]
    digest: DigestSet,
}

#[derive(Serialize, Deserialize)]
struct DigestSet {
    sha256: Sha256,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Predicate {
    channel: ChannelName,
    sequence: Sequence,
    #[serde(with = "json::time")]
    created: Timestamp,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "json::time::optional"
    )]
    expires: Option<Timestamp>,
    root_version: u64,
    migration: Migration,
    #[serde(deserialize_with = "json::one")]
    manifest: Size,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    size: u64,
}

impl Release {
    /// The envelope to sign.
    ///
    /// # Errors
    ///
    /// If a value is outside its range, or the bytes to sign are over [`limits::PAE_LIMIT`].
    pub fn to_envelope(&self) -> Result<Envelope, StatementError> {
        self.check()?;
        let statement = Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject {
                name: "manifest.json".to_owned(),
                digest: DigestSet {
                    sha256: self.manifest,
                },
            }],
            predicate_type: RELEASE_PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                channel: self.channel.clone(),
                sequence: self.sequence,
                created: self.created,
                expires: self.expires,
                root_version: self.root_version,
                migration: self.migration,
                manifest: Size {
                    size: self.manifest_size,
                },
            },
        };
        let envelope = Envelope::new(RELEASE_PAYLOAD_TYPE, serde_json::to_vec(&statement)?);
        check_size(&envelope).map(|()| envelope)
    }

    /// Reads a release that **nobody vouches for**: to show it, or to choose which objects to
    /// fetch. To act on one, use [`crate::TrustRoot`]'s `verify_release`.
    ///
    /// # Errors
    ///
    /// If the envelope does not hold a well-formed release.
    pub fn unverified(envelope: &Envelope) -> Result<Self, StatementError> {
        if envelope.payload_type() != RELEASE_PAYLOAD_TYPE {
            let found = envelope.payload_type().chars().take(200).collect();
            return Err(StatementError::PayloadType {
                found,
                expected: RELEASE_PAYLOAD_TYPE,
            });
        }
        check_size(envelope)?;
        // The types are compared before the predicate is read, whose shape depends on them.
        let any: Statement<serde_json::Value> = json::read(envelope.payload())?;
        expect("_type", &any.kind, STATEMENT_TYPE)?;
        expect("predicateType", &any.predicate_type, RELEASE_PREDICATE_TYPE)?;
        let statement: Statement<json::Object<Predicate>> = json::read(envelope.payload())?;
        let [subject] = &statement.subject[..] else {
            return Err(StatementError::Subjects(statement.subject.len()));
        };
        let Predicate {
            channel,
            sequence,
            created,
            expires,
            root_version,
            migration,
            manifest,
        } = statement.predicate.0;
        let (digest, manifest_size) = (subject.digest.sha256, manifest.size);
        let release = Self {
            channel,
            sequence,
            created,
            expires,
            root_version,
            migration,
            manifest: digest,
            manifest_size,
        };
        release.check().map(|()| release)
    }

    fn check(&self) -> Result<(), StatementError> {
        let ranges = [
            ("rootVersion", self.root_version, limits::NUMBER_LIMIT),
            (
                "manifest.size",
                self.manifest_size,
                limits::MANIFEST_LIMIT as u64,
            ),
        ];
        for (field, value, limit) in ranges {
            if !(1..=limit).contains(&value) {
                return Err(StatementError::Number {
                    field,
                    value,
                    limit,
                });
            }
        }
        match self.expires {
            Some(expires) if expires <= self.created => Err(StatementError::Dates {
                created: self.created,
                expires,
            }),
            _ => Ok(()),
        }
    }
}

fn check_size(envelope: &Envelope) -> Result<(), StatementError> {
    let size = envelope.pae().len();
    if size > limits::PAE_LIMIT {
        Err(StatementError::TooLarge { size })
    } else {
        Ok(())
    }
}

fn expect(field: &'static str, found: &str, expected: &'static str) -> Result<(), StatementError> {
    if found == expected {
        return Ok(());
    }
    Err(StatementError::Type {
        field,
        found: found.chars().take(200).collect(),
        expected,
    })
}
