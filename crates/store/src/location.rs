//! Where a store is.

use release::{Reason, RelativePath};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a store is: `s3://bucket/prefix` or `file:///directory`.
///
/// ```
/// use store::Location;
/// let location: Location = "s3://shop-releases/production".parse()?;
/// assert_eq!(location.to_string(), "s3://shop-releases/production");
/// assert!("https://shop-releases.s3.amazonaws.com".parse::<Location>().is_err());
/// # Ok::<(), store::LocationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// A bucket, or the part of one below a prefix.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What stands before every key, without slashes at its ends.
        prefix: Option<RelativePath>,
    },
    /// A directory of this machine. Its path is taken as it is written: `%20` is no space.
    Directory(PathBuf),
}

impl Location {
    /// What a correct value looks like, for error messages.
    pub const EXPECTED: &'static str = "a store: s3://bucket/prefix or file:///directory";
}

/// The text is not the location of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {}: {problem}", Location::EXPECTED)]
pub struct LocationError {
    text: String,
    problem: &'static str,
}

impl LocationError {
    /// The stable reason: `config`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::Config
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        read(text).map_err(|problem| LocationError {
            text: text.chars().take(200).collect(),
            problem,
        })
    }
}

fn read(text: &str) -> Result<Location, &'static str> {
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err("a bucket's name has 3 to 63 characters of a-z, 0-9, '.' and '-'");
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let prefix = match prefix {
            "" => None,
            _ if prefix.contains(['?', '#']) => return Err("a prefix has no '?' or '#'"),
            _ => Some(
                prefix
                    .parse()
                    .map_err(|_| "the prefix is not a relative path")?,
            ),
        };
        return Ok(Location::S3 {
            bucket: bucket.to_owned(),
            prefix,
        });
    }
    let Some(path) = text.strip_prefix("file://") else {
        return Err("it starts with neither s3:// nor file://");
    };
    if !path.starts_with('/') {
        return Err("the directory is not absolute: three slashes after file:");
    }
    if path.contains('\0') {
        return Err("the path has a NUL byte");
    }
    Ok(Location::Directory(Path::new(path).to_owned()))
}

/// The rules of general purpose buckets in "Amazon S3 User Guide, General purpose bucket naming
/// rules".
fn is_bucket(name: &str) -> bool {
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
        && outer(name.as_bytes().first())
        && outer(name.as_bytes().last())
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 {
                bucket,
                prefix: None,
            } => write!(f, "s3://{bucket}"),
            Self::S3 {
                bucket,
                prefix: Some(prefix),
            } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Directory(path) => write!(f, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_print_as_they_are_written() {
        for (text, shown) in [
            ("s3://abc", "s3://abc"),
            ("s3://abc/", "s3://abc"),
            ("s3://a.b-c9/x/y/", "s3://a.b-c9/x/y"),
            ("file:///", "file:///"),
            ("file:///srv/my store", "file:///srv/my store"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in [
            "",
            "s3:/abc",
            "s3://",
            "s3://ab",
            "s3://Abc",
            "s3://-abc",
            "s3://a_bc",
            "s3://user:secret@abc",
            "s3://abc//x",
            "s3://abc/../x",
            "s3://abc/x?y",
            "file://srv",
            "file://host/srv",
            "/srv",
            "http://abc",
        ] {
            if text == "file://host/srv" {
                assert_eq!(
                    text.parse::<Location>().unwrap_err().problem,
                    "the directory is not absolute: three slashes after file:"
                );
            }
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
