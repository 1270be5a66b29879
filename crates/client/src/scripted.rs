//! A scripted API server for tests. **A fake**: what a real one would say stands in the script, and
//! any request that the script does not expect fails the test. The cluster's tests ask a real one.

use crate::{Cluster, kind::resource_of};
use api::Identity;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, combinators::WithTrailers};
use kube::{Client, client::Body};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::{self, Pending},
    sync::Arc,
};

type Answer = Box<dyn FnOnce(Value) -> (StatusCode, Sent) + Send>;
/// A body, and one that does not end.
type Sent = Either<Body, WithTrailers<Body, Pending<Option<Result<HeaderMap, kube::Error>>>>>;

/// A request that a test expects, and what is answered.
pub struct Exchange {
    method: Method,
    path: String,
    query: Vec<String>,
    answer: Answer,
}

/// Expects a request such as `PATCH /api/v1/namespaces/shop-acme/configmaps/web force=true`: the
/// method, the path, and what the query must have among others; after a `!`, what it must not.
///
/// # Panics
///
/// If the text has no method and no path.
#[must_use]
pub fn expect(request: &str) -> Exchange {
    let mut words = request.split(' ');
    let method = words.next().and_then(|word| word.parse().ok());
    Exchange {
        method: method.expect("a method"),
        path: words.next().expect("a path").to_owned(),
        query: words.map(str::to_owned).collect(),
        answer: Box::new(|_| (StatusCode::OK, json(&json!({})))),
    }
}

impl Exchange {
    /// Answers with this.
    #[must_use]
    pub fn answers(self, answer: Value) -> Self {
        self.made_of(|_| answer)
    }

    /// Answers with what `make` makes of the request's body; `null` if there is none.
    #[must_use]
    pub fn made_of(self, make: impl FnOnce(Value) -> Value + Send + 'static) -> Self {
        self.with(|sent| (StatusCode::OK, make(sent)))
    }

    /// Stores the object: answers with what came, a UID and a version.
    #[must_use]
    pub fn stores(self) -> Self {
        self.made_of(|mut object| {
            object["metadata"]["uid"] = "u".into();
            object["metadata"]["resourceVersion"] = "1".into();
            object
        })
    }

    /// Refuses with this code, reason and message.
    #[must_use]
    pub fn refuses(self, code: u16, reason: &str, message: &str) -> Self {
        self.refuses_as(json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": reason, "message": message, "code": code,
        }))
    }

    /// Refuses with this `Status`.
    ///
    /// # Panics
    ///
    /// If it has no code.
    #[must_use]
    pub fn refuses_as(self, status: Value) -> Self {
        let code = status["code"]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok());
        let code = code.and_then(|code| StatusCode::from_u16(code).ok());
        let code = code.expect("a status has a code");
        self.with(move |_| (code, status))
    }

    /// Answers a watch with these events, and ends it.
    #[must_use]
    pub fn tells(mut self, events: impl IntoIterator<Item = Value>) -> Self {
        let lines: Vec<_> = events.into_iter().map(|event| event.to_string()).collect();
        self.answer = Box::new(move |_| (StatusCode::OK, text(lines.join("\n") + "\n")));
        self
    }

    /// Answers a watch, and tells nothing.
    #[must_use]
    pub fn stays_silent(mut self) -> Self {
        let silent = Body::empty().with_trailers(future::pending());
        self.answer = Box::new(|_| (StatusCode::OK, Either::Right(silent)));
        self
    }

    fn with(mut self, answer: impl FnOnce(Value) -> (StatusCode, Value) + Send + 'static) -> Self {
        self.answer = Box::new(|sent| {
            let (code, answer) = answer(sent);
            (code, json(&answer))
        });
        self
    }

    fn matches(&self, method: &Method, path: &str, query: &str) -> bool {
        let query: Vec<&str> = query.split('&').collect();
        let fits = |wanted: &String| match wanted.strip_prefix('!') {
            Some(absent) => !query.contains(&absent),
            None => query.contains(&wanted.as_str()),
        };
        self.method == *method && self.path == path && self.query.iter().all(fits)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.query.join(" "))
    }
}

#[derive(Debug, Default)]
struct State {
    left: VecDeque<Exchange>,
    unexpected: Vec<String>,
}

/// What a test expects of the code under it.
#[derive(Debug, Clone)]
pub struct Script {
    state: Arc<Mutex<State>>,
    ordered: bool,
    empty_lists: bool,
}

impl Script {
    /// These requests, in this order, and no others.
    #[must_use]
    pub fn new(exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        let state = State {
            left: exchanges.into_iter().collect(),
            unexpected: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            ordered: true,
            empty_lists: false,
        }
    }

    /// The same requests in any order, for code that asks several things at once.
    #[must_use]
    pub fn in_any_order(self) -> Self {
        Self {
            ordered: false,
            ..self
        }
    }

    /// Every list that is not in the script is empty.
    #[must_use]
    pub fn with_empty_lists(self) -> Self {
        Self {
            empty_lists: true,
            ..self
        }
    }

    /// A connection to it.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        let script = self.clone();
        let serve = tower::service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move { Ok::<_, Infallible>(script.serve(request).await) }
        });
        Cluster::over(Client::new(serve, "default"))
    }

    /// Checks that everything that was expected came, and nothing else.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn end(&self) {
        let state = self.lock();
        assert!(
            state.left.is_empty() && state.unexpected.is_empty(),
            "expected and not asked: {:?}; asked and not expected: {:?}",
            state.left,
            state.unexpected
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    async fn serve(&self, request: Request<Body>) -> Response<Sent> {
        let (parts, body) = request.into_parts();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let answer = self.take(&parts.method, path, query);
        let (code, answer) = match answer {
            Some(answer) => {
                let body = body
                    .collect()
                    .await
                    .map(http_body_util::Collected::to_bytes);
                let body = body
                    .ok()
                    .and_then(|body| serde_json::from_slice(&body).ok());
                answer(body.unwrap_or_default())
            }
            // No code that is tried again.
            None => (
                StatusCode::IM_A_TEAPOT,
                json(&json!({
                    "kind": "Status", "status": "Failure", "code": 418,
                    "message": "not in the script",
                })),
            ),
        };
        let mut response = Response::new(answer);
        *response.status_mut() = code;
        response
    }

    fn take(&self, method: &Method, path: &str, query: &str) -> Option<Answer> {
        let mut state = self.lock();
        let reach = if self.ordered { 1 } else { usize::MAX };
        let place = state
            .left
            .iter()
            .take(reach)
            .position(|exchange| exchange.matches(method, path, query));
        if let Some(exchange) = place.and_then(|place| state.left.remove(place)) {
            return Some(exchange.answer);
        }
        // A list names its page's size.
        if self.empty_lists && *method == Method::GET && query.contains("limit=") {
            return Some(Box::new(|_| (StatusCode::OK, json(&list(&[], None)))));
        }
        state.unexpected.push(format!("{method} {path}?{query}"));
        None
    }
}

fn text(text: String) -> Sent {
    Either::Left(text.into_bytes().into())
}

fn json(answer: &Value) -> Sent {
    text(answer.to_string())
}

/// A page of a list of metadata, and where the next one begins.
#[must_use]
pub fn list(metadata: &[Value], next: Option<&str>) -> Value {
    let items: Vec<_> = metadata
        .iter()
        .map(|metadata| {
            json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": metadata,
            })
        })
        .collect();
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": { "resourceVersion": "1", "continue": next },
        "items": items,
    })
}

/// Where the API server has an object.
#[must_use]
pub fn path(identity: &Identity) -> String {
    let resource = resource_of(identity);
    let api = if resource.group.is_empty() {
        "api"
    } else {
        "apis"
    };
    let namespace = identity.namespace.as_ref();
    let namespace = namespace.map_or_else(String::new, |name| format!("namespaces/{name}/"));
    format!(
        "/{api}/{}/{namespace}{}/{}",
        resource.api_version, resource.plural, identity.name
    )
}
