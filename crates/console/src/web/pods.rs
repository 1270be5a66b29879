//! A shop's pods, as rows: where each is, and how it is.

use crate::{page::Moment, text};
use k8s_openapi::{
    api::core::v1::{Pod, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// Pods that are shown: shops have fewer, but for Jobs that have ended.
const ROWS: usize = 30;
/// Kubernetes copies it from the node, from 1.35 on.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The pods of a shop.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// Those that run first.
    pub(super) rows: Vec<Row>,
    /// How many others there are.
    pub(super) more: usize,
}

/// A pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) since: Option<Moment>,
    pub(super) state: &'static str,
    pub(super) restarts: i32,
    /// Empty while it has none.
    pub(super) node: String,
    pub(super) zone: String,
    over: bool,
}

impl Pods {
    pub(super) fn new(pods: Vec<Pod>) -> Self {
        let mut rows: Vec<_> = pods.into_iter().map(Row::new).collect();
        rows.sort_by(|one, other| (one.over, &one.name).cmp(&(other.over, &other.name)));
        let more = rows.len().saturating_sub(ROWS);
        rows.truncate(ROWS);
        Self { rows, more }
    }
}

impl Row {
    fn new(pod: Pod) -> Self {
        let status = pod.status.unwrap_or_default();
        let ends = pod.metadata.deletion_timestamp.is_some();
        let (state, over) = state(&status, ends);
        let mut labels = pod.metadata.labels.unwrap_or_default();
        Self {
            name: pod.metadata.name.unwrap_or_default(),
            since: pod
                .metadata
                .creation_timestamp
                .map(|Time(at)| Moment::new(at)),
            state,
            restarts: status
                .container_statuses
                .iter()
                .flatten()
                .map(|container| container.restart_count)
                .sum(),
            node: pod.spec.and_then(|spec| spec.node_name).unwrap_or_default(),
            zone: labels.remove(ZONE).unwrap_or_default(),
            over,
        }
    }
}

/// In a word, and whether that is its last.
fn state(status: &PodStatus, ends: bool) -> (&'static str, bool) {
    let is = |kind: &str| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.any(|it| it.type_ == kind && it.status == "True")
    };
    match status.phase.as_deref() {
        Some("Succeeded") => (text::POD_DONE, true),
        Some("Failed") => (text::POD_FAILED, true),
        _ if ends => (text::POD_ENDS, false),
        _ if is("Ready") => (text::POD_READY, false),
        Some("Running") => (text::POD_NOT_READY, false),
        _ if is("PodScheduled") => (text::POD_STARTS, false),
        _ => (text::POD_WAITS, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { ZONE: "z1" } },
            "spec": { "nodeName": "n1", "containers": [] }, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_says_where_and_how_it_is_and_those_that_are_over_come_last() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let restarted = json!([{
            "name": "nginx", "restartCount": 2, "image": "", "imageID": "", "ready": true,
        }]);
        let pods = Pods::new(vec![
            pod("backup", &json!({ "phase": "Failed" })),
            pod("web-2", &json!({ "phase": "Pending" })),
            pod(
                "web-1",
                &json!({ "phase": "Running", "conditions": ready, "containerStatuses": restarted }),
            ),
        ]);
        let rows = pods.rows.iter();
        let rows: Vec<_> = rows
            .map(|row| (&*row.name, row.state, row.restarts))
            .collect();
        let expected = [
            ("web-1", text::POD_READY, 2),
            ("web-2", text::POD_WAITS, 0),
            ("backup", text::POD_FAILED, 0),
        ];
        assert_eq!(rows, expected);
        assert_eq!((&*pods.rows[0].node, &*pods.rows[0].zone), ("n1", "z1"));
        assert_eq!(pods.more, 0);
    }

    #[test]
    fn more_than_fit_are_counted() {
        let many = (0..100).map(|number| pod(&format!("web-{number:03}"), &json!({})));
        let pods = Pods::new(many.collect());
        assert_eq!((pods.rows.len(), pods.more), (30, 70));
    }
}
