//! What the agent measures of itself, as `OpenMetrics`.
//!
//! [`ALL`] declares every metric; registration, the page `docs/metrics.md` and the alerts' test all
//! come from it.
//!
//! Events are counted when they happen ([`Metrics::checked`] and so on). What is true at the moment
//! is taken from the snapshot at each scrape, so that `/metrics` and `/status` cannot differ. Label
//! values come from enums; mount names are bounded by the mounts file.

mod declared;

pub use declared::{ALL, Kind, Metric, reference};

use crate::status::{CheckOutcome, Phase, ProbeOutcome, Snapshot, SwitchOutcome, Why};
use declared::{
    BUILD, BUSY, CHANGED, CHECKS, CPU, DOWNLOADED, ERRORS, LAST_SCAN, LAST_SUCCESS, MEMORY, MOUNT,
    NEWER, PHASE, PROBES, READY, REJECTED, RELEASE, REPAIRED, ROLLBACKS, STAGING, STARTED,
    STORE_REQUESTS, STORE_RETRIES, SWITCHES, UNREAD, UNREPAIRED,
};
use jiff::Timestamp;
use mounts::Health;
use observe::Severity;
use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{fmt, fs, sync::atomic::AtomicU64, time::Duration};

/// How long a staging may take: from a small change on a fast network to the longest deadline, in
/// seconds.
const STAGING_BUCKETS: [f64; 9] = [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];
/// How long a page may take: from a warm one to the probe's own limit, in seconds.
const PROBE_BUCKETS: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0];

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// The agent's metrics. Share one by `Arc`: every method takes `&self` and does not wait for other
/// work than another scrape's.
pub struct Metrics {
    events: Events,
    scrape: Mutex<Scrape>,
    busy: Mutex<Option<f64>>,
}

/// What is counted when it happens.
struct Events {
    checks: Counters,
    switches: Counters,
    rollbacks: Counters,
    staging: Histograms,
    probes: Histograms,
    errors: Counters,
    unread: Counters,
}

/// What is taken from the snapshot. One scrape at a time, as another would see half of it.
struct Scrape {
    registry: Registry,
    gauges: Vec<Gauges>,
    requests: Counter,
    retries: Counter,
    downloaded: Counter,
    changed: Counter,
    repaired: Counter,
    cpu: Counter<f64, AtomicU64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at 0, where a rate can begin.
    #[must_use]
    pub fn new() -> Self {
        let events = Events {
            checks: zeroed("outcome", CheckOutcome::ALL),
            switches: zeroed("outcome", SwitchOutcome::ALL),
            rollbacks: Counters::default(),
            staging: Histograms::new_with_constructor(|| Histogram::new(STAGING_BUCKETS)),
            probes: Histograms::new_with_constructor(|| Histogram::new(PROBE_BUCKETS)),
            errors: zeroed("severity", Severity::ALL),
            unread: Counters::default(),
        };
        drop(events.unread.get_or_create(&vec![]));
        drop(events.rollbacks.get_or_create(&vec![]));
        drop(events.staging.get_or_create(&vec![]));
        for outcome in ProbeOutcome::ALL {
            drop(
                events
                    .probes
                    .get_or_create(&vec![("outcome", outcome.to_string())]),
            );
        }
        let mut registry = Registry::default();
        let gauges = ALL
            .iter()
            .filter(|metric| metric.kind == Kind::Gauge)
            .map(|metric| {
                let gauges = Gauges::default();
                register(&mut registry, metric, gauges.clone());
                gauges
            })
            .collect();
        register(&mut registry, &CHECKS, events.checks.clone());
        register(&mut registry, &SWITCHES, events.switches.clone());
        register(&mut registry, &ROLLBACKS, events.rollbacks.clone());
        register(&mut registry, &STAGING, events.staging.clone());
        register(&mut registry, &PROBES, events.probes.clone());
        register(&mut registry, &ERRORS, events.errors.clone());
        register(&mut registry, &UNREAD, events.unread.clone());
        let mut counter = |metric| {
            let counter = Counter::default();
            register(&mut registry, metric, counter.clone());
            counter
        };
        let [requests, retries, downloaded] =
            [&STORE_REQUESTS, &STORE_RETRIES, &DOWNLOADED].map(&mut counter);
        let [changed, repaired] = [&CHANGED, &REPAIRED].map(counter);
        let cpu = Counter::default();
        register(&mut registry, &CPU, cpu.clone());
        let scrape = Scrape {
            registry,
            gauges,
            requests,
            retries,
            downloaded,
            changed,
            repaired,
            cpu,
        };
        Self {
            events,
            scrape: Mutex::new(scrape),
            busy: Mutex::default(),
        }
    }

    /// A check for a newer release ended.
    pub fn checked(&self, outcome: CheckOutcome) {
        self.events
            .checks
            .get_or_create(&vec![("outcome", outcome.to_string())])
            .inc();
    }

    /// A switch ended; one that was rolled back counts as a rollback too.
    pub fn switched(&self, outcome: SwitchOutcome) {
        self.events
            .switches
            .get_or_create(&vec![("outcome", outcome.to_string())])
            .inc();
        if outcome == SwitchOutcome::RolledBack {
            self.events.rollbacks.get_or_create(&vec![]).inc();
        }
    }

    /// A release was staged.
    pub fn staged(&self, elapsed: Duration) {
        self.events
            .staging
            .get_or_create(&vec![])
            .observe(elapsed.as_secs_f64());
    }

    /// The shop was probed.
    pub fn probed(&self, outcome: ProbeOutcome, elapsed: Duration) {
        self.events
            .probes
            .get_or_create(&vec![("outcome", outcome.to_string())])
            .observe(elapsed.as_secs_f64());
    }

    /// An error of the shop was read.
    pub fn erred(&self, severity: Severity) {
        self.events
            .errors
            .get_or_create(&vec![("severity", severity.to_string())])
            .inc();
    }

    /// So many were not read.
    pub fn unread(&self, events: u64) {
        self.events.unread.get_or_create(&vec![]).inc_by(events);
    }

    /// Which share of php-fpm's workers is busy, if it says so.
    pub fn busy_workers(&self, share: Option<f64>) {
        *self.busy.lock() = share;
    }

    /// What a scrape gets, as `OpenMetrics` text. It reads memory and `/proc/self` only.
    ///
    /// # Panics
    ///
    /// Never: writing to a `String` does not fail.
    #[must_use]
    pub fn text(&self, snapshot: &Snapshot, ready: bool) -> String {
        let scrape = self.scrape.lock();
        scrape.take(snapshot, ready);
        if let Some(share) = *self.busy.lock() {
            scrape.set(&BUSY, &vec![], share);
        }
        let mut page = String::new();
        text::encode(&mut page, &scrape.registry).expect("a String takes everything");
        page
    }
}

impl Scrape {
    fn take(&self, snapshot: &Snapshot, ready: bool) {
        self.gauges.iter().for_each(Family::clear);
        if let Some(running) = &snapshot.running {
            let labels = [
                ("channel", snapshot.channel.to_string()),
                ("sequence", running.sequence.to_string()),
                ("manifest", running.manifest.to_string()),
            ];
            self.set(&RELEASE, &labels.into(), 1.0);
        }
        self.set(&READY, &vec![], f64::from(u8::from(ready)));
        for phase in Phase::ALL {
            self.set(
                &PHASE,
                &vec![("phase", phase.to_string())],
                flag(*phase == snapshot.phase),
            );
        }
        for why in Why::ALL {
            let is = snapshot
                .newer
                .as_ref()
                .is_some_and(|newer| newer.why == *why);
            self.set(&NEWER, &vec![("why", why.to_string())], flag(is));
        }
        self.set(
            &REJECTED,
            &vec![],
            u32::try_from(snapshot.rejected.len()).map_or(f64::MAX, f64::from),
        );
        if let Some(at) = snapshot.last_success_at {
            self.set(&LAST_SUCCESS, &vec![], unix(at));
        }
        for mount in &snapshot.mounts {
            for state in Health::ALL {
                let labels = vec![
                    ("mount", escaped(&mount.name)),
                    ("state", state.to_string()),
                ];
                self.set(&MOUNT, &labels, flag(*state == mount.state));
            }
        }
        self.set(
            &UNREPAIRED,
            &vec![],
            u32::try_from(snapshot.tamper.unrepaired_files).map_or(f64::MAX, f64::from),
        );
        if let Some(at) = snapshot.tamper.last_scan_at {
            self.set(&LAST_SCAN, &vec![], unix(at));
        }
        self.set(&STARTED, &vec![], unix(snapshot.started_at));
        self.set(&BUILD, &vec![("version", snapshot.version.to_owned())], 1.0);
        if let Some(bytes) = resident_memory() {
            self.set(&MEMORY, &vec![], bytes);
        }
        raise(&self.requests, snapshot.store.requests);
        raise(&self.retries, snapshot.store.retries);
        raise(&self.downloaded, snapshot.store.received_bytes);
        raise(&self.changed, snapshot.tamper.changed_files);
        raise(&self.repaired, snapshot.tamper.repaired_files);
        self.cpu.inc_by((cpu_seconds() - self.cpu.get()).max(0.0));
    }

    fn set(&self, metric: &Metric, labels: &Labels, value: f64) {
        debug_assert!(
            labels.iter().map(|(name, _)| name).eq(metric.labels),
            "{}",
            metric.name
        );
        let mut gauges = ALL
            .iter()
            .filter(|other| other.kind == Kind::Gauge)
            .zip(&self.gauges);
        if let Some((_, gauges)) = gauges.find(|(other, _)| other.name == metric.name) {
            gauges.get_or_create(labels).set(value);
        }
    }
}

/// The library appends the unit, `_total` and the full stop itself.
fn register(
    registry: &mut Registry,
    metric: &Metric,
    registered: impl prometheus_client::registry::Metric,
) {
    let help = metric.help.trim_end_matches('.');
    let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
    for (suffix, unit) in [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)] {
        if let Some(name) = name.strip_suffix(suffix) {
            return registry.register_with_unit(name, help, unit, registered);
        }
    }
    registry.register(name, help, registered);
}

fn zeroed<W: fmt::Display>(label: &'static str, words: &[W]) -> Counters {
    let counters = Counters::default();
    for word in words {
        drop(counters.get_or_create(&vec![(label, word.to_string())]));
    }
    counters
}

/// The library writes label values as they are; the format wants these three escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

/// A counter never falls, even where the figure behind it began again.
fn raise(counter: &Counter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

const fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn unix(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// `VmRSS` of proc(5), which the kernel counts in KiB.
fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let text = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(text.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default().as_secs_f64()
}
