//! Hands are shaken with the API server, and with nobody else: its ConfigMap and our certificate
//! are read, again each minute, as both are renewed.

use super::front_proxy::{FrontProxy, Unknown};
use client::{ApiError, Cluster};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
    server::TlsStream,
};
use tracing::{info, warn};

/// Where each API server says by what it is recognized.
const MAP: (&str, &str) = ("kube-system", "extension-apiserver-authentication");
/// How our own certificate calls us, where nobody gives one.
const NAME: &str = "longshore-watch.watch.svc";
/// How often both are read.
const EVERY: Duration = Duration::from_mins(1);
/// How soon again where that failed.
const RETRY: Duration = Duration::from_secs(5);
/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A certificate with those that signed it, and its key.
type Own = (Vec<CertificateDer<'static>>, Vec<u8>);

/// How hands are shaken, once that is known.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    known: Mutex<Option<TlsSetup>>,
}

#[derive(Debug)]
struct TlsSetup {
    front: Arc<FrontProxy>,
    own: Own,
    config: Arc<ServerConfig>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("the API server does not say by what it is recognized")]
    Asked(#[from] ApiError),
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error("the certificate in {} cannot be read: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error("no certificate can be made")]
    Made(#[from] rcgen::Error),
}

impl Handshake {
    /// Shakes hands with the API server.
    ///
    /// # Errors
    ///
    /// It is somebody else, or it is not known yet by what it is recognized.
    pub(super) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let known = {
            let known = self.known.lock();
            known
                .as_ref()
                .map(|it| (Arc::clone(&it.front), Arc::clone(&it.config)))
        };
        let (front, config) = known.ok_or(io::ErrorKind::NotConnected)?;
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        if front.is_called(chain) {
            Ok(stream)
        } else {
            Err(io::Error::other("it is not called as the front proxy is"))
        }
    }

    /// Follows what it takes for that; does not end. What was known stays where it cannot be read.
    pub(super) async fn follow(
        &self,
        cluster: &Cluster,
        certificate: Option<PathBuf>,
        serving: &AtomicBool,
    ) {
        let cluster = cluster.patient(PATIENCE);
        loop {
            let wait = match self.read(&cluster, certificate.as_deref()).await {
                Ok(()) => {
                    serving.store(true, Relaxed);
                    EVERY
                }
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    warn!(error, "custom metrics: not known who may ask");
                    RETRY
                }
            };
            sleep(wait).await;
        }
    }

    async fn read(&self, cluster: &Cluster, path: Option<&Path>) -> Result<(), HandshakeError> {
        let maps = Api::<ConfigMap>::namespaced(cluster.client(), MAP.0);
        let map = cluster.call("front proxy", || maps.get(MAP.1)).await?;
        let front = Arc::new(FrontProxy::read(map)?);
        let before = self.known.lock().as_ref().map(|it| it.own.clone());
        let own = match (path, before) {
            (Some(path), _) => read(path).await?,
            (None, Some(own)) => own,
            (None, None) => make()?,
        };
        let same = |it: &TlsSetup| it.front == front && it.own == own;
        if self.known.lock().as_ref().is_some_and(same) {
            return Ok(());
        }
        let key =
            PrivateKeyDer::try_from(own.1.clone()).map_err(|why| Unknown::Own(why.to_owned()))?;
        let config = Arc::new(front.config((own.0.clone(), key))?);
        *self.known.lock() = Some(TlsSetup { front, own, config });
        info!("custom metrics: known who may ask");
        Ok(())
    }
}

/// The certificate and its key in a directory, as a Secret of type `kubernetes.io/tls` has them.
async fn read(directory: &Path) -> Result<Own, HandshakeError> {
    let file = async |name: &str| {
        let path = directory.join(name);
        let read = tokio::fs::read(&path).await;
        read.map_err(|error| HandshakeError::File {
            path,
            why: error.to_string(),
        })
    };
    let bad = |error: tokio_rustls::rustls::pki_types::pem::Error| HandshakeError::File {
        path: directory.to_owned(),
        why: error.to_string(),
    };
    let chain = CertificateDer::pem_slice_iter(&file("tls.crt").await?).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(&file("tls.key").await?).map_err(bad)?;
    Ok((chain.map_err(bad)?, key.secret_der().to_owned()))
}

/// One of our own, for as long as this process runs. Nobody has it verified.
fn make() -> Result<Own, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
    Ok((vec![certificate.der().clone()], key.serialize_der()))
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_certificate_that_somebody_gives_is_read_as_a_secret_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let missing = read(directory.path()).await.unwrap_err();
        assert!(missing.to_string().contains("tls.crt"), "{missing}");
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.path().join("tls.crt"), certificate.pem()).unwrap();
        fs::write(directory.path().join("tls.key"), key.serialize_pem()).unwrap();
        let (chain, read) = read(directory.path()).await.unwrap();
        assert_eq!(
            (chain, read),
            (vec![certificate.der().clone()], key.serialize_der())
        );
        fs::write(directory.path().join("tls.key"), "no key").unwrap();
        super::read(directory.path()).await.unwrap_err();
    }
}
