//! The issuer's metrics, as data, and the pages that are made of them. No label names a host.

use super::{
    figures::{Counts, STATES},
    host::Shared,
    watch::WatchCache,
};
use client::lease::Leadership;
use jiff::Timestamp;
use runtime::{OpenMetrics, Page, Pages, dashboard::Panel};
use std::sync::Arc;

/// What one metric says: a number, or one for each value of its label.
enum Values {
    One(u64),
    Of(&'static str, Vec<(&'static str, u64)>),
}

/// Where the numbers come from, at one moment.
struct Snapshot {
    turns: Vec<(&'static str, u64)>,
    leads: bool,
    held: bool,
    orders_left: usize,
    counts: Counts,
}

/// A metric: its name as it is queried, what it says, and where it comes from.
type Metric = (&'static str, &'static str, fn(&Snapshot) -> Values);

const ALL: [Metric; 10] = [
    (
        "longshore_edge_issuer_leads",
        "Whether this process gets certificates, 1 or 0. The others wait, and say 0 of all else.",
        |it| Values::One(it.leads.into()),
    ),
    (
        "longshore_edge_issuer_hosts",
        "Hosts that need a certificate, by its state: `waiting`, `issued`, `failed` or `own`.",
        |it| Values::Of("state", STATES.into_iter().zip(it.counts.states).collect()),
    ),
    (
        "longshore_edge_issuer_late_hosts",
        "Hosts whose certificate has less than a sixth of its life left, or is over.",
        |it| Values::One(it.counts.late),
    ),
    (
        "longshore_edge_issuer_busy_hosts",
        "Hosts whose turn it is.",
        |it| Values::One(it.counts.busy),
    ),
    (
        "longshore_edge_issuer_due_hosts",
        "Hosts that need an order now, with those whose turn it is.",
        |it| Values::One(it.counts.due),
    ),
    (
        "longshore_edge_issuer_failing_hosts",
        "Hosts that failed, and wait before they are tried again.",
        |it| Values::One(it.counts.failing),
    ),
    (
        "longshore_edge_issuer_held",
        "Whether everything waits for the certificate authority, 1 or 0.",
        |it| Values::One(it.held.into()),
    ),
    (
        "longshore_edge_issuer_orders_left",
        "Orders that the authority's limit for an account leaves at this moment.",
        |it| Values::One(u64::try_from(it.orders_left).unwrap_or(u64::MAX)),
    ),
    (
        "longshore_edge_issuer_newest_certificate_timestamp_seconds",
        "Since when the newest certificate is valid; 0 if there is none.",
        |it| Values::One(unix(it.counts.newest)),
    ),
    (
        "longshore_edge_issuer_turns_total",
        "Turns of hosts, by what came of it: issued, or who kept it from that: limited (a limit of \
         the authority), host (its DNS, or its answer), validation (the authority did not reach \
         it), authority, cluster (the API server, or this process), renewal (tried anew as an \
         order).",
        |it| Values::Of("result", it.turns.clone()),
    ),
];

fn unix(time: Option<Timestamp>) -> u64 {
    let seconds = time.map_or(0, Timestamp::as_second);
    u64::try_from(seconds).unwrap_or_default()
}

fn kind(name: &str) -> &'static str {
    if name.ends_with("_total") {
        "counter"
    } else {
        "gauge"
    }
}

/// The dashboard for Grafana, made of the same metrics.
#[must_use]
pub fn dashboard() -> String {
    let panels = ALL.iter().map(|(name, help, _)| {
        let mut panel = Panel::of_metric(name, kind(name), help, "{{pod}}");
        // Those that wait say 0 of all but whether they lead.
        match *name {
            "longshore_edge_issuer_hosts" => {
                panel.lines = vec![(format!("max by (state) ({name})"), "{{state}}")];
            }
            "longshore_edge_issuer_turns_total" => {
                panel.lines = vec![(
                    format!("sum by (result) (increase({name}[1h]))"),
                    "{{result}}",
                )];
            }
            _ => {}
        }
        panel
    });
    runtime::dashboard::dashboard("issuer", "certificates", &[], &panels.collect::<Vec<_>>())
}

/// The part of the page that lists them, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "
## The issuer
`longshore-edge issue` serves these at `/metrics` on port 9810 of its own pods.

| metric | kind | meaning |
|---|---|---|
"
    .to_owned();
    for (name, help, _) in ALL {
        page.extend(["| `", name, "` | ", kind(name), " | ", help, " |\n"]);
    }
    page
}

/// Health and metrics.
pub(super) fn pages(shared: Arc<Shared>, cache: Arc<WatchCache>, held: Leadership) -> Pages {
    Arc::new(move |path| match path {
        "/livez" => Page::Text("ok\n".to_owned()),
        "/readyz" if cache.is_listed() => Page::Text("ok\n".to_owned()),
        "/readyz" => Page::Unavailable("not everything is listed yet\n".to_owned()),
        "/metrics" => Page::Metrics(page(&shared, held.is(), Timestamp::now())),
        _ => Page::Missing("there is /livez, /readyz and /metrics\n"),
    })
}

/// The answer of `/metrics`.
fn page(shared: &Shared, leads: bool, now: Timestamp) -> String {
    let counts = shared.figures.counts();
    let (held, orders_left) = {
        let limits = shared.limits.lock();
        (limits.held(now).is_some(), limits.left(now))
    };
    let working = leads && counts.is_some();
    text(&Snapshot {
        turns: shared.figures.turns(),
        leads,
        held: working && held,
        orders_left: if working { orders_left } else { 0 },
        counts: counts.unwrap_or_default(),
    })
}

fn text(snapshot: &Snapshot) -> String {
    let mut page = OpenMetrics::default();
    for (name, help, of) in ALL {
        page.metric(name, kind(name), help);
        match of(snapshot) {
            Values::One(number) => page.sample(name, &[], number),
            Values::Of(label, all) => {
                for (value, number) in all {
                    page.sample(name, &[(label, value)], number);
                }
            }
        }
    }
    page.end()
}

#[cfg(test)]
mod tests;
