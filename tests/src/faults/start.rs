//! What a pod has on its disk when it starts.

use std::fmt;

/// What a pod has on its disk when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Cold,
    /// The old release, which ran there.
    Warm,
}

impl Start {
    /// Each of them.
    pub(super) const ALL: [Self; 2] = [Self::Cold, Self::Warm];

    /// One after the other; for 0 it is cold.
    pub(super) const fn in_turn(number: u32) -> Self {
        if number % 2 == 1 {
            Self::Warm
        } else {
            Self::Cold
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        })
    }
}
