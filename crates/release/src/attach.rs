//! Adding a signature that was made elsewhere: by openssl, a KMS, an HSM or cosign.

use crate::{Algorithm, Envelope, PublicKey, Reason, Sha256, limits};

/// Why a signature is not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The signature is not this key's over this envelope's PAE.
    #[error("the signature of {size} bytes does not verify with {algorithm} key {key}: {likely}")]
    Mismatch {
        /// Bytes of the signature.
        size: usize,
        /// What kind of key it was checked with.
        algorithm: Algorithm,
        /// The key's id.
        key: Sha256,
        /// What most likely went wrong, found by trying.
        likely: &'static str,
    },
    /// The key's signature is there already.
    #[error("key {0} has signed this envelope already")]
    Already(Sha256),
    /// The envelope has as many signatures as it may have.
    #[error(
        "the envelope has {} signatures, which is its limit",
        limits::SIGNATURES_LIMIT
    )]
    Full,
}

impl AttachError {
    /// The stable reason: `signature`, or `too-large` for a full envelope.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Mismatch { .. } | Self::Already(_) => Reason::Signature,
            Self::Full => Reason::TooLarge,
        }
    }
}

impl Envelope {
    /// Adds `signature` after checking that it is `key`'s over [`Envelope::pae`].
    ///
    /// # Errors
    ///
    /// [`AttachError::Mismatch`] says what was probably signed instead; [`AttachError::Already`]
    /// if nothing has to be done.
    pub fn attach_checked(&mut self, key: &PublicKey, signature: &[u8]) -> Result<(), AttachError> {
        let pae = self.pae();
        if !key.verify(&pae, signature) {
            let likely = likely(self, key, signature);
            return Err(AttachError::Mismatch {
                size: signature.len(),
                algorithm: key.algorithm(),
                key: key.id(),
                likely,
            });
        }
        if self.signed_by(key) {
            return Err(AttachError::Already(key.id()));
        }
        if self.signatures().len() >= limits::SIGNATURES_LIMIT {
            return Err(AttachError::Full);
        }
        self.attach(Some(key.id().to_string()), signature.to_vec());
        Ok(())
    }
}

/// What a signature that does not verify most likely is.
fn likely(envelope: &Envelope, key: &PublicKey, signature: &[u8]) -> &'static str {
    let pae = envelope.pae();
    let line = [&*pae, b"\n"].concat();
    if key.verify(envelope.payload(), signature) {
        "it signs the payload alone; sign the bytes that `longshore release pae` prints"
    } else if key.verify(&line, signature) {
        "it signs those bytes and a newline after them; sign exactly what `longshore release pae` \
         prints"
    } else if key.verify(Sha256::digest(&pae).as_bytes(), signature) {
        "it signs the SHA-256 of the bytes instead of the bytes; give the signer the message, not \
         its digest"
    } else if key.verify(Sha256::digest(&pae).to_string().as_bytes(), signature) {
        "it signs the SHA-256 of the bytes in hexadecimal; give the signer the message, not its \
         digest"
    } else {
        match (key.algorithm(), signature) {
            (_, []) => "it is empty",
            (Algorithm::EcdsaP256, raw) if raw.len() == 64 => {
                "it looks like r and s side by side; expected ECDSA in DER, as openssl writes it"
            }
            (Algorithm::EcdsaP256, [0x30, ..]) => "it is DER, but of another key or of other bytes",
            (Algorithm::EcdsaP256, _) => {
                "it is not an ECDSA signature in DER; decode it first if it is base64"
            }
            (Algorithm::Ed25519, raw) if raw.len() == 64 => {
                "it is of another key or of other bytes, or not pure Ed25519"
            }
            (Algorithm::Ed25519, _) => {
                "an Ed25519 signature has 64 bytes; decode it first if it is base64"
            }
        }
    }
}
