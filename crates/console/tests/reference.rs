//! The page of the metrics and the dashboard are as committed.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

#[path = "../../render/tests/it/committed.rs"]
mod committed;

#[test]
fn the_reference_page_of_the_metrics_is_as_committed() {
    committed::compare("docs/metrics-console.md", &console::reference());
}

#[test]
fn the_dashboard_is_as_committed() {
    let file = "manifests/chart/files/dashboards/console.json";
    committed::compare(file, &console::dashboard());
}
