//! A server that ends TLS, as a file system does.

use super::*;

/// An authority's file, and a server for `name` that answers what it is sent, and ends once the
/// sender has.
pub(super) async fn server(name: &str) -> (tempfile::TempDir, PathBuf, SocketAddr, JoinSet<()>) {
    server_that(name, Arc::new(NoClientAuth)).await
}

/// The same, which looks at what its clients show.
pub(super) async fn server_that(
    name: &str,
    clients: Arc<dyn ClientCertVerifier>,
) -> (tempfile::TempDir, PathBuf, SocketAddr, JoinSet<()>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::io::Write::write_all(
        &mut std::fs::File::create(&file).unwrap(),
        certificate.pem().as_bytes(),
    )
    .unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions();
    let mut config = config
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    // Each connection shows its certificate: none goes on with a session of before.
    (config.send_tls13_tickets, config.session_storage) = (0, Arc::new(NoServerSessionStorage {}));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let (mut input, mut output) = tokio::io::split(stream);
            // A client that vanishes is none of its business.
            if tokio::io::copy(&mut input, &mut output).await.is_ok() {
                let _gone = output.shutdown().await;
            }
        }
    });
    (folder, file, address, tasks)
}

/// A server that reads clients' certificates as EFS does: signed by themselves, with the key that
/// they hold.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) shown: Mutex<Vec<Vec<u8>>>,
}

impl Reads {
    fn algorithms() -> WebPkiSupportedAlgorithms {
        aws_lc_rs::default_provider().signature_verification_algorithms
    }
}

impl ClientCertVerifier for Reads {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _above: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.shown.lock().push(certificate.to_vec());
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &Self::algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &Self::algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::algorithms().supported_schemes()
    }
}

/// An extension under 1.3.6.1.4.1.4843.7 in DER: its identifier, and as an octet string the text as
/// a `UTF8String`.
pub(super) fn extension(last: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [
        &[
            0x06,
            9,
            0x2b,
            6,
            1,
            4,
            1,
            0xa5,
            0x6b,
            7,
            last,
            0x04,
            length + 2,
            0x0c,
            length,
        ],
        text.as_bytes(),
    ]
    .concat()
}
