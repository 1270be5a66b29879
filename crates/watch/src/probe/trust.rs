//! Which certificates a browser takes. A handshake goes on with any, so that the shop behind a bad
//! one is still asked; what is wrong with it is said beside.

use super::verdict::Certificate;
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file cannot be used.
    #[error("{0}")]
    File(String),
    /// TLS cannot be had.
    #[error("{0}")]
    Tls(String),
}

/// Who is trusted, and how hands are shaken.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    strict: Arc<WebPkiServerVerifier>,
    client: Arc<ClientConfig>,
}

impl Trust {
    /// The roots of the system, and those of a file.
    pub(crate) fn new(authority: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        // What a system has of broken ones is its own business.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = authority {
            let failed = |why: &dyn ToString| TrustError::File(why.to_string());
            let text = std::fs::read(path).map_err(|it| failed(&it))?;
            let parts = pem::parse_many(text).map_err(|it| failed(&it))?;
            for part in parts.into_iter().filter(|it| it.tag() == "CERTIFICATE") {
                roots
                    .add(CertificateDer::from(part.into_contents()))
                    .map_err(|it| failed(&it))?;
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let failed = |why: &dyn ToString| TrustError::Tls(why.to_string());
        let strict =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let strict = strict.build().map_err(|it| failed(&it))?;
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|it| failed(&it))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        // A fresh handshake shows what a visitor gets.
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            strict,
            client: Arc::new(client),
        })
    }

    /// How hands are shaken.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// What a browser says of the certificates that a server showed for a name.
    pub(crate) fn judge(&self, name: &ServerName<'_>, chain: &[CertificateDer<'_>]) -> Certificate {
        let Some((leaf, rest)) = chain.split_first() else {
            return Certificate {
                end: None,
                problem: Some("the server shows no certificate".to_owned()),
            };
        };
        let end = X509Certificate::from_der(leaf).ok();
        let end = end.map(|(_, it)| it.validity().not_after.timestamp());
        let end = end.and_then(|it| Timestamp::from_second(it).ok());
        let verified = self
            .strict
            .verify_server_cert(leaf, rest, name, &[], UnixTime::now());
        Certificate {
            end,
            problem: verified.err().map(|error| sentence(&error, end)),
        }
    }
}

fn sentence(error: &Error, end: Option<Timestamp>) -> String {
    use CertificateError as Bad;
    let Error::InvalidCertificate(bad) = error else {
        return format!("the certificate is not taken: {error}");
    };
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => match end {
            Some(end) => format!("the certificate ended at {end}"),
            None => "the certificate is over".to_owned(),
        },
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "the certificate is of another name".to_owned()
        }
        // A bad signature is that of somebody who only has the name of one who is trusted.
        Bad::UnknownIssuer | Bad::BadSignature => {
            "the certificate is of nobody who is trusted".to_owned()
        }
        other => format!("the certificate is not taken: {other}"),
    }
}

/// Takes any certificate, from whoever has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
