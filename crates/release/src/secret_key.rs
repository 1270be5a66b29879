//! Private keys: how we sign if no KMS does.

use crate::{Algorithm, KeyError, PublicKey, armor};
use aws_lc_rs::{
    pkcs8::Document,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use std::fmt;

/// What its block of PEM is called.
const LABEL: &str = "PRIVATE KEY";

/// A private key, in memory only; whoever writes its PEM chooses the file's mode.
pub struct SecretKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SecretKey {
    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Library`] where the library cannot, which has no cause that a caller could
    /// remove.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::EcdsaP256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Pair::EcdsaP256)
            }
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        pair.map(Self::from_pair)
            .map_err(|_| KeyError::Library("generate a key"))
    }

    /// Reads an unencrypted `PRIVATE KEY` (PKCS#8) in PEM, such as `openssl genpkey` writes.
    ///
    /// # Errors
    ///
    /// Says what the text holds instead of an ECDSA P-256 or Ed25519 private key, and how to
    /// convert it if that is known.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = armor::open(text, LABEL)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).map(Pair::EcdsaP256);
        let pair = pair.or_else(|_| Ed25519KeyPair::from_pkcs8(&der).map(Pair::Ed25519));
        pair.map(Self::from_pair)
            .map_err(|_| KeyError::Unusable("an ECDSA P-256 or Ed25519 private key, as PKCS#8"))
    }

    fn from_pair(pair: Pair) -> Self {
        let public = match &pair {
            Pair::EcdsaP256(pair) => {
                PublicKey::from_raw(Algorithm::EcdsaP256, pair.public_key().as_ref())
            }
            Pair::Ed25519(pair) => {
                PublicKey::from_raw(Algorithm::Ed25519, pair.public_key().as_ref())
            }
        };
        Self { pair, public }
    }

    /// The key as an unencrypted PEM block `PRIVATE KEY`: PKCS#8 version 1, which every openssl
    /// reads.
    ///
    /// # Errors
    ///
    /// [`KeyError::Library`] where the library cannot, which has no cause that a caller could
    /// remove.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let document: Result<Document, _> = match &self.pair {
            Pair::EcdsaP256(pair) => pair.to_pkcs8v1(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
        };
        document
            .map(|der| armor::close(der.as_ref(), LABEL))
            .map_err(|_| KeyError::Library("write a key"))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message` itself (it is hashed here where the algorithm wants that).
    ///
    /// # Errors
    ///
    /// [`KeyError::Library`] where the library cannot, which has no cause that a caller could
    /// remove.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = match &self.pair {
            Pair::EcdsaP256(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => pair.try_sign(message),
        };
        signature
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| KeyError::Library("sign"))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public)
    }
}
