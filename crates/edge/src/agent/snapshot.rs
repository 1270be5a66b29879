//! HAProxy at one moment: how it should be, and in the same terms how it is.

use super::{
    endpoints::{Pod, State},
    lines::Target,
    model::Model,
    pem::Pem,
    slots::Slots,
    visits::waits,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// The maps, by the names that HAProxy's configuration has for them.
pub const MAPS: [&str; 8] = [HOSTS, REDIRECTS, CLOSED, SLOTS, HSTS, CAPS, ACME, WAITING];
const HOSTS: &str = "hosts.map";
const REDIRECTS: &str = "redirects.map";
const CLOSED: &str = "closed.map";
/// Which slot each shop has.
pub const SLOTS: &str = "slots.map";
const HSTS: &str = "hsts.map";
/// Requests in a second that shops may have, while HAProxy is overloaded.
const CAPS: &str = "caps.map";
const ACME: &str = "acme.map";
/// The slots of shops that may have no pods and have none that is ready: their visitors wait.
const WAITING: &str = "waiting.map";

/// The weight of a pod: HAProxy's highest, so that there is room below it.
const NEAR: u16 = 256;
/// That of a pod in another zone, where a request costs money and a millisecond.
const FAR: u16 = 32;

/// What a server does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// It gets its share.
    Yes,
    /// It finishes those that it has.
    Draining,
    /// It is about to be deleted.
    No,
}

/// A server of a backend: one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Requests at once.
    pub connections: u32,
    /// Its share, from 1 to 256.
    pub weight: u16,
    /// What it does with requests.
    pub serving: Serving,
}

/// HAProxy at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Contents of each of [`MAPS`].
    pub maps: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// Servers, by slot and pod.
    pub servers: BTreeMap<(String, String), Server>,
    /// Files of certificates, and the host of each.
    pub certificates: BTreeMap<String, String>,
    /// How many slots there are, whoever has them.
    pub slots: u32,
}

/// Where an agent is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The zone of its node.
    pub zone: Option<String>,
    /// How many of its kind share each pod's workers.
    pub replicas: u32,
}

/// The shops that need a slot.
#[must_use]
pub fn shops(model: &Model) -> BTreeSet<&str> {
    let targets = model.hosts().filter_map(|(_, target)| match target {
        Target::Shop(shop) => Some(shop.as_str()),
        Target::Redirect(_) | Target::Closed(_) => None,
    });
    targets.collect()
}

/// How HAProxy should be.
#[must_use]
pub fn desired(
    model: &Model,
    slots: &Slots,
    place: &Place,
    caps: &BTreeMap<String, u32>,
) -> Snapshot {
    let mut snapshot = Snapshot {
        maps: MAPS.map(|map| (map, BTreeMap::new())).into(),
        slots: slots.count(),
        ..Snapshot::default()
    };
    let mut line = |map: &'static str, key: &str, value: String| {
        let lines = snapshot.maps.entry(map).or_default();
        lines.insert(key.to_owned(), value);
    };
    for (host, target) in model.hosts() {
        let shop = match target {
            Target::Shop(shop) => shop.clone(),
            Target::Redirect(to) => {
                line(REDIRECTS, host, to.clone());
                "-".to_owned()
            }
            Target::Closed(why) => {
                line(CLOSED, host, why.clone());
                "-".to_owned()
            }
        };
        line(HOSTS, host, shop);
    }
    if let Some(thumbprint) = &model.thumbprint {
        line(ACME, "thumbprint", thumbprint.clone());
    }
    for (shop, cap) in caps {
        line(CAPS, shop, cap.to_string());
    }
    for (shop, slot) in slots.lines() {
        line(SLOTS, shop, slot);
    }
    let known = model.shops();
    for shop in shops(model) {
        let Some(slot) = slots.of(shop) else { continue };
        let settings = known.get(shop);
        let hsts = settings.map_or(0, |settings| settings.hsts_seconds);
        if hsts > 0 {
            line(HSTS, shop, format!("max-age={hsts}"));
        }
        let workers = settings.map_or(1, |settings| settings.workers);
        let connections = workers.div_ceil(place.replicas.max(1)).max(1);
        let to_zero = settings.is_some_and(|settings| settings.to_zero);
        if waits(model, shop, to_zero) {
            line(WAITING, shop, slot.clone());
        }
        let pods: Vec<_> = model.pods(shop).collect();
        let any_ready = pods.iter().any(|(_, pod)| pod.state == State::Ready);
        for (name, pod) in pods {
            let server = Server {
                address: pod.address,
                connections,
                weight: weight(pod, place),
                serving: match pod.state {
                    State::Ready => Serving::Yes,
                    // Better than nobody, as kube-proxy does it. A shop that is scaled to zero gets
                    // another one instead.
                    State::Terminating if !any_ready && !to_zero => Serving::Yes,
                    State::Terminating | State::Unready => Serving::Draining,
                },
            };
            let key = (slot.clone(), name.to_owned());
            snapshot.servers.insert(key, server);
        }
    }
    snapshot.certificates = model
        .certificates()
        .iter()
        .map(|(host, pem)| (file_of(host, pem), host.clone()))
        .collect();
    snapshot
}

/// The file of a host's certificate. Another certificate is another file, so that which one HAProxy
/// has is told by its name.
#[must_use]
pub fn file_of(host: &str, pem: &Pem) -> String {
    let host = host.replace('*', "_wildcard");
    format!("certificates/{host}-{}.pem", pem.digest())
}

fn weight(pod: &Pod, place: &Place) -> u16 {
    match (&pod.zone, &place.zone) {
        (Some(theirs), Some(ours)) if theirs != ours => FAR,
        _ => NEAR,
    }
}
