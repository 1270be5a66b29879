//! Which requests are answered at all, and with which headers.
//!
//! On a laptop, others reach the port, too: other users of the machine, and every page that is open
//! in the browser. So the console prints an address with a secret, which becomes a cookie; it
//! answers to names of this machine alone (a name of DNS that leads here is somebody's trick); and
//! what is sent must come from a page of its own.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use std::{fmt, net::SocketAddr, sync::Arc};

/// The cookie that says that the secret was known.
const COOKIE: &str = "longshore-console";
/// Nothing from elsewhere, nothing inline, no frame. Of referrers, `same-origin`: with `no-referrer`
/// browsers would say that forms come from the origin `null`.
const POLICY: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; img-src 'self'; script-src 'self'; style-src 'self'";
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The secret of this run, and where it listens.
pub(crate) struct Guard {
    secret: String,
    port: u16,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It is for another name.
    Name,
    /// It does not know the secret.
    Secret,
    /// It comes from somebody else's page.
    Origin,
}

impl Guard {
    pub(crate) fn new(listen: SocketAddr) -> Self {
        let secret: [u8; 32] = rand::rng().random();
        Self {
            secret: URL_SAFE_NO_PAD.encode(secret),
            port: listen.port(),
        }
    }

    /// The address that a person opens.
    pub(crate) fn address(&self) -> String {
        format!(
            "http://127.0.0.1:{}/login?secret={}",
            self.port, self.secret
        )
    }

    /// Whether this is the secret.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        same(secret, &self.secret)
    }

    /// The cookie that stands for it.
    pub(crate) fn cookie(&self) -> String {
        // Without `Secure`: there is no TLS on loopback, and not all browsers take one over HTTP.
        format!(
            "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict",
            self.secret
        )
    }

    /// What each form of a page bears.
    pub(crate) fn form_token(&self) -> String {
        let digest = Sha256::digest(format!("form {}", self.secret));
        URL_SAFE_NO_PAD.encode(digest)
    }

    /// Whether a form bore it.
    pub(crate) fn is_form_token(&self, token: &str) -> bool {
        same(token, &self.form_token())
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        let own = ["127.0.0.1", "localhost", "[::1]"];
        if !own
            .map(|name| format!("{name}:{}", self.port))
            .contains(&host.to_owned())
        {
            return Err(Refusal::Name);
        }
        let read = matches!(*method, Method::GET | Method::HEAD);
        if !read {
            let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            let ours = site.is_none_or(|site| site == b"same-origin");
            let origin = text(header::ORIGIN).unwrap_or_default();
            if !ours || origin != format!("http://{host}") {
                return Err(Refusal::Origin);
            }
        }
        if path == "/login" || path.starts_with("/assets/") {
            return Ok(());
        }
        let known = text(header::COOKIE).unwrap_or_default();
        let mut cookies = known
            .split(';')
            .filter_map(|one| one.trim().split_once('='));
        if cookies.any(|(name, value)| name == COOKIE && self.knows(value)) {
            Ok(())
        } else {
            Err(Refusal::Secret)
        }
    }
}

/// Digests are compared: how long that takes says nothing of the secret.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

/// Refuses what nobody may ask, and adds the headers to what is answered.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let checked = guard.check(request.method(), request.uri().path(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.answer(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Refusal {
    fn answer(self) -> Response {
        let (code, text) = match self {
            Self::Name => (
                StatusCode::MISDIRECTED_REQUEST,
                "The console answers at http://127.0.0.1 alone.\n",
            ),
            Self::Secret => (
                StatusCode::UNAUTHORIZED,
                "Open the address that longshore-console printed when it started: it has the \
                 secret of this run.\n",
            ),
            Self::Origin => (
                StatusCode::FORBIDDEN,
                "This was not sent from a page of the console. Nothing was done.\n",
            ),
        };
        (code, text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded() -> Guard {
        Guard::new("127.0.0.1:9000".parse().unwrap())
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let one = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn only_who_was_shown_the_secret_is_answered() {
        let guard = guarded();
        let cookie = format!("a=b; {}", guard.cookie().split(';').next().unwrap());
        let check = |cookie: &str, host: &str| {
            let headers = headers(&[("cookie", cookie), ("host", host)]);
            guard.check(&Method::GET, "/shops", &headers)
        };
        assert_eq!(check(&cookie, "127.0.0.1:9000"), Ok(()));
        assert_eq!(check(&cookie, "localhost:9000"), Ok(()));
        assert_eq!(check("", "127.0.0.1:9000"), Err(Refusal::Secret));
        let other = format!("{COOKIE}={}", guarded().secret);
        assert_eq!(check(&other, "127.0.0.1:9000"), Err(Refusal::Secret));
        // A name of DNS that leads to 127.0.0.1.
        assert_eq!(check(&cookie, "rebind.example:9000"), Err(Refusal::Name));
        assert_eq!(check(&cookie, "127.0.0.1"), Err(Refusal::Name));
    }

    #[test]
    fn what_is_sent_comes_from_a_page_of_ours() {
        let guard = guarded();
        let cookie = guard.cookie();
        let send = |more: &[(&'static str, &str)]| {
            let mut all = vec![("cookie", cookie.as_str()), ("host", "127.0.0.1:9000")];
            all.extend(more);
            guard.check(&Method::POST, "/halt", &headers(&all))
        };
        let own = ("origin", "http://127.0.0.1:9000");
        assert_eq!(send(&[own]), Ok(()));
        assert_eq!(send(&[own, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(send(&[]), Err(Refusal::Origin));
        assert_eq!(send(&[("origin", "null")]), Err(Refusal::Origin));
        assert_eq!(
            send(&[("origin", "http://127.0.0.1:9001")]),
            Err(Refusal::Origin)
        );
        assert_eq!(
            send(&[own, ("sec-fetch-site", "same-site")]),
            Err(Refusal::Origin)
        );
    }

    #[test]
    fn the_token_of_a_form_is_not_the_secret() {
        let guard = guarded();
        assert_ne!(guard.form_token(), guard.secret);
        assert!(guard.is_form_token(&guard.form_token()));
        assert!(!guard.is_form_token(&guarded().form_token()));
        assert!(!guard.is_form_token(""));
    }
}
