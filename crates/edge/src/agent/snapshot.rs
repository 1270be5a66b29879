//! HAProxy at one moment: how it should be, and in the same terms how it is.

use super::{
    endpoints::{Pod, State},
    lines::Target,
    model::Model,
    pem::Pem,
    slots::Slots,
    touched::Touched,
    visits::waits,
};
use std::{collections::BTreeMap, net::SocketAddr};

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
pub struct Locality {
    /// The zone of its node.
    pub zone: Option<String>,
    /// How many of its kind share each pod's workers.
    pub replicas: u32,
}

/// How HAProxy should be, as far as these hosts and shops are concerned.
#[must_use]
pub fn desired(
    model: &Model,
    slots: &Slots,
    place: &Locality,
    caps: &BTreeMap<String, u32>,
    of: &Touched,
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
    for host in &of.hosts {
        match model.target(host) {
            Some(Target::Shop(shop)) => line(HOSTS, host, shop.clone()),
            Some(Target::Redirect(to)) => {
                line(REDIRECTS, host, to.clone());
                line(HOSTS, host, "-".to_owned());
            }
            Some(Target::Closed(why)) => {
                line(CLOSED, host, why.clone());
                line(HOSTS, host, "-".to_owned());
            }
            None => {}
        }
        if let Some(pem) = model.certificates().get(host) {
            let file = file_of(host, pem);
            snapshot.certificates.insert(file, host.clone());
        }
    }
    if let Some(thumbprint) = &model.thumbprint {
        line(ACME, "thumbprint", thumbprint.clone());
    }
    for shop in &of.shops {
        if let Some(cap) = caps.get(shop) {
            line(CAPS, shop, cap.to_string());
        }
        if let Some(slot) = slots.line(shop) {
            line(SLOTS, shop, slot);
        }
        let Some(slot) = slots.slot(shop) else {
            continue;
        };
        let settings = model.shop(shop);
        let hsts = settings.map_or(0, |settings| settings.hsts_seconds);
        if hsts > 0 {
            line(HSTS, shop, format!("max-age={hsts}"));
        }
        let workers = settings.map_or(1, |settings| settings.workers);
        let connections = workers.div_ceil(place.replicas.max(1)).max(1);
        let to_zero = settings.is_some_and(|settings| settings.to_zero);
        if to_zero && waits(model, shop) {
            line(WAITING, shop, slot.clone());
        }
        let mut pods = model.pods(shop);
        let any = pods.any(|(name, pod)| model.answers(shop, name, pod));
        for (name, pod) in model.pods(shop) {
            let server = Server {
                address: pod.address,
                connections,
                weight: weight(pod, place),
                serving: match pod.state {
                    State::Ready if model.answers(shop, name, pod) || !any => Serving::Yes,
                    // Better than nobody, as kube-proxy does it. A shop that is scaled to zero gets
                    // another one instead.
                    State::Terminating if !any && !to_zero => Serving::Yes,
                    State::Ready | State::Terminating | State::Unready => Serving::Draining,
                },
            };
            let key = (slot.clone(), name.to_owned());
            snapshot.servers.insert(key, server);
        }
    }
    snapshot
}

impl Snapshot {
    /// What of it is these hosts' and shops'.
    #[must_use]
    pub fn only(&self, of: &Touched, slots: &Slots) -> Self {
        let lines = |(map, lines): (&&'static str, &BTreeMap<String, String>)| {
            let keys = match *map {
                HOSTS | REDIRECTS | CLOSED => &of.hosts,
                ACME => return (*map, lines.clone()),
                _ => &of.shops,
            };
            let there = keys.iter().filter_map(|key| lines.get_key_value(key));
            (
                *map,
                there
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            )
        };
        let certificates = of.hosts.iter().flat_map(|host| {
            let prefix = prefix_of(host);
            let files = self.certificates.range(prefix.clone()..);
            files
                .take_while(move |(file, _)| file.starts_with(&prefix))
                .filter(move |(_, of)| *of == host)
        });
        let servers = of.shops.iter().filter_map(|shop| slots.line(shop));
        let servers = servers.flat_map(|slot| self.servers_of(&slot).collect::<Vec<_>>());
        Self {
            maps: self.maps.iter().map(lines).collect(),
            servers: servers
                .map(|(key, server)| (key.clone(), server.clone()))
                .collect(),
            certificates: certificates
                .map(|(file, host)| (file.clone(), host.clone()))
                .collect(),
            slots: self.slots,
        }
    }

    /// The servers of a slot.
    pub fn servers_of(&self, slot: &str) -> impl Iterator<Item = (&(String, String), &Server)> {
        let from = (slot.to_owned(), String::new());
        let rest = self.servers.range(from..);
        rest.take_while(move |((of, _), _)| of == slot)
    }
}

/// The file of a host's certificate. Another certificate is another file, so that which one HAProxy
/// has is told by its name.
#[must_use]
pub fn file_of(host: &str, pem: &Pem) -> String {
    format!("{}{}.pem", prefix_of(host), pem.digest())
}

/// How the names of a host's files begin; so do those of some other hosts.
fn prefix_of(host: &str) -> String {
    format!("certificates/{}-", host.replace('*', "_wildcard"))
}

fn weight(pod: &Pod, place: &Locality) -> u16 {
    match (&pod.zone, &place.zone) {
        (Some(theirs), Some(ours)) if theirs != ours => FAR,
        _ => NEAR,
    }
}
