//! What the API server says, taken into the model.

use super::{
    endpoints,
    lines::{Shard, is_name},
    model::Model,
    pem::Pem,
};
use crate::issue;
use api::edge::{
    NAMESPACE,
    certificate::{LABEL, host_of},
};
use client::{Cluster, OURS};
use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Secret},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use parking_lot::{Mutex, MutexGuard};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What is watched; until all of it was listed, HAProxy would lose what it has.
const KINDS: [&str; 3] = ["configmaps", "secrets", "endpointslices"];
/// Objects in one page of a list.
const PAGE: u32 = 500;
/// The ConfigMap that says how HTTP-01 is answered.
const ANSWER: &str = "acme";
/// The Service of a shop's web pods, as the scheduler names it.
const WEB: &str = "kubernetes.io/service-name=web";

/// The model, which watches write and the keeper reads.
#[derive(Debug)]
pub struct Watched {
    model: Mutex<Model>,
    unread: Mutex<BTreeSet<&'static str>>,
    /// Watches that are broken now.
    broken: Mutex<BTreeSet<&'static str>>,
    /// Something has changed.
    pub changed: Notify,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            model: Mutex::default(),
            unread: Mutex::new(KINDS.into()),
            broken: Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl Watched {
    /// The model.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock()
    }

    /// What was not listed yet.
    #[must_use]
    pub fn unread(&self) -> Vec<&'static str> {
        self.unread.lock().iter().copied().collect()
    }

    /// What the API server does not tell of at the moment.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        self.broken.lock().iter().copied().collect()
    }

    fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.model.lock());
        self.changed.notify_one();
    }
}

/// Follows all of it until `stop`.
pub async fn watch(cluster: &Cluster, watched: &Arc<Watched>, stop: &CancellationToken) {
    let client = cluster.client();
    let config = || watcher::Config::default().page_size(PAGE);
    let (key, value) = LABEL;
    // What the issuer remembers, and its account, are its own.
    let maps = config().labels(&format!("{OURS},{key}!={value}"));
    let own = format!(
        "metadata.name!={},metadata.name!={}",
        issue::ACCOUNT,
        issue::ORDERS
    );
    let keys = config().fields(&own);
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE);
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let slices = Api::<EndpointSlice>::all(client);
    let of_web = config().labels(WEB);
    tokio::join!(
        follow(KINDS[0], watched, config_maps, maps, stop, config_map),
        // Those that people bring have no label of ours.
        follow(KINDS[1], watched, secrets, keys, stop, secret),
        follow(KINDS[2], watched, slices, of_web, stop, slice),
    );
}

/// Follows one kind. `take` gets what an object is now, or that it is gone.
async fn follow<K>(
    kind: &'static str,
    watched: &Watched,
    api: Api<K>,
    config: watcher::Config,
    stop: &CancellationToken,
    take: fn(&mut Model, &Name, Option<K>),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let stream = watcher(api, config).default_backoff();
    pin_mut!(stream);
    let mut known = BTreeSet::new();
    let mut listed = BTreeSet::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => event,
        };
        let event = match event {
            None => return,
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                // HAProxy goes on with what it has.
                if watched.broken.lock().insert(kind) {
                    warn!(kind, error = %runtime::Chain(&error), "watch broken");
                }
                continue;
            }
        };
        watched.broken.lock().remove(kind);
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                let name = Name::of(&object);
                take(&mut watched.model.lock(), &name, Some(object));
                listed.insert(name);
            }
            Event::InitDone => {
                let new = std::mem::take(&mut listed);
                info!(kind, objects = new.len(), "listed");
                let gone: Vec<_> = known.difference(&new).cloned().collect();
                known = new;
                watched.change(|model| {
                    for name in &gone {
                        take(model, name, None);
                    }
                });
                watched.unread.lock().remove(kind);
            }
            Event::Apply(object) => {
                let name = Name::of(&object);
                watched.change(|model| take(model, &name, Some(object)));
                known.insert(name);
            }
            Event::Delete(object) => {
                let name = Name::of(&object);
                watched.change(|model| take(model, &name, None));
                known.remove(&name);
            }
        }
    }
}

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    namespace: String,
    name: String,
}

impl Name {
    fn of(object: &impl Resource) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

fn config_map(model: &mut Model, name: &Name, object: Option<ConfigMap>) {
    let data = object.and_then(|object| object.data);
    if name.name == ANSWER {
        model.thumbprint = data
            .and_then(|mut data| data.remove("thumbprint"))
            .filter(|thumbprint| is_name(thumbprint));
    } else if name.name.starts_with("edge-") {
        model.shard(
            &name.name,
            data.as_ref().map(Shard::read).unwrap_or_default(),
        );
    }
}

fn secret(model: &mut Model, name: &Name, object: Option<Secret>) {
    let kind = object.as_ref().and_then(|object| object.type_.clone());
    let data: BTreeMap<String, String> = object
        .and_then(|object| object.data)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes.0).into_owned()))
        .collect();
    if name.name.starts_with("certificates-") {
        let issued: BTreeMap<_, _> = data
            .into_iter()
            .map(|(key, text)| (host_of(&key), Pem::new(text)))
            .collect();
        model.issued(&name.name, issued);
    } else if kind.as_deref() == Some("kubernetes.io/tls") {
        let part = |key: &str| data.get(key).map_or("", String::as_str).trim_end();
        let text = format!("{}\n{}\n", part("tls.key"), part("tls.crt"));
        model.brought(&name.name, Some(Pem::new(text)));
    } else {
        model.brought(&name.name, None);
    }
}

fn slice(model: &mut Model, name: &Name, object: Option<EndpointSlice>) {
    let pods = object.map(|object| endpoints::pods(&object));
    model.slice(&name.namespace, &name.name, pods.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::edge::certificate;
    use jiff::Timestamp;
    use serde_json::json;

    fn name(namespace: &str, name: &str) -> Name {
        Name {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn objects_become_the_model_and_leave_it() {
        let mut model = Model::default();
        let shard = json!({"data": {"backends.map": "www.acme.example shop-acme\n"}});
        let shard = serde_json::from_value(shard).unwrap();
        config_map(&mut model, &name("edge", "edge-03"), Some(shard));
        assert_eq!(model.hosts().count(), 1);
        config_map(&mut model, &name("edge", "edge-03"), None);
        assert_eq!(model.hosts().count(), 0);

        let account = |thumbprint: &str| {
            let object = json!({"data": {"thumbprint": thumbprint}});
            Some(serde_json::from_value(object).unwrap())
        };
        config_map(&mut model, &name("edge", "acme"), account("a-b_c"));
        assert_eq!(model.thumbprint.as_deref(), Some("a-b_c"));
        config_map(&mut model, &name("edge", "acme"), account("a; del map"));
        assert_eq!(model.thumbprint, None);

        let pods = json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}],
            "ports": [{"name": "http", "port": 8080}],
        });
        let pods = serde_json::from_value(pods).unwrap();
        slice(&mut model, &name("shop-acme", "web-1"), Some(pods));
        assert_eq!(model.pods("shop-acme").count(), 1);
        slice(&mut model, &name("shop-acme", "web-1"), None);
        assert_eq!(model.pods("shop-acme").count(), 0);
    }

    #[test]
    fn a_bad_certificate_goes_nowhere_and_the_one_before_it_stays() {
        let good = |host: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let parameters = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
            key.serialize_pem() + &parameters.self_signed(&key).unwrap().pem()
        };
        let issued = |text: &str| {
            let data = json!({"stringData": {}, "data": {}});
            let mut object: Secret = serde_json::from_value(data).unwrap();
            let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
            object.data = Some([("www.acme.example".to_owned(), bytes)].into());
            Some(object)
        };
        let mut model = Model::default();
        let shard = certificate::shard_of("www.acme.example");
        let shard = name("edge", &certificate::shard_name(shard));
        let mut is = |text: &str| {
            secret(&mut model, &shard, issued(text));
            model.check(Timestamp::now());
            let there = model.certificates().get("www.acme.example");
            (
                there.map(|pem| pem.digest().to_owned()),
                model.refused().len(),
            )
        };
        assert_eq!(is("junk"), (None, 1));
        let (first, second) = (good("www.acme.example"), good("www.acme.example"));
        let of = |text: &str| Some(Pem::new(text).digest().to_owned());
        assert_eq!(is(&first), (of(&first), 0));
        assert_eq!(is("-----BEGIN CERTIFICATE-----\n"), (of(&first), 1));
        assert_eq!(is(&good("other.example")), (of(&first), 1));
        assert_eq!(is(&second), (of(&second), 0));
    }
}
