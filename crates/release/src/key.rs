//! Keys of the objects in a store: the one place that knows the bucket's layout.
//! `docs/formats/bucket.md` is its specification.
//!
//! ```
//! use release::key;
//! assert_eq!(key::channel_head(&"shops/acme".parse()?), "channels/shops/acme/release.json");
//! assert_eq!(key::trust_root(2), "trust/2.root.json");
//! # Ok::<(), release::NameError>(())
//! ```

use crate::{ChannelName, Sequence, Sha256};

/// The prefix of every channel's objects.
#[must_use]
pub fn channels() -> String {
    "channels/".to_owned()
}

/// The release object in force in a channel: the only object that is ever replaced.
#[must_use]
pub fn channel_head(channel: &ChannelName) -> String {
    format!("channels/{channel}/release.json")
}

/// The prefix of every release object of a channel.
#[must_use]
pub fn releases(channel: &ChannelName) -> String {
    format!("channels/{channel}/releases/")
}

/// One release object, immutable.
#[must_use]
pub fn release(channel: &ChannelName, sequence: Sequence) -> String {
    format!("channels/{channel}/releases/{sequence}.json")
}

/// The prefix of every blob.
#[must_use]
pub fn blobs() -> String {
    "blobs/sha256/".to_owned()
}

/// A manifest or a tarball, immutable, named by its digest.
#[must_use]
pub fn blob(digest: &Sha256) -> String {
    format!("blobs/sha256/{digest}")
}

/// The prefix of every trust root.
#[must_use]
pub fn trust_roots() -> String {
    "trust/".to_owned()
}

/// One version of the trust root, immutable.
#[must_use]
pub fn trust_root(version: u64) -> String {
    format!("trust/{version}.root.json")
}

/// The mark of a gc at work.
#[must_use]
pub fn collection() -> String {
    "gc.json".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_its_place() {
        let channel = "shops/acme".parse().unwrap();
        let digest = Sha256::digest(b"");
        assert_eq!(channel_head(&channel), "channels/shops/acme/release.json");
        assert_eq!(
            release(&channel, Sequence::FIRST),
            "channels/shops/acme/releases/1.json"
        );
        assert!(release(&channel, Sequence::LAST).starts_with(&releases(&channel)));
        assert_eq!(
            blob(&digest),
            format!(
                "{}e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                blobs()
            )
        );
        assert_eq!(trust_root(1), "trust/1.root.json");
    }
}
