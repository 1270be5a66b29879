//! The engine that keeps one shop on the newest release that works: it asks, waits, and hands over
//! to the switch.

use super::{
    shop::{Shop, Switch},
    sources::Sources,
};
use crate::{
    board::Board,
    control::Control,
    gate::{self, Hold},
    status::{CheckOutcome, Phase, Why},
    watch::{Poll, Wake},
};
use deploy::{
    RootError, View,
    pull::{Candidate, Event, PullError, ReleaseStatus},
};
use jiff::Timestamp;
use release::{Need, Passed, Reason, Sha256};
use std::{path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How soon a wait at the gate is looked at again without anybody waking us: files of the control
/// directory wake us themselves.
const HELD: Duration = Duration::from_mins(1);

/// What switches one shop.
#[derive(Debug)]
pub struct Activator<S> {
    pub(crate) root: PathBuf,
    pub(crate) sources: Sources,
    pub(crate) shop: S,
    pub(crate) control: Option<PathBuf>,
    pub(crate) board: Board,
    pub(crate) wake: Wake,
    pub(crate) passed: Passed,
    /// What an operator wanted tried again, and it was: once for each time that they said so,
    /// whatever clocks say.
    pub(crate) retried: Option<(Sha256, Timestamp)>,
    pub(crate) clock: fn() -> Timestamp,
}

/// What one look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// All sources were asked, and nothing is left to do before something changes.
    Settled,
    /// A release waits at the gate.
    Held,
    /// A release failed, and so does the one that runs: it is tried again, ever more rarely.
    Later,
    /// Something failed that may succeed later.
    Failed,
}

impl<S: Shop> Activator<S> {
    /// An engine that has not looked yet, and does when `wake` asks for it.
    #[must_use]
    pub const fn new(
        root: PathBuf,
        sources: Sources,
        shop: S,
        control: Option<PathBuf>,
        board: Board,
        wake: Wake,
    ) -> Self {
        Self {
            root,
            sources,
            shop,
            control,
            board,
            wake,
            passed: Passed::new(),
            retried: None,
            clock: Timestamp::now,
        }
    }

    /// Looks now, whenever somebody asks for it, and in intervals, until `stop`.
    pub async fn run(mut self, interval: Duration, stop: CancellationToken) {
        let mut poll = Poll::new(interval);
        loop {
            let outcome = self.reconcile(&stop).await;
            match outcome {
                Reconciled::Settled | Reconciled::Held => poll.succeeded(),
                Reconciled::Failed | Reconciled::Later => poll.failed(),
            }
            let wait = poll.wait(rand::random());
            let wait = if outcome == Reconciled::Held {
                wait.min(HELD)
            } else {
                wait
            };
            tokio::select! {
                // If both came, the end.
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = self.wake.asked() => {}
            }
        }
    }

    /// One look at everything that may have changed, and what follows from it.
    pub(crate) async fn reconcile(&mut self, stop: &CancellationToken) -> Reconciled {
        self.board.phase(Phase::Checking);
        let outcome = self.follow(stop).await;
        self.board
            .phase(if matches!(outcome, Reconciled::Held | Reconciled::Later) {
                Phase::Waiting
            } else {
                Phase::Idle
            });
        outcome
    }

    async fn follow(&mut self, stop: &CancellationToken) -> Reconciled {
        let control = self.read_control().await;
        let Some(view) = self.view().await else {
            return Reconciled::Failed;
        };
        if let (Some(trial), Some(active)) = (view.state.trial, view.state.active.clone()) {
            info!(sequence = active.sequence.get(), %trial, "a release is on trial");
            match self
                .conclude(
                    &Switch::to(&self.root, active.sequence, active.manifest),
                    stop,
                )
                .await
            {
                Reconciled::Settled => {}
                outcome => return outcome,
            }
            self.board.phase(Phase::Checking);
        }
        if !self.allow_retry(&control, &view).await {
            return Reconciled::Failed;
        }
        let candidate = match self.offered(stop).await {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return Reconciled::Settled,
            Err(outcome) => return outcome,
        };
        if let Some(expires) = candidate
            .expires
            .filter(|expires| (self.clock)() > *expires)
        {
            self.board.why(
                Why::Expired,
                &format!("it expired at {expires} before it could run; publish it again"),
            );
            return Reconciled::Held;
        }
        if let Some(hold) = self.held(&candidate).await {
            return self.hold(&hold);
        }
        self.switch(candidate, stop).await
    }

    /// Why the candidate has to wait, by what is said at this moment: staging and warming take
    /// their time.
    pub(super) async fn held(&mut self, candidate: &Candidate) -> Option<Hold> {
        let control = self.read_control().await;
        let need = Need {
            sequence: candidate.target.sequence,
            migration: candidate.migration,
        };
        let need = self.passed.offered(
            need,
            self.board
                .now()
                .running
                .as_ref()
                .map(|running| running.sequence),
        );
        let held = gate::hold(need, &control, (self.clock)());
        held.or_else(|| self.board.unmounted().map(Hold::Mounts))
    }

    async fn read_control(&self) -> Control {
        let Some(directory) = self.control.clone() else {
            return Control::default();
        };
        on_disk(move || Control::read(&directory)).await
    }

    /// What the root shows, which the status shows, too.
    pub(super) async fn view(&self) -> Option<View> {
        let root = self.root.clone();
        match on_disk(move || View::read(&root)).await {
            Ok(view) => {
                self.board.shown(&view);
                Some(view)
            }
            // Nothing was ever put here: the first release makes the root.
            Err(RootError::NotDirectory(path)) if !path.exists() => Some(View {
                state: deploy::State::default(),
                current: None,
            }),
            Err(error) => {
                self.failed("the release root cannot be read", error.reason(), &error);
                None
            }
        }
    }

    /// Takes the release off the rejected list that an operator wants tried again. One that failed
    /// since they said so stays there, also after a restart.
    async fn allow_retry(&mut self, control: &Control, view: &View) -> bool {
        let failed_before = |(manifest, said): &(Sha256, Timestamp)| {
            view.state
                .rejected
                .get(manifest)
                .is_some_and(|it| it.at < *said)
        };
        let retry = control
            .retry
            .filter(|retry| failed_before(retry) && self.retried != Some(*retry));
        let Some((manifest, _)) = retry else {
            return true;
        };
        match self.sources.first().allow(manifest).await {
            Ok(()) => {
                self.retried = retry;
                info!(%manifest, "a rejected release may be tried again, as an operator says");
                true
            }
            Err(error) => {
                self.failed(
                    "a rejected release cannot be taken off the list",
                    error.reason(),
                    &error,
                );
                false
            }
        }
    }

    /// What is offered, staged, and not active.
    async fn offered(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<Option<Box<Candidate>>, Reconciled> {
        let board = self.board.clone();
        let tell = move |event| match event {
            Event::Offered { sequence, manifest } => board.offered(sequence, manifest),
            Event::Progress(progress) => board.progress(progress),
        };
        let status = self
            .sources
            .follow((self.clock)(), &tell, &self.wake, stop)
            .await;
        let now = (self.clock)();
        match status {
            Ok(ReleaseStatus::Active { .. }) => {
                self.board.checked(now, CheckOutcome::Unchanged);
                self.board.settled();
                Ok(None)
            }
            Ok(ReleaseStatus::Rejected { sequence, manifest }) => {
                self.board.checked(now, CheckOutcome::Unchanged);
                let snapshot = self.board.now();
                let failed = snapshot
                    .rejected
                    .iter()
                    .find(|rejected| rejected.manifest == manifest);
                let elsewhere = || "other pods of the shop rejected it".to_owned();
                let detail = failed.map_or_else(elsewhere, |failed| {
                    format!("failed at {}: {}", failed.at, failed.reason)
                });
                self.board.rejected(sequence, manifest, &detail);
                Ok(None)
            }
            Ok(ReleaseStatus::Staged(candidate)) => {
                self.board.checked(now, CheckOutcome::Newer);
                self.board.staged(&candidate);
                Ok(Some(candidate))
            }
            // The agent ends, or looks again at once.
            Err(PullError::Interrupted) => Err(Reconciled::Failed),
            Err(error) => {
                self.board
                    .not_checked(now, error.reason(), runtime::Chain(&error).to_string());
                self.failed(
                    "the release that is offered cannot be used",
                    error.reason(),
                    &error,
                );
                Err(Reconciled::Failed)
            }
        }
    }

    pub(super) fn hold(&self, hold: &Hold) -> Reconciled {
        if self.board.why(hold.why(), &hold.to_string()) {
            info!(why = hold.why().word(), detail = %hold, "a release waits");
        }
        Reconciled::Held
    }

    pub(super) fn failed(
        &self,
        what: &'static str,
        reason: Reason,
        error: &(dyn std::error::Error + 'static),
    ) {
        let text = runtime::Chain(error).to_string();
        // A failure that goes on is one event, not one at each look.
        if self.board.error((self.clock)(), reason, text.clone()) {
            warn!(%reason, error = text, "{what}");
        }
    }
}

/// Runs disk work on a thread for it.
pub(crate) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
