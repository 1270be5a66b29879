//! What the API server says, taken into the model.

use super::{
    endpoints::{self, Pod},
    lines::{Shard, is_name},
    model::Model,
    pem::Pem,
};
use api::edge::{
    NAMESPACE,
    certificate::{LABEL, host_of},
};
use client::{Cluster, OURS, Watch, WatchEvent, follow};
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{ConfigMap, Secret},
        discovery::v1::EndpointSlice,
    },
};
use kube::{Api, Resource, ResourceExt as _, runtime::watcher::Config};
use parking_lot::{Mutex, MutexGuard};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    mem,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

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

    /// Follows one kind. `keep` makes what is held of an object, and `take` takes in what it is
    /// now, or that it is gone.
    async fn follow<K, T>(
        &self,
        kind: &'static str,
        api: Api<K>,
        config: Config,
        stop: &CancellationToken,
        keep: impl Fn(K) -> T,
        take: fn(&mut Model, &Name, Option<T>),
    ) where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let watch = Watch {
            what: kind,
            api,
            config,
            lists: None,
        };
        let keep = |object: K| Some((Name::new(&object), keep(object)));
        let mut known = BTreeSet::new();
        let change = |change: WatchEvent<(Name, T)>| match change {
            WatchEvent::All(all) => {
                let new = all.iter().map(|(name, _)| name.clone()).collect();
                let old = mem::replace(&mut known, new);
                self.change(|model| {
                    for name in old.difference(&known) {
                        take(model, name, None);
                    }
                    for (name, kept) in all {
                        take(model, &name, Some(kept));
                    }
                });
                self.unread.lock().remove(kind);
            }
            WatchEvent::Applied((name, kept)) => {
                self.change(|model| take(model, &name, Some(kept)));
                known.insert(name);
            }
            WatchEvent::Deleted((name, _)) => {
                self.change(|model| take(model, &name, None));
                known.remove(&name);
            }
            // HAProxy goes on with what it has.
            WatchEvent::Broken => {
                self.broken.lock().insert(kind);
            }
            WatchEvent::Mended => {
                self.broken.lock().remove(kind);
            }
        };
        follow(watch, stop, keep, change).await;
    }

    fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.model.lock());
        self.changed.notify_one();
    }
}

/// Follows all of it until `stop`.
pub async fn watch(cluster: &Cluster, watched: &Watched, stop: &CancellationToken) {
    let client = cluster.client();
    let config = || Config::default().page_size(PAGE);
    let (key, value) = LABEL;
    // What the issuer remembers is its own.
    let maps = config().labels(&format!("{OURS},{key}!={value}"));
    let config_maps = Api::namespaced(client.clone(), NAMESPACE);
    let secrets = Api::namespaced(client.clone(), NAMESPACE);
    let slices = Api::all(client);
    let of_web = config().labels(WEB);
    let pods = |slice: EndpointSlice| endpoints::pods(&slice);
    tokio::join!(
        watched.follow(KINDS[0], config_maps, maps, stop, data, config_map),
        // Those that people bring have no label of ours.
        watched.follow(KINDS[1], secrets, config(), stop, certificates, secret),
        watched.follow(KINDS[2], slices, of_web, stop, pods, slice),
    );
}

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    namespace: String,
    name: String,
}

impl Name {
    fn new(object: &impl Resource) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

fn data(map: ConfigMap) -> BTreeMap<String, String> {
    map.data.unwrap_or_default()
}

fn config_map(model: &mut Model, name: &Name, data: Option<BTreeMap<String, String>>) {
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

/// What a Secret has.
#[derive(Debug)]
enum Certificates {
    /// The issuer's, by host.
    Issued(BTreeMap<String, Pem>),
    /// One that somebody brought.
    Brought(Pem),
    /// None.
    None,
}

fn certificates(secret: Secret) -> Certificates {
    let (name, data) = (secret.name_any(), secret.data.unwrap_or_default());
    let text = |bytes: &ByteString| String::from_utf8_lossy(&bytes.0).into_owned();
    if name.starts_with("certificates-") {
        let issued = data.iter();
        Certificates::Issued(
            issued
                .map(|(key, bytes)| (host_of(key), Pem::issued(text(bytes))))
                .collect(),
        )
    } else if secret.type_.as_deref() == Some("kubernetes.io/tls") {
        let part = |key: &str| data.get(key).map(text).unwrap_or_default();
        let (key, chain) = (part("tls.key"), part("tls.crt"));
        Certificates::Brought(Pem::new(format!(
            "{}\n{}\n",
            key.trim_end(),
            chain.trim_end()
        )))
    } else {
        Certificates::None
    }
}

fn secret(model: &mut Model, name: &Name, certificates: Option<Certificates>) {
    let (issued, brought) = match certificates {
        Some(Certificates::Issued(issued)) => (issued, None),
        Some(Certificates::Brought(pem)) => (BTreeMap::new(), Some(pem)),
        Some(Certificates::None) | None => (BTreeMap::new(), None),
    };
    model.issued(&name.name, issued);
    model.brought(&name.name, brought);
}

fn slice(model: &mut Model, name: &Name, pods: Option<BTreeMap<String, Pod>>) {
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
        let shard = [("backends.map", "www.acme.example shop-acme\n")];
        let shard = shard
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .into();
        config_map(&mut model, &name("edge", "edge-03"), Some(shard));
        assert_eq!(model.hosts().count(), 1);
        config_map(&mut model, &name("edge", "edge-03"), None);
        assert_eq!(model.hosts().count(), 0);

        let account =
            |thumbprint: &str| Some([("thumbprint".to_owned(), thumbprint.to_owned())].into());
        config_map(&mut model, &name("edge", "acme"), account("a-b_c"));
        assert_eq!(model.thumbprint.as_deref(), Some("a-b_c"));
        config_map(&mut model, &name("edge", "acme"), account("a; del map"));
        assert_eq!(model.thumbprint, None);

        let pods = json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}],
            "ports": [{"name": "http", "port": 8080}],
        });
        let pods = endpoints::pods(&serde_json::from_value(pods).unwrap());
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
            let bytes = ByteString(text.as_bytes().to_vec());
            let mut object = Secret::default();
            object.metadata.name = Some("certificates-0a".to_owned());
            object.data = Some([("www.acme.example".to_owned(), bytes)].into());
            Some(certificates(object))
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

        // A process that starts has the one before it from HAProxy's files, and no others.
        let mut next = Model::default();
        let host = |name: &str| (name.to_owned(), Pem::new(second.as_str()));
        next.keep([host("www.acme.example"), host("gone.example")].into());
        secret(&mut next, &shard, issued("junk"));
        next.check(Timestamp::now());
        let kept: Vec<_> = next.certificates().keys().collect();
        assert_eq!(kept, ["www.acme.example"]);
    }
}
