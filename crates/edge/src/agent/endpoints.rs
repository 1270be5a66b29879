//! The pods of a shop, as its `EndpointSlices` name them.

use super::lines::is_name;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use std::{collections::BTreeMap, net::SocketAddr};

/// What a pod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It takes requests.
    Ready,
    /// It is about to end, and still answers.
    Terminating,
    /// It answers nobody new.
    Unready,
}

/// A pod's shop, and its own name.
pub type PodName = (String, String);

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Where it listens.
    pub address: SocketAddr,
    /// The zone of its node.
    pub zone: Option<String>,
    /// What it does.
    pub state: State,
}

/// The pods of a slice, by name. An endpoint without a name has that of its address.
#[must_use]
pub fn pods(slice: &EndpointSlice) -> BTreeMap<String, Pod> {
    let port = slice
        .ports
        .iter()
        .flatten()
        .find(|port| port.name.as_deref() == Some("http"))
        .and_then(|port| u16::try_from(port.port?).ok());
    let Some(port) = port else {
        return BTreeMap::new();
    };
    slice
        .endpoints
        .iter()
        .flat_map(|endpoints| endpoints.iter())
        .filter_map(|endpoint| pod(endpoint, port))
        .collect()
}

fn pod(endpoint: &Endpoint, port: u16) -> Option<(String, Pod)> {
    // All addresses of an endpoint are the same pod's (discovery.k8s.io/v1).
    let address = SocketAddr::new(endpoint.addresses.first()?.parse().ok()?, port);
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    // What is not said counts as it did before there were conditions: yes, yes and no.
    let ready = conditions.ready.unwrap_or(true);
    let serving = conditions.serving.unwrap_or(ready);
    let state = match (ready, serving, conditions.terminating.unwrap_or(false)) {
        (true, _, false) => State::Ready,
        (_, true, true) => State::Terminating,
        _ => State::Unready,
    };
    let name = endpoint
        .target_ref
        .as_ref()
        .and_then(|target| target.name.clone())
        .filter(|name| is_name(name))
        .unwrap_or_else(|| address.to_string().replace([':', '[', ']'], "-"));
    let zone = endpoint.zone.clone();
    Some((
        name,
        Pod {
            address,
            zone,
            state,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_pod_is_what_its_conditions_say() {
        let endpoint = |name: &str, conditions: &Value| {
            json!({
                "addresses": ["10.0.0.1"],
                "conditions": conditions,
                "targetRef": {"kind": "Pod", "name": name},
                "zone": "a",
            })
        };
        let slice = serde_json::from_value(json!({
            "addressType": "IPv4",
            "endpoints": [
                endpoint(
                    "ready",
                    &json!({"ready": true, "serving": true, "terminating": false}),
                ),
                endpoint(
                    "leaving",
                    &json!({"ready": false, "serving": true, "terminating": true}),
                ),
                endpoint(
                    "failing",
                    &json!({"ready": false, "serving": false, "terminating": false}),
                ),
                endpoint(
                    "left",
                    &json!({"ready": false, "serving": false, "terminating": true}),
                ),
                {"addresses": ["10.0.0.9"]},
                {"addresses": ["no address"]},
            ],
            "ports": [{"name": "metrics", "port": 9808}, {"name": "http", "port": 8080}],
        }))
        .unwrap();
        let pods = pods(&slice);
        let states: Vec<_> = pods
            .iter()
            .map(|(name, pod)| (name.as_str(), pod.state))
            .collect();
        assert_eq!(
            states,
            [
                ("10.0.0.9-8080", State::Ready),
                ("failing", State::Unready),
                ("leaving", State::Terminating),
                ("left", State::Unready),
                ("ready", State::Ready),
            ]
        );
        assert_eq!(pods["ready"].address, "10.0.0.1:8080".parse().unwrap());
        assert_eq!(pods["ready"].zone.as_deref(), Some("a"));
    }

    #[test]
    fn a_slice_without_our_port_has_no_pods() {
        let slice = serde_json::from_value(json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}],
            "ports": [{"name": "other", "port": 1}],
        }))
        .unwrap();
        assert!(pods(&slice).is_empty());
    }
}
