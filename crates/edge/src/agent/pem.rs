//! A certificate as HAProxy reads it.

use release::Sha256;
use std::{fmt, sync::Arc};

/// A private key, its certificate and the chain, as HAProxy reads them.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    text: Arc<str>,
    digest: String,
}

impl fmt::Debug for Pem {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pem").field(&self.digest).finish()
    }
}

impl Pem {
    /// Of a text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let digest = Sha256::digest(text.as_bytes()).to_string();
        Self {
            text,
            digest: digest[..16].to_owned(),
        }
    }

    /// The same certificate in the words of who has checked it.
    #[must_use]
    pub fn rewritten(&self, text: String) -> Self {
        Self {
            text: text.into(),
            digest: self.digest.clone(),
        }
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
