//! HTTP to the provider: over TLS alone, each request with a deadline, each answer with a bound.

use super::LoginError;
use http::{
    Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{fmt, path::Path, time::Duration};
use tokio::time::timeout;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer,
};

/// How long one request takes at most: a person waits.
const REQUEST: Duration = Duration::from_secs(10);
/// Who asks.
const AGENT: &str = concat!("longshore-console/", env!("CARGO_PKG_VERSION"));
/// Bytes of an answer at most: a token with all groups of a person is some KiB.
const ANSWER: usize = 1 << 20;

/// A client that trusts the system's CAs, and those of a file besides.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// # Errors
    ///
    /// Says why the file with CAs cannot be used, or TLS cannot be had.
    pub(super) fn new(authority: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // What a system has of broken ones is its own business; without any, TLS fails and says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = authority {
            let text = std::fs::read(path).map_err(|error| error.to_string())?;
            let parts = pem::parse_many(text).map_err(|error| error.to_string())?;
            let mut found = parts.into_iter().filter(|it| it.tag() == "CERTIFICATE");
            let first = found.next().ok_or("it has no CERTIFICATE")?;
            for part in std::iter::once(first).chain(found) {
                roots
                    .add(CertificateDer::from(part.into_contents()))
                    .map_err(|error| error.to_string())?;
            }
        }
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(REQUEST / 2));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(Self(client))
    }

    /// A document of the provider's.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, LoginError> {
        let request = Request::get(url).body(Full::default());
        match self.send(url, request).await? {
            (StatusCode::OK, body) => Ok(body),
            (code, _) => Err(away(url, format!("it answers with code {}", code.as_u16()))),
        }
    }

    /// Sends a form; `authorization` is the value of that header.
    pub(super) async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<&str>,
    ) -> Result<(StatusCode, Bytes), LoginError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        self.send(url, request.body(Full::from(form))).await
    }

    async fn send(
        &self,
        url: &str,
        request: Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<(StatusCode, Bytes), LoginError> {
        let mut request = request.map_err(|error| away(url, error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, http::HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        let answer = async {
            let response = self.0.request(request).await;
            let response = response.map_err(|error| runtime::Chain(&error).to_string())?;
            let code = response.status();
            let body = Limited::new(response.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| error.to_string())?;
            Ok((code, body.to_bytes()))
        };
        let answer = timeout(REQUEST, answer).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        answer.map_err(|why| away(url, why))
    }
}

fn away(url: &str, why: String) -> LoginError {
    LoginError::Away {
        url: url.to_owned(),
        why,
    }
}
