//! HTTP to the CA: over TLS only, each request with a deadline, each answer with a bound.

use super::{IssueError, Settings};
use http::{
    Request, Response, StatusCode,
    header::{RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use std::{error, fmt, future::Future, pin::Pin, time::Duration};
use tokio::time::timeout;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer,
};

/// How long one request takes at most.
const REQUEST: Duration = Duration::from_secs(30);
/// Who asks; CAs want to know (RFC 8555, section 6.1).
const AGENT: &str = concat!("longshore-edge/", env!("CARGO_PKG_VERSION"));
/// Bytes of an answer at most: a directory, an order or a chain are some KiB.
const ANSWER: usize = 1 << 20;

/// A client that trusts the system's CAs, and those of a file besides.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// The CA asks to come back later.
#[derive(Debug)]
pub(super) struct Busy {
    /// What it says.
    pub(super) problem: Problem,
    /// For how long it asks to wait, where it says that.
    pub(super) after: Option<SignedDuration>,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl error::Error for Busy {}

impl Http {
    /// # Errors
    ///
    /// Where the file with CAs cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self, IssueError> {
        let mut roots = RootCertStore::empty();
        // What a system has of broken ones is its own business; without any, TLS fails and says so.
        let system = rustls_native_certs::load_native_certs().certs;
        roots.add_parsable_certificates(system);
        if let Some(path) = &settings.ca_bundle {
            let failed = |why: String| IssueError::Bundle {
                path: path.clone(),
                why,
            };
            let text = std::fs::read(path).map_err(|it| failed(it.to_string()))?;
            let parts = pem::parse_many(text).map_err(|it| failed(it.to_string()))?;
            for part in parts.into_iter().filter(|it| it.tag() == "CERTIFICATE") {
                roots
                    .add(CertificateDer::from(part.into_contents()))
                    .map_err(|it| failed(it.to_string()))?;
            }
        }
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|it| IssueError::Tls(it.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(Duration::from_secs(10)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self(
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(30))
                .build(connector),
        ))
    }

    /// What a page says, such as the directory.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, Error> {
        let request = Request::get(url)
            .header(USER_AGENT, AGENT)
            .body(BodyWrapper::default())?;
        let response = send(self.0.clone(), request).await?;
        Ok(response.into_body())
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = send(client, request).await?.into_parts();
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        })
    }
}

async fn send(
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Bytes>, Error> {
    let answer = async {
        let response = client
            .request(request)
            .await
            .map_err(|error| Error::Other(Box::new(error)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER)
            .collect()
            .await
            .map_err(Error::Other)?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    let response = timeout(REQUEST, answer)
        .await
        .unwrap_or(Err(Error::Str("no answer in time")))?;
    busy(&response, Timestamp::now()).map_or(Ok(response), |it| Err(Error::Other(Box::new(it))))
}

/// The answer, where it says to come back later: the crate for ACME gives no header of it.
fn busy(response: &Response<Bytes>, now: Timestamp) -> Option<Busy> {
    let busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if !busy.contains(&response.status()) {
        return None;
    }
    let problem = serde_json::from_slice(response.body()).unwrap_or_else(|_| Problem {
        r#type: None,
        detail: Some(format!("code {}", response.status().as_u16())),
        status: Some(response.status().as_u16()),
        subproblems: Vec::new(),
    });
    let after = response.headers().get(RETRY_AFTER);
    Some(Busy {
        problem,
        after: after
            .and_then(|it| it.to_str().ok())
            .and_then(|text| retry_after(text, now)),
    })
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(SignedDuration::from_secs(i64::from(seconds)));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(date.duration_since(now).max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        for (text, expected) in [
            ("120", Some(120)),
            ("Mon, 30 Nov 2026 12:05:00 GMT", Some(300)),
            ("Mon, 30 Nov 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("99999999999999999999", None),
        ] {
            let found = retry_after(text, now()).map(|it| it.as_secs());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn only_an_answer_that_says_so_means_later() {
        for (code, expected) in [(200, false), (400, false), (429, true), (503, true)] {
            let response = Response::builder()
                .status(code)
                .header(RETRY_AFTER, "60")
                .body(Bytes::from_static(
                    br#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"#,
                ))
                .unwrap();
            let busy = busy(&response, now());
            assert_eq!(busy.is_some(), expected, "{code}");
            if let Some(busy) = busy {
                assert_eq!(busy.after.unwrap().as_secs(), 60);
                assert_eq!(busy.problem.detail.as_deref(), Some("too many"));
            }
        }
    }
}
