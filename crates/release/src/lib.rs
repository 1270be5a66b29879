//! What a release is, who may sign it, and whether it may run here: the pure part of Longshore,
//! without files, network or clock.
//!
//! # On the wire
//!
//! ```text
//! trust/1.root.json ──successor──► trust/2.root.json ──► …     DSSE envelopes of the type
//!   keys, threshold                       │                application/vnd.longshore.root.v1+json
//!                                         │ verify_release
//!                                         ▼
//! channels/<channel>/release.json    {payloadType, payload, signatures: [{keyid, sig}]}   ≤ 64 KiB
//!                                         │ payload: in-toto Statement v1     signed bytes ≤ 4096
//!                                         │   subject    sha256 of the manifest
//!                                         │   predicate  channel, sequence, created, expires?,
//!                                         │              rootVersion, migration, manifest.size
//!                                         ▼ read_manifest
//! blobs/sha256/<manifest>            modules [ chunks [ sha256, size, unpacked, entries ] ]
//!                                         │                                               ≤ 16 MiB
//!                                         ▼
//! blobs/sha256/<tarball>             zstd frames, each checked against its chunk before it is
//!                                    decompressed
//! ```
//!
//! `docs/formats/` specifies each document, precisely enough for a second implementation.
//!
//! # From bytes to a release that may run
//!
//! Each step takes only what the step before has verified. A [`Verified`] value exists only after
//! its signatures were checked.
//!
//! ```
//! use release::{Envelope, Manifest, AcceptancePolicy, TrustRoot};
//!
//! # type Error = Box<dyn std::error::Error>;
//! fn may_run(
//!     root: &[u8],
//!     next: &[u8],
//!     head: &[u8],
//!     manifest: &[u8],
//!     policy: &AcceptancePolicy,
//! ) -> Result<Manifest, Error> {
//!     let root = TrustRoot::from_trusted(root)?.successor(next)?;
//!     let release = root.verify_release(&Envelope::parse(head)?)?;
//!     policy.accept(&root, &release)?;
//!     Ok(release.read_manifest(manifest)?)
//! }
//! ```
//!
//! Every error has a `reason()`: a stable [`Reason`] whose code appears in the log, the metric and
//! the termination message.

mod accept;
mod algorithm;
mod armor;
mod attach;
mod backoff;
mod digest;
mod engine;
mod envelope;
mod json;
pub mod key;
pub mod limits;
mod link;
mod manifest;
mod manifest_check;
mod migration;
mod name;
mod need;
mod nesting;
mod path;
mod public_key;
mod reason;
mod secret_key;
mod statement;
mod time_range;
mod tree;
mod trust;
mod verified;

pub use accept::{AcceptancePolicy, Accepted, Refusal};
pub use algorithm::{Algorithm, KeyError};
pub use attach::AttachError;
pub use backoff::backoff;
pub use digest::{DigestError, Sha256};
pub use engine::Engine;
pub use envelope::{Envelope, EnvelopeError, Signature};
pub use link::{Escape, walk};
pub use manifest::{Chunk, Manifest, Module, Php, Writable};
pub use manifest_check::ManifestError;
pub use migration::{Migration, MigrationError};
pub use name::{ChannelName, ModuleName, NameError, Sequence, Version};
pub use need::{Need, Passed};
pub use nesting::{Nesting, aside, check_nesting};
pub use path::{DEPTH_LIMIT, NAME_LIMIT, PATH_LIMIT, PathError, RelativePath};
pub use public_key::PublicKey;
pub use reason::{Reason, Trouble};
pub use secret_key::SecretKey;
pub use statement::{
    RELEASE_PAYLOAD_TYPE, RELEASE_PREDICATE_TYPE, Release, STATEMENT_TYPE, StatementError,
};
pub use time_range::{TimeRange, TimeRangeError};
pub use tree::{Fault, Link, Node, RequiredDirectories, Tree, TreeError, check_tree};
pub use trust::{ROOT_PAYLOAD_TYPE, TrustError, TrustRoot};
pub use verified::Verified;
