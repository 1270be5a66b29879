//! A CA of the tests' own, which Pebble's server and the proxy are trusted by.

use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::{path::Path, sync::Arc};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};

pub struct Tls {
    pub root: String,
    pub certificate: String,
    pub key: String,
}

impl Tls {
    pub fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issuer = Issuer::new(ca, ca_key);
        let leaf = CertificateParams::new(names).unwrap();
        let certificate = leaf.signed_by(&key, &issuer).unwrap().pem();
        Self {
            root,
            certificate,
            key: key.serialize_pem(),
        }
    }

    /// Writes what Pebble, and the issuer, read.
    pub fn write(&self, directory: &Path) {
        std::fs::write(directory.join("root.pem"), &self.root).unwrap();
        std::fs::write(directory.join("cert.pem"), &self.certificate).unwrap();
        std::fs::write(directory.join("key.pem"), &self.key).unwrap();
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        let key = pem::parse(&self.key).unwrap().into_contents();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                certificates(&self.certificate),
                PrivateKeyDer::try_from(key).unwrap(),
            );
        Arc::new(config.unwrap())
    }

    pub fn client(&self) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&self.root))
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        Client::builder(TokioExecutor::new()).build(connector)
    }

    /// Asks a page; posts where there is a body.
    pub async fn ask(&self, url: &str, body: Option<String>) -> Option<Bytes> {
        let request = Request::builder()
            .method(if body.is_some() { "POST" } else { "GET" })
            .uri(url)
            .header("user-agent", "test")
            .body(Full::from(body.unwrap_or_default()))
            .unwrap();
        let response = self.client().request(request).await.ok()?;
        let success = response.status().is_success();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        assert!(success, "{url}: {}", String::from_utf8_lossy(&body));
        Some(body)
    }
}

/// Checks as a browser does that a chain is for a host, and leads to a root.
pub fn verify(chain: &str, root: &str, host: &str) -> Result<(), String> {
    let all = certificates(chain);
    let (leaf, rest) = all.split_first().unwrap();
    let provider = aws_lc_rs::default_provider().into();
    let roots = Arc::new(roots(root));
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let outcome = verifier
        .unwrap()
        .verify_server_cert(leaf, rest, &name, &[], UnixTime::now());
    outcome.map(drop).map_err(|it| it.to_string())
}

fn certificates(text: &str) -> Vec<CertificateDer<'static>> {
    let parts = pem::parse_many(text).unwrap().into_iter();
    parts
        .filter(|it| it.tag() == "CERTIFICATE")
        .map(|it| CertificateDer::from(it.into_contents()))
        .collect()
}

fn roots(text: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(text));
    roots
}
