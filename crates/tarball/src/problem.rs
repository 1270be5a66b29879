//! What is wrong with an entry or a frame, before anyone has said with which.

use release::Reason;

/// A reason code and the predicate of a sentence: "is a FIFO".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: Reason,
    pub(crate) text: &'static str,
}

impl Problem {
    pub(crate) const fn new(reason: Reason, text: &'static str) -> Self {
        Self { reason, text }
    }
}
