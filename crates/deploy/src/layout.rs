//! Where things are below a release root. Pure: names only.

use release::Sha256;
use std::path::{Path, PathBuf};

/// The lock file, which holds the process id of its holder.
pub(crate) const LOCK: &str = "lock";
/// What the root remembers.
pub(crate) const STATE: &str = "state.json";
/// What is known of the release object that led to the active release.
pub(crate) const LAST_RELEASE: &str = "seen.json";
/// The link to the active tree.
pub(crate) const CURRENT: &str = "current";
/// Complete trees and their indexes.
pub(crate) const RELEASES: &str = "releases";
/// Trees in the making, and every temporary name.
pub(crate) const STAGING: &str = "staging";
/// Writable directories whose contents outlive a release.
pub(crate) const KEPT: &str = "kept";

/// What `current` contains when `manifest` is active.
pub(crate) fn link_contents(manifest: &Sha256) -> PathBuf {
    Path::new(RELEASES).join(manifest.short())
}

/// The name of `manifest`'s index, beside its tree.
pub(crate) fn index_name(manifest: &Sha256) -> String {
    format!("{}.index", manifest.short())
}

/// A name found in `releases/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TreeEntry {
    /// A tree: 16 lower-case hexadecimal digits.
    Tree(String),
    /// The index of a tree.
    Index(String),
}

impl TreeEntry {
    /// Recognises a name of ours; whatever else lies there is not touched.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (short, made): (_, fn(String) -> Self) = match name.strip_suffix(".index") {
            Some(short) => (short, Self::Index),
            None => (name, Self::Tree),
        };
        let ours = short.len() == 16
            && short
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| made(short.to_owned()))
    }
}
