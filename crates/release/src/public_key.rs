//! Public keys: who may sign.

use crate::{Algorithm, KeyError, Sha256, algorithm::ED25519_PREFIX};
use aws_lc_rs::signature::UnparsedPublicKey;
use std::fmt;

/// What its block of PEM is called.
const LABEL: &str = "PUBLIC KEY";

/// A public key, equal to another when its SPKI bytes are.
///
/// Only one DER form of a key is accepted (uncompressed points, named curve), so one key cannot
/// appear as two.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey {
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads a `PUBLIC KEY` (SPKI) in PEM, such as `openssl pkey -pubout` writes.
    ///
    /// # Errors
    ///
    /// Says what the text holds instead of an ECDSA P-256 or Ed25519 public key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_spki(crate::armor::open(text, LABEL)?)
    }

    fn from_spki(spki: Vec<u8>) -> Result<Self, KeyError> {
        let expected = "an ECDSA P-256 key with an uncompressed point or an Ed25519 key, as SPKI";
        let key = Self { spki };
        let algorithm = [Algorithm::EcdsaP256, Algorithm::Ed25519]
            .into_iter()
            .find(|algorithm| {
                let (prefix, length) = algorithm.spki();
                key.spki
                    .strip_prefix(prefix)
                    .is_some_and(|own| own.len() == length)
            });
        let algorithm = algorithm.ok_or(KeyError::Unusable(expected))?;
        let parsed = UnparsedPublicKey::new(algorithm.verification(), key.raw()).parse();
        parsed
            .map(|_| key)
            .map_err(|_| KeyError::Unusable("a public key: its point is not on the curve"))
    }

    /// Wraps the key's own bytes (point or 32 bytes) as the library gives them.
    pub(crate) fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Self {
        Self {
            spki: [algorithm.spki().0, raw].concat(),
        }
    }

    /// The key as a PEM block `PUBLIC KEY`, with lines of 64 characters that end in `\n`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        crate::armor::close(&self.spki, LABEL)
    }

    /// The key's identity: the DER of its `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The SHA-256 of the SPKI bytes, which we write as key id. Nothing is ever decided by it.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        Sha256::digest(&self.spki)
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        if self.spki.starts_with(ED25519_PREFIX) {
            Algorithm::Ed25519
        } else {
            Algorithm::EcdsaP256
        }
    }

    fn raw(&self) -> &[u8] {
        &self.spki[self.algorithm().spki().0.len()..]
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm().verification(), self.raw())
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.id().short())
    }
}
