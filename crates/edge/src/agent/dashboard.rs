//! The dashboard for Grafana, made of the same metrics as the page that lists them.

use super::metrics::ALL;
use serde_json::{Value, json};

/// Panels beside each other; Grafana's grid has 24 columns.
const COLUMNS: usize = 3;
const WIDTH: usize = 24 / COLUMNS;
const HEIGHT: usize = 7;

/// What HAProxy's own exporter says of visitors: title, query, and what its lines are called.
const VISITORS: [(&str, &str, &str); 3] = [
    (
        "Answers in a second, by status",
        "sum by (code) (rate(haproxy_frontend_http_responses_total{proxy=\"secure\"}[5m]))",
        "{{code}}",
    ),
    (
        "Connections of visitors",
        "sum(haproxy_frontend_current_sessions{proxy=\"secure\"})",
        "connections",
    ),
    (
        "Bytes to visitors in a second",
        "sum(rate(haproxy_frontend_bytes_out_total{proxy=\"secure\"}[5m]))",
        "bytes",
    ),
];

/// The dashboard, as Grafana imports it.
#[must_use]
pub fn dashboard() -> String {
    let ours = ALL.iter().map(|(name, kind, help)| {
        let expression = if *kind == "counter" {
            format!("sum by (pod) (rate({name}[5m]))")
        } else if name.contains("_shop_") {
            format!("topk(10, sum by (shop) ({name}))")
        } else {
            (*name).to_owned()
        };
        let line = if name.contains("_shop_") {
            "{{shop}}"
        } else {
            "{{pod}}"
        };
        (help.trim_end_matches('.').to_owned(), expression, line)
    });
    let visitors = VISITORS
        .iter()
        .map(|(title, expression, line)| ((*title).to_owned(), (*expression).to_owned(), *line));
    let panels: Vec<Value> = visitors
        .chain(ours)
        .enumerate()
        .map(|(at, (title, expression, line))| panel(at, &title, &expression, line))
        .collect();
    let variable = json!({ "name": "datasource", "type": "datasource", "query": "prometheus" });
    let dashboard = json!({
        "uid": "longshore-edge", "title": "Longshore: the edge", "tags": ["longshore"],
        "schemaVersion": 39, "refresh": "30s", "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": [variable] },
        "panels": panels,
    });
    // Maps whose keys are text become JSON in any case.
    serde_json::to_string_pretty(&dashboard).unwrap_or_default() + "\n"
}

fn panel(at: usize, title: &str, expression: &str, line: &str) -> Value {
    json!({
        "id": at + 1, "type": "timeseries", "title": title,
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "gridPos": { "x": at % COLUMNS * WIDTH, "y": at / COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT },
        "targets": [{ "refId": "A", "expr": expression, "legendFormat": line }],
    })
}
