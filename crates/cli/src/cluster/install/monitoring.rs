//! Who reads metrics, and what wakes people: PodMonitor and PrometheusRule of the Prometheus operator.

use super::{meta, scheduler};
use api::Object;
use api::SYSTEM;
use kube::core::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

/// The agents' alerts, the same as for a Prometheus without an operator.
const AGENT_ALERTS: &str = include_str!("../../../../../manifests/monitoring/alerts.yaml");
/// The scheduler's own.
const SCHEDULER_ALERTS: &str = include_str!("../../../../../manifests/monitoring/scheduler-alerts.yaml");
const API: &str = "monitoring.coreos.com/v1";

// The operator's types are no part of Kubernetes' own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: Value,
}

fn object(kind: &'static str, name: &str, spec: Value) -> Object {
    let resource = Resource { api_version: API, kind, metadata: meta(name), spec };
    Object::of_kind(API, kind, &resource.metadata, &resource)
}

pub(super) fn objects() -> Vec<Object> {
    vec![
        // By label, in all namespaces: one object for all shops.
        object(
            "PodMonitor",
            "longshore-agent",
            json!({
                "namespaceSelector": { "any": true },
                "selector": { "matchExpressions": [{ "key": "longshore.dev/shop", "operator": "Exists" }] },
                "podMetricsEndpoints": [{
                    "port": "agent",
                    "interval": "30s",
                    "relabelings": [{ "targetLabel": "job", "replacement": "longshore-agent" }],
                }],
            }),
        ),
        object(
            "PodMonitor",
            "longshore-scheduler",
            json!({
                "namespaceSelector": { "matchNames": [SYSTEM] },
                "selector": { "matchLabels": scheduler::own_labels() },
                "podMetricsEndpoints": [{
                    "port": "metrics",
                    "interval": "30s",
                    "relabelings": [{ "targetLabel": "job", "replacement": "longshore-scheduler" }],
                }],
            }),
        ),
        // A file of this repository, which the tests read.
        object("PrometheusRule", "longshore-scheduler", serde_saphyr::from_str(SCHEDULER_ALERTS).unwrap_or_default()),
        object("PrometheusRule", "longshore-agent", serde_saphyr::from_str(AGENT_ALERTS).unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_alerts_are_all_there() {
        let rule = objects().pop().unwrap().value();
        let alerts = rule["spec"]["groups"][0]["rules"].as_array().unwrap().len();
        assert_eq!(alerts, AGENT_ALERTS.matches("- alert:").count());
    }
}
