//! What is to be done so that one snapshot becomes another, in an order in which no request fails:
//! what is needed comes first, then what needs it, and what nobody needs any more goes last.

use super::snapshot::{Server, Serving, Snapshot};
use std::collections::BTreeMap;

/// One change of a running HAProxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A certificate is loaded from a file that is there.
    AddCertificate {
        /// Its file.
        file: String,
        /// The host that it is for.
        host: String,
    },
    /// A certificate is forgotten.
    RemoveCertificate {
        /// Its file.
        file: String,
    },
    /// A backend gets a server.
    AddServer {
        /// The backend.
        slot: String,
        /// The server.
        name: String,
        /// What it is.
        server: Server,
    },
    /// A server gets more or fewer requests.
    Weight(String, String, u16),
    /// A server may have more or fewer requests at once.
    Connections(String, String, u32),
    /// A server gets requests, or none any more.
    Serve(String, String, Serving),
    /// A server is deleted.
    RemoveServer(String, String),
    /// A line of a map is added.
    AddLine(&'static str, String, String),
    /// A line of a map has another value.
    SetLine(&'static str, String, String),
    /// A line of a map is removed.
    RemoveLine(&'static str, String),
}

/// The steps from `actual` to `desired`.
#[must_use]
pub fn difference(actual: &Snapshot, desired: &Snapshot) -> Vec<Step> {
    let (mut first, mut lines, mut last) = (Vec::new(), Vec::new(), Vec::new());
    servers(actual, desired, &mut first, &mut last);
    certificates(actual, desired, &mut first, &mut last);
    for (map, wanted) in &desired.maps {
        let empty = BTreeMap::new();
        let there = actual.maps.get(map).unwrap_or(&empty);
        for (key, value) in wanted {
            match there.get(key) {
                None => lines.push(Step::AddLine(map, key.clone(), value.clone())),
                Some(old) if old != value => {
                    lines.push(Step::SetLine(map, key.clone(), value.clone()));
                }
                Some(_) => {}
            }
        }
        let gone = there.keys().filter(|key| !wanted.contains_key(*key));
        last.extend(gone.map(|key| Step::RemoveLine(map, key.clone())));
    }
    first.append(&mut lines);
    first.append(&mut last);
    first
}

fn servers(actual: &Snapshot, desired: &Snapshot, first: &mut Vec<Step>, last: &mut Vec<Step>) {
    for ((slot, name), wanted) in &desired.servers {
        let names = || (slot.clone(), name.clone());
        let (slot_name, server_name) = names();
        match actual
            .servers
            .get(&(slot_name.clone(), server_name.clone()))
        {
            // Nobody's request is there that could be finished.
            None if wanted.serving == Serving::Draining => {}
            None => first.push(add(slot_name, server_name, wanted)),
            // A pod that has another address is another pod.
            Some(there) if there.address != wanted.address => {
                first.push(Step::Serve(names().0, names().1, Serving::No));
                first.push(Step::RemoveServer(names().0, names().1));
                first.push(add(slot_name, server_name, wanted));
            }
            Some(there) => {
                if there.weight != wanted.weight {
                    first.push(Step::Weight(names().0, names().1, wanted.weight));
                }
                if there.connections != wanted.connections {
                    first.push(Step::Connections(names().0, names().1, wanted.connections));
                }
                if there.serving != wanted.serving {
                    first.push(Step::Serve(slot_name, server_name, wanted.serving));
                }
            }
        }
    }
    for ((slot, name), there) in &actual.servers {
        if desired.servers.contains_key(&(slot.clone(), name.clone())) {
            continue;
        }
        if there.serving != Serving::No {
            first.push(Step::Serve(slot.clone(), name.clone(), Serving::No));
        }
        last.push(Step::RemoveServer(slot.clone(), name.clone()));
    }
}

fn add(slot: String, name: String, server: &Server) -> Step {
    let server = server.clone();
    Step::AddServer { slot, name, server }
}

fn certificates(
    actual: &Snapshot,
    desired: &Snapshot,
    first: &mut Vec<Step>,
    last: &mut Vec<Step>,
) {
    for (file, host) in &desired.certificates {
        if !actual.certificates.contains_key(file) {
            first.push(Step::AddCertificate {
                file: file.clone(),
                host: host.clone(),
            });
        }
    }
    for file in actual.certificates.keys() {
        if !desired.certificates.contains_key(file) {
            last.push(Step::RemoveCertificate { file: file.clone() });
        }
    }
}

impl Step {
    /// What a snapshot is once this was done.
    pub fn apply(&self, snapshot: &mut Snapshot) {
        match self {
            Self::AddCertificate { file, host } => {
                snapshot.certificates.insert(file.clone(), host.clone());
            }
            Self::RemoveCertificate { file } => {
                snapshot.certificates.remove(file);
            }
            Self::AddServer { slot, name, server } => {
                let key = (slot.clone(), name.clone());
                snapshot.servers.insert(key, server.clone());
            }
            Self::Weight(slot, name, weight) => {
                change(snapshot, slot, name, |server| server.weight = *weight);
            }
            Self::Connections(slot, name, connections) => {
                change(snapshot, slot, name, |server| {
                    server.connections = *connections;
                });
            }
            Self::Serve(slot, name, serving) => {
                change(snapshot, slot, name, |server| server.serving = *serving);
            }
            Self::RemoveServer(slot, name) => {
                snapshot.servers.remove(&(slot.clone(), name.clone()));
            }
            Self::AddLine(map, key, value) | Self::SetLine(map, key, value) => {
                let lines = snapshot.maps.entry(map).or_default();
                lines.insert(key.clone(), value.clone());
            }
            Self::RemoveLine(map, key) => {
                snapshot.maps.entry(map).or_default().remove(key);
            }
        }
    }
}

fn change(snapshot: &mut Snapshot, slot: &str, name: &str, change: impl FnOnce(&mut Server)) {
    if let Some(server) = snapshot
        .servers
        .get_mut(&(slot.to_owned(), name.to_owned()))
    {
        change(server);
    }
}
