//! How a reconcile of a shop went.

/// How a reconcile of a shop went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReconcileOutcome {
    /// Its objects are as they should be.
    Applied {
        /// Digest over all of them.
        digest: String,
        /// Fields that were taken from others, if any.
        taken: Vec<String>,
    },
    /// It cannot be rendered.
    NotRendered(String),
    /// Other shops have what it claims.
    Claimed(String),
    /// The API server refused, or could not be asked.
    NotApplied {
        /// In one word.
        reason: &'static str,
        /// In a sentence.
        message: String,
    },
    /// A guard holds it.
    Held(String),
}
