//! Small files that a person names on the command line: keys, trust roots, release objects.

use crate::CommandError;
use release::{PublicKey, Release, SecretKey, TrustRoot, Verified};
use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// The largest file of this kind; the largest format, an envelope, has the same limit.
const LIMIT: u64 = release::limits::ENVELOPE_LIMIT as u64;

/// Reads a small file.
///
/// # Errors
///
/// Names the file where it cannot be read or is larger than 64 KiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?
            .take(LIMIT + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LIMIT {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, "over 64 KiB"))
        } else {
            Ok(bytes)
        }
    };
    read().map_err(|source| CommandError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Who may read a file that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Everyone whom the umask allows.
    All,
    /// The owner alone.
    Owner,
}

/// Writes a new file; one that exists is never overwritten.
///
/// # Errors
///
/// Names the file where it exists or cannot be written.
pub(crate) fn create(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), CommandError> {
    let mode = if readers == Readers::Owner {
        0o600
    } else {
        0o666
    };
    let write = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?
            .write_all(bytes)
    };
    write().map_err(|source| CommandError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Replaces a file in one step: a reader sees the old or the new one.
///
/// # Errors
///
/// Names the file where it cannot be written.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let write = || {
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = temporary(directory)?;
        file.write_all(bytes)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|source| CommandError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A new file in `directory` that is removed unless it is given a name; everyone whom the umask
/// allows may read it then.
///
/// # Errors
///
/// If the disk refuses.
pub(crate) fn temporary(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
}

/// Reads a public key in PEM.
///
/// # Errors
///
/// If the file cannot be read or holds something else.
pub(crate) fn public_key(path: &Path) -> Result<PublicKey, CommandError> {
    let pem = read(path)?;
    PublicKey::from_pem(&String::from_utf8_lossy(&pem)).map_err(|source| CommandError::Key {
        path: path.to_owned(),
        source,
    })
}

/// Reads a private key in PEM.
///
/// # Errors
///
/// If the file cannot be read or holds something else; never shows its content.
pub(crate) fn secret_key(path: &Path) -> Result<SecretKey, CommandError> {
    let pem = read(path)?;
    SecretKey::from_pem(&String::from_utf8_lossy(&pem)).map_err(|source| CommandError::Key {
        path: path.to_owned(),
        source,
    })
}

/// Signs with each of the private keys in these files.
///
/// # Errors
///
/// As [`secret_key`], and if the cryptographic library fails.
pub(crate) fn sign(envelope: &mut release::Envelope, keys: &[PathBuf]) -> Result<(), CommandError> {
    for path in keys {
        let key = secret_key(path)?;
        envelope.sign(&key).map_err(|source| CommandError::Key {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Reads a trust root that the person who named it trusts.
///
/// # Errors
///
/// If the file cannot be read, or is not signed by its own threshold.
pub(crate) fn trust_root(path: &Path) -> Result<Verified<TrustRoot>, CommandError> {
    TrustRoot::from_trusted(&read(path)?).map_err(|source| CommandError::Trust {
        what: path.display().to_string(),
        source,
    })
}

/// Reads a release object, checking its shape only.
///
/// # Errors
///
/// If the file cannot be read or holds something else.
pub(crate) fn envelope(path: &Path) -> Result<(release::Envelope, Release), CommandError> {
    let what = || path.display().to_string();
    let envelope =
        release::Envelope::parse(&read(path)?).map_err(|source| CommandError::Envelope {
            what: what(),
            source,
        })?;
    let release = Release::unverified(&envelope).map_err(|source| CommandError::Statement {
        what: what(),
        source,
    })?;
    Ok((envelope, release))
}

/// Makes a directory, and those above it, if they are missing.
///
/// # Errors
///
/// If the disk refuses.
pub(crate) fn ensure_directory(path: &Path) -> io::Result<()> {
    failpoint::hit("cli.pack.mkdir")?;
    #[allow(clippy::disallowed_methods, reason = "the wrapper with the failpoint")]
    fs::create_dir_all(path)
}
