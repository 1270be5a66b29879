//! What a store holds, as values.

use bytes::Bytes;
use std::fmt;

/// A store's name for one state of an object: another state has another tag.
///
/// Opaque: S3's is a quoted text that may or may not be a digest, and a directory's is made from
/// inode, size and time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Etag(String);

impl Etag {
    /// Wraps the text of an `ETag` header, quotes included.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, as `If-Match` wants it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Etag({})", self.0)
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole object in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Which state of the object they are.
    pub etag: Etag,
}

/// What a store says of an object without sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Length in bytes.
    pub size: u64,
    /// Its present state.
    pub etag: Etag,
}

/// What a store has under a key, compared with the bytes that belong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// No object.
    Nothing,
    /// An object of other bytes.
    Other,
    /// These bytes, as far as the store can tell without sending them.
    Same,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key, as the other calls take it: without the prefix of the store's location.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: jiff::Timestamp,
}

/// When a [`put`](crate::ObjectStore::put) may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// Only if no object has the key.
    Absent,
    /// Only where the object is still in this state.
    Matches(Etag),
}
