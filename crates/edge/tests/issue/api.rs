//! An API server in memory, with what the issuer uses of a real one: objects of one namespace,
//! merge patches, server-side apply of what is new, lists, watches and versions. **A fake**: the
//! cluster's tests ask a real one.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use client::Cluster;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc};
use tokio::sync::Notify;

/// Bytes of data in one object at most, as Kubernetes has it.
const LIMIT: usize = 1 << 20;

type Answer = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Default)]
struct State {
    /// By plural and name.
    objects: BTreeMap<(String, String), Value>,
    /// What happened: plural, and the event.
    events: Vec<(String, Value)>,
    version: u64,
    /// Writes that were made, and are refused from now on.
    writes: Vec<String>,
    away: bool,
}

/// The API server.
#[derive(Clone, Default)]
pub struct Api(Arc<(Mutex<State>, Notify)>);

impl Api {
    pub fn cluster(&self) -> Cluster {
        let api = self.clone();
        let serve = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.serve(request).await) }
        });
        Cluster::over(Client::new(serve, "edge"))
    }

    /// Stores an object as somebody else does.
    pub fn put(&self, plural: &str, name: &str, mut object: Value) {
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = "edge".into();
        self.store(plural, name, object);
    }

    pub fn delete(&self, plural: &str, name: &str) {
        let mut state = self.0.0.lock();
        if let Some(object) = state.objects.remove(&(plural.to_owned(), name.to_owned())) {
            state.events.push((
                plural.to_owned(),
                json!({ "type": "DELETED", "object": object }),
            ));
        }
        drop(state);
        self.0.1.notify_waiters();
    }

    /// A value of an object's data; decoded where that is a Secret.
    pub fn data(&self, plural: &str, name: &str, key: &str) -> Option<String> {
        let state = self.0.0.lock();
        let object = state.objects.get(&(plural.to_owned(), name.to_owned()))?;
        let value = object["data"][key].as_str()?.to_owned();
        if plural == "secrets" {
            let bytes = BASE64_STANDARD.decode(value).unwrap();
            return Some(String::from_utf8(bytes).unwrap());
        }
        Some(value)
    }

    /// All values of objects whose name begins so, by key.
    pub fn all(&self, plural: &str, prefix: &str) -> BTreeMap<String, String> {
        let names: Vec<(String, Vec<String>)> = {
            let state = self.0.0.lock();
            let of = state.objects.iter();
            of.filter(|((kind, name), _)| kind == plural && name.starts_with(prefix))
                .map(|((_, name), object)| {
                    let keys = object["data"].as_object();
                    let keys = keys.map(|it| it.keys().cloned().collect());
                    (name.clone(), keys.unwrap_or_default())
                })
                .collect()
        };
        let mut found = BTreeMap::new();
        for (name, keys) in names {
            for key in keys {
                if let Some(value) = self.data(plural, &name, &key) {
                    found.insert(key, value);
                }
            }
        }
        found
    }

    /// Writes that came, without those of the Lease.
    pub fn writes(&self) -> Vec<String> {
        self.0.0.lock().writes.clone()
    }

    /// Whether nothing can be written now but the Lease.
    pub fn away(&self, away: bool) {
        self.0.0.lock().away = away;
    }

    fn store(&self, plural: &str, name: &str, mut object: Value) -> Value {
        let mut state = self.0.0.lock();
        state.version += 1;
        let key = (plural.to_owned(), name.to_owned());
        let known = state.objects.contains_key(&key);
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        object["metadata"]["uid"] = format!("{plural}-{name}").into();
        object["apiVersion"] = if plural == "leases" {
            "coordination.k8s.io/v1"
        } else {
            "v1"
        }
        .into();
        object["kind"] = match plural {
            "leases" => "Lease",
            "secrets" => "Secret",
            _ => "ConfigMap",
        }
        .into();
        state.objects.insert(key, object.clone());
        let kind = if known { "MODIFIED" } else { "ADDED" };
        state
            .events
            .push((plural.to_owned(), json!({ "type": kind, "object": object })));
        drop(state);
        self.0.1.notify_waiters();
        object
    }

    fn get(&self, plural: &str, name: &str) -> Option<Value> {
        let state = self.0.0.lock();
        state
            .objects
            .get(&(plural.to_owned(), name.to_owned()))
            .cloned()
    }

    async fn serve(&self, request: Request<Body>) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let after = path.iter().position(|it| *it == "namespaces").unwrap() + 2;
        let (plural, name) = (path[after], path.get(after + 1).copied());
        // What no agent reads is elsewhere, and nothing else is.
        let private = plural == "secrets" && name.is_some_and(|name| name.starts_with("acme-"));
        let namespace = if private { "edge-acme" } else { "edge" };
        assert_eq!(path[after - 1], namespace, "another namespace: {path:?}");
        let query = parts.uri.query().unwrap_or_default().to_owned();
        if parts.method != Method::GET && plural != "leases" {
            let mut state = self.0.0.lock();
            if state.away {
                return refusal(503, "ServiceUnavailable", "away");
            }
            let what = format!("{} {plural}/{}", parts.method, name.unwrap_or_default());
            state.writes.push(what);
        }
        let sent = || serde_json::from_slice::<Value>(&body).unwrap();
        match (parts.method, name) {
            (Method::GET, Some(name)) => self
                .get(plural, name)
                .map_or_else(|| refusal(404, "NotFound", "not found"), |it| answer(&it)),
            (Method::GET, None) if query.contains("watch=true") => self.watch(plural, &query),
            (Method::GET, None) => self.list(plural, &query),
            (Method::POST, None) => {
                let object = sent();
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                if self.get(plural, &name).is_some() {
                    return refusal(409, "AlreadyExists", "already there");
                }
                answer(&self.store(plural, &name, object))
            }
            (Method::PUT, Some(name)) => {
                let object = sent();
                let version = self
                    .get(plural, name)
                    .map(|it| it["metadata"]["resourceVersion"].clone());
                if version.as_ref() != Some(&object["metadata"]["resourceVersion"]) {
                    return refusal(409, "Conflict", "changed meanwhile");
                }
                answer(&self.store(plural, name, object))
            }
            (Method::PATCH, Some(name)) => {
                let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
                let known = self.get(plural, name);
                let applies = kind.starts_with("application/apply-patch");
                let Some(mut object) = known.or_else(|| applies.then(|| json!({}))) else {
                    return refusal(404, "NotFound", "not found");
                };
                merge(&mut object, &sent());
                if size(&object) > LIMIT {
                    let message = "data: Too long: may not be more than 1048576 bytes";
                    return refusal(422, "Invalid", message);
                }
                answer(&self.store(plural, name, object))
            }
            (method, name) => panic!("not expected: {method} {name:?}"),
        }
    }

    fn list(&self, plural: &str, query: &str) -> Response<Answer> {
        let state = self.0.0.lock();
        let items: Vec<&Value> = state
            .objects
            .iter()
            .filter(|((kind, _), object)| kind == plural && selected(object, query))
            .map(|(_, object)| object)
            .collect();
        answer(&json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": { "resourceVersion": state.version.to_string() },
            "items": items,
        }))
    }

    fn watch(&self, plural: &str, query: &str) -> Response<Answer> {
        let from: u64 = query
            .split('&')
            .find_map(|it| it.strip_prefix("resourceVersion="))
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        let (api, plural, query) = (self.clone(), plural.to_owned(), query.to_owned());
        let events = stream::unfold((api, 0), move |(api, mut at)| {
            let (plural, query) = (plural.clone(), query.clone());
            async move {
                let shared = Arc::clone(&api.0);
                loop {
                    let notified = shared.1.notified();
                    let next = api.0.0.lock().events.get(at).cloned();
                    let Some((kind, event)) = next else {
                        notified.await;
                        continue;
                    };
                    at += 1;
                    let version = event["object"]["metadata"]["resourceVersion"].as_str();
                    let version: u64 = version.unwrap().parse().unwrap();
                    let new = version > from || event["type"] == "DELETED";
                    if kind == plural && new && selected(&event["object"], &query) {
                        let line = Bytes::from(format!("{event}\n"));
                        return Some((Ok::<_, Infallible>(Frame::data(line)), (api, at)));
                    }
                }
            }
        });
        Response::new(StreamBody::new(Box::pin(events)).boxed_unsync())
    }
}

/// Whether the selectors of a query are those of an object.
fn selected(object: &Value, query: &str) -> bool {
    let query = query.replace("%3D", "=").replace("%2F", "/");
    query.split('&').all(|part| {
        if let Some(label) = part.strip_prefix("labelSelector=") {
            let (key, value) = label.split_once('=').unwrap();
            return object["metadata"]["labels"][key] == value;
        }
        match part.strip_prefix("fieldSelector=type=") {
            Some(kind) => object["type"] == kind,
            None => true,
        }
    })
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn size(object: &Value) -> usize {
    let data = object["data"].as_object();
    let lengths = data.into_iter().flat_map(|it| it.values());
    lengths.filter_map(Value::as_str).map(str::len).sum()
}

fn answer(value: &Value) -> Response<Answer> {
    Response::new(Full::from(value.to_string()).boxed_unsync())
}

fn refusal(code: u16, reason: &str, message: &str) -> Response<Answer> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": message, "code": code,
    });
    let mut response = answer(&status);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}
