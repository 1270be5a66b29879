//! From a description to a directory of blobs: every module packed, the manifest composed. The
//! directory is itself a `file://` store.

mod arguments;
mod oversight;
mod package;
mod packer;

pub(crate) use arguments::PackingArguments;
pub(crate) use package::{Package, RELEASE, read};

use crate::{
    CommandError, Progress,
    compose::{Claim, Claims, Layout, Share, Shared, share_out},
    pack_cache::PackCache,
    spec::{ModuleSpec, Spec},
};
use packer::Packer;
use release::{Manifest, Module, RequiredDirectories};
use serde_json::json;
use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};
use tarball::{Kind, Packed, Source};
use tokio::task;

/// How modules are packed.
#[derive(Debug)]
pub(crate) struct Packing {
    level: i32,
    cache: Option<PackCache>,
    /// Files of the private keys that sign, which no module may ship.
    keys: Vec<PathBuf>,
}

impl Packing {
    /// What the arguments ask for.
    ///
    /// # Errors
    ///
    /// If the cache is not ours alone.
    pub(crate) fn new(
        arguments: &PackingArguments,
        keys: &[PathBuf],
        progress: &Progress,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            level: arguments.level,
            cache: arguments.cache.open(progress)?,
            keys: keys.to_vec(),
        })
    }
}

/// The regular files that a release would hold, and their bytes, found without packing.
///
/// # Errors
///
/// As packing, as far as no contents are read.
pub(crate) fn content(spec: &Spec) -> Result<(u64, u64), CommandError> {
    let sources = spec
        .modules
        .iter()
        .map(scan)
        .collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = spec
        .modules
        .iter()
        .zip(&sources)
        .map(|(module, source)| claims(module, source))
        .collect();
    let shares = share_out(&claims, &layout(spec))?.modules;
    Ok((
        shares.iter().map(|share| share.files).sum(),
        shares.iter().map(|share| share.bytes).sum(),
    ))
}

/// Packs what `spec` describes into `directory`.
///
/// # Errors
///
/// If a source cannot be read or holds what must not be packed, two modules own one file, or the
/// directory cannot be written.
fn pack(
    spec: &Spec,
    directory: &Path,
    packing: &Packing,
    progress: &Progress,
) -> Result<Package, CommandError> {
    let mut sources = spec
        .modules
        .iter()
        .map(scan)
        .collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = spec
        .modules
        .iter()
        .zip(&sources)
        .map(|(module, source)| claims(module, source))
        .collect();
    // Ownership first: packing costs minutes, a conflict is known in milliseconds.
    let Shared {
        modules: shares,
        case_sensitive,
    } = share_out(&claims, &layout(spec))?;
    for (module, source) in spec.modules.iter().zip(&sources) {
        oversight::keys(module, source, &packing.keys, progress)?;
        oversight::excludes(module, source, progress);
    }
    oversight::warm(spec, &claims, progress);
    let bar = progress.bar(
        "packing",
        claims
            .iter()
            .flat_map(|claims| &claims.entries)
            .map(|(_, claim)| claim.bytes())
            .sum(),
    );
    drop(claims);
    let (mut modules, mut before, mut from_cache) = (Vec::new(), 0, 0);
    for ((module, source), share) in spec.modules.iter().zip(&mut sources).zip(&shares) {
        let bar = |_, bytes| bar.reach(before + bytes);
        let (packed, cached) = Packer {
            module,
            directory,
            packing,
            progress,
        }
        .module(source, &bar)?;
        bar(packed.files, packed.bytes);
        before += packed.bytes;
        from_cache += usize::from(cached);
        progress.step(
            "packed",
            &format!(
                "packed {} {}: {} files, {} bytes into {}{}",
                module.name,
                module.version,
                packed.files,
                packed.bytes,
                packed.size,
                if cached { ", by an earlier run" } else { "" }
            ),
            &[
                ("module", json!(module.name)),
                ("version", json!(module.version)),
                ("files", json!(packed.files)),
                ("bytes", json!(packed.bytes)),
                ("packed_bytes", json!(packed.size)),
                ("cached", json!(cached)),
            ],
        );
        modules.push(describe(module, packed, share));
    }
    drop(bar);
    if let Some(Err(error)) = packing.cache.as_ref().map(PackCache::evict) {
        progress.warn(&format!(
            "the cache of packed modules may be over its limit: {error}"
        ));
    }
    modules.sort_by(|one, other| one.name.cmp(&other.name));
    let manifest = Manifest {
        schema: 1,
        modules,
        files: shares.iter().map(|share| share.files).sum(),
        bytes: shares.iter().map(|share| share.bytes).sum(),
        shared: spec.shared.clone(),
        writable: spec.writable.clone(),
        php: spec.php.clone(),
        migration: spec.migration,
        case_sensitive,
    };
    let empty = Package {
        directory: directory.to_owned(),
        manifest: manifest.clone(),
        manifest_bytes: Vec::new(),
        cached: from_cache,
        _scratch: None,
    };
    empty.with(manifest)
}

/// Packs into the directory `out`, or into one that goes with the package, on a thread of its own,
/// so that the executor goes on drawing and answering signals.
///
/// # Errors
///
/// As [`pack`].
pub(crate) async fn in_background(
    spec: Spec,
    out: Option<PathBuf>,
    packing: Packing,
    progress: &Arc<Progress>,
) -> Result<Package, CommandError> {
    let progress = Arc::clone(progress);
    let work = move || {
        if let Some(out) = out {
            return pack(&spec, &out, &packing, &progress);
        }
        // A cache whose disk refuses is no reason not to publish.
        let cached = packing
            .cache
            .as_ref()
            .and_then(|cache| cache.scratch().ok());
        let scratch = cached.map_or_else(tempfile::tempdir, Ok);
        let scratch = scratch.map_err(|source| CommandError::Write {
            path: env::temp_dir(),
            source,
        })?;
        let package = pack(&spec, scratch.path(), &packing, &progress)?;
        Ok(Package {
            _scratch: Some(scratch),
            ..package
        })
    };
    task::spawn_blocking(work)
        .await
        .map_err(|_| CommandError::Bug("packing panicked"))?
}

fn scan(module: &ModuleSpec) -> Result<Source, CommandError> {
    tarball::scan(&module.source, &module.exclude).map_err(|source| CommandError::Scan {
        module: module.name.clone(),
        source,
    })
}

fn claims<'a>(module: &'a ModuleSpec, source: &'a Source) -> Claims<'a> {
    let entries = source.entries().iter().map(|entry| {
        let claim = match &entry.kind {
            Kind::Directory => Claim::Directory,
            Kind::File { size, .. } => Claim::File(*size),
            Kind::Link { target } => Claim::Link(target),
        };
        (entry.path.clone(), claim)
    });
    Claims {
        module: &module.name,
        target: module.target.as_ref(),
        overrides: &module.overrides,
        entries: entries.collect(),
    }
}

fn layout(spec: &Spec) -> Layout<'_> {
    let targets = spec
        .modules
        .iter()
        .filter_map(|module| module.target.as_ref())
        .collect();
    Layout {
        asked: RequiredDirectories {
            shared: &spec.shared,
            writable: &spec.writable,
            targets,
        },
        case_sensitive: spec.case_sensitive,
    }
}

fn describe(module: &ModuleSpec, packed: Packed, share: &Share) -> Module {
    Module {
        name: module.name.clone(),
        version: module.version.clone(),
        target: module.target.clone(),
        sha256: packed.sha256,
        size: packed.size,
        chunks: packed.chunks,
        replaced: share.replaced.iter().cloned().collect(),
    }
}

#[cfg(test)]
pub(crate) mod stageable;
