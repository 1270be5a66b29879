//! An API server, as far as the program asks one: lists and watches. **A fake**: the platform's
//! tests ask a real one.

use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::broadcast, task::JoinSet};

type Body = UnsyncBoxBody<Bytes, Infallible>;

struct State {
    /// By plural and name.
    objects: BTreeMap<(&'static str, String), Value>,
    version: u64,
}

/// What there is, and who is told of changes: the plural, and the event.
type Shared = (Mutex<State>, broadcast::Sender<(&'static str, Value)>);

/// The API server, while it is held.
pub struct Api {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Api {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            objects: BTreeMap::new(),
            version: 1,
        };
        let shared = Arc::new((Mutex::new(state), broadcast::channel(1000).0));
        let (of, mut tasks) = (Arc::clone(&shared), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let of = Arc::clone(&of);
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(&of, request.uri().path(), request.uri().query());
                    async move { Ok::<_, Infallible>(answer) }
                });
                connections.spawn(async move {
                    let io = TokioIo::new(stream);
                    // A client that goes away is none of ours.
                    http1::Builder::new()
                        .serve_connection(io, service)
                        .await
                        .ok();
                });
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// Stores an object.
    pub fn put(&self, plural: &'static str, name: &str, mut object: Value) {
        let mut state = self.shared.0.lock();
        state.version += 1;
        object["metadata"]["name"] = name.into();
        object["metadata"]["uid"] = format!("uid-{name}").into();
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        let known = state
            .objects
            .insert((plural, name.to_owned()), object.clone());
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        let event = json!({ "type": kind, "object": object });
        // Nobody may watch yet.
        self.shared.1.send((plural, event)).ok();
    }

    pub fn client(&self) -> kube::Client {
        let url = format!("http://{}", self.address).parse().unwrap();
        kube::Client::try_from(kube::Config::new(url)).unwrap()
    }

    /// What `kubectl` would be told.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        })
        .to_string()
    }
}

fn one(shared: &Shared, plural: &'static str, name: &str) -> Response<Body> {
    let state = shared.0.lock();
    let found = state.objects.get(&(plural, name.to_owned()));
    let body = found.map_or_else(|| json!({ "code": 404 }), Clone::clone);
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    if found.is_none() {
        *answer.status_mut() = StatusCode::NOT_FOUND;
    }
    answer
}

fn answer(shared: &Shared, path: &str, query: Option<&str>) -> Response<Body> {
    let plurals = ["shops", "shopclasses", "pods"];
    let asked = path.rsplit('/').next().unwrap();
    if let Some(name) = path.strip_prefix("/api/v1/namespaces/kube-system/configmaps/") {
        return one(shared, "configmaps", name);
    }
    let plural = plurals.into_iter().find(|it| *it == asked).unwrap();
    let state = shared.0.lock();
    if query.is_some_and(|it| it.contains("watch=true")) {
        let events = shared.1.subscribe();
        let lines = stream::unfold(events, move |mut events| async move {
            loop {
                let (of, event) = events.recv().await.ok()?;
                if of == plural {
                    let line = Bytes::from(format!("{event}\n"));
                    return Some((Ok(Frame::data(line)), events));
                }
            }
        });
        return Response::new(BodyExt::boxed_unsync(StreamBody::new(lines)));
    }
    let of = state.objects.iter().filter(|((it, _), _)| *it == plural);
    let items: Vec<_> = of.map(|(_, object)| object.clone()).collect();
    let version = state.version.to_string();
    let list = json!({ "metadata": { "resourceVersion": version }, "items": items });
    Response::new(Full::new(Bytes::from(list.to_string())).boxed_unsync())
}
