//! The mark of what trusted keys have signed.

use std::ops::Deref;

/// A value that was read from bytes with enough signatures of trusted keys.
///
/// Only this crate makes one, and only after it checked the signatures: a function that takes a
/// `Verified<Release>` cannot be called with a release that nobody signed.
///
/// ```compile_fail
/// let forged = release::Verified(release::Sequence::FIRST);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Vouches for `value`; the caller has just checked the signatures.
    pub(crate) const fn vouch(value: T) -> Self {
        Self(value)
    }

    /// The value without its mark.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
