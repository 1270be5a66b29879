//! The metrics of the program itself.

use super::{Metric, Sample, Snapshot, by_vantage, counted, float, one, seconds};
use crate::custom_metrics::Counts;
use observe::v1::Vantage;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of the program itself.
pub(super) const METRICS: [Metric; 21] = [
    (
        "longshore_watch_shops",
        "Shops, whether they are probed or not.",
        |it| one(it.shops.len()),
    ),
    (
        "longshore_watch_hosts",
        "Domains that are probed, by vantage point.",
        |it| by_vantage(it, |(all, _)| all),
    ),
    (
        "longshore_watch_hosts_down",
        "Those that do not answer as they should.",
        |it| by_vantage(it, |(_, down)| down),
    ),
    (
        "longshore_watch_fleet_down",
        "Whether over 5 % of domains, and at least three, are down at a vantage point, 1 or 0. \
         Alerts of single shops are silent then.",
        |it| {
            let down = it.sources.board.fleet_down().into_iter();
            let sample = |(vantage, down): (Vantage, bool)| {
                (vec![("vantage", vantage.word())], f64::from(u8::from(down)))
            };
            down.map(sample).collect()
        },
    ),
    (
        "longshore_watch_probe_lag_seconds",
        "Within which time after their moment 99 of 100 probes of the last minute began.",
        |it| seconds(it.sources.board.delay()),
    ),
    (
        "longshore_watch_probes_skipped_total",
        "Turns of domains that were passed over, as the probe before had not ended.",
        |it| counted(it.sources.board.skipped),
    ),
    (
        "longshore_watch_probes_unknown_total",
        "Probes that say nothing of their domain: the edge answered 429, or this process could not \
         connect.",
        |it| counted(it.sources.board.unknown),
    ),
    (
        "longshore_watch_incidents_lost_total",
        "Beginnings and ends of incidents that could not be kept, as too many waited.",
        |it| counted(it.sources.board.unwritten),
    ),
    (
        "longshore_watch_agents",
        "Agents that are asked for errors.",
        |it| counted(it.sources.collected.agents.load(Relaxed)),
    ),
    (
        "longshore_watch_collect_lag_seconds",
        "How long the agent has waited that waits longest for its turn.",
        |it| {
            let late = it.sources.collected.late.load(Relaxed);
            seconds(std::time::Duration::from_millis(late))
        },
    ),
    (
        "longshore_watch_collect_failures_total",
        "Questions to agents that had no answer.",
        |it| counted(it.sources.collected.failures.load(Relaxed)),
    ),
    (
        "longshore_watch_pages_refused_total",
        "Pages of agents that were not believed, by why (`why`): `large`, `json`, `version`, \
         `entries` (too many), `text` (too long) or `count`.",
        |it| {
            let refused = it.sources.collected.refused();
            refused
                .map(|(why, count)| (vec![("why", why)], float(count)))
                .collect()
        },
    ),
    (
        "longshore_watch_groups_refused_total",
        "Groups of errors that were left out, as one pod had more than 64 new ones at once.",
        |it| counted(it.sources.collected.left_out.load(Relaxed)),
    ),
    (
        "longshore_watch_store_bytes",
        "Bytes of the database on its disk.",
        |it| counted(it.sources.store.bytes.load(Relaxed)),
    ),
    (
        "longshore_watch_store_limit_bytes",
        "Bytes that it may have.",
        |it| counted(it.sources.store.limit.load(Relaxed)),
    ),
    (
        "longshore_watch_store_failures_total",
        "Reads and writes of the database that failed.",
        |it| counted(it.sources.store.failures.load(Relaxed)),
    ),
    (
        "longshore_watch_store_rebuilt_total",
        "Databases that were set aside, as they could not be used.",
        |it| counted(it.sources.store.rebuilt.load(Relaxed)),
    ),
    (
        "longshore_watch_custom_metrics_serving",
        "Whether it is known by what the API server is recognized, which asks for custom metrics, \
         1 or 0; absent if they are not served.",
        |it| {
            let counts = it.sources.custom_metrics.into_iter();
            let serving = |it: &Counts| f64::from(u8::from(it.serving.load(Relaxed)));
            counts.map(|it| (Vec::new(), serving(it))).collect()
        },
    ),
    (
        "longshore_watch_custom_metrics_answers_total",
        "Questions for custom metrics that were answered with pods.",
        |it| custom(it, |counts| &counts.answered),
    ),
    (
        "longshore_watch_custom_metrics_refused_total",
        "Those that were not: of another metric, with a bad selector, or before pods were listed.",
        |it| custom(it, |counts| &counts.refused),
    ),
    (
        "longshore_watch_custom_metrics_strangers_total",
        "Connections for custom metrics of somebody who is not the API server.",
        |it| custom(it, |counts| &counts.strangers),
    ),
];

fn custom<'a>(it: &Snapshot<'_>, of: fn(&Counts) -> &AtomicU64) -> Vec<Sample<'a>> {
    let counts = it.sources.custom_metrics.into_iter();
    counts
        .flat_map(|counts| counted(of(counts).load(Relaxed)))
        .collect()
}
