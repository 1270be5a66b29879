//! Which server certificates are believed.

use super::{iam::Credentials, identity::Identity};
use crate::nfs::Tls;
use std::{path::PathBuf, sync::Arc};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    client::ResolvesClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Why no tunnel can be made.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The file of certificates cannot be read.
    #[error("cannot read certificates from the ca_file {path}: {problem}")]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The system has no certificates.
    #[error(
        "this system has no root certificates ({0}): install ca-certificates, or name a ca_file \
         in the mounts file"
    )]
    NoRoots(String),
    /// A name that no certificate can be for.
    #[error("{0:?} is not a name that a certificate can have")]
    Name(String),
    /// The certificate that tells EFS about us cannot be made.
    #[error("cannot make the client certificate for the file system {file_system}: {problem}")]
    Identity {
        /// Of which file system.
        file_system: String,
        /// Why.
        problem: String,
    },
}

/// How to talk TLS to a server: 1.2 or 1.3, its certificate checked against `ca_file` or the
/// system's roots, no ALPN as NFS has none; and who we are, if it is told.
pub(super) fn client_config(
    tls: &Tls,
    credentials: Option<Arc<dyn Credentials>>,
) -> Result<(ClientConfig, Option<Arc<Identity>>), TunnelError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| TunnelError::NoRoots(error.to_string()))?;
    let builder = builder.with_root_certificates(roots(tls)?);
    Ok(match &tls.client {
        None => (builder.with_no_client_auth(), None),
        Some(client) => {
            let problem = |problem: String| TunnelError::Identity {
                file_system: client.file_system.clone(),
                problem,
            };
            let identity = Arc::new(Identity::new(client, credentials).map_err(problem)?);
            (builder.with_client_cert_resolver(Arc::clone(&identity) as Arc<dyn ResolvesClientCert>), Some(identity))
        }
    })
}

fn roots(tls: &Tls) -> Result<RootCertStore, TunnelError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca_file {
        let problem = |problem: String| TunnelError::CaFile {
            path: path.clone(),
            problem,
        };
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| problem(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| problem(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| problem(error.to_string()))?;
        }
        return if roots.is_empty() {
            Err(problem("it has none".to_owned()))
        } else {
            Ok(roots)
        };
    }
    let found = rustls_native_certs::load_native_certs();
    // Systems ship a few that no longer parse; the others do.
    roots.add_parsable_certificates(found.certs);
    let why = || {
        found
            .errors
            .first()
            .map_or_else(|| "none found".to_owned(), ToString::to_string)
    };
    if roots.is_empty() {
        Err(TunnelError::NoRoots(why()))
    } else {
        Ok(roots)
    }
}
