//! What the agent counts, and its metrics. Labels are bounded: the busiest shops have a name, and
//! all others are one.

use super::{keeper::Round, run::Shared};
use parking_lot::Mutex;
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// Shops that have figures of their own.
const BUSIEST: usize = 20;

/// What is counted.
#[derive(Debug, Default)]
pub struct Figures {
    changes: AtomicU64,
    refused: AtomicU64,
    failed_rounds: AtomicU64,
    reloads: AtomicU64,
    spare: AtomicU64,
    equal: AtomicBool,
    /// All files were written once.
    written: AtomicBool,
    /// HAProxy was once as it should be: it has what there was then.
    was_equal: AtomicBool,
    shops: Mutex<Shops>,
}

/// What HAProxy said of shops the last time, and what that makes.
#[derive(Debug, Default)]
struct Shops {
    before: Option<(Instant, BTreeMap<String, Counts>)>,
    rates: Vec<(String, Rates)>,
}

/// What HAProxy counts for a backend, from its start.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    requests: u64,
    errors: u64,
}

/// What that is in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rates {
    requests: f64,
    errors: f64,
}

impl Figures {
    /// Takes in what came of a round; says whether HAProxy was as it should be before it.
    pub fn round(&self, round: Option<&Round>) -> bool {
        let equal = round.is_some_and(|round| round.equal);
        match round {
            Some(round) => {
                self.changes.fetch_add(round.done, Relaxed);
                self.refused.fetch_add(round.refused, Relaxed);
            }
            None => {
                self.failed_rounds.fetch_add(1, Relaxed);
            }
        }
        if equal {
            self.was_equal.store(true, Relaxed);
        }
        self.equal.swap(equal, Relaxed)
    }

    /// Takes in what the keeper says of its slots.
    pub fn keeper(&self, spare: usize, reloads: u64) {
        self.spare
            .store(u64::try_from(spare).unwrap_or(u64::MAX), Relaxed);
        self.reloads.store(reloads, Relaxed);
    }

    /// All files are written.
    pub fn wrote(&self) {
        self.written.store(true, Relaxed);
    }

    /// Whether all files were written once.
    #[must_use]
    pub fn was_written(&self) -> bool {
        self.written.load(Relaxed)
    }

    /// Whether HAProxy was ever as it should be.
    #[must_use]
    pub fn was_equal(&self) -> bool {
        self.was_equal.load(Relaxed)
    }

    /// Takes in what HAProxy says of its backends, and of whose they are.
    pub fn stat(&self, stat: &str, slots: &str) {
        let now = Instant::now();
        let counts = counts(stat, slots);
        let mut shops = self.shops.lock();
        if let Some((then, before)) = &shops.before {
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            shops.rates = rates(before, &counts, seconds);
        }
        shops.before = Some((now, counts));
    }
}

/// Of each shop that has a slot.
fn counts(stat: &str, slots: &str) -> BTreeMap<String, Counts> {
    let shops: BTreeMap<&str, &str> = slots
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.split_once(' '))
        .map(|(shop, slot)| (slot, shop))
        .collect();
    let mut lines = stat.lines();
    let names = lines.next().unwrap_or_default().trim_start_matches("# ");
    let column = |name: &str| names.split(',').position(|it| it == name);
    let (Some(requests), Some(errors)) = (column("req_tot"), column("hrsp_5xx")) else {
        return BTreeMap::new();
    };
    let shop = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let figure = |at: usize| fields.get(at)?.parse().ok();
        let counts = Counts {
            requests: figure(requests)?,
            errors: figure(errors)?,
        };
        Some(((*shops.get(fields.first()?)?).to_owned(), counts))
    };
    lines.filter_map(shop).collect()
}

/// The busiest first, and all others together as the last. A HAProxy that was started anew counts
/// from 0, as a shop does that has come.
fn rates(
    before: &BTreeMap<String, Counts>,
    now: &BTreeMap<String, Counts>,
    seconds: f64,
) -> Vec<(String, Rates)> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "requests of some seconds are few"
    )]
    let rate = |new: u64, old: u64| new.checked_sub(old).unwrap_or(new) as f64 / seconds;
    let mut all: Vec<_> = now
        .iter()
        .map(|(shop, counts)| {
            let old = before.get(shop).copied().unwrap_or_default();
            let rates = Rates {
                requests: rate(counts.requests, old.requests),
                errors: rate(counts.errors, old.errors),
            };
            (shop.clone(), rates)
        })
        .filter(|(_, rates)| rates.requests > 0.0)
        .collect();
    all.sort_by_key(|(shop, rates)| (Reverse(ordered(rates.requests)), shop.clone()));
    let others = all.split_off(BUSIEST.min(all.len()));
    // The sum of nothing is -0.
    let sum = |of: fn(&Rates) -> f64| others.iter().map(|(_, rates)| of(rates)).sum::<f64>() + 0.0;
    let other = Rates {
        requests: sum(|rates| rates.requests),
        errors: sum(|rates| rates.errors),
    };
    all.push(("other".to_owned(), other));
    all
}

/// Thousandths, as whole numbers, which have an order.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is a small number above 0"
)]
fn ordered(rate: f64) -> u64 {
    (rate * 1000.0) as u64
}

/// A metric: its name as it is queried, what it is, and what it says.
type Metric = (&'static str, &'static str, &'static str);

const ALL: [Metric; 15] = [
    ("longshore_edge_hosts", "gauge", "Hosts in the maps."),
    ("longshore_edge_shops", "gauge", "Shops in the maps."),
    (
        "longshore_edge_pods",
        "gauge",
        "Pods of shops, whatever they do.",
    ),
    (
        "longshore_edge_certificates",
        "gauge",
        "Hosts that have a certificate.",
    ),
    (
        "longshore_edge_refused_certificates",
        "gauge",
        "Hosts whose newest certificate cannot be served.",
    ),
    (
        "longshore_edge_refused_lines",
        "gauge",
        "Lines of the maps that cannot be read.",
    ),
    (
        "longshore_edge_broken_watches",
        "gauge",
        "Kinds of which the API server does not tell at the moment.",
    ),
    (
        "longshore_edge_spare_slots",
        "gauge",
        "Shops that can come before HAProxy has to reload.",
    ),
    (
        "longshore_edge_equal",
        "gauge",
        "Whether HAProxy is as it should be, 1 or 0.",
    ),
    (
        "longshore_edge_changes_total",
        "counter",
        "Changes that HAProxy took.",
    ),
    (
        "longshore_edge_refused_changes_total",
        "counter",
        "Changes that HAProxy did not take at once.",
    ),
    (
        "longshore_edge_failed_rounds_total",
        "counter",
        "Rounds in which HAProxy did not answer, or a file could not be written.",
    ),
    (
        "longshore_edge_reloads_total",
        "counter",
        "Reloads of HAProxy, for more slots.",
    ),
    (
        "longshore_edge_shop_requests_per_second",
        "gauge",
        "Requests of the busiest shops, and of all others together, over the last 15 seconds.",
    ),
    (
        "longshore_edge_shop_errors_per_second",
        "gauge",
        "Answers of the same with a status of 500 or above.",
    ),
];

const PREAMBLE: &str = "# Metrics of the edge's agent

<!-- Generated by `make reference` from crates/edge; a test compares it with the code. -->

`longshore-edge agent` serves these at `/metrics`, as OpenMetrics. Counters start at 0 with the
process. HAProxy serves its own on the same pod's port 8404. [The runbook](runbook-edge.md) says
what to do about the alerts that are made of them.

| metric | kind | meaning |
|---|---|---|
";

/// The page that lists them, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = PREAMBLE.to_owned();
    for (name, kind, help) in ALL {
        page.extend(["| `", name, "` | ", kind, " | ", help, " |\n"]);
    }
    page
}

/// The answer of `/metrics`.
#[must_use]
pub fn metrics(shared: &Shared) -> String {
    let values = values(shared);
    let rates = shared.figures.shops.lock().rates.clone();
    let mut page = String::new();
    for (name, kind, help) in ALL {
        let family = name.trim_end_matches("_total");
        // Writing to a String cannot fail.
        writeln!(page, "# TYPE {family} {kind}\n# HELP {family} {help}").unwrap_or_default();
        if let Some(value) = values.get(name) {
            writeln!(page, "{name} {value}").unwrap_or_default();
        }
        let of: Option<fn(&Rates) -> f64> = match name {
            "longshore_edge_shop_requests_per_second" => Some(|rates| rates.requests),
            "longshore_edge_shop_errors_per_second" => Some(|rates| rates.errors),
            _ => None,
        };
        for (shop, rates) in of.map_or(&[][..], |_| &rates) {
            let rate = of.map_or(0.0, |of| of(rates));
            writeln!(page, "{name}{{shop=\"{shop}\"}} {rate:.3}").unwrap_or_default();
        }
    }
    page += "# EOF\n";
    page
}

fn values(shared: &Shared) -> BTreeMap<&'static str, u64> {
    let Shared {
        watched, figures, ..
    } = shared;
    let model = watched.model();
    let many = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let refused = model.shards.values().map(|shard| shard.refused).sum();
    let pods = model.slices.values().flat_map(BTreeMap::values);
    [
        ("longshore_edge_hosts", many(model.hosts().count())),
        ("longshore_edge_shops", many(model.shops().len())),
        ("longshore_edge_pods", many(pods.map(BTreeMap::len).sum())),
        (
            "longshore_edge_certificates",
            many(model.certificates().len()),
        ),
        (
            "longshore_edge_refused_certificates",
            many(model.refused.len()),
        ),
        ("longshore_edge_refused_lines", many(refused)),
        (
            "longshore_edge_broken_watches",
            many(watched.broken().len()),
        ),
        ("longshore_edge_spare_slots", figures.spare.load(Relaxed)),
        (
            "longshore_edge_equal",
            u64::from(figures.equal.load(Relaxed)),
        ),
        (
            "longshore_edge_changes_total",
            figures.changes.load(Relaxed),
        ),
        (
            "longshore_edge_refused_changes_total",
            figures.refused.load(Relaxed),
        ),
        (
            "longshore_edge_failed_rounds_total",
            figures.failed_rounds.load(Relaxed),
        ),
        (
            "longshore_edge_reloads_total",
            figures.reloads.load(Relaxed),
        ),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ALERTS: &str = include_str!("../../../../manifests/chart/files/alerts/edge.yaml");
    const RUNBOOK: &str = include_str!("../../../../docs/runbook-edge.md");

    /// Words of a text that begin like this.
    fn words<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.split(|c| !word(c))
            .filter(|found| found.starts_with(prefix))
            .collect()
    }

    #[test]
    fn alerts_are_made_of_metrics_that_are_served_and_the_runbook_has_each() {
        let served: BTreeSet<_> = ALL.iter().map(|(name, ..)| *name).collect();
        let used = words(ALERTS, "longshore_edge_");
        assert!(used.len() > 4 && used.is_subset(&served), "{used:?}");
        for alert in words(ALERTS, "Longshore") {
            assert!(RUNBOOK.contains(&format!("## {alert}\n")), "{alert}");
        }
        for (name, kind, help) in ALL {
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert!(help.ends_with('.'), "{help}");
        }
    }

    #[test]
    fn the_busiest_shops_have_a_name_and_all_others_are_one() {
        let shops = |times: u64| -> BTreeMap<String, Counts> {
            let shop = |number: u64| {
                let counts = Counts {
                    requests: number * times,
                    errors: times,
                };
                (format!("shop-{number:02}"), counts)
            };
            (1..=30).map(shop).collect()
        };
        let rates = rates(&shops(1), &shops(3), 2.0);
        assert_eq!(rates.len(), BUSIEST + 1);
        assert_eq!(
            (rates[0].0.as_str(), rates[0].1.requests),
            ("shop-30", 30.0)
        );
        let (name, other) = &rates[BUSIEST];
        // Those of 1 to 10, once a second each.
        assert_eq!(
            (name.as_str(), other.requests, other.errors),
            ("other", 55.0, 10.0)
        );
    }

    #[test]
    fn a_backend_is_a_shops_as_the_map_says() {
        let stat = "# pxname,svname,hrsp_5xx,req_tot,\nslot-00001,BACKEND,2,10,\nslot-00002,BACKEND,0,7,\nnobody,BACKEND,1,1,\n";
        let counts = counts(stat, "0x1 shop-acme slot-00001\n");
        assert_eq!(counts.len(), 1);
        assert_eq!(
            (counts["shop-acme"].requests, counts["shop-acme"].errors),
            (10, 2)
        );
        assert!(super::counts("", "").is_empty());
    }
}
