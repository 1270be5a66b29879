//! What is counted, and the page that says it. Labels come from the table of routes and from lists,
//! never from a shop or a person.

use crate::{
    impersonation::Impersonation,
    registry::{FOLLOWED, Known},
};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use parking_lot::Mutex;
use runtime::OpenMetrics;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Within how many seconds pages are answered; the last bucket is all.
const BUCKETS: [(&str, f64); 9] = [
    ("0.01", 0.01),
    ("0.025", 0.025),
    ("0.05", 0.05),
    ("0.1", 0.1),
    ("0.3", 0.3),
    ("1", 1.0),
    ("5", 5.0),
    ("15", 15.0),
    ("+Inf", f64::INFINITY),
];
/// What came of a request, by the first digit of its status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The route of what no page is at.
const NO_ROUTE: &str = "none";

/// What is counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    requests: Mutex<BTreeMap<(String, &'static str), u64>>,
    answered: [AtomicU64; BUCKETS.len()],
    seconds: Mutex<Duration>,
    logins: [AtomicU64; 2],
    open_pages: AtomicUsize,
    plain: AtomicBool,
}

/// A page that is open, and counted until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenPage(Arc<Figures>);

impl Drop for OpenPage {
    fn drop(&mut self) {
        self.0.open_pages.fetch_sub(1, Relaxed);
    }
}

impl Figures {
    /// A page begins to follow changes.
    pub(crate) fn page_opens(self: &Arc<Self>) -> OpenPage {
        self.open_pages.fetch_add(1, Relaxed);
        OpenPage(Arc::clone(self))
    }

    /// Somebody came back from the provider, and was let in, or not.
    pub(crate) fn login<T, E>(&self, came_of: &Result<T, E>) {
        self.logins[usize::from(came_of.is_err())].fetch_add(1, Relaxed);
    }

    /// How the program acts as people.
    pub(crate) fn acts(&self, how: Impersonation) {
        self.plain.store(how == Impersonation::Plain, Relaxed);
    }

    fn answered(&self, route: &str, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let key = (route.to_owned(), CLASSES[class]);
        *self.requests.lock().entry(key).or_default() += 1;
        let fits = |(_, bound): &(&str, f64)| took.as_secs_f64() <= *bound;
        let bucket = BUCKETS.iter().position(fits).unwrap_or(BUCKETS.len() - 1);
        self.answered[bucket].fetch_add(1, Relaxed);
        *self.seconds.lock() += took;
    }
}

/// Counts what is asked, and how long the answer took. The route is the pattern of its path.
pub(crate) async fn count(
    State(figures): State<Arc<Figures>>,
    request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    figures.answered(route, response.status().as_u16(), begin.elapsed());
    response
}

/// Where the numbers come from.
pub(crate) struct Sources<'a> {
    figures: &'a Figures,
    known: &'a Known,
}

pub(crate) type Sample = (Vec<(&'static str, String)>, f64);
pub(crate) type Metric = (&'static str, &'static str, fn(&Sources<'_>) -> Vec<Sample>);

pub(crate) const METRICS: [Metric; 10] = [
    (
        "longshore_console_requests_total",
        "Requests, by the pattern of their path (`route`; `none` is no page) and the class of the \
         answer's status (`class`), such as `2xx` or `5xx`.",
        |it| {
            let requests = it.figures.requests.lock();
            let sample = |((route, class), count): (&(String, &'static str), &u64)| {
                let labels = vec![("route", route.clone()), ("class", (*class).to_owned())];
                (labels, float(*count))
            };
            requests.iter().map(sample).collect()
        },
    ),
    (
        "longshore_console_answers_total",
        "Requests that were answered within so many seconds (`le`), as the buckets of a histogram; \
         `+Inf` is all. Of a page that follows changes, until its answer begins.",
        |it| {
            let mut sum = 0;
            let mut bucket = |((bound, _), count): (&(&str, f64), &AtomicU64)| {
                sum += count.load(Relaxed);
                (vec![("le", (*bound).to_owned())], float(sum))
            };
            let buckets = BUCKETS.iter().zip(&it.figures.answered);
            buckets.map(&mut bucket).collect()
        },
    ),
    (
        "longshore_console_answer_seconds_total",
        "How long all of them took together.",
        |it| one(it.figures.seconds.lock().as_secs_f64()),
    ),
    (
        "longshore_console_logins_total",
        "Logins, by what came of them (`outcome`): `done` or `failed`.",
        |it| {
            let outcomes = ["done", "failed"].iter().zip(&it.figures.logins);
            let sample = |(outcome, count): (&&str, &AtomicU64)| {
                let labels = vec![("outcome", (*outcome).to_owned())];
                (labels, float(count.load(Relaxed)))
            };
            outcomes.map(sample).collect()
        },
    ),
    (
        "longshore_console_plain_impersonation",
        "Whether it can act as anybody in every request, 1 or 0: a cluster admin in all but name.",
        |it| one(f64::from(u8::from(it.figures.plain.load(Relaxed)))),
    ),
    (
        "longshore_console_open_pages",
        "Pages that are open in browsers and follow what changes.",
        |it| count_of(it.figures.open_pages.load(Relaxed)),
    ),
    ("longshore_console_shops", "Shops that it knows.", |it| {
        count_of(it.known.fleet.shops.len())
    }),
    (
        "longshore_console_current",
        "Whether changes come from the API server, 1 or 0, by kind (`kind`): `shops`, \
         `shopclasses`, `releases` or `rollouts`. With 0, pages show what was known last.",
        |it| {
            let kinds = FOLLOWED.iter().map(|kind| {
                let current = it.known.is_listed() && !it.known.broken.contains(kind);
                let labels = vec![("kind", (*kind).to_owned())];
                (labels, f64::from(u8::from(current)))
            });
            kinds.collect()
        },
    ),
    (
        "longshore_console_halt_known",
        "Whether it knows if everything is halted, 1 or 0.",
        |it| one(f64::from(u8::from(it.known.halt_unknown.is_none()))),
    ),
    (
        "longshore_console_resident_memory_bytes",
        "Memory of the process that is resident.",
        |_| runtime::resident_memory().map_or(Vec::new(), |bytes| one(float(bytes))),
    ),
];

fn one(value: f64) -> Vec<Sample> {
    vec![(Vec::new(), value)]
}

fn count_of(number: usize) -> Vec<Sample> {
    one(float(u64::try_from(number).unwrap_or(u64::MAX)))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric's value is a double, and none here is above 2^53"
)]
const fn float(number: u64) -> f64 {
    number as f64
}

pub(crate) fn kind(name: &str) -> &'static str {
    if name.ends_with("_total") {
        "counter"
    } else {
        "gauge"
    }
}

/// The answer of `/metrics`.
pub(crate) fn page(figures: &Figures, known: &Known) -> String {
    let sources = Sources { figures, known };
    let mut page = OpenMetrics::default();
    for (name, help, of) in METRICS {
        page.metric(name, kind(name), &help.replace('`', ""));
        for (labels, value) in of(&sources) {
            let labels: Vec<_> = labels
                .iter()
                .map(|(name, it)| (*name, it.as_str()))
                .collect();
            page.sample(name, &labels, value);
        }
    }
    page.end()
}

/// The page that lists them, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "# Metrics of longshore-console

<!-- Generated by `make reference` from crates/console; a test compares it with the code. -->

In the cluster, `longshore-console` serves these at `/metrics` on port 9814, as OpenMetrics.
[The runbook](runbook-console.md) says what to do about the alerts that are made of them, and
[console.md](console.md) what the console does. Counters start at 0 with the process.

| metric | kind | meaning |
|---|---|---|
"
    .to_owned();
    for (name, help, _) in METRICS {
        page.extend(["| `", name, "` | ", kind(name), " | ", help, " |\n"]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted_and_nothing_that_people_type() {
        let figures = Arc::new(Figures::default());
        figures.answered("/shops/{name}", 200, Duration::from_millis(7));
        figures.answered("/shops/{name}", 200, Duration::from_millis(70));
        figures.answered(NO_ROUTE, 404, Duration::from_mins(1));
        figures.login(&Err::<(), _>(()));
        figures.acts(Impersonation::Plain);
        let open = figures.page_opens();
        let says = |line: &str| {
            let page = page(&figures, &Known::default());
            assert!(page.lines().any(|it| it == line), "{line} in\n{page}");
        };
        says("longshore_console_requests_total{route=\"/shops/{name}\",class=\"2xx\"} 2");
        says("longshore_console_requests_total{route=\"none\",class=\"4xx\"} 1");
        says("longshore_console_answers_total{le=\"0.01\"} 1");
        says("longshore_console_answers_total{le=\"0.1\"} 2");
        says("longshore_console_answers_total{le=\"+Inf\"} 3");
        says("longshore_console_logins_total{outcome=\"failed\"} 1");
        says("longshore_console_plain_impersonation 1");
        says("longshore_console_open_pages 1");
        says("longshore_console_current{kind=\"shops\"} 0");
        drop(open);
        says("longshore_console_open_pages 0");
    }
}
