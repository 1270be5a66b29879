//! How keys sign, and why a text is no key.

use crate::Reason;
use aws_lc_rs::signature::{self, VerificationAlgorithm};
use std::{fmt, str::FromStr};

/// SPKI of a P-256 key up to its point (RFC 5480): SEQUENCE { { id-ecPublicKey, secp256r1 }, BIT
/// STRING of 66 bytes }.
const P256_PREFIX: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// SPKI of an Ed25519 key up to its 32 bytes (RFC 8410): SEQUENCE { { id-Ed25519 }, BIT STRING of
/// 33 bytes }.
pub(crate) const ED25519_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA over NIST P-256 with SHA-256; signatures are DER. What openssl, cosign and KMS make.
    EcdsaP256,
    /// Pure Ed25519 (RFC 8032); signatures are 64 bytes.
    Ed25519,
}

impl Algorithm {
    /// What a correct value looks like, for error messages.
    pub const EXPECTED: &'static str = "ecdsa-p256 or ed25519";

    /// The DER that stands before the key itself, and the key's own length in bytes.
    pub(crate) const fn spki(self) -> (&'static [u8], usize) {
        match self {
            Self::EcdsaP256 => (P256_PREFIX, 65),
            Self::Ed25519 => (ED25519_PREFIX, 32),
        }
    }

    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::EcdsaP256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::Ed25519 => &signature::ED25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Ed25519 => "ed25519",
        })
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text {
            "ecdsa-p256" => Ok(Self::EcdsaP256),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(KeyError::Algorithm(text.chars().take(40).collect())),
        }
    }
}

/// The command that turns what was found into what is expected.
fn advice(label: &str) -> &'static str {
    match label {
        "EC PRIVATE KEY" | "EC PARAMETERS" => "; convert it with `openssl pkcs8 -topk8 -nocrypt`",
        "ENCRYPTED PRIVATE KEY" => "; decrypt it with `openssl pkcs8`",
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
            "; sign with cosign itself and use `longshore release attach`"
        }
        "PRIVATE KEY" => "; make the public half with `openssl pkey -pubout`",
        "CERTIFICATE" => "; extract the key with `openssl x509 -pubkey -noout`",
        _ => "",
    }
}

impl KeyError {
    /// The stable reason: `key`, or `bug` where only the library is to blame.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Library(_) => Reason::Bug,
            _ => Reason::Key,
        }
    }
}

/// Why a text is not a key, or a key could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name of an algorithm is not one of ours.
    #[error("{0:?} is not an algorithm: expected {expected}", expected = Algorithm::EXPECTED)]
    Algorithm(String),
    /// The text has no PEM block, or a damaged one.
    #[error("expected one PEM block \"{expected}\", found {problem}")]
    Pem {
        /// The label that was expected.
        expected: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The PEM block holds something else.
    #[error(
        "expected one PEM block \"{expected}\", found \"{found}\"{}",
        advice(found)
    )]
    Label {
        /// The label that was expected.
        expected: &'static str,
        /// The label that is there.
        found: String,
    },
    /// The DER inside is not a key of a kind that we use.
    #[error("not {0}")]
    Unusable(&'static str),
    /// The cryptographic library failed if it cannot.
    #[error("the cryptographic library could not {0}")]
    Library(&'static str),
}
