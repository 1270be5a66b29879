//! The dashboard for Grafana, made of the same metrics as the page that lists them.

use crate::metrics::{METRICS, kind};
use runtime::dashboard::Panel;

/// What is counted by labels: title, query, what its lines are called, and unit.
const BY_LABEL: [(&str, &str, &str, &str); 4] = [
    (
        "Requests in a second, by the class of the answer's status",
        "sum by (class) (rate(longshore_console_requests_total[5m]))",
        "{{class}}",
        "short",
    ),
    (
        "Requests in a second, by page",
        "topk(10, sum by (route) (rate(longshore_console_requests_total[5m])))",
        "{{route}}",
        "short",
    ),
    (
        "Share of requests that are answered within so many seconds",
        "sum by (le) (rate(longshore_console_answers_total[5m])) / ignoring (le) group_left \
         sum(rate(longshore_console_answers_total{le=\"+Inf\"}[5m]))",
        "{{le}}",
        "percentunit",
    ),
    (
        "Logins in 15 minutes, by what came of them",
        "sum by (outcome) (increase(longshore_console_logins_total[15m]))",
        "{{outcome}}",
        "short",
    ),
];

/// The dashboard, as Grafana imports it.
#[must_use]
pub fn dashboard() -> String {
    let by_label = BY_LABEL
        .iter()
        .map(|(title, expression, line, unit)| Panel {
            title: (*title).to_owned(),
            lines: vec![((*expression).to_owned(), *line)],
            unit,
        });
    let shown = |name: &str| BY_LABEL.iter().any(|(_, query, ..)| query.contains(name));
    let others = METRICS.iter().filter(|(name, ..)| !shown(name));
    let others = others.map(|(name, help, _)| {
        let line = if name.ends_with("_current") {
            "{{pod}} {{kind}}"
        } else {
            "{{pod}}"
        };
        Panel::of_metric(name, kind(name), help, line)
    });
    let panels: Vec<_> = by_label.chain(others).collect();
    runtime::dashboard::dashboard("console", "the console", &[], &panels)
}
