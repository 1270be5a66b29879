//! The dashboard of a shop for Grafana.

use runtime::dashboard::Panel;

/// The choice of the shop: each has its severities, whether it is probed or not.
const SHOP: (&str, &str) = (
    "shop",
    "label_values(longshore_shop_open_error_groups, shop)",
);

/// A panel: its title, its unit, and queries with what their lines are called. `SHOP` stands for
/// the selector of the shop that was chosen.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const ROWS: [Row; 12] = [
    (
        "Whether all domains answer",
        "short",
        &[("longshore_shop_up{SHOP}", "{{vantage}}")],
    ),
    (
        "What is wrong with a domain",
        "short",
        &[("longshore_shop_down{SHOP}", "{{vantage}}: {{cause}}")],
    ),
    (
        "Time of the slowest domain's last answer",
        "s",
        &[("longshore_shop_probe_seconds{SHOP}", "{{vantage}}")],
    ),
    (
        "Requests that PHP answered in a second",
        "short",
        &[
            (
                "rate(longshore_shop_requests_total{SHOP,le=\"+Inf\"}[5m])",
                "all",
            ),
            (
                "rate(longshore_shop_request_errors_total{SHOP}[5m])",
                "failed",
            ),
        ],
    ),
    (
        "Share of requests that failed",
        "percentunit",
        &[(
            "rate(longshore_shop_request_errors_total{SHOP}[5m]) \
             / on (shop) rate(longshore_shop_requests_total{SHOP,le=\"+Inf\"}[5m])",
            "failed",
        )],
    ),
    (
        "Time that requests take",
        "s",
        &[
            (
                "histogram_quantile(0.5, rate(longshore_shop_requests_total{SHOP}[5m]))",
                "half of them, at most",
            ),
            (
                "histogram_quantile(0.95, rate(longshore_shop_requests_total{SHOP}[5m]))",
                "95 of 100",
            ),
            (
                "histogram_quantile(0.99, rate(longshore_shop_requests_total{SHOP}[5m]))",
                "99 of 100",
            ),
        ],
    ),
    (
        "Share of workers that is busy",
        "percentunit",
        &[("longshore_shop_busy_workers_ratio{SHOP}", "busy")],
    ),
    (
        "Errors in a second",
        "short",
        &[(
            "rate(longshore_shop_error_events_total{SHOP}[5m])",
            "{{severity}}",
        )],
    ),
    (
        "Groups of errors that are open",
        "short",
        &[("longshore_shop_open_error_groups{SHOP}", "{{severity}}")],
    ),
    (
        "Time until the first certificate ends",
        "s",
        &[(
            "longshore_shop_certificate_end_timestamp_seconds{SHOP} - time()",
            "left",
        )],
    ),
    (
        "Pods by the release that they run",
        "short",
        &[(
            "count by (sequence) (longshore_release_info{SHOP})",
            "release {{sequence}}",
        )],
    ),
    (
        "Alerts that ring",
        "short",
        &[(
            "count by (alertname) (ALERTS{SHOP,alertstate=\"firing\"})",
            "{{alertname}}",
        )],
    ),
];

/// The dashboard, as Grafana imports it.
#[must_use]
pub fn dashboard() -> String {
    let panels = ROWS.iter().map(|(title, unit, lines)| {
        let query = |text: &str| text.replace("SHOP", "shop=\"$shop\"");
        Panel {
            title: (*title).to_owned(),
            lines: lines
                .iter()
                .map(|(text, line)| (query(text), *line))
                .collect(),
            unit,
        }
    });
    runtime::dashboard::dashboard("shops", "a shop", &[SHOP], &panels.collect::<Vec<_>>())
}
