//! The shop's configuration files, filled in for each release, because their contents depend on the
//! tree that reads them.
//!
//! ```text
//!  <templates>/templates.json        path in the tree → file beside it
//!  <templates>/<file>                a template
//!  <secrets>/<key>                   one secret
//!  <configured>/<short>/<path>       the result, with passwords: in memory, never on a disk
//! ```
//!
//! The first two are volumes that Kubernetes fills; if the third is memory, it is lost with the
//! node, so it is filled again for each tree at every start.

use crate::{
    disk::{self, DiskError, attempt, random_name},
    place::{BaseDirectory, DirectoryError, Owner, set_group, set_mode},
    template::{self, Part},
    writable,
};
use release::{Reason, RelativePath};
use rustix::{
    fs::{Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The list of templates, in the directory where they are.
const LIST: &str = "templates.json";
/// What a list, a template, a secret and what becomes of all templates may have: a ConfigMap and a
/// Secret have 1 MiB at most.
const FILE_LIMIT: u64 = 1 << 20;
const TOTAL_LIMIT: usize = 4 << 20;
/// The shop's containers read it by their group, and nobody else does.
const FILE_MODE: u32 = 0o640;

/// Where a shop's configuration comes from, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The directory of the templates and their list.
    pub templates: PathBuf,
    /// The directory of the shop's Secret, if it has one.
    pub secrets: Option<PathBuf>,
    /// Where each release's files are made.
    pub configured: PathBuf,
}

/// Why a release has no configuration. No message has anything of a secret but the name of its key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A template, or the list of them, cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The list is something else.
    #[error("{} does not say which template is of which path", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A template has a place for a secret whose name is none.
    #[error("line {line} of {} has a placeholder for a secret without a valid name", path.display())]
    Place {
        /// The template.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// A file has more bytes than it may have.
    #[error("{} has over {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The shop's Secret has no such key.
    #[error("the shop's Secret has no key {key}, which {path} needs")]
    Missing {
        /// The key.
        key: String,
        /// The file of the shop.
        path: RelativePath,
    },
    /// The shop's Secret has the key, and it cannot be read.
    #[error("cannot read the key {key} of the shop's Secret, which {path} needs")]
    Secret {
        /// The key.
        key: String,
        /// The file of the shop.
        path: RelativePath,
        /// Why.
        source: io::Error,
    },
}

impl ConfigurationError {
    /// The stable reason: `secret` or `template`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing { .. } | Self::Secret { .. } => Reason::Secret,
            Self::Read { .. } | Self::List { .. } | Self::Place { .. } | Self::TooLarge { .. } => {
                Reason::Template
            }
        }
    }
}

/// The configuration files of one release, filled in. What is in them is never shown.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Filled(BTreeMap<RelativePath, Vec<u8>>);

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Configuration {
    /// Fills the templates of those paths that the release `short` has as `shared`.
    pub(crate) fn fill(
        &self,
        short: &str,
        shared: &[RelativePath],
    ) -> Result<Filled, ConfigurationError> {
        let list = self.templates.join(LIST);
        let text = read(&list)?;
        let files: BTreeMap<RelativePath, String> =
            serde_json::from_slice(&text).map_err(|source| ConfigurationError::List {
                path: list.clone(),
                source,
            })?;
        let (mut filled, mut total) = (BTreeMap::new(), 0_usize);
        for (path, name) in files {
            if !shared.contains(&path) {
                tracing::info!(%path, "this release has no shared path for a file of the shop's configuration");
                continue;
            }
            if name.contains('/') || name.starts_with('.') {
                let source = serde::de::Error::custom("a template is a file beside the list");
                return Err(ConfigurationError::List { path: list, source });
            }
            let content = self.file(short, &path, &self.templates.join(name))?;
            total = total.saturating_add(content.len());
            if total > TOTAL_LIMIT {
                return Err(ConfigurationError::TooLarge {
                    path: list,
                    limit: TOTAL_LIMIT as u64,
                });
            }
            filled.insert(path, content);
        }
        Ok(Filled(filled))
    }

    fn file(
        &self,
        short: &str,
        path: &RelativePath,
        template: &Path,
    ) -> Result<Vec<u8>, ConfigurationError> {
        let text = read(template)?;
        let place = |line| ConfigurationError::Place {
            path: template.to_owned(),
            line,
        };
        let mut content = Vec::with_capacity(text.len());
        for part in template::parts(&text).map_err(place)? {
            match part {
                Part::Text(text) => content.extend_from_slice(text),
                Part::Release => content.extend_from_slice(short.as_bytes()),
                Part::Secret { key, optional } => {
                    let secret = self
                        .secret(key)
                        .map_err(|source| ConfigurationError::Secret {
                            key: key.to_owned(),
                            path: path.clone(),
                            source,
                        })?;
                    match secret {
                        Some(secret) => content.extend(template::cdata(&secret)),
                        None if optional => {}
                        None => {
                            return Err(ConfigurationError::Missing {
                                key: key.to_owned(),
                                path: path.clone(),
                            });
                        }
                    }
                }
            }
            if content.len() > TOTAL_LIMIT {
                return Err(ConfigurationError::TooLarge {
                    path: template.to_owned(),
                    limit: TOTAL_LIMIT as u64,
                });
            }
        }
        Ok(content)
    }

    // `None` if there is no such key.
    fn secret(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(secrets) = &self.secrets else {
            return Ok(None);
        };
        match bounded(&secrets.join(key)) {
            Ok(Some(secret)) => Ok(Some(secret)),
            Ok(None) => Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Filled {
    /// Whether `path` is one of them.
    pub(crate) fn has(&self, path: &RelativePath) -> bool {
        self.0.contains_key(path)
    }

    /// Makes the files of the release `short` below `configured`: all of them at once, in place of
    /// those that are there.
    pub(crate) fn write(&self, configured: &Path, short: &str) -> Result<(), DirectoryError> {
        disk::ensure_directory(configured)?;
        let top = disk::open_directory(configured)?;
        let group = top
            .metadata()
            .map_err(|error| DiskError::new("look at", configured, error))?
            .gid();
        let making = random_name();
        let above = configured.join(&making);
        disk::ensure_directory(&above)?;
        let written = self.files(&above, group).and_then(|()| {
            let shown = configured.join(short);
            Ok(attempt(
                "deploy.configuration.rename",
                "rename to",
                &shown,
                || match rustix::fs::renameat_with(
                    &top,
                    &making,
                    &top,
                    short,
                    RenameFlags::EXCHANGE,
                ) {
                    Err(Errno::NOENT) => rustix::fs::renameat(&top, &making, &top, short),
                    other => other,
                },
            )?)
        });
        // What was there before, or what did not become whole.
        let removed = writable::remove(configured, &making);
        written.and_then(|()| Ok(removed?))
    }

    fn files(&self, above: &Path, group: u32) -> Result<(), DirectoryError> {
        let top = disk::open_directory(above)?;
        let place = BaseDirectory {
            top: &top,
            above,
            owner: Owner::Release,
        };
        for (path, content) in &self.0 {
            let (directory, shown) = (place.above(path)?, above.join(path));
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made =
                || rustix::fs::openat(&directory, path.name(), flags, Mode::from_raw_mode(0o600));
            let mut file = File::from(attempt(
                "deploy.configuration.write",
                "create",
                &shown,
                made,
            )?);
            attempt("deploy.configuration.write", "write", &shown, || {
                file.write_all(content)
            })?;
            set_group(&file, group, &shown)?;
            set_mode(&file, FILE_MODE, &shown)?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigurationError> {
    let bytes = bounded(path).map_err(|source| ConfigurationError::Read {
        path: path.to_owned(),
        source,
    })?;
    bytes.ok_or_else(|| ConfigurationError::TooLarge {
        path: path.to_owned(),
        limit: FILE_LIMIT,
    })
}

// `None` if it has too many bytes. Kubernetes' volumes are links to directories with a time as
// their name: they are followed.
fn bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= FILE_LIMIT).then_some(bytes))
}

#[cfg(test)]
mod tests;
