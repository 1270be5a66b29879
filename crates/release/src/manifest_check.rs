//! Reading, checking and writing manifests.

use crate::{
    Chunk, Manifest, Module, Reason, Release, Sha256, Verified, check_nesting, json, limits,
};
use serde::Deserialize;
use std::collections::HashMap;

/// Why bytes are not the manifest that they should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// More bytes than a manifest may have; nothing was parsed.
    #[error(
        "manifest has {size} bytes, over its limit of {} bytes",
        limits::MANIFEST_LIMIT
    )]
    TooLarge {
        /// How many bytes there are.
        size: usize,
    },
    /// The bytes are not those that were signed; nothing was parsed.
    #[error(
        "manifest is not the signed one: signed are {signed_size} bytes with digest {signed}, \
         received are {size} with {received}"
    )]
    Digest {
        /// The signed digest.
        signed: Sha256,
        /// The signed size.
        signed_size: u64,
        /// The digest of what came.
        received: Sha256,
        /// The size of what came.
        size: usize,
    },
    /// A later format.
    #[error("manifest has schema {0}, this version reads schema {own}", own = Manifest::SCHEMA)]
    Schema(u64),
    /// The bytes are not JSON of the manifest's shape.
    #[error("not a manifest")]
    Json(#[from] serde_json::Error),
    /// The whole is inconsistent.
    #[error("manifest: {0}")]
    Whole(String),
    /// A module is inconsistent.
    #[error("module {module}: {problem}")]
    Module {
        /// Its name.
        module: String,
        /// What is wrong.
        problem: String,
    },
    /// A chunk is inconsistent.
    #[error("module {module}, chunk {index}: {problem}")]
    Chunk {
        /// The module's name.
        module: String,
        /// The chunk's place in the module, from 0.
        index: usize,
        /// What is wrong.
        problem: String,
    },
}

impl ManifestError {
    /// The stable reason: `too-large`, `digest` or `manifest`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Digest { .. } => Reason::Digest,
            _ => Reason::Manifest,
        }
    }
}

impl Verified<Release> {
    /// Reads the manifest that this release names, after checking that `bytes` are that one.
    ///
    /// # Errors
    ///
    /// If size or digest differ, the manifest is malformed, or it says another migration than
    /// the release.
    pub fn read_manifest(&self, bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let (signed, signed_size, size) = (self.manifest, self.manifest_size, bytes.len());
        let received = Sha256::digest(bytes);
        if size as u64 != signed_size || received != signed {
            return Err(ManifestError::Digest {
                signed,
                signed_size,
                received,
                size,
            });
        }
        let manifest = Manifest::parse(bytes)?;
        if manifest.migration != self.migration {
            let problem = format!(
                "migration is {}, the release says {}",
                manifest.migration, self.migration
            );
            return Err(ManifestError::Whole(problem));
        }
        Ok(manifest)
    }
}

impl Manifest {
    /// The version of the format that this code reads and writes.
    pub const SCHEMA: u32 = 1;

    /// Reads a manifest and checks that it is consistent; who vouches for `bytes` is the caller's
    /// concern.
    ///
    /// # Errors
    ///
    /// If `bytes` are over [`limits::MANIFEST_LIMIT`], are not a manifest, or contradict
    /// themselves.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u64,
        }
        if bytes.len() > limits::MANIFEST_LIMIT {
            return Err(ManifestError::TooLarge { size: bytes.len() });
        }
        // A later schema has other fields; that it is later is what its reader wants to know.
        let manifest: Self =
            json::read(bytes).map_err(|error| match json::read::<Schema>(bytes) {
                Ok(Schema { schema }) if schema != u64::from(Self::SCHEMA) => {
                    ManifestError::Schema(schema)
                }
                _ => ManifestError::Json(error),
            })?;
        manifest.validate().map(|()| manifest)
    }

    /// The manifest's bytes, whose SHA-256 names it: indented JSON with one newline at its end, the
    /// same for the same manifest.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json::write(self)
    }

    /// Checks what `docs/formats/manifest.md` asks of a manifest beyond its shape.
    /// [`Manifest::parse`] does so too.
    ///
    /// # Errors
    ///
    /// Names the first module and chunk that breaks a rule, and the rule.
    pub fn validate(&self) -> Result<(), ManifestError> {
        let whole = |problem: String| Err(ManifestError::Whole(problem));
        if self.schema != Self::SCHEMA {
            return Err(ManifestError::Schema(u64::from(self.schema)));
        }
        if self.modules.is_empty() {
            return whole("it has no modules".to_owned());
        }
        if let Some(name) = disorder(self.modules.iter().map(|module| &module.name)) {
            return whole(format!(
                "modules are not sorted by name, each once, at {name}"
            ));
        }
        if let Some(path) = disorder(&self.shared)
            .or_else(|| disorder(self.writable.iter().map(|writable| &writable.path)))
        {
            return whole(format!(
                "shared and writable paths are not sorted, each once, at {path}"
            ));
        }
        if let Err(nesting) = check_nesting(&self.shared, &self.writable) {
            return whole(nesting.to_string());
        }
        if let Some(php) = &self.php {
            let version = &php.version;
            if !(1..=16).contains(&version.len())
                || !version
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
            {
                return whole(format!(
                    "php.version {version:?} is not 1 to 16 digits and dots, such as 8.2"
                ));
            }
        }
        let mut seen = HashMap::new();
        let (mut entries, mut unpacked) = (0_u64, 0_u64);
        for module in &self.modules {
            let sums = check_module(module, &mut seen)?;
            // A sum that saturates is over the limit below, and a chunk's size and entries are
            // bounded by its unpacked bytes.
            (entries, unpacked) = (
                entries.saturating_add(sums.0),
                unpacked.saturating_add(sums.1),
            );
        }
        if unpacked > limits::NUMBER_LIMIT {
            return whole(format!(
                "its chunks have {unpacked} bytes unpacked, over {}",
                limits::NUMBER_LIMIT
            ));
        }
        if self.files > entries || self.bytes > unpacked {
            return whole(format!(
                "{} files of {} bytes do not fit {entries} entries of {unpacked} bytes",
                self.files, self.bytes
            ));
        }
        Ok(())
    }
}

/// Checks one module, and returns the entries and the unpacked bytes of all its chunks.
fn check_module(
    module: &Module,
    seen: &mut HashMap<Sha256, Chunk>,
) -> Result<(u64, u64), ManifestError> {
    let refuse = |problem: String| {
        Err(ManifestError::Module {
            module: module.name.to_string(),
            problem,
        })
    };
    if let Some(path) = disorder(&module.replaced) {
        return refuse(format!(
            "replaced paths are not sorted, each once, at {path}"
        ));
    }
    let Some(last) = module.chunks.len().checked_sub(1) else {
        return refuse("it has no chunks; an empty module still has one".to_owned());
    };
    let (mut size, mut entries, mut unpacked) = (0_u64, 0_u64, 0_u64);
    for (index, chunk) in module.chunks.iter().enumerate() {
        let problem = check_chunk(chunk, index == last).err();
        let problem = problem.or_else(|| {
            (*seen.entry(chunk.sha256).or_insert(*chunk) != *chunk)
                .then(|| "its digest has other sizes elsewhere".to_owned())
        });
        if let Some(problem) = problem {
            return Err(ManifestError::Chunk {
                module: module.name.to_string(),
                index,
                problem,
            });
        }
        size = size.saturating_add(chunk.size);
        entries = entries.saturating_add(chunk.entries);
        unpacked = unpacked.saturating_add(chunk.unpacked);
    }
    if size != module.size {
        return refuse(format!(
            "size is {}, but its chunks have {size} bytes",
            module.size
        ));
    }
    if module.replaced.len() as u64 > entries {
        return refuse(format!(
            "{} paths are replaced, but there are {entries} entries",
            module.replaced.len()
        ));
    }
    Ok((entries, unpacked))
}

fn check_chunk(chunk: &Chunk, last: bool) -> Result<(), String> {
    let &Chunk {
        size,
        unpacked,
        entries,
        ..
    } = chunk;
    // A tar entry is a header at least; the last chunk ends with the end-of-archive marker.
    let end = if last { limits::TAR_END } else { 0 };
    if unpacked > limits::NUMBER_LIMIT || unpacked % limits::TAR_BLOCK != 0 {
        return Err(format!(
            "unpacked is {unpacked}, expected whole blocks of {} bytes",
            limits::TAR_BLOCK
        ));
    }
    let blocks = unpacked.saturating_sub(end) / limits::TAR_BLOCK;
    if unpacked < end
        || entries > blocks
        || (entries == 0 && unpacked != end)
        || (entries == 0 && !last)
    {
        return Err(format!(
            "{entries} entries do not fit {unpacked} bytes unpacked"
        ));
    }
    // The least that a zstd frame has is 9 bytes with content size and one block; the most is the
    // input and 3 bytes for each raw block, for which 1/256 and 1024 leave ample room.
    let most = unpacked + unpacked / 256 + 1024;
    if !(9..=most).contains(&size) {
        return Err(format!(
            "size is {size}, expected 9 to {most} for {unpacked} bytes unpacked"
        ));
    }
    Ok(())
}

/// The first value that does not come after the one before it.
fn disorder<T: Ord>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values = values.into_iter();
    let mut before = values.next()?;
    for value in values {
        if value <= before {
            return Some(value);
        }
        before = value;
    }
    None
}
