//! A packed release: a directory of blobs and the manifest that names them.

use crate::{CommandError, files};
use release::{Envelope, Manifest, Release, Sha256, key};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};
use tempfile::{NamedTempFile, TempDir};

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
    /// What holds `directory`, if it is to go with the package.
    pub(super) _scratch: Option<TempDir>,
}

impl Package {
    /// The digest that names the manifest.
    #[must_use]
    pub(crate) fn digest(&self) -> Sha256 {
        Sha256::digest(&self.manifest_bytes)
    }

    /// The same directory, with a manifest that names more of what is in it.
    ///
    /// # Errors
    ///
    /// If pods would not read the manifest, or the disk refuses.
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

/// Reads what `longshore pack` wrote and somebody signed: the package, the release object and what
/// it states.
///
/// # Errors
///
/// If a file is missing or is not what the release object names.
pub(crate) fn read(directory: &Path) -> Result<(Package, Envelope, Release), CommandError> {
    let (envelope, release) = files::envelope(&directory.join(RELEASE))?;
    let path = directory.join(key::blob(&release.manifest));
    let manifest_bytes = fs::read(&path).map_err(|source| CommandError::Read {
        path: path.clone(),
        source,
    })?;
    let (what, found) = (path.display().to_string(), Sha256::digest(&manifest_bytes));
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

/// A temporary file on the disk of `directory`, removed when it is dropped.
pub(super) fn scratch(directory: &Path) -> Result<NamedTempFile, CommandError> {
    let made = files::ensure_directory(directory).and_then(|()| files::temporary(directory));
    made.map_err(|source| CommandError::Write {
        path: directory.to_owned(),
        source,
    })
}

/// Gives a finished temporary file its name. A file that stands there has the same content, since
/// the name is its digest.
pub(super) fn keep(scratch: NamedTempFile, path: &Path) -> Result<(), CommandError> {
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
