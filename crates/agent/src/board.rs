//! Where the tasks write what they know, and the server reads it: one value, replaced whole, so
//! that nobody waits for anybody.

use crate::{
    metrics::Metrics,
    status::{
        CheckOutcome, Failure, LastCheck, Newer, Page, PageState, Phase, ProbeOutcome, Rejected,
        Running, Snapshot, Staging, StoreUse, SwitchOutcome, Tamper, Why,
    },
};
use deploy::{
    View,
    pull::{Candidate, Figures, Progress},
};
use jiff::Timestamp;
use mounts::MountHealth;
use php::Problem;
use release::{ChannelName, Reason, Sequence, Sha256, Trouble};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

fn enter(snapshot: &mut Snapshot, phase: Phase) {
    let before = std::mem::replace(&mut snapshot.phase, phase);
    debug_assert!(
        before == phase || before.next().contains(&phase),
        "{phase} after {before}, which no operator was told of"
    );
}

/// The one snapshot, and the metrics beside it.
#[derive(Debug, Clone)]
pub struct Board {
    snapshot: Arc<watch::Sender<Arc<Snapshot>>>,
    metrics: Arc<Metrics>,
}

impl Board {
    /// An agent that knows nothing yet.
    #[must_use]
    pub fn new(channel: ChannelName, now: Timestamp) -> Self {
        Self {
            snapshot: Arc::new(watch::Sender::new(Arc::new(Snapshot::new(channel, now)))),
            metrics: Arc::default(),
        }
    }

    /// Sees every change from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// The snapshot as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Snapshot) -> T) -> Option<T> {
        let mut result = None;
        self.snapshot
            .send_modify(|snapshot| result = Some(change(Arc::make_mut(snapshot))));
        result
    }

    /// The agent was asked to stop.
    pub fn stopping(&self) {
        self.change(|snapshot| snapshot.shutting_down = true);
    }

    /// What was asked of the store so far.
    pub fn asked_of_store(&self, store: StoreUse) {
        if self.now().store != store {
            self.change(|snapshot| snapshot.store = store);
        }
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.change(|snapshot| {
            enter(snapshot, phase);
            let why = match phase {
                Phase::Warming => Why::Warming,
                Phase::Switching | Phase::Probing => Why::Probing,
                _ => return,
            };
            if let Some(newer) = &mut snapshot.newer {
                (newer.why, newer.detail) = (why, String::new());
            }
        });
    }

    /// What the release root shows.
    pub(crate) fn shown(&self, view: &View) {
        let running = view.running().map(|active| Running {
            sequence: active.sequence,
            manifest: active.manifest,
            since: active.since,
            on_trial: view.state.trial.is_some(),
        });
        let rejected = view.state.rejected.iter();
        let rejected: Vec<_> = rejected
            .map(|(manifest, it)| Rejected {
                manifest: *manifest,
                reason: it.reason.clone(),
                at: it.at,
            })
            .collect();
        self.change(|snapshot| (snapshot.running, snapshot.rejected) = (running, rejected));
    }

    /// A release is offered that does not run.
    pub(crate) fn offered(&self, sequence: Sequence, manifest: Sha256) {
        self.change(|snapshot| {
            let runs = snapshot
                .running
                .as_ref()
                .is_some_and(|running| running.manifest == manifest);
            let known = snapshot
                .newer
                .as_ref()
                .is_some_and(|newer| newer.manifest == manifest);
            if !runs && !known {
                snapshot.newer = Some(Newer {
                    sequence,
                    manifest,
                    why: Why::Staging,
                    detail: String::new(),
                });
            }
        });
    }

    pub(crate) fn progress(
        &self,
        Progress {
            chunks,
            chunks_total,
            bytes,
            bytes_total,
        }: Progress,
    ) {
        self.change(|snapshot| {
            enter(snapshot, Phase::Staging);
            snapshot.staging = Some(Staging {
                chunks,
                chunks_total,
                bytes,
                bytes_total,
            });
        });
    }

    pub(crate) fn staged(&self, candidate: &Candidate) {
        let Figures { total, files, .. } = candidate.figures;
        let was_staging = self
            .now()
            .newer
            .as_ref()
            .is_some_and(|newer| newer.why == Why::Staging);
        if files > 0 && was_staging {
            self.metrics.staged(total);
        }
        let (sequence, manifest) = (candidate.target.sequence, candidate.target.manifest);
        self.change(|snapshot| {
            snapshot.staging = None;
            if snapshot
                .newer
                .as_ref()
                .is_none_or(|newer| newer.manifest != manifest)
            {
                snapshot.newer = Some(Newer {
                    sequence,
                    manifest,
                    why: Why::Staging,
                    detail: String::new(),
                });
            }
        });
    }

    /// Why the release that is offered does not run; whether that is news.
    pub(crate) fn why(&self, why: Why, detail: &str) -> bool {
        let changed = self.change(|snapshot| {
            let newer = snapshot.newer.as_mut()?;
            let news = newer.why != why;
            (newer.why, newer.detail) = (why, detail.to_owned());
            Some(news)
        });
        changed.flatten().unwrap_or(false)
    }

    pub(crate) fn rejected(&self, sequence: Sequence, manifest: Sha256, problem: &str) {
        self.change(|snapshot| {
            snapshot.staging = None;
            snapshot.newer = Some(Newer {
                sequence,
                manifest,
                why: Why::Rejected,
                detail: problem.to_owned(),
            });
        });
    }

    /// What is offered runs.
    pub(crate) fn settled(&self) {
        self.change(|snapshot| (snapshot.newer, snapshot.staging) = (None, None));
    }

    /// A look at the sources came to an end.
    pub(crate) fn checked(&self, at: Timestamp, outcome: CheckOutcome) {
        self.metrics.checked(outcome);
        self.change(|snapshot| {
            snapshot.last_success_at = Some(at);
            snapshot.last_check = Some(LastCheck {
                at,
                outcome,
                error: None,
            });
        });
    }

    /// A look at the sources failed.
    pub(crate) fn not_checked(&self, at: Timestamp, reason: Reason, text: String) {
        let outcome = if reason.trouble() == Trouble::Untrusted {
            CheckOutcome::Refused
        } else {
            CheckOutcome::Failed
        };
        self.metrics.checked(outcome);
        self.change(|snapshot| {
            if let Some(newer) = snapshot
                .newer
                .as_mut()
                .filter(|newer| matches!(newer.why, Why::Staging | Why::Failed | Why::Expired))
            {
                let why = if reason == Reason::Expired {
                    Why::Expired
                } else {
                    Why::Failed
                };
                (newer.why, newer.detail) = (why, text.clone());
            }
            snapshot.last_check = Some(LastCheck {
                at,
                outcome,
                error: Some(Failure { at, reason, text }),
            });
        });
    }

    /// Something failed; whether that is news.
    pub(crate) fn error(&self, at: Timestamp, reason: Reason, text: String) -> bool {
        let news = self.change(|snapshot| {
            let news = snapshot
                .last_error
                .as_ref()
                .is_none_or(|last| last.text != text);
            snapshot.staging = None;
            snapshot.last_error = Some(Failure { at, reason, text });
            news
        });
        news.unwrap_or(true)
    }

    pub(crate) fn probed(&self, outcome: ProbeOutcome, took: Duration) {
        self.metrics.probed(outcome, took);
    }

    /// How the page is; it counts only if somebody answered, or nobody ever did.
    pub(crate) fn page(&self, at: Timestamp, answer: &Result<(), Problem>) {
        let (state, problem) = match answer {
            Ok(()) => (PageState::Good, None),
            Err(Problem::Bad(problem)) => (PageState::Bad, Some(problem.clone())),
            Err(Problem::Silent(problem)) => (PageState::Unknown, Some(problem.clone())),
        };
        self.change(|snapshot| {
            let known = snapshot
                .page
                .as_ref()
                .is_some_and(|page| page.state != PageState::Unknown);
            if state != PageState::Unknown || !known {
                snapshot.page = Some(Page {
                    state,
                    problem,
                    at: Some(at),
                });
            }
        });
    }

    /// The page is going to be asked for.
    pub(crate) fn asks_page(&self) {
        self.change(|snapshot| {
            snapshot.page = Some(Page {
                state: PageState::Unknown,
                problem: None,
                at: None,
            });
        });
    }

    pub(crate) fn switched(&self, outcome: SwitchOutcome) {
        self.metrics.switched(outcome);
        if outcome == SwitchOutcome::Switched {
            self.settled();
        }
    }

    /// How the mounts are; whether one that was not usable is now.
    pub(crate) fn mounted(&self, mounts: &[MountHealth]) -> bool {
        let usable = |mounts: &[MountHealth]| {
            mounts
                .iter()
                .filter(|mount| mount.state.is_usable())
                .count()
        };
        let more = self.change(|snapshot| {
            let before = std::mem::replace(&mut snapshot.mounts, mounts.to_vec());
            usable(mounts) > usable(&before)
        });
        more.unwrap_or(false)
    }

    /// Storage that the shop requires and cannot use, if any.
    pub(crate) fn unmounted(&self) -> Option<String> {
        let snapshot = self.now();
        let mount = snapshot
            .mounts
            .iter()
            .find(|mount| mount.required && !mount.state.is_usable())?;
        let detail = mount
            .detail
            .as_deref()
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        Some(format!("mount {} is {}{detail}", mount.name, mount.state))
    }

    /// What came of looking for changed files.
    pub fn looked(&self, change: impl FnOnce(&mut Tamper)) {
        self.change(|snapshot| change(&mut snapshot.tamper));
    }

    #[cfg(test)]
    pub(crate) fn runs_for_tests(&self, running: Running) {
        self.change(|snapshot| snapshot.running = Some(running));
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new("shops/acme".parse().unwrap(), Timestamp::now())
    }
}
