//! The manifest: a release's modules and chunks, with digests and sizes. `docs/formats/manifest.md`
//! specifies it.

use crate::{Migration, ModuleName, RelativePath, Sha256, Version, json};
use serde::{Deserialize, Serialize};

/// What a release puts on disk. The SHA-256 of its exact bytes names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub schema: u32,
    /// The modules, sorted by name.
    #[serde(deserialize_with = "json::list")]
    pub modules: Vec<Module>,
    /// The number of regular files in the whole tree, without those that another module replaces.
    pub files: u64,
    /// The bytes of those files.
    pub bytes: u64,
    /// Directories that live on shared storage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<RelativePath>,
    /// Directories into which the shop writes, local to each pod.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "json::list"
    )]
    pub writable: Vec<Writable>,
    /// What PHP needs to know.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "json::optional"
    )]
    pub php: Option<Php>,
    /// What the release does to the database.
    pub migration: Migration,
    /// Whether names of the tree may differ only in case. A disk that folds case cannot hold such a
    /// tree.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub case_sensitive: bool,
}

/// One module and the chunks of its tarball, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Module {
    /// Its name, once per manifest.
    pub name: ModuleName,
    /// Its version, as its maker writes it.
    pub version: Version,
    /// Where it lands in the release tree; absent at the top.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "json::present"
    )]
    pub target: Option<RelativePath>,
    /// Digest of the whole tarball, which names its blob.
    pub sha256: Sha256,
    /// Bytes of the whole tarball: the sum of its chunks'.
    pub size: u64,
    /// The tarball's chunks, in the order of their bytes.
    #[serde(deserialize_with = "json::list")]
    pub chunks: Vec<Chunk>,
    /// Paths of this module, relative to its target, that another module of the release replaces.
    /// They are not unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<RelativePath>,
}

/// One zstd frame of whole tar entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chunk {
    /// Digest of the compressed bytes.
    pub sha256: Sha256,
    /// Compressed bytes.
    pub size: u64,
    /// Bytes after decompression, tar headers and padding included.
    pub unpacked: u64,
    /// Tar entries (PAX headers are part of theirs).
    pub entries: u64,
}

/// A directory that the shop writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Writable {
    /// Where it is in the release tree.
    pub path: RelativePath,
    /// Whether its contents outlive the release; otherwise each release starts with an empty one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// What PHP needs to know about a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Php {
    /// The PHP version that it was built for, such as `8.2`.
    pub version: String,
    /// Scripts to compile into OPcache before the release takes requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warm: Vec<RelativePath>,
}
