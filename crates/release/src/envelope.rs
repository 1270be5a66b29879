//! The DSSE v1 envelope: bytes, what they are, and who signed them. `docs/formats/release.md` is
//! its specification.

use crate::{KeyError, PublicKey, Reason, SecretKey, json, limits};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Signed bytes and their signatures.
///
/// ```
/// use release::{Algorithm, Envelope, SecretKey};
/// let key = SecretKey::generate(Algorithm::Ed25519)?;
/// let mut envelope = Envelope::new("text/plain", b"hello".to_vec());
/// envelope.sign(&key)?;
/// assert_eq!(envelope.signers(&[key.public().clone()].into()).len(), 1);
/// # Ok::<(), release::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What the signer calls its key: unauthenticated, for people only.
    pub keyid: Option<String>,
    /// The signature over the envelope's PAE.
    pub sig: Vec<u8>,
}

/// Why bytes are not an envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More bytes than an envelope may have; nothing was parsed.
    #[error(
        "envelope has {size} bytes, over its limit of {} bytes",
        limits::ENVELOPE_LIMIT
    )]
    TooLarge {
        /// How many bytes there are.
        size: usize,
    },
    /// The bytes are not JSON of the envelope's shape.
    #[error("not a DSSE envelope")]
    Json(#[from] serde_json::Error),
    /// A field is not base64.
    #[error("field {field} of the envelope is not base64")]
    Base64 {
        /// `payload`, or `sig`.
        field: &'static str,
        /// What the decoder says.
        source: base64::DecodeError,
    },
    /// More signatures than an envelope may have; none was checked.
    #[error(
        "envelope has {found} signatures, over its limit of {}",
        limits::SIGNATURES_LIMIT
    )]
    Signatures {
        /// How many there are.
        found: usize,
    },
}

impl EnvelopeError {
    /// The stable reason: `too-large` or `envelope`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } | Self::Signatures { .. } => Reason::TooLarge,
            Self::Json(_) | Self::Base64 { .. } => Reason::Envelope,
        }
    }
}

// DSSE's envelope.md, "Parsing rules": consumers MUST ignore unrecognized fields, and an absent key
// id equals an empty one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    payload_type: String,
    payload: String,
    #[serde(deserialize_with = "json::list")]
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
    sig: String,
}

impl Envelope {
    /// An envelope that nobody has signed yet.
    #[must_use]
    pub fn new(payload_type: impl Into<String>, payload: Vec<u8>) -> Self {
        Self {
            payload_type: payload_type.into(),
            payload,
            signatures: Vec::new(),
        }
    }

    /// Reads the JSON envelope and decodes its base64; checks no signature.
    ///
    /// # Errors
    ///
    /// If `bytes` are over [`limits::ENVELOPE_LIMIT`], are not an envelope, or have over
    /// [`limits::SIGNATURES_LIMIT`] signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > limits::ENVELOPE_LIMIT {
            return Err(EnvelopeError::TooLarge { size: bytes.len() });
        }
        let wire: Wire = json::read(bytes)?;
        if wire.signatures.len() > limits::SIGNATURES_LIMIT {
            return Err(EnvelopeError::Signatures {
                found: wire.signatures.len(),
            });
        }
        let payload = decode("payload", &wire.payload)?;
        let signatures = wire
            .signatures
            .into_iter()
            .map(|WireSignature { keyid, sig }| {
                let sig = decode("sig", &sig)?;
                Ok(Signature {
                    keyid: (!keyid.is_empty()).then_some(keyid),
                    sig,
                })
            });
        Ok(Self {
            payload_type: wire.payload_type,
            payload,
            signatures: signatures.collect::<Result<_, EnvelopeError>>()?,
        })
    }

    /// The envelope as indented JSON with one newline at its end; the same envelope always gives
    /// the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|signature| WireSignature {
            keyid: signature.keyid.clone().unwrap_or_default(),
            sig: general_purpose::STANDARD.encode(&signature.sig),
        });
        json::write(&Wire {
            payload_type: self.payload_type.clone(),
            payload: general_purpose::STANDARD.encode(&self.payload),
            signatures: signatures.collect(),
        })
    }

    /// What the payload claims to be.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload, which is **not verified**: [`Envelope::signers`] says who vouches for it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, valid or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The bytes that a signature covers: DSSE's pre-authentication encoding of payload type and
    /// payload.
    ///
    /// ```
    /// let kind = "http://example.com/HelloWorld";
    /// let envelope = release::Envelope::new(kind, b"hello world".to_vec());
    /// assert_eq!(envelope.pae(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    /// ```
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        let mut pae = format!(
            "DSSEv1 {} {} {} ",
            self.payload_type.len(),
            self.payload_type,
            self.payload.len()
        )
        .into_bytes();
        pae.extend_from_slice(&self.payload);
        pae
    }

    /// Adds a signature as it is. [`Envelope::attach_checked`] checks it first.
    pub fn attach(&mut self, keyid: Option<String>, sig: Vec<u8>) {
        self.signatures.push(Signature { keyid, sig });
    }

    /// Signs with `key`; does nothing if the envelope already has a valid signature of that key.
    ///
    /// # Errors
    ///
    /// If the cryptographic library fails.
    pub fn sign(&mut self, key: &SecretKey) -> Result<(), KeyError> {
        if !self.signed_by(key.public()) {
            let signature = key.sign(&self.pae())?;
            self.attach(Some(key.public().id().to_string()), signature);
        }
        Ok(())
    }

    /// Whether one of the signatures is `key`'s.
    #[must_use]
    pub fn signed_by(&self, key: &PublicKey) -> bool {
        let pae = self.pae();
        self.signatures
            .iter()
            .any(|signature| key.verify(&pae, &signature.sig))
    }

    /// Those of `keys` that signed: each counts once, however often and under whatever key id it
    /// signed.
    #[must_use]
    pub fn signers<'a>(&self, keys: &'a BTreeSet<PublicKey>) -> BTreeSet<&'a PublicKey> {
        let pae = self.pae();
        keys.iter()
            .filter(|key| {
                self.signatures
                    .iter()
                    .any(|signature| key.verify(&pae, &signature.sig))
            })
            .collect()
    }
}

/// Padding may be left out, as in base64url; bits after the last byte must be zero, so that one
/// payload has one encoding per alphabet.
const LENIENT: GeneralPurposeConfig =
    general_purpose::PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);

fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, EnvelopeError> {
    let alphabet = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    GeneralPurpose::new(alphabet, LENIENT)
        .decode(text)
        .map_err(|source| EnvelopeError::Base64 { field, source })
}
