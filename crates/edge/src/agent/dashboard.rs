//! The dashboard for Grafana, made of the same metrics as the page that lists them.

use super::metrics::ALL;
use runtime::dashboard::Panel;

/// What HAProxy's own exporter says of visitors: title, query, what its lines are called, and unit.
const VISITORS: [(&str, &str, &str, &str); 3] = [
    (
        "Answers in a second, by status",
        "sum by (code) (rate(haproxy_frontend_http_responses_total{proxy=\"secure\"}[5m]))",
        "{{code}}",
        "short",
    ),
    (
        "Connections of visitors",
        "sum(haproxy_frontend_current_sessions{proxy=\"secure\"})",
        "connections",
        "short",
    ),
    (
        "Bytes to visitors in a second",
        "sum(rate(haproxy_frontend_bytes_out_total{proxy=\"secure\"}[5m]))",
        "bytes",
        "bytes",
    ),
];

/// The dashboard, as Grafana imports it.
#[must_use]
pub fn dashboard() -> String {
    let visitors = VISITORS
        .iter()
        .map(|(title, expression, line, unit)| Panel {
            title: (*title).to_owned(),
            lines: vec![((*expression).to_owned(), *line)],
            unit,
        });
    let ours = ALL.iter().map(|(name, kind, help)| {
        let mut panel = Panel::of_metric(name, kind, help, "{{pod}}");
        if name.contains("_shop_") {
            panel.lines = vec![(format!("topk(10, sum by (shop) ({name}))"), "{{shop}}")];
        }
        panel
    });
    let panels: Vec<_> = visitors.chain(ours).collect();
    runtime::dashboard::dashboard("edge", "the edge", &[], &panels)
}
