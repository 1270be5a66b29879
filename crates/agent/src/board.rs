//! Where the tasks write what they know, and the server reads it: one value, replaced whole, so that nobody waits for anybody.

use crate::status::{Audit, Check, Mount, Newer, Phase, Running, Snapshot, Trouble};
use deploy::{
    View,
    pull::{Candidate, Figures, Progress},
};
use jiff::Timestamp;
use release::{Reason, Sequence, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// The one snapshot, and the counters beside it.
#[derive(Debug, Clone)]
pub struct Board {
    snapshot: Arc<watch::Sender<Snapshot>>,
    metrics: Arc<Metrics>,
}

impl Board {
    /// An agent that knows nothing yet.
    #[must_use]
    pub fn new(channel: String, now: Timestamp) -> Self {
        Self { snapshot: Arc::new(watch::Sender::new(Snapshot::at_start(channel, now))), metrics: Arc::default() }
    }

    /// The snapshot as it is now.
    #[must_use]
    pub fn now(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot.send_modify(change);
    }

    /// The agent's own loop goes on.
    pub fn beat(&self, now: Timestamp) {
        self.change(|snapshot| snapshot.heartbeat = now);
    }

    /// The agent was asked to stop.
    pub fn stopping(&self) {
        self.change(|snapshot| snapshot.stopping = true);
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.change(|snapshot| {
            snapshot.phase = phase;
            if let Some(newer) = snapshot.newer.as_mut().filter(|_| !matches!(phase, Phase::Idle | Phase::Checking | Phase::Waiting)) {
                newer.why = phase.word();
                newer.detail.clear();
            }
        });
    }

    /// What the release root shows.
    pub(crate) fn shown(&self, view: &View) {
        self.change(|snapshot| {
            snapshot.running = view.running().map(|active| Running {
                sequence: active.sequence,
                manifest: active.manifest,
                since: active.since,
                on_trial: view.state.trial.is_some(),
            });
            snapshot.rejected.clone_from(&view.state.rejected);
        });
    }

    /// A release is offered that does not run.
    pub(crate) fn offered(&self, sequence: Sequence, manifest: Sha256) {
        self.change(|snapshot| {
            let runs = snapshot.running.as_ref().is_some_and(|running| running.manifest == manifest);
            let known = snapshot.newer.as_ref().is_some_and(|newer| newer.manifest == manifest);
            if !runs && !known {
                snapshot.phase = Phase::Staging;
                snapshot.newer = Some(Newer { sequence, manifest, why: Phase::Staging.word(), detail: String::new() });
            }
        });
    }

    pub(crate) fn progress(&self, progress: Progress) {
        self.change(|snapshot| {
            snapshot.phase = Phase::Staging;
            snapshot.staging = Some(progress.into());
        });
    }

    pub(crate) fn staged(&self, candidate: &Candidate) {
        let Figures { downloaded_bytes, total, files, .. } = candidate.figures;
        let fresh = files > 0 && self.now().newer.is_some_and(|newer| newer.why == Phase::Staging.word());
        if fresh {
            self.metrics.staged(downloaded_bytes, total);
        }
        let (sequence, manifest) = (candidate.target.sequence, candidate.target.manifest);
        self.change(|snapshot| {
            snapshot.staging = None;
            if snapshot.newer.as_ref().is_none_or(|newer| newer.manifest != manifest || newer.why == Phase::Staging.word()) {
                snapshot.newer = Some(Newer { sequence, manifest, why: "staged", detail: String::new() });
            }
        });
    }

    /// Why the release that is offered does not run; whether that is news.
    pub(crate) fn why(&self, why: &'static str, detail: &str) -> bool {
        let mut news = false;
        self.change(|snapshot| {
            if let Some(newer) = snapshot.newer.as_mut() {
                news = newer.why != why;
                newer.why = why;
                detail.clone_into(&mut newer.detail);
            }
        });
        news
    }

    pub(crate) fn newer(&self, sequence: Sequence, manifest: Sha256, why: &'static str, detail: &str) {
        self.change(|snapshot| {
            snapshot.staging = None;
            snapshot.newer = Some(Newer { sequence, manifest, why, detail: detail.to_owned() });
        });
    }

    /// What is offered runs.
    pub(crate) fn settled(&self) {
        self.change(|snapshot| (snapshot.newer, snapshot.staging) = (None, None));
    }

    /// A look at the sources ended.
    pub(crate) fn checked(&self, at: Timestamp, error: Option<(Reason, String)>) {
        self.metrics.checked(error.as_ref().map(|(reason, _)| *reason), at);
        self.change(|snapshot| {
            let error = error.map(|(reason, error)| Trouble { at, reason, error });
            if error.is_none() {
                snapshot.last_success_at = Some(at);
            }
            snapshot.last_check = Some(Check { at, error });
        });
    }

    /// Something failed; whether that is news.
    pub(crate) fn error(&self, at: Timestamp, reason: Reason, error: String) -> bool {
        let mut news = false;
        self.change(|snapshot| {
            news = snapshot.last_error.as_ref().is_none_or(|last| last.error != error);
            snapshot.staging = None;
            snapshot.last_error = Some(Trouble { at, reason, error });
        });
        news
    }

    pub(crate) fn probed(&self, took: Duration) {
        self.metrics.probed(took);
    }

    pub(crate) fn kept(&self) {
        self.metrics.switched(true);
        self.settled();
    }

    pub(crate) fn rolled_back(&self) {
        self.metrics.switched(false);
    }

    /// How the shop's storage is.
    pub fn mounts(&self, mounts: Vec<Mount>) {
        self.change(|snapshot| snapshot.mounts = mounts);
    }

    /// Required storage that cannot be used, if any.
    pub(crate) fn unmounted(&self) -> Option<String> {
        let snapshot = self.snapshot.borrow();
        let mount = snapshot.mounts.iter().find(|mount| mount.required && !mount.ok)?;
        Some(format!("{} is {}: {}", mount.name, mount.state, mount.detail))
    }

    /// What came of looking for changed files.
    pub fn audited(&self, change: impl FnOnce(&mut Audit)) {
        self.change(|snapshot| change(&mut snapshot.audit));
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new("shops/acme".into(), Timestamp::now())
    }
}
