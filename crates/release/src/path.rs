//! Relative paths that stay where they are joined.

use crate::Reason;
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path, str::FromStr};

/// The longest name of one file or directory, in bytes: `NAME_MAX` of Linux.
pub const NAME_LIMIT: usize = 255;
/// The longest path, in bytes. Linux allows 4096 with everything before it; this leaves room for
/// the release root.
pub const PATH_LIMIT: usize = 1024;
/// How deep a path may be, in names.
pub const DEPTH_LIMIT: usize = 64;

/// A path below some directory: names joined by `/`, in UTF-8, without control characters.
///
/// It never is empty, never starts or ends with `/`, and no name is `.` or `..`. So joining it to a
/// directory stays below that directory, as long as no link stands on the way.
///
/// ```
/// use release::RelativePath;
/// assert!("app/etc/local.xml".parse::<RelativePath>().is_ok());
/// assert!("../etc/passwd".parse::<RelativePath>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {shown:?} {problem}")]
pub struct PathError {
    shown: String,
    problem: &'static str,
    reason: Reason,
}

impl PathError {
    /// The stable reason: `path-unsafe`, `name-encoding` or `path-too-long`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl RelativePath {
    /// Reads a path from the bytes of an archive or of a directory entry.
    ///
    /// # Errors
    ///
    /// Says which rule the bytes break, and with which reason code.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => check(text).map(|()| Self(text.to_owned())),
            Err(_) => Err(refusal(
                &String::from_utf8_lossy(bytes),
                "is not UTF-8",
                Reason::NameEncoding,
            )),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This path with `other` below it.
    ///
    /// # Errors
    ///
    /// If the two together are too long or too deep.
    pub fn join(&self, other: &Self) -> Result<Self, PathError> {
        format!("{self}/{other}").parse()
    }

    /// The directory that holds it, or `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// The last name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Whether `ancestor` is this path or a directory above it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(&ancestor.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn check(text: &str) -> Result<(), PathError> {
    let refuse = |problem, reason| Err(refusal(text, problem, reason));
    if text.len() > PATH_LIMIT {
        return refuse("is over 1024 bytes", Reason::PathTooLong);
    }
    if text.is_empty() {
        return refuse("is empty", Reason::PathUnsafe);
    }
    if text.contains('\0') {
        return refuse("has a NUL byte", Reason::PathUnsafe);
    }
    if text.chars().any(char::is_control) {
        return refuse("has control characters", Reason::NameEncoding);
    }
    if text.starts_with('/') {
        return refuse("is absolute", Reason::PathUnsafe);
    }
    for (depth, name) in text.split('/').enumerate() {
        match name {
            "" => return refuse("has an empty name", Reason::PathUnsafe),
            "." | ".." => return refuse("has a name that is '.' or '..'", Reason::PathUnsafe),
            _ if name.len() > NAME_LIMIT => {
                return refuse("has a name over 255 bytes", Reason::PathTooLong);
            }
            _ if depth >= DEPTH_LIMIT => {
                return refuse("is deeper than 64 names", Reason::PathTooLong);
            }
            _ => {}
        }
    }
    Ok(())
}

fn refusal(text: &str, problem: &'static str, reason: Reason) -> PathError {
    PathError {
        shown: text.chars().take(120).collect(),
        problem,
        reason,
    }
}

impl FromStr for RelativePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        check(text).map(|()| Self(text.to_owned()))
    }
}

impl TryFrom<String> for RelativePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        check(&text).map(|()| Self(text))
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> Self {
        path.0
    }
}

impl AsRef<Path> for RelativePath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_reason() {
        let long = "a/".repeat(64) + "a";
        for (text, reason) in [
            ("", Reason::PathUnsafe),
            ("/etc", Reason::PathUnsafe),
            ("a//b", Reason::PathUnsafe),
            ("a/", Reason::PathUnsafe),
            ("./a", Reason::PathUnsafe),
            ("a/../b", Reason::PathUnsafe),
            ("a\0b", Reason::PathUnsafe),
            ("a\nb", Reason::NameEncoding),
            ("a\u{85}b", Reason::NameEncoding),
            (&"n".repeat(256), Reason::PathTooLong),
            (&"abc/".repeat(257), Reason::PathTooLong),
            (&long, Reason::PathTooLong),
        ] {
            assert_eq!(
                text.parse::<RelativePath>().unwrap_err().reason(),
                reason,
                "{text:?}"
            );
        }
        assert_eq!(
            RelativePath::from_bytes(b"a\xff").unwrap_err().reason(),
            Reason::NameEncoding
        );
    }

    #[test]
    fn within_compares_whole_names() {
        let path: RelativePath = "media/catalog/x".parse().unwrap();
        assert!(path.is_within(&"media".parse().unwrap()));
        assert!(path.is_within(&path));
        assert!(!path.is_within(&"med".parse().unwrap()));
    }
}
