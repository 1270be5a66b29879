//! Which requests are answered at all, and with which headers.
//!
//! On a laptop, others reach the port, too: other users of the machine, and every page that is open
//! in the browser. So the console prints an address with a secret, which becomes a cookie; it
//! answers to names of this machine alone (a name of DNS that leads here is somebody's trick). In
//! the cluster it answers to its own name alone, and to people who are logged in. In both, what is
//! sent must come from a page of its own.

mod headers;

use crate::{
    address::{Origin, encode},
    login::{CALLBACK, LOGGED_OUT},
    session::{Keys, Purpose, Session},
    text,
};
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::timeout;
use tracing::{Instrument as _, info_span};

pub(crate) use headers::{cookie, set_cookie};

/// The cookie that says who this is: on a laptop that the secret was known, else the session.
pub(crate) const COOKIE: &str = "longshore";
/// How long an answer may take to begin: a plan of 500 shops takes 15 seconds.
const ANSWER: Duration = Duration::from_mins(1);
/// Bytes that are read of what a refused request brings along, and for how long.
const REFUSED: (usize, Duration) = (64 << 10, Duration::from_secs(2));

/// Who is let in.
pub(crate) enum Guard {
    /// Whoever knows the secret of this run.
    Laptop(Secret),
    /// Whoever is logged in.
    Login(Door),
}

/// The secret of this run, and where it listens.
pub(crate) struct Secret {
    secret: String,
    port: u16,
}

/// The address of the console, and the keys of its cookies.
pub(crate) struct Door {
    origin: Origin,
    keys: Arc<Keys>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Laptop(laptop) => write!(f, "laptop at port {}", laptop.port),
            Self::Login(door) => write!(f, "login at {}", door.origin.at("")),
        }
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It is for another name.
    Name,
    /// It does not know the secret.
    Secret,
    /// It is of nobody who is logged in.
    Session,
    /// It comes from somebody else's page.
    Origin,
    /// It took too long.
    Time,
}

impl Guard {
    /// The one of a laptop.
    pub(crate) fn new(listen: SocketAddr) -> Self {
        let secret: [u8; 32] = rand::rng().random();
        Self::Laptop(Secret {
            secret: URL_SAFE_NO_PAD.encode(secret),
            port: listen.port(),
        })
    }

    /// The one of the cluster.
    pub(crate) fn of_login(origin: Origin, keys: Arc<Keys>) -> Self {
        Self::Login(Door { origin, keys })
    }

    /// The address that a person opens.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Laptop(Secret { secret, port }) => {
                format!("http://127.0.0.1:{port}/login?secret={secret}")
            }
            Self::Login(door) => door.origin.at("/"),
        }
    }

    /// Whether this is the secret.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        matches!(self, Self::Laptop(laptop) if same(secret, &laptop.secret))
    }

    /// The cookie that stands for the secret.
    pub(crate) fn cookie(&self) -> String {
        match self {
            // Without `Secure`: there is no TLS on loopback, and not all browsers take one over
            // HTTP.
            Self::Laptop(laptop) => format!(
                "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict",
                laptop.secret
            ),
            Self::Login(_) => String::new(),
        }
    }

    /// What each form of a page bears that is made for this person.
    pub(crate) fn form_token(&self, person: &str) -> String {
        match self {
            Self::Laptop(laptop) => {
                let digest = Sha256::digest(format!("form {}", laptop.secret));
                URL_SAFE_NO_PAD.encode(digest)
            }
            // Of the person and not of the session: a form that was open while the session ended
            // counts after the next login.
            Self::Login(door) => {
                let sealed = door.keys.seal(Purpose::Form, &person);
                sealed.unwrap_or_default()
            }
        }
    }

    /// Whether a form bore it.
    pub(crate) fn is_form_token(&self, token: &str, person: &str) -> bool {
        match self {
            Self::Laptop(_) => same(token, &self.form_token(person)),
            Self::Login(door) => {
                let sealed: Option<String> = door.keys.open(Purpose::Form, token);
                sealed.is_some_and(|sealed| sealed == person)
            }
        }
    }

    /// The session of who asks; on a laptop there is none.
    fn check(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Session>, Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        let (named, from) = match self {
            Self::Laptop(laptop) => {
                let own = ["127.0.0.1", "localhost", "[::1]"];
                let mut own = own.iter().map(|name| format!("{name}:{}", laptop.port));
                (own.any(|name| name == host), format!("http://{host}"))
            }
            Self::Login(door) => (door.origin.is_host(host), door.origin.at("")),
        };
        if !named {
            return Err(Refusal::Name);
        }
        let read = matches!(*method, Method::GET | Method::HEAD);
        if !read {
            let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            let ours = site.is_none_or(|site| site == b"same-origin");
            if !ours || text(header::ORIGIN).unwrap_or_default() != from {
                return Err(Refusal::Origin);
            }
        }
        if read
            && (["/login", CALLBACK, LOGGED_OUT].contains(&path) || path.starts_with("/assets/"))
        {
            return Ok(None);
        }
        let known = cookie(headers, COOKIE);
        match self {
            Self::Laptop(_) => known
                .filter(|secret| self.knows(secret))
                .map(|_| None)
                .ok_or(Refusal::Secret),
            Self::Login(door) => known
                .and_then(|cookie| Session::open(&door.keys, cookie, now))
                .map(Some)
                .ok_or(Refusal::Session),
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
    mut request: Request,
    next: Next,
) -> Response {
    let tls = matches!(*guard, Guard::Login(_));
    if tls {
        headers::plain_cookies(request.headers_mut());
    }
    let (method, path) = (request.method().clone(), request.uri().path());
    let checked = guard.check(&method, path, request.headers(), Timestamp::now());
    let mut response = match checked {
        Ok(session) => {
            // In each line of the log that is written meanwhile.
            let span = session
                .as_ref()
                .map_or_else(tracing::Span::none, |session| {
                    info_span!(
                        "request",
                        user = session.user,
                        groups = session.groups.join(",")
                    )
                });
            if let Some(session) = session {
                request.extensions_mut().insert(session);
            }
            let answer = timeout(ANSWER, next.run(request).instrument(span)).await;
            answer.unwrap_or_else(|_| Refusal::Time.answer())
        }
        Err(refusal) => {
            let answer = match refusal {
                Refusal::Session if leads_to_login(&method, path, request.headers()) => {
                    login(request.uri())
                }
                refusal => refusal.answer(),
            };
            drain(request.into_body()).await;
            answer
        }
    };
    headers::add(response.headers_mut());
    if tls {
        headers::bind_to_tls(response.headers_mut());
    }
    response
}

/// Reads what is left of a request. Of one that is closed before, the kernel resets the connection,
/// and whoever sent it, or a proxy between, may not see the answer.
async fn drain(body: Body) {
    let (bytes, within) = REFUSED;
    let mut body = Limited::new(body, bytes);
    let read = async { while let Some(Ok(_)) = body.frame().await {} };
    // Nobody waits longer for somebody who is refused.
    timeout(within, read).await.unwrap_or_default();
}

/// Whether a browser opens a page: what a page fetches for itself cannot be led to another site.
fn leads_to_login(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    *method == Method::GET && path != "/live" && !headers.contains_key("hx-request")
}

fn login(uri: &Uri) -> Response {
    let to = uri.path_and_query().map_or("/", |it| it.as_str());
    Redirect::to(&format!("/login?to={}", encode(to))).into_response()
}

impl Refusal {
    fn answer(self) -> Response {
        let (code, text) = match self {
            Self::Name => (StatusCode::MISDIRECTED_REQUEST, text::OTHER_NAME),
            Self::Secret => (StatusCode::UNAUTHORIZED, text::NO_SECRET),
            Self::Session => (StatusCode::UNAUTHORIZED, text::SESSION_ENDED),
            Self::Origin => (StatusCode::FORBIDDEN, text::OTHER_ORIGIN),
            Self::Time => (StatusCode::SERVICE_UNAVAILABLE, text::TOO_LONG),
        };
        (code, text).into_response()
    }
}

#[cfg(test)]
mod tests;
