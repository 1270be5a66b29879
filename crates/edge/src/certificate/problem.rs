//! What can be wrong with a certificate.

use jiff::Timestamp;

/// Why a certificate is not used: what is wrong, with which value, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// It does not fit into one message to HAProxy.
    #[error(
        "the certificate has {bytes} bytes, and HAProxy takes {limit} at most; leave out \
         certificates of the chain that browsers do not need", limit = super::SIZE_LIMIT
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is no PEM.
    #[error(
        "the certificate cannot be read: expected PEM, with lines BEGIN and END around each part"
    )]
    NotPem,
    /// There is a part that no server needs.
    #[error("the certificate has a part {tag:?} that no server uses; leave it out")]
    UnknownPart {
        /// What the part says it is.
        tag: String,
    },
    /// There is no private key.
    #[error("the private key is missing; put it into tls.key")]
    NoKey,
    /// There is more than one.
    #[error("there are {count} private keys; leave the one of the certificate")]
    SeveralKeys {
        /// How many.
        count: usize,
    },
    /// It wants a password.
    #[error("the private key is encrypted, and nobody types its password; store it without one")]
    KeyEncrypted,
    /// It is no key that servers use.
    #[error(
        "the private key cannot be read; expected PKCS#8, RSA with 2048 bits or more, or EC \
         P-256 or P-384"
    )]
    KeyUnreadable,
    /// There is no certificate.
    #[error("there is a private key and no certificate; put the certificate into tls.crt")]
    NoCertificate,
    /// A certificate is malformed.
    #[error("certificate {number} of the chain is malformed; export the chain anew")]
    Malformed {
        /// Which one, from 1: the leaf.
        number: usize,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key belongs to another certificate than the first one of the chain; store \
         the two that belong together"
    )]
    KeyMismatch,
    /// A key is too weak.
    #[error(
        "certificate {number} of the chain has a key of {found}; expected RSA with 2048 bits \
         or more, or EC P-256 or P-384"
    )]
    WeakKey {
        /// Which one, from 1: the leaf.
        number: usize,
        /// What it has.
        found: String,
    },
    /// A signature is too weak.
    #[error(
        "certificate {number} of the chain is signed by {found}, which browsers refuse; have \
         it issued anew"
    )]
    WeakSignature {
        /// Which one, from 1: the leaf.
        number: usize,
        /// By which algorithm.
        found: &'static str,
    },
    /// One did not sign the one before it.
    #[error(
        "certificate {number} of the chain is not the issuer of the one before it; order the \
         chain from the leaf upwards"
    )]
    ChainOrder {
        /// Which one, from 1: the leaf.
        number: usize,
    },
    /// It is for other hosts.
    #[error(
        "the certificate is for {}, and not for {host}; have it issued for {host}", listed(.names)
    )]
    WrongName {
        /// For which host it was wanted.
        host: String,
        /// Which it covers.
        names: Vec<String>,
    },
    /// It begins later.
    #[error("the certificate is valid from {from} only")]
    NotYetValid {
        /// From when.
        from: Timestamp,
    },
    /// It is over.
    #[error("the certificate ended at {at}; replace it")]
    Expired {
        /// When.
        at: Timestamp,
    },
}

impl CertificateProblem {
    /// The stable word.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "certificate-too-large",
            Self::NotPem => "certificate-not-pem",
            Self::UnknownPart { .. } => "certificate-unknown-part",
            Self::NoKey => "certificate-without-key",
            Self::SeveralKeys { .. } => "certificate-several-keys",
            Self::KeyEncrypted => "certificate-key-encrypted",
            Self::KeyUnreadable => "certificate-key-unreadable",
            Self::NoCertificate => "certificate-missing",
            Self::Malformed { .. } => "certificate-malformed",
            Self::KeyMismatch => "certificate-key-mismatch",
            Self::WeakKey { .. } => "certificate-weak-key",
            Self::WeakSignature { .. } => "certificate-weak-signature",
            Self::ChainOrder { .. } => "certificate-chain-order",
            Self::WrongName { .. } => "certificate-wrong-name",
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::Expired { .. } => "certificate-expired",
        }
    }
}

/// The first names of many: a certificate has up to 100, and a sentence must not.
fn listed(names: &[String]) -> String {
    match names {
        [] => "no host".to_owned(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}
