//! The trust root that a program starts from, as a file.

use release::{Reason, TrustError, TrustRoot, Verified, limits};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Why the file that `LONGSHORE_TRUST` names gives no trust root.
#[derive(Debug, thiserror::Error)]
pub enum TrustFileError {
    /// It cannot be read.
    #[error("cannot read the trust root {}, which LONGSHORE_TRUST names", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a trust root.
    #[error("{}, which LONGSHORE_TRUST names, is not a usable trust root", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TrustError,
    },
}

impl TrustFileError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Read { .. } => Reason::Config,
            Self::Unusable { source, .. } => source.reason(),
        }
    }
}

/// Reads the trust root from the file at `path`, which is trusted as it is.
///
/// # Errors
///
/// If the file cannot be read or holds no trust root.
pub fn read_trust(path: &Path) -> Result<Verified<TrustRoot>, TrustFileError> {
    let mut bytes = Vec::new();
    // Never many more bytes than a trust root may have: its parser refuses those.
    File::open(path)
        .and_then(|file| {
            file.take(limits::ENVELOPE_LIMIT as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(|source| TrustFileError::Read {
            path: path.to_owned(),
            source,
        })?;
    TrustRoot::from_trusted(&bytes).map_err(|source| TrustFileError::Unusable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_never_ends_is_no_trust_root() {
        let error = read_trust(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, TrustFileError::Unusable { .. }), "{error}");
    }
}
