//! Names of generated objects: within the limits of Kubernetes, and the same for the same shop at
//! every time.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The longest name that is also a label and a host name (RFC 1123).
pub const LABEL_LIMIT: usize = 63;
/// The longest name of a CronJob: its Jobs add 11 characters.
pub const CRON_JOB_LIMIT: usize = 52;

/// The namespace of a shop.
///
/// ```
/// assert_eq!(api::namespace("acme"), "shop-acme");
/// ```
#[must_use]
pub fn namespace(shop: &str) -> String {
    within(&format!("shop-{shop}"), LABEL_LIMIT)
}

/// `name` where it is at most `limit` bytes; otherwise its beginning and eight digits of its hash,
/// so that two long names stay two.
#[must_use]
pub fn within(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let suffix = short_hash(name.as_bytes());
    let mut cut = limit - suffix.len() - 1;
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}-{suffix}", name[..cut].trim_end_matches(['-', '.']))
}

/// `name-<hash of content>`: the name of an immutable object. Another content is another object, so
/// that pods roll to it and back.
#[must_use]
pub fn by_content(name: &str, content: &[u8]) -> String {
    format!("{name}-{}", short_hash(content))
}

/// The first eight hexadecimal digits of the SHA-256: 2^32 values, for a handful of names in one
/// namespace.
#[must_use]
pub fn short_hash(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    format!(
        "{:08x}",
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
    )
}

/// A number from 0 to `below` - 1 that depends on nothing but the text: spreads what all shops do
/// over a time.
#[must_use]
pub fn spread(text: &str, below: u32) -> u32 {
    let digest = Sha256::digest(text);
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    number % below.max(1)
}

/// Labels of what the scheduler itself is made of, and of what it keeps for all shops.
#[must_use]
pub fn system_labels() -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/managed-by", "longshore"),
        ("app.kubernetes.io/name", "longshore-scheduler"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_is_left_alone() {
        assert_eq!(within("web", 63), "web");
        assert_eq!(within(&"a".repeat(63), 63), "a".repeat(63));
    }

    #[test]
    fn long_names_keep_apart_and_end_like_a_name() {
        let (a, b) = (
            within(&format!("{}-a", "x".repeat(70)), 63),
            within(&format!("{}-b", "x".repeat(70)), 63),
        );
        assert_ne!(a, b);
        assert_eq!((a.len(), b.len()), (63, 63));
        // The cut falls on a hyphen.
        let hyphen = within(&format!("{}-{}", "x".repeat(53), "y".repeat(20)), 63);
        assert!(
            hyphen.starts_with(&format!("{}-", "x".repeat(53))) && !hyphen.contains("--"),
            "{hyphen}"
        );
    }

    #[test]
    fn a_spread_covers_its_range() {
        let minutes: std::collections::BTreeSet<_> = (0..1000)
            .map(|shop| spread(&format!("shop-{shop}"), 60))
            .collect();
        assert_eq!(minutes.len(), 60);
    }
}
