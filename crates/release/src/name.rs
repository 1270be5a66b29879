//! Names that appear in keys, paths and logs: parsed once, safe to print and to join afterwards.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A text that is not the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])+ $name:ident, $expected:literal, $accepts:expr) => {
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What a correct value looks like, for error messages.
            pub const EXPECTED: &'static str = $expected;

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) { Ok(Self(text)) } else { Err(NameError { text: text.chars().take(200).collect(), expected: $expected }) }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The stream of releases that a pod follows, such as `shops/acme`.
    ///
    /// At most 128 bytes; segments of `a-z 0-9 . _ -`, each starting with a letter or a digit,
    /// joined by `/`. No segment is `releases` or `release.json`, which stand below a channel in
    /// the bucket.
    ChannelName,
    "a channel: lower-case segments of a-z, 0-9, '.', '_' or '-' joined by '/', such as shops/acme",
    |text| segments(text, 128)
        && !text
            .split('/')
            .any(|segment| matches!(segment, "releases" | "release.json"))
);

name!(
    /// A module's name, such as `core` or `magento/module-catalog`: the same alphabet as a
    /// channel, at most 128 bytes.
    ModuleName,
    "a module name: lower-case segments of a-z, 0-9, '.', '_' or '-' joined by '/', such as \
     magento/module-catalog",
    |text| segments(text, 128)
);

name!(
    /// A module's version as its maker writes it: 1 to 128 visible ASCII characters.
    Version,
    "a version: 1 to 128 visible ASCII characters, such as 20.12.3",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

fn segments(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.split('/').all(|segment| {
            segment.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && segment
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        })
}

/// A release's position in its channel: from 1 to 2^53 − 1, the largest integer that every JSON
/// reader keeps exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Sequence(u64);

impl Sequence {
    /// The first release of a channel.
    pub const FIRST: Self = Self(1);
    /// The largest sequence.
    pub const LAST: Self = Self((1 << 53) - 1);
    /// What a correct value looks like, for error messages.
    pub const EXPECTED: &'static str = "a sequence: a whole number from 1 to 9007199254740991";

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it, or `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self < Self::LAST).then_some(Self(self.0 + 1))
    }
}

impl TryFrom<u64> for Sequence {
    type Error = NameError;

    fn try_from(number: u64) -> Result<Self, NameError> {
        if (1..=Self::LAST.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NameError {
                text: number.to_string(),
                expected: Self::EXPECTED,
            })
        }
    }
}

impl FromStr for Sequence {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError {
            text: text.chars().take(200).collect(),
            expected: Self::EXPECTED,
        };
        // `u64::from_str` takes a leading '+', which no key of a bucket has.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
            return Err(error());
        }
        text.parse::<u64>()
            .ok()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(error)
    }
}

impl From<Sequence> for u64 {
    fn from(sequence: Sequence) -> Self {
        sequence.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names() {
        for good in ["a", "shops/acme", "magento2-stable", "0.x_y/z-1"] {
            assert!(good.parse::<ChannelName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a b",
            "../a",
            ".",
            "a/releases",
            "release.json/b",
            "-a",
            "ă",
            &"a".repeat(129),
        ] {
            assert!(bad.parse::<ChannelName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sequences() {
        for good in ["1", "42", "9007199254740991"] {
            assert!(good.parse::<Sequence>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            "9007199254740992",
            "1.0",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<Sequence>().is_err(), "{bad}");
        }
        assert_eq!(Sequence::LAST.next(), None);
    }
}
