//! The last release objects and trust roots of a store, for pods that start while it cannot be
//! reached.
//!
//! They are kept once they were verified and accepted, and go through the same checks when they are
//! used: to whoever reads them they are as good as what the store sends, and no better.

use super::{Cache, cache_dir::CacheDir, chain};
use crate::disk::random_name;
use release::{Sha256, limits};
use std::{
    io::{self, Read as _},
    sync::atomic::Ordering::Relaxed,
};
use store::Etag;
use tracing::{debug, warn};

/// Bytes that the line above an object has at most: its own words, a digest, and the tag that the
/// store gave, of some 40 bytes.
const LINE_LIMIT: usize = 1024;
/// How the line starts: format and version.
const MAGIC: &str = "longshore-object 1";

/// An object as the store sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) bytes: Vec<u8>,
    /// The store's name for this state of it.
    pub(crate) etag: Etag,
}

impl Cache {
    /// The object that `store` last had under `key`, as far as this node knows. What is damaged is
    /// removed.
    pub(crate) fn recall(&self, store: &str, key: &str) -> Option<Remembered> {
        let name = name(store, key);
        let mut text = Vec::new();
        // One byte above the limit is enough to know that it is not ours.
        let limit = LINE_LIMIT + limits::ENVELOPE_LIMIT + 1;
        let mut read = || -> io::Result<_> {
            let file = self.objects.open(&name)?;
            (&file).take(limit as u64).read_to_end(&mut text)?;
            Ok(file)
        };
        let (found, file) = match read() {
            Ok(file) => (parse(&text), Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(_) => (None, None),
        };
        match (&found, file) {
            (Some(_), Some(file)) => {
                if let Err(error) = CacheDir::touch(&file) {
                    debug!(
                        key,
                        error = %io::Error::from(error),
                        "the time of the last use is not noted"
                    );
                }
            }
            _ => self.forget(store, key, "it is damaged"),
        }
        found
    }

    /// Keeps an object that was verified.
    pub(crate) fn remember(&self, store: &str, key: &str, object: &Remembered) {
        let line = format!(
            "{MAGIC} {} {}\n",
            Sha256::digest(&object.bytes),
            object.etag
        );
        if !self.is_writable() || line.len() > LINE_LIMIT || line.matches('\n').count() != 1 {
            return;
        }
        let (temporary, name) = (random_name(), name(store, key));
        let file = match self.lock_incoming(&temporary) {
            Ok(Some(file)) => file,
            // Whoever sweeps was faster than we: the next pull keeps it.
            Ok(None) => return,
            Err(error) => return self.give_up(&error),
        };
        let written = self
            .incoming
            .fill(
                &file,
                &temporary,
                &[line.as_bytes(), &object.bytes].concat(),
            )
            .and_then(|()| self.incoming.move_to(&temporary, &self.objects, &name));
        match written {
            Ok(()) => self.grew.store(true, Relaxed),
            Err(error) => {
                self.give_up(&error);
                if let Err(error) = self.incoming.remove(&temporary) {
                    debug!(
                        key,
                        error = %chain(&error),
                        "a file stays in the node cache until it is swept"
                    );
                }
            }
        }
    }

    /// Removes an object that turned out to be of no use.
    pub(crate) fn forget(&self, store: &str, key: &str, problem: &str) {
        match self.objects.remove(&name(store, key)) {
            Ok(()) => warn!(key, problem, "evicted from the node cache"),
            Err(error) => {
                warn!(
                    key,
                    problem,
                    error = %chain(&error),
                    "of no use in the node cache, and stays there"
                );
            }
        }
    }
}

/// A file's name: which store, and the key with `+` for `/`, which no key of ours contains.
fn name(store: &str, key: &str) -> String {
    format!(
        "{}+{}",
        Sha256::digest(store.as_bytes()).short(),
        key.replace('/', "+")
    )
}

fn parse(text: &[u8]) -> Option<Remembered> {
    let end = text
        .iter()
        .take(LINE_LIMIT)
        .position(|byte| *byte == b'\n')?;
    let (line, bytes) = (std::str::from_utf8(&text[..end]).ok()?, &text[end + 1..]);
    let (digest, etag) = line
        .strip_prefix(MAGIC)?
        .strip_prefix(' ')?
        .split_once(' ')?;
    let whole =
        bytes.len() <= limits::ENVELOPE_LIMIT && digest.parse() == Ok(Sha256::digest(bytes));
    whole.then(|| Remembered {
        bytes: bytes.to_vec(),
        etag: Etag::new(etag),
    })
}
