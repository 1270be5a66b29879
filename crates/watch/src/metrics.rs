//! The metrics, as data, and the pages that are made of them.
//!
//! Those of shops have the shop's name on a label, as alerts name the shop: 28 series for each.

mod program;

use crate::{
    collect, custom_metrics,
    fleet::Fleet,
    performance::Performance,
    probe::board::{Board, ShopFigures},
    store::{self, groups::Figures},
};
use jiff::Timestamp;
use observe::{
    Severity,
    requests::{Answered, BOUNDS},
    v1::Vantage,
};
use runtime::OpenMetrics;
use std::collections::{BTreeMap, HashMap};

/// Where the numbers come from.
pub(crate) struct Sources<'a> {
    pub(crate) figures: Figures,
    pub(crate) fleet: &'a Fleet,
    pub(crate) performance: &'a Performance,
    pub(crate) board: &'a Board,
    pub(crate) store: &'a store::Counts,
    pub(crate) collected: &'a collect::Counts,
    /// Where custom metrics are served.
    pub(crate) custom_metrics: Option<&'a custom_metrics::Counts>,
    pub(crate) now: Timestamp,
}

/// The numbers at one moment.
struct Snapshot<'a> {
    sources: &'a Sources<'a>,
    shops: Vec<(&'a str, ShopFigures)>,
}

/// A sample: its labels, and its value.
type Sample<'a> = (Vec<(&'static str, &'a str)>, f64);

/// A metric: its name as it is queried, what it says, and where it comes from.
type Metric = (
    &'static str,
    &'static str,
    for<'a> fn(&'a Snapshot<'a>) -> Vec<Sample<'a>>,
);

/// Of shops.
const SHOPS: [Metric; 9] = [
    (
        "longshore_shop_up",
        "Whether all domains of the shop (`shop`) answer as they should, 1 or 0, from each vantage \
         point (`vantage`): `inside`, the edge's own address, or `outside`, through DNS.",
        |it| it.views(|shop, vantage, (up, _)| Some((shop, vantage, f64::from(u8::from(*up))))),
    ),
    (
        "longshore_shop_down",
        "1 while a domain of the shop is down, with what is wrong (`cause`): `dns`, `connect`, \
         `certificate`, `timeout`, `status` or `broken`; else it is absent. If domains are down for \
         several causes, the one nearest to the shop.",
        |it| {
            let all = it.shops.iter().flat_map(|(shop, figures)| {
                figures.causes.iter().map(move |(vantage, cause)| {
                    let labels = vec![
                        ("shop", *shop),
                        ("vantage", vantage.word()),
                        ("cause", cause.word()),
                    ];
                    (labels, 1.0)
                })
            });
            all.collect()
        },
    ),
    (
        "longshore_shop_probe_seconds",
        "How long the slowest domain took for its last answer, likewise.",
        |it| it.views(|shop, vantage, (_, seconds)| Some((shop, vantage, (*seconds)?))),
    ),
    (
        "longshore_shop_certificate_end_timestamp_seconds",
        "When the first certificate of the shop's domains ends.",
        |it| {
            let ends = it.shops.iter().filter_map(|(shop, figures)| {
                Some((vec![("shop", *shop)], unix(figures.certificate_end?)))
            });
            ends.collect()
        },
    ),
    (
        "longshore_shop_error_events_total",
        "Errors that were counted, by severity (`severity`): `notice`, `warning`, `error` or \
         `fatal`.",
        |it| it.severities(&it.sources.figures.events),
    ),
    (
        "longshore_shop_open_error_groups",
        "Groups of errors that nobody resolved or ignored, likewise.",
        |it| it.severities(&it.sources.figures.open),
    ),
    (
        "longshore_shop_requests_total",
        "Requests that PHP answered within so many seconds (`le`), as the buckets of a histogram; `+Inf` is all.",
        |it| it.buckets(),
    ),
    (
        "longshore_shop_request_errors_total",
        "Those that were answered with an error of the server, 5xx.",
        |it| it.totals(|total| float(total.failed())),
    ),
    (
        "longshore_shop_busy_workers_ratio",
        "Which share of php-fpm's workers is busy, over all pods, from 0 to 1.",
        |it| {
            let shares = it.shops.iter().filter_map(|(shop, _)| {
                let busy = it.sources.performance.busy_workers(shop, it.sources.now)?;
                Some((vec![("shop", *shop)], busy))
            });
            shares.collect()
        },
    ),
];

/// The labels of the buckets.
const BUCKETS: [&str; BOUNDS.len() + 1] = [
    "0.05", "0.1", "0.2", "0.35", "0.5", "0.75", "1", "2", "5", "10", "+Inf",
];

impl Snapshot<'_> {
    fn views<'a>(
        &'a self,
        sample: impl Fn(&'a str, Vantage, &(bool, Option<f64>)) -> Option<(&'a str, Vantage, f64)>,
    ) -> Vec<Sample<'a>> {
        let all = self.shops.iter().flat_map(|(shop, figures)| {
            figures
                .views
                .iter()
                .map(|(vantage, view)| (*shop, *vantage, view))
        });
        all.filter_map(|(shop, vantage, view)| sample(shop, vantage, view))
            .map(|(shop, vantage, value)| {
                (vec![("shop", shop), ("vantage", vantage.word())], value)
            })
            .collect()
    }

    fn totals(&self, of: impl Fn(&Answered) -> f64) -> Vec<Sample<'_>> {
        let all = self.shops.iter().filter_map(|(shop, _)| {
            let total = self.sources.performance.total(shop)?;
            Some((vec![("shop", *shop)], of(total)))
        });
        all.collect()
    }

    fn buckets(&self) -> Vec<Sample<'_>> {
        let mut samples = Vec::new();
        for (shop, _) in &self.shops {
            let Some(total) = self.sources.performance.total(shop) else {
                continue;
            };
            let mut sum = 0_u64;
            for (bound, count) in BUCKETS.into_iter().zip(total.buckets) {
                sum = sum.saturating_add(count);
                samples.push((vec![("shop", *shop), ("le", bound)], float(sum)));
            }
        }
        samples
    }

    /// All severities of all shops: an alert on more than before needs the 0 before.
    fn severities<'a>(
        &'a self,
        counts: &'a BTreeMap<String, BTreeMap<Severity, u64>>,
    ) -> Vec<Sample<'a>> {
        let of = |shop: &'a str| {
            let counts = counts.get(shop);
            Severity::ALL.iter().map(move |severity| {
                let count = counts.and_then(|it| it.get(severity)).copied();
                let labels = vec![("shop", shop), ("severity", severity.word())];
                (labels, float(count.unwrap_or(0)))
            })
        };
        self.shops.iter().flat_map(|(shop, _)| of(shop)).collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric's value is a double, and none here is above 2^53"
)]
const fn float(number: u64) -> f64 {
    number as f64
}

fn counted<'a>(number: u64) -> Vec<Sample<'a>> {
    vec![(Vec::new(), float(number))]
}

fn one<'a>(number: usize) -> Vec<Sample<'a>> {
    counted(u64::try_from(number).unwrap_or(u64::MAX))
}

fn seconds<'a>(time: std::time::Duration) -> Vec<Sample<'a>> {
    vec![(Vec::new(), time.as_secs_f64())]
}

fn by_vantage<'a>(it: &Snapshot<'_>, which: impl Fn((usize, usize)) -> usize) -> Vec<Sample<'a>> {
    let counts = it.sources.board.counts().into_iter();
    counts
        .map(|(vantage, counts)| {
            let number = u64::try_from(which(counts)).unwrap_or(u64::MAX);
            (vec![("vantage", vantage.word())], float(number))
        })
        .collect()
}

fn unix(time: Timestamp) -> f64 {
    float(u64::try_from(time.as_second()).unwrap_or(0))
}

fn kind(name: &str) -> &'static str {
    if name.ends_with("_total") {
        "counter"
    } else {
        "gauge"
    }
}

/// The answer of `/metrics`.
pub(crate) fn page(sources: &Sources<'_>) -> String {
    let mut probed: HashMap<&str, ShopFigures> = sources.board.figures();
    let names = sources.fleet.names();
    let shops = names.map(|name| (name, probed.remove(name).unwrap_or_default()));
    let snapshot = Snapshot {
        sources,
        shops: shops.collect(),
    };
    let mut page = OpenMetrics::default();
    for (name, help, of) in SHOPS.iter().chain(&program::METRICS) {
        page.metric(name, kind(name), &help.replace('`', ""));
        for (labels, value) in of(&snapshot) {
            page.sample(name, &labels, value);
        }
    }
    page.end()
}

/// The page that lists them, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "# Metrics of longshore-watch

<!-- Generated by `make reference` from crates/watch; a test compares it with the code. -->

`longshore-watch` serves these at `/metrics` on port 9811, as OpenMetrics.
[The runbook](runbook-watch.md) says what to do about the alerts that are made of them, and
[watch.md](watch.md) how it works.

## Shops
A shop has at most 28 series. A shop without domains that are probed, such as one at zero, has those
of errors alone.

| metric | kind | meaning |
|---|---|---|
"
    .to_owned();
    let rows = |page: &mut String, metrics: &[Metric]| {
        for (name, help, _) in metrics {
            page.extend(["| `", name, "` | ", kind(name), " | ", help, " |\n"]);
        }
    };
    rows(&mut page, &SHOPS);
    page.push_str(
        "
## The program
Counters start at 0 with the process.

| metric | kind | meaning |
|---|---|---|
",
    );
    rows(&mut page, &program::METRICS);
    page
}

#[cfg(test)]
mod tests;
