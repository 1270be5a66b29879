//! Every metric of the controller, as data, and the pages that are made of it. No label names a
//! shop.

use super::{Controller, builds, controller::Counts, removal};
use api::{Condition, Phase, Rollout, Shop, Truth};
use cell::in_progress::phase;
use jiff::Timestamp;
use plan::guard::Removal;
use render::assign::{at_zero, served};
use runtime::{OpenMetrics, dashboard::Panel};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Where a metric's value comes from.
enum Value {
    /// Goes up and down.
    Gauge(fn(&Snapshot<'_>) -> usize),
    /// Only grows, from 0 at the start of the process.
    Counter(fn(&Counts) -> &AtomicU64),
}

/// What metrics are read from, at one moment.
struct Snapshot<'a> {
    controller: &'a Controller,
    shops: usize,
    objects: usize,
    missing: usize,
    unreadable: usize,
    stopped: usize,
    unready: usize,
    late: usize,
    unmigrated: usize,
    at_zero: usize,
    edge_held: bool,
    unproven: usize,
    failed_builds: usize,
    halted: bool,
    held: bool,
    waiting: usize,
    failing: usize,
    running: usize,
}

/// A metric: its name as it is queried, what it says, and where it comes from.
type Metric = (&'static str, &'static str, Value);

const ALL: &[Metric] = &[
    (
        "longshore_scheduler_shops",
        "Shops in the registry.",
        Value::Gauge(|snapshot| snapshot.shops),
    ),
    (
        "longshore_scheduler_objects",
        "Objects of shops in the cluster.",
        Value::Gauge(|snapshot| snapshot.objects),
    ),
    (
        "longshore_scheduler_leads",
        "Whether this process leads, 1 or 0. The others wait.",
        Value::Gauge(|snapshot| usize::from(snapshot.controller.connections.leads())),
    ),
    (
        "longshore_scheduler_queue_shops",
        "Shops that wait for a reconcile.",
        Value::Gauge(|snapshot| snapshot.waiting),
    ),
    (
        "longshore_scheduler_failing_shops",
        "Shops whose last reconcile failed.",
        Value::Gauge(|snapshot| snapshot.failing),
    ),
    (
        "longshore_scheduler_running_reconciles",
        "Shops that reconcile now.",
        Value::Gauge(|snapshot| snapshot.running),
    ),
    (
        "longshore_scheduler_missing_shops",
        "Shops that have objects and are not in the registry.",
        Value::Gauge(|snapshot| snapshot.missing),
    ),
    (
        "longshore_scheduler_unreadable_releases",
        "Releases whose envelope cannot be read.",
        Value::Gauge(|snapshot| snapshot.unreadable),
    ),
    (
        "longshore_scheduler_deletion_held",
        "Whether a guard keeps missing shops from being taken down, 1 or 0.",
        Value::Gauge(|snapshot| usize::from(snapshot.held)),
    ),
    (
        "longshore_scheduler_edge_held",
        "Whether the maps of the edge are left as they are, 1 or 0.",
        Value::Gauge(|snapshot| usize::from(snapshot.edge_held)),
    ),
    (
        "longshore_scheduler_unproven_hosts",
        "Hosts that get no traffic, because DNS does not name their shop.",
        Value::Gauge(|snapshot| snapshot.unproven),
    ),
    (
        "longshore_scheduler_failed_builds",
        "Builds that failed, of releases that shops are assigned or are about to be assigned.",
        Value::Gauge(|snapshot| snapshot.failed_builds),
    ),
    (
        "longshore_scheduler_halted",
        "Whether a halt is in force, 1 or 0.",
        Value::Gauge(|snapshot| usize::from(snapshot.halted)),
    ),
    (
        "longshore_scheduler_stopped_rollouts",
        "Rollouts whose failure budget is used up.",
        Value::Gauge(|snapshot| snapshot.stopped),
    ),
    (
        "longshore_scheduler_unready_shops",
        "Shops that should be served and are not Ready.",
        Value::Gauge(|snapshot| snapshot.unready),
    ),
    (
        "longshore_scheduler_at_zero_shops",
        "Shops that were scaled to zero for want of visitors.",
        Value::Gauge(|snapshot| snapshot.at_zero),
    ),
    (
        "longshore_scheduler_late_backup_shops",
        "Shops whose last backup is too old, or missing.",
        Value::Gauge(|snapshot| snapshot.late),
    ),
    (
        "longshore_scheduler_failed_migration_shops",
        "Shops whose migration failed.",
        Value::Gauge(|snapshot| snapshot.unmigrated),
    ),
    (
        "longshore_scheduler_resident_memory_bytes",
        "Memory of the process that is resident.",
        Value::Gauge(|_| {
            runtime::resident_memory()
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or_default()
        }),
    ),
    (
        "longshore_scheduler_reconciles_total",
        "Reconciles of shops.",
        Value::Counter(|counts| &counts.reconciles),
    ),
    (
        "longshore_scheduler_failed_reconciles_total",
        "Reconciles that failed.",
        Value::Counter(|counts| &counts.failures),
    ),
    (
        "longshore_scheduler_writes_total",
        "Objects written.",
        Value::Counter(|counts| &counts.writes),
    ),
    (
        "longshore_scheduler_deletes_total",
        "Objects deleted.",
        Value::Counter(|counts| &counts.deletes),
    ),
    (
        "longshore_scheduler_status_writes_total",
        "Statuses of Shops written.",
        Value::Counter(|counts| &counts.statuses),
    ),
    (
        "longshore_scheduler_taken_over_total",
        "Objects of which fields were taken from other managers.",
        Value::Counter(|counts| &counts.taken),
    ),
    (
        "longshore_scheduler_moves_total",
        "Shops that a rollout assigned another release.",
        Value::Counter(|counts| &counts.moves),
    ),
    (
        "longshore_scheduler_proof_lookups_total",
        "Hosts that were looked up in DNS for a proof of their domain.",
        Value::Counter(|counts| &counts.proof_lookups),
    ),
    (
        "longshore_scheduler_failed_proof_lookups_total",
        "Lookups that nobody answered.",
        Value::Counter(|counts| &counts.failed_proof_lookups),
    ),
];

const PREAMBLE: &str = "# Metrics of the scheduler

<!-- Generated by `make reference` from crates/scheduler; a test compares it with the code. -->

`longshore-scheduler` serves these at `/metrics`, as OpenMetrics. Counters start at 0 with the \
                        process. [The runbook](runbook-scheduler.md) says what to
do about the alerts that are made of them.

| metric | kind | meaning |
|---|---|---|
";

/// The page that lists them, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = PREAMBLE.to_owned();
    for (name, help, value) in ALL {
        let kind = kind(value);
        page.extend(["| `", name, "` | ", kind, " | ", help, " |\n"]);
    }
    page
}

/// What of the fleet other programs say: title, query, what its lines are called, and unit.
const FLEET: [(&str, &str, &str, &str); 6] = [
    (
        "Shops that do not answer as they should",
        "count by (vantage) (longshore_shop_up == 0) or 0 * count by (vantage) (longshore_shop_up)",
        "{{vantage}}",
        "short",
    ),
    (
        "Requests that PHP answered in a second",
        "sum(rate(longshore_shop_requests_total{le=\"+Inf\"}[5m]))",
        "requests",
        "short",
    ),
    (
        "Share of them that failed",
        "sum(rate(longshore_shop_request_errors_total[5m])) \
         / sum(rate(longshore_shop_requests_total{le=\"+Inf\"}[5m]))",
        "failed",
        "percentunit",
    ),
    (
        "Pods by the release that they run",
        "count by (sequence) (longshore_release_info)",
        "release {{sequence}}",
        "short",
    ),
    (
        "Why pods do not run a newer release",
        "sum by (why) (longshore_newer_release)",
        "{{why}}",
        "short",
    ),
    (
        "Releases that were taken back, in an hour",
        "sum(increase(longshore_rollbacks_total[1h]))",
        "rolled back",
        "short",
    ),
];

/// The dashboard for Grafana, of the fleet and its rollouts.
#[must_use]
pub fn dashboard() -> String {
    let fleet = FLEET.iter().map(|(title, expression, line, unit)| Panel {
        title: (*title).to_owned(),
        lines: vec![((*expression).to_owned(), *line)],
        unit,
    });
    let ours = ALL
        .iter()
        .map(|(name, help, value)| Panel::of_metric(name, kind(value), help, "{{pod}}"));
    let panels: Vec<_> = fleet.chain(ours).collect();
    runtime::dashboard::dashboard("fleet", "the fleet and its rollouts", &[], &panels)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Gauge(_) => "gauge",
        Value::Counter(_) => "counter",
    }
}

/// The answer of `/metrics`.
pub(super) fn page(controller: &Controller) -> String {
    let snapshot = snapshot(controller);
    let mut page = OpenMetrics::default();
    for (name, help, value) in ALL {
        let number = match value {
            Value::Gauge(of) => u64::try_from(of(&snapshot)).unwrap_or(u64::MAX),
            Value::Counter(of) => of(&controller.counts).load(Relaxed),
        };
        page.metric(name, kind(value), help);
        page.sample(name, &[], number);
    }
    page.end()
}

fn snapshot(controller: &Controller) -> Snapshot<'_> {
    let held = matches!(
        removal::decide(controller, Timestamp::now()),
        Removal::Held(_)
    );
    let (waiting, failing) = controller.queue.depth();
    let running = controller.queue.running();
    let state = controller.lock();
    let shops = |holds: fn(&Shop) -> bool| {
        state
            .fleet
            .shops
            .values()
            .filter(|shop| holds(shop))
            .count()
    };
    let stopped = |rollout: &&Rollout| phase(rollout) == Some(Phase::Stopped);
    Snapshot {
        controller,
        shops: state.fleet.shops.len(),
        objects: state.world.values().map(BTreeMap::len).sum(),
        missing: state.missing.len(),
        unreadable: state.unreadable.len(),
        stopped: state.fleet.rollouts.values().filter(stopped).count(),
        unready: shops(|shop| {
            served(shop) && condition(shop, "Ready").is_some_and(|it| it.status == Truth::False)
        }),
        late: shops(|shop| {
            condition(shop, "BackupFresh").is_some_and(|it| it.status == Truth::False)
        }),
        unmigrated: shops(|shop| {
            condition(shop, "DatabaseCurrent").is_some_and(|it| it.reason == "MigrationFailed")
        }),
        at_zero: shops(|shop| at_zero(shop).is_some()),
        edge_held: state.edge.problem.is_some(),
        unproven: state.claims.unproven_hosts(),
        failed_builds: builds::failed(&state),
        halted: state.halted.is_some(),
        held,
        waiting,
        failing,
        running,
    }
}

fn condition<'a>(shop: &'a Shop, kind: &str) -> Option<&'a Condition> {
    shop.status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.kind == kind)
}
