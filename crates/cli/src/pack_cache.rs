//! Tarballs that were packed before, by the fingerprint of what they were made of: only a module
//! that changed is packed again.
//!
//! ```text
//! <cache>/                       mode 0700, ours
//!   <fingerprint>/tarball        the bytes
//!   <fingerprint>/record         its digest, sizes and chunks; the mtime is the last use
//!   tmp-<random>/                where one run works; that run removes it, or a later one in a day
//! ```
//!
//! An entry comes and goes by one rename of its directory, so any number of runs may share a cache,
//! and one that is killed leaves nothing that another takes for an entry. Nothing is believed for
//! being there: the record has a checksum and names its fingerprint, and the tarball is hashed
//! against it, chunk by chunk, at every use. Nothing is synced for the same reason.

mod arguments;
mod entries;
mod record;

pub(crate) use arguments::CacheArguments;

use crate::{CommandError, files};
use entries::{discard, rename, temporary, touch};
use release::{Sha256, key, limits::MANIFEST_LIMIT};
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags},
    io::Errno,
};
use sha2::Digest as _;
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};
use tarball::Packed;
use tempfile::TempDir;

const TARBALL: &str = "tarball";
const RECORD: &str = "record";
/// Bytes (128 KiB) of a tarball that are read at a time.
const STEP: usize = 128 << 10;

/// A cache that this run uses.
#[derive(Debug)]
pub(crate) struct PackCache {
    directory: PathBuf,
    /// Bytes that entries may take when the run is over.
    limit: u64,
    work: TempDir,
}

/// Why an entry was not used or not kept. It costs time, never the publication.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", entry.display())]
pub(crate) struct Unusable {
    entry: PathBuf,
    problem: String,
}

impl PackCache {
    /// Opens the cache in `directory`, which is made if it is missing, and removes what runs of
    /// yesterday left.
    ///
    /// # Errors
    ///
    /// [`CommandError::Cache`] if somebody else may write there: what they put there would be
    /// signed. Otherwise [`CommandError::Write`] where the disk refuses.
    pub(crate) fn open(directory: &Path, limit: u64) -> Result<Self, CommandError> {
        let refused = |source| CommandError::Write {
            path: directory.to_owned(),
            source,
        };
        entries::make(directory).map_err(refused)?;
        let found = fs::metadata(directory).map_err(refused)?;
        let problem = if found.uid() != rustix::process::geteuid().as_raw() {
            Some("belongs to another user")
        } else if found.mode() & 0o022 != 0 {
            Some("may be written by others")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(CommandError::Cache {
                path: directory.to_owned(),
                problem,
            });
        }
        // What is in the cache is told from what is not by its path.
        let directory = directory.canonicalize().map_err(refused)?;
        let work = temporary(&directory).map_err(refused)?;
        let cache = Self {
            directory,
            limit,
            work,
        };
        cache.sweep().map_err(refused)?;
        Ok(cache)
    }

    /// A directory on the disk of the cache, so that blobs are linked and not copied.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub(crate) fn scratch(&self) -> io::Result<TempDir> {
        temporary(&self.directory)
    }

    /// Puts the tarball of this fingerprint into the packed release at `package`, if it is kept and
    /// unharmed.
    ///
    /// # Errors
    ///
    /// If an entry is there but not as it was kept: it is removed then, and the module must be
    /// packed.
    pub(crate) fn take(
        &self,
        fingerprint: &Sha256,
        package: &Path,
    ) -> Result<Option<Packed>, Unusable> {
        let entry = self.entry(fingerprint);
        let (text, mut tarball) = match open(&entry) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.refuse(entry, error.to_string())),
        };
        let packed =
            record::read(fingerprint, &text).and_then(|packed| check(&mut tarball, packed));
        let packed = packed.map_err(|problem| self.refuse(entry.clone(), problem))?;
        // The file that was checked, whatever has its name by now. A disk that is full here does
        // not speak against the entry.
        let placed = self.place(&tarball, &package.join(key::blob(&packed.sha256)));
        placed.map_err(|error| Unusable {
            entry: entry.clone(),
            problem: error.to_string(),
        })?;
        // When it was last of use decides who goes first, and nothing else.
        touch(&entry).ok();
        Ok(Some(packed))
    }

    /// Keeps the tarball of this fingerprint, which is in the packed release at `package`.
    ///
    /// # Errors
    ///
    /// If the disk refuses: it is then not kept.
    pub(crate) fn keep(
        &self,
        fingerprint: &Sha256,
        packed: &Packed,
        package: &Path,
    ) -> Result<(), Unusable> {
        let entry = self.entry(fingerprint);
        self.write(fingerprint, packed, package, &entry)
            .map_err(|error| Unusable {
                entry,
                problem: format!("is not kept: {error}"),
            })
    }

    fn entry(&self, fingerprint: &Sha256) -> PathBuf {
        self.directory.join(fingerprint.to_string())
    }

    fn refuse(&self, entry: PathBuf, problem: String) -> Unusable {
        let stays = self
            .remove(&entry)
            .err()
            .map(|error| format!(", and cannot be removed: {error}"))
            .unwrap_or_default();
        Unusable {
            entry,
            problem: problem + &stays,
        }
    }

    fn write(
        &self,
        fingerprint: &Sha256,
        packed: &Packed,
        package: &Path,
        entry: &Path,
    ) -> io::Result<()> {
        let next = self.work.path().join("next");
        discard(&next)?;
        self.place(
            &File::open(package.join(key::blob(&packed.sha256)))?,
            &next.join(TARBALL),
        )?;
        failpoint::hit("cli.cache.write")?;
        File::create_new(next.join(RECORD))?.write_all(&record::write(fingerprint, packed)?)?;
        match rename(&next, entry) {
            // Another run was faster, with the same bytes.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Puts an open file at `to`: within the cache by a link, as nobody writes to a file that has
    /// its name; else, and where the file has lost its last name, by bytes that are the owner's
    /// alone.
    fn place(&self, file: &File, to: &Path) -> io::Result<()> {
        let directory = to.parent().unwrap_or(Path::new("."));
        files::ensure_directory(directory)?;
        failpoint::hit("cli.cache.copy")?;
        if to.starts_with(&self.directory) {
            let open = format!("/proc/self/fd/{}", file.as_raw_fd());
            match rustix::fs::linkat(CWD, open, CWD, to, AtFlags::SYMLINK_FOLLOW) {
                // Two modules with the same contents are one blob.
                Ok(()) | Err(Errno::EXIST) => return Ok(()),
                // Another disk, no name left, or no /proc.
                Err(_) => {}
            }
        }
        let (mut from, mut copy) = (file, files::temporary(directory)?);
        from.rewind()?;
        io::copy(&mut from, copy.as_file_mut())?;
        copy.persist(to).map(drop).map_err(|error| error.error)
    }
}

/// The record and the tarball of an entry; nothing if it was never kept, or where another run
/// removes it at this moment. Both are open before either is looked at: what is removed then is
/// still ours.
fn open(entry: &Path) -> io::Result<Option<(Vec<u8>, File)>> {
    let directory = match File::open(entry) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let file = |name| {
        rustix::fs::openat(
            &directory,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    let (record, tarball) = match file(RECORD).and_then(|record| Ok((record, file(TARBALL)?))) {
        // An entry is renamed before its files go: under its name it is damaged, elsewhere removed.
        Err(Errno::NOENT) if !is_still(&directory, entry)? => return Ok(None),
        opened => opened?,
    };
    let mut text = Vec::new();
    // A record lists chunks as a manifest does, for one module of it.
    File::from(record)
        .take(MANIFEST_LIMIT as u64)
        .read_to_end(&mut text)?;
    Ok(Some((text, tarball.into())))
}

/// Whether `path` leads to this open directory.
fn is_still(directory: &File, path: &Path) -> io::Result<bool> {
    let open = directory.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives `packed` back where the tarball is what it says.
fn check(tarball: &mut File, packed: Packed) -> Result<Packed, String> {
    let (mut whole, mut buffer) = (sha2::Sha256::new(), vec![0; STEP]);
    for chunk in &packed.chunks {
        let (mut digest, mut left) = (sha2::Sha256::new(), chunk.size);
        while left > 0 {
            let piece = &mut buffer[..usize::try_from(left).unwrap_or(STEP).min(STEP)];
            tarball
                .read_exact(piece)
                .map_err(|error| format!("its tarball cannot be read: {error}"))?;
            digest.update(&*piece);
            whole.update(&*piece);
            left -= piece.len() as u64;
        }
        if Sha256::from_bytes(digest.finalize().into()) != chunk.sha256 {
            return Err("its tarball is damaged".to_owned());
        }
    }
    let ends = tarball
        .read(&mut buffer)
        .map_err(|error| format!("its tarball cannot be read: {error}"))?
        == 0;
    let same = ends && Sha256::from_bytes(whole.finalize().into()) == packed.sha256;
    if same {
        Ok(packed)
    } else {
        Err("its tarball is not what its record says".to_owned())
    }
}
