//! A certificate as HAProxy reads it.

use super::issuers::{Split, split};
use release::Sha256;
use std::{fmt, sync::Arc};

/// A private key, its certificate and the chain, as HAProxy reads them.
#[derive(Clone)]
pub struct Pem {
    text: Arc<str>,
    digest: String,
    issued: bool,
}

// Who it is from makes no other certificate of it.
impl PartialEq for Pem {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pem {}

impl fmt::Debug for Pem {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pem").field(&self.digest).finish()
    }
}

impl Pem {
    /// One that somebody brought.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let digest = Sha256::digest(text.as_bytes()).to_string();
        Self {
            text,
            digest: digest[..16].to_owned(),
            issued: false,
        }
    }

    /// One that `longshore-edge issue` got.
    #[must_use]
    pub fn issued(text: impl Into<Arc<str>>) -> Self {
        Self {
            issued: true,
            ..Self::new(text)
        }
    }

    /// It and its chain, where HAProxy may have the chain once for all. What somebody brought keeps
    /// its own: it could call another key what an authority calls its own.
    #[must_use]
    pub fn split(&self) -> Option<Split<'_>> {
        self.issued.then(|| split(&self.text)).flatten()
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first 16 hexadecimal digits of the SHA-256 of what was read.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
