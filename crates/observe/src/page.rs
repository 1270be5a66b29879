//! What an agent says of the errors of its pod: `GET /errors?since=CURSOR`.
//!
//! A page has a bound: [`GROUPS`] groups at most, each with [`SAMPLE`] bytes of text at most. Its
//! reader distrusts it all the same, as a shop's code may take the agent's port.

use crate::{Fingerprint, Severity, Source};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const VERSION: u32 = 1;
/// Groups that an agent keeps: those that were seen last.
pub const GROUPS: usize = 64;
/// Bytes of a sample at most.
pub const SAMPLE: usize = 3 << 10;
/// Bytes of a message at most.
pub const MESSAGE: usize = 300;
/// Bytes of a class's name at most.
pub const CLASS: usize = 200;
/// Bytes of a page at most.
pub const LIMIT: usize = 256 << 10;

/// What changed since a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// [`VERSION`].
    pub version: u32,
    /// Names this run of the agent. Counts and cursors of another run say nothing about this one.
    pub run: String,
    /// What to ask with the next time.
    pub cursor: u64,
    /// Events of this run that no page counts: there were too many to read them all, or their group
    /// made room for another one before a page had them.
    pub dropped: u64,
    /// The groups that changed since.
    pub groups: Vec<Observed>,
}

/// A group, as one pod saw it, of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Its name. A group has an entry for each release that it was seen in.
    pub fingerprint: Fingerprint,
    /// Where it was written.
    pub source: Source,
    /// How bad it is.
    pub severity: Severity,
    /// The exception's class, or PHP's word for the kind of error, such as `Warning`.
    pub class: String,
    /// The message without the values in it.
    pub message: String,
    /// The sequence of the release that ran, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// How often it was seen in this run.
    pub count: u64,
    /// When it was seen first in this run.
    pub first: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
    /// One of them, whole or cut, with secrets and personal data masked.
    pub sample: String,
}
