//! What is to be done with one object: decided by the crate `plan`, done by the crate `client`.

use crate::{Identity, Object};

/// What is to be done with one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// Make it.
    Create(&'a Object),
    /// Write it: what is asked for changed, or somebody else changed it.
    Write(&'a Object),
    /// Delete it.
    Delete(Deletion),
}

/// An object that may be deleted, if it still is the one that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Which.
    pub identity: Identity,
    /// The precondition of its deletion.
    pub uid: String,
}
