//! From a description to a directory of blobs: every module packed, the manifest composed. The
//! directory is itself a `file://` store.

mod arguments;
mod oversight;

pub(crate) use arguments::PackingArguments;

use crate::{
    CommandError, Progress,
    compose::{Claim, Claims, Layout, Share, Shared, share_out},
    files,
    pack_cache::PackCache,
    spec::{ModuleSpec, Spec},
};
use release::{Asked, Envelope, Manifest, Module, Release, Sha256, key};
use serde_json::json;
use std::{
    env, fs,
    io::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};
use tarball::{Kind, PackError, PackOptions, Packed, Source};
use tempfile::{NamedTempFile, TempDir};
use tokio::task;

/// The release object beside the blobs of a packed directory.
pub(crate) const RELEASE: &str = "release.json";

/// A packed release, not yet signed.
#[derive(Debug)]
pub(crate) struct Package {
    /// The directory that holds its blobs.
    pub directory: PathBuf,
    /// What it puts on disk.
    pub manifest: Manifest,
    /// The manifest's bytes, which its digest is of.
    pub manifest_bytes: Vec<u8>,
    /// Modules that an earlier run packed.
    pub cached: usize,
    /// What holds `directory`, where it is to go with the package.
    _scratch: Option<TempDir>,
}

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
    /// Where the cache is not ours alone.
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

impl Package {
    /// The digest that names the manifest.
    #[must_use]
    pub(crate) fn digest(&self) -> Sha256 {
        Sha256::of(&self.manifest_bytes)
    }

    /// The same directory, with a manifest that names more of what is in it.
    ///
    /// # Errors
    ///
    /// Where pods would not read the manifest, or the disk refuses.
    pub(crate) fn with(self, manifest: Manifest) -> Result<Self, CommandError> {
        let manifest_bytes = manifest.to_json();
        Manifest::parse(&manifest_bytes).map_err(|source| CommandError::Manifest {
            what: "the packed release".into(),
            source,
        })?;
        let package = Self {
            manifest,
            manifest_bytes,
            ..self
        };
        let path = package.blob(&package.digest());
        let mut file = scratch(&package.directory)?;
        file.write_all(&package.manifest_bytes)
            .map_err(|source| CommandError::Write {
                path: path.clone(),
                source,
            })?;
        keep(file, &path)?;
        Ok(package)
    }

    /// The file of a blob.
    #[must_use]
    pub(crate) fn blob(&self, digest: &Sha256) -> PathBuf {
        self.directory.join(key::blob(digest))
    }

    /// Every blob that the release needs, with its bytes: the tarballs, once each, and the
    /// manifest.
    #[must_use]
    pub(crate) fn blobs(&self) -> Vec<(Sha256, u64)> {
        let mut blobs: Vec<_> = self
            .manifest
            .modules
            .iter()
            .map(|module| (module.sha256, module.size))
            .collect();
        blobs.push((self.digest(), self.manifest_bytes.len() as u64));
        blobs.sort_unstable();
        blobs.dedup();
        blobs
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
/// Where a source cannot be read or holds what must not be packed, two modules own one file, or the
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

/// Reads what [`pack`] wrote and somebody signed: the package, the release object and what it
/// states.
///
/// # Errors
///
/// Where a file is missing or is not what the release object names.
pub(crate) fn read(directory: &Path) -> Result<(Package, Envelope, Release), CommandError> {
    let (envelope, release) = files::envelope(&directory.join(RELEASE))?;
    let path = directory.join(key::blob(&release.manifest));
    let manifest_bytes = fs::read(&path).map_err(|source| CommandError::Read {
        path: path.clone(),
        source,
    })?;
    let (what, found) = (path.display().to_string(), Sha256::of(&manifest_bytes));
    if found != release.manifest {
        return Err(CommandError::Digest {
            what,
            signed: release.manifest,
            found,
        });
    }
    let manifest = Manifest::parse(&manifest_bytes)
        .map_err(|source| CommandError::Manifest { what, source })?;
    Ok((
        Package {
            directory: directory.to_owned(),
            cached: manifest.modules.len(),
            manifest,
            manifest_bytes,
            _scratch: None,
        },
        envelope,
        release,
    ))
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
        asked: Asked {
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

/// What it takes to pack one module.
struct Packer<'a> {
    module: &'a ModuleSpec,
    directory: &'a Path,
    packing: &'a Packing,
    progress: &'a Progress,
}

impl Packer<'_> {
    /// Gives the tarball of this source, which is in the directory then, and whether an earlier run
    /// made it.
    fn module(
        &self,
        source: &mut Source,
        bar: &dyn Fn(u64, u64),
    ) -> Result<(Packed, bool), CommandError> {
        let Some(cache) = &self.packing.cache else {
            return Ok((self.tarball(source, bar)?, false));
        };
        let fingerprint = source
            .fingerprint(threads(), self.packing.level)
            .map_err(|error| self.failed(error))?;
        let found = cache
            .take(&fingerprint, self.directory)
            .unwrap_or_else(|unusable| {
                self.progress.warn(&format!(
                    "module {} is packed again, as what was kept of it is not usable: {unusable}",
                    self.module.name
                ));
                None
            });
        if let Some(packed) = found {
            return Ok((packed, true));
        }
        let packed = self.tarball(source, bar)?;
        if let Err(error) = cache.keep(&fingerprint, &packed, self.directory) {
            self.progress.warn(&format!(
                "module {} is packed again by the next run: {error}",
                self.module.name
            ));
        }
        Ok((packed, false))
    }

    fn tarball(&self, source: &Source, bar: &dyn Fn(u64, u64)) -> Result<Packed, CommandError> {
        let options = PackOptions {
            threads: threads(),
            level: self.packing.level,
            progress: Some(bar),
        };
        let mut scratch = scratch(self.directory)?;
        let packed = tarball::pack(source, scratch.as_file_mut(), options)
            .map_err(|error| self.failed(error))?;
        keep(scratch, &self.directory.join(key::blob(&packed.sha256)))?;
        Ok(packed)
    }

    fn failed(&self, source: PackError) -> CommandError {
        CommandError::Pack {
            module: self.module.name.clone(),
            source,
        }
    }
}

fn threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A temporary file on the disk of `directory`, removed when it is dropped.
fn scratch(directory: &Path) -> Result<NamedTempFile, CommandError> {
    let made = files::ensure_directory(directory).and_then(|()| files::temporary(directory));
    made.map_err(|source| CommandError::Write {
        path: directory.to_owned(),
        source,
    })
}

/// Gives a finished temporary file its name. A file that stands there has the same content, since
/// the name is its digest.
fn keep(scratch: NamedTempFile, path: &Path) -> Result<(), CommandError> {
    let persist = || {
        files::ensure_directory(path.parent().unwrap_or(Path::new(".")))?;
        failpoint::hit("cli.pack.rename")?;
        scratch.persist(path).map_err(|error| error.error).map(drop)
    };
    persist().map_err(|source| CommandError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
pub(crate) mod stageable;
