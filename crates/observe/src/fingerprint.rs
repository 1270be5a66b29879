//! The name of a group of errors.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// Hexadecimal digits of a fingerprint.
const DIGITS: usize = 16;

/// The name of a group of errors: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(u64);

/// A text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fingerprint; expected 16 hexadecimal digits, such as 03f1c2a9d47be650")]
pub struct NotAFingerprint(String);

impl Fingerprint {
    /// Fingerprint version 1: the first 64 bits of the SHA-256 of `1`, the class, the message
    /// without its values, and the topmost frames, each ended by a NUL. What is not in it, such as
    /// lines, paths and how bad an error is, makes no other group.
    pub(crate) fn new(class: &str, message: &str, frames: &[String]) -> Self {
        let mut hash = Sha256::new();
        for part in ["1", class, message]
            .into_iter()
            .chain(frames.iter().map(String::as_str))
        {
            hash.update(part);
            hash.update([0]);
        }
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash.finalize()[..8]);
        Self(u64::from_be_bytes(bits))
    }
}

impl From<u64> for Fingerprint {
    fn from(bits: u64) -> Self {
        Self(bits)
    }
}

impl From<Fingerprint> for u64 {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == DIGITS
            && text
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let bits = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        bits.map(Self)
            .ok_or_else(|| NotAFingerprint(text.to_owned()))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NotAFingerprint;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_written_as_it_is_read() {
        let text = "03f1c2a9d47be650";
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
        for bad in [
            "",
            "3f1c2a9d47be650",
            "03F1C2A9D47BE650",
            "+3f1c2a9d47be650",
            "03f1c2a9d47be6500",
        ] {
            assert_eq!(
                bad.parse::<Fingerprint>(),
                Err(NotAFingerprint(bad.to_owned()))
            );
        }
    }
}
