//! What is counted, with name, unit and help in one place; and the text that Prometheus reads.
//!
//! Label values come from closed lists and from the mounts file. What runs is one `_info` gauge.

use crate::status::{Phase, Snapshot};
use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use release::Reason;
use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU64},
    time::Duration,
};

type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Release {
    channel: String,
    sequence: u64,
    manifest: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InPhase {
    phase: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Mounted {
    mount: String,
    state: &'static str,
}

/// Every metric of the agent.
#[derive(Default)]
pub struct Metrics {
    checks: Family<Outcome, Counter>,
    last_success: Seconds,
    switches: Family<Outcome, Counter>,
    staged_seconds: Seconds,
    downloaded: Counter,
    probe_seconds: Seconds,
    release: Family<Release, Gauge>,
    phase: Family<InPhase, Gauge>,
    mounts: Family<Mounted, Gauge>,
    rejected: Gauge,
    waiting: Gauge,
    damaged: Gauge,
    repaired: Gauge,
    ready: Gauge,
    rss: Gauge<i64, AtomicI64>,
    cpu: Counter<f64, AtomicU64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// A look at the sources ended; its outcome is `ok` or a reason code.
    pub(crate) fn checked(&self, error: Option<Reason>, at: Timestamp) {
        self.checks.get_or_create(&Outcome { outcome: error.map_or("ok", Reason::code) }).inc();
        if error.is_none() {
            self.last_success.set(at.as_duration().as_secs_f64());
        }
    }

    pub(crate) fn staged(&self, downloaded: u64, took: Duration) {
        self.downloaded.inc_by(downloaded);
        self.staged_seconds.set(took.as_secs_f64());
    }

    pub(crate) fn probed(&self, took: Duration) {
        self.probe_seconds.set(took.as_secs_f64());
    }

    pub(crate) fn switched(&self, kept: bool) {
        self.switches.get_or_create(&Outcome { outcome: if kept { "kept" } else { "rolled-back" } }).inc();
    }

    /// The text, with what `snapshot` says at this moment.
    ///
    /// # Errors
    ///
    /// Never: writing into memory does not fail.
    pub fn text(&self, snapshot: &Snapshot, ready: bool) -> Result<String, fmt::Error> {
        self.show(snapshot, ready);
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        Ok(text)
    }

    fn show(&self, snapshot: &Snapshot, ready: bool) {
        self.release.clear();
        if let Some(running) = &snapshot.running {
            let (sequence, manifest) = (running.sequence.get(), running.manifest.to_string());
            self.release.get_or_create(&Release { channel: snapshot.channel.clone(), sequence, manifest }).set(1);
        }
        for phase in Phase::ALL {
            self.phase.get_or_create(&InPhase { phase: phase.word() }).set(i64::from(phase == snapshot.phase));
        }
        self.mounts.clear();
        for mount in &snapshot.mounts {
            self.mounts.get_or_create(&Mounted { mount: mount.name.clone(), state: mount.state }).set(1);
        }
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.rejected.set(count(snapshot.rejected.len() as u64));
        self.waiting.set(i64::from(snapshot.newer.is_some()));
        self.damaged.set(count(snapshot.audit.damaged));
        self.repaired.set(count(snapshot.audit.repaired));
        self.ready.set(i64::from(ready));
        self.rss.set(count(runtime::resident_memory().unwrap_or_default()));
        let cpu = runtime::processor_time().as_secs_f64();
        self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
    }

    fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("longshore");
        all.register("checks", "Looks at the sources of releases, by outcome: ok or a reason code", self.checks.clone());
        let last = self.last_success.clone();
        all.register_with_unit("last_success_timestamp", "When a look at the sources succeeded last", Unit::Seconds, last);
        all.register("switches", "Releases that became active: kept or rolled-back", self.switches.clone());
        let staged = self.staged_seconds.clone();
        all.register_with_unit("staging", "How long the last release took to be put on the disk", Unit::Seconds, staged);
        all.register_with_unit("downloaded", "Bytes that releases took from the store", Unit::Bytes, self.downloaded.clone());
        all.register_with_unit("probe", "How long the last probe of the shop took", Unit::Seconds, self.probe_seconds.clone());
        all.register("release_info", "The release that runs", self.release.clone());
        all.register("phase", "1 for what the agent does, 0 for what it does not", self.phase.clone());
        all.register("mount_state", "1 for the state that storage of the shop is in", self.mounts.clone());
        all.register("rejected_releases", "Releases that failed here and are not tried again", self.rejected.clone());
        all.register("waiting_releases", "1 where a release is offered that does not run", self.waiting.clone());
        all.register("damaged_files", "Files of the running tree that were found changed since the agent started", self.damaged.clone());
        all.register("repaired_files", "Files of the running tree that were put back since then", self.repaired.clone());
        all.register("ready", "1 where the pod is ready for requests", self.ready.clone());
        all.register_with_unit("process_resident_memory", "Memory that the agent holds", Unit::Bytes, self.rss.clone());
        all.register_with_unit("process_cpu", "Processor time that the agent took", Unit::Seconds, self.cpu.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_what_the_snapshot_says_and_ends_as_openmetrics_does() {
        let metrics = Metrics::default();
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        metrics.checked(None, now);
        metrics.checked(Some(Reason::Unreachable), now);
        metrics.switched(false);
        let text = metrics.text(&Snapshot::at_start("shops/acme".into(), now), true).unwrap();
        for line in [
            "longshore_checks_total{outcome=\"ok\"} 1",
            "longshore_checks_total{outcome=\"unreachable\"} 1",
            "longshore_switches_total{outcome=\"rolled-back\"} 1",
            "longshore_phase{phase=\"idle\"} 1",
            "longshore_phase{phase=\"probing\"} 0",
            "longshore_ready 1",
            "# UNIT longshore_process_resident_memory_bytes bytes",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
        }
        assert!(text.contains("longshore_last_success_timestamp_seconds 17698") && text.ends_with("# EOF\n"));
    }
}
