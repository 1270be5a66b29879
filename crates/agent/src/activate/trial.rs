//! How a release that was switched to is judged: kept, or undone and, if the one before does
//! well, rejected.

use super::{Activator, Objection, Reconciled, Shop, Switch, on_disk};
use crate::{
    gate::Hold,
    status::{Phase, ProbeOutcome, SwitchOutcome},
};
use deploy::View;
use php::Problem;
use release::Reason;
use std::{path::PathBuf, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How often a release that fails and works by turns is probed.
const ROUNDS: u32 = 3;

/// What came of a trial.
struct Probed {
    said: Result<(), Problem>,
    /// What the release before said at the same time, if it failed, too.
    before: Option<String>,
}

impl<S: Shop> Activator<S> {
    /// The release failed at what the one that runs does well.
    pub(super) async fn reject(&mut self, switch: &Switch, problem: String) -> Reconciled {
        error!(
            sequence = switch.sequence.get(),
            manifest = %switch.manifest,
            error = problem,
            "the shop does not work with this release"
        );
        let rejected = self
            .sources
            .first()
            .reject(switch.manifest, problem.clone(), (self.clock)())
            .await;
        self.view().await;
        self.board
            .rejected(switch.sequence, switch.manifest, &problem);
        match rejected {
            Ok(()) => Reconciled::Settled,
            Err(error) => {
                self.failed(
                    "a release cannot be put on the rejected list",
                    error.reason(),
                    &error,
                );
                Reconciled::Failed
            }
        }
    }

    /// The release failed, and so does the one that runs.
    pub(super) fn later(&self, switch: &Switch, problem: String) -> Reconciled {
        self.board.offered(switch.sequence, switch.manifest);
        self.hold(&Hold::Shop(problem));
        Reconciled::Later
    }

    /// Ends the trial of the active release, one way or the other, if the shop answers.
    pub(super) async fn conclude(
        &mut self,
        switch: &Switch,
        stop: &CancellationToken,
    ) -> Reconciled {
        self.board.phase(Phase::Probing);
        let start = Instant::now();
        let probed = tokio::select! {
            biased;
            probed = self.probed() => probed,
            // It stays on trial, and the next start probes it.
            () = stop.cancelled() => return Reconciled::Failed,
        };
        self.board.page((self.clock)(), &probed.said);
        self.board.probed(
            if probed.said.is_ok() {
                ProbeOutcome::Passed
            } else {
                ProbeOutcome::Failed
            },
            start.elapsed(),
        );
        let outcome = match probed.said {
            Ok(()) => self.keep(switch, stop).await,
            Err(Problem::Bad(problem)) => self.go_back(switch, problem, probed.before, stop).await,
            // Nobody there to say anything against the release: a pod that starts, most likely.
            Err(problem @ Problem::Silent(_)) => {
                self.failed("the shop cannot be asked", Reason::Probe, &problem);
                Reconciled::Failed
            }
        };
        self.view().await;
        outcome
    }

    /// Probes the active release; if it fails, until the release before was asked in between.
    async fn probed(&self) -> Probed {
        let before = self.before().await;
        let mut round = 1;
        loop {
            let said = self.shop.probe().await;
            let Some(before) = before
                .as_ref()
                .filter(|_| matches!(said, Err(Problem::Bad(_))) && round < ROUNDS)
            else {
                return Probed { said, before: None };
            };
            match self.shop.again(before).await {
                Ok(()) => round += 1,
                Err(Objection::Release(_)) => return Probed { said, before: None },
                Err(Objection::Surroundings(before)) => {
                    return Probed {
                        said,
                        before: Some(before),
                    };
                }
            }
        }
    }

    /// The tree of the release before.
    async fn before(&self) -> Option<PathBuf> {
        let root = self.root.clone();
        on_disk(move || {
            View::read(&root)
                .ok()?
                .state
                .previous
                .map(|previous| deploy::tree(&root, &previous.manifest))
        })
        .await
    }

    async fn keep(&mut self, switch: &Switch, stop: &CancellationToken) -> Reconciled {
        let before = self.before().await;
        if let Err(error) = self.sources.keep().await {
            self.failed("cannot end the trial", error.reason(), &error);
            return Reconciled::Failed;
        }
        info!(sequence = switch.sequence.get(), manifest = %switch.manifest, "release runs");
        self.board.switched(SwitchOutcome::Switched);
        match stop
            .run_until_cancelled(self.shop.after(switch, before.as_deref()))
            .await
        {
            Some(Ok(())) => {}
            Some(Err(problem)) => error!(
                sequence = switch.sequence.get(),
                error = problem,
                "the hook after the switch failed"
            ),
            None => warn!(
                sequence = switch.sequence.get(),
                "the hook after the switch was cut off, as the agent ends"
            ),
        }
        Reconciled::Settled
    }

    /// Back to the release before; only if that is well, and was well without visitors when this
    /// one failed, this one is rejected. An end in between leaves it unjudged, and the next start
    /// tries it once more.
    async fn go_back(
        &mut self,
        switch: &Switch,
        problem: String,
        before: Option<String>,
        stop: &CancellationToken,
    ) -> Reconciled {
        warn!(
            sequence = switch.sequence.get(),
            manifest = %switch.manifest,
            error = problem,
            "a release on trial failed"
        );
        self.board.phase(Phase::RollingBack);
        let active = match self.sources.go_back((self.clock)()).await {
            Ok(Some(active)) => active,
            Ok(None) => {
                self.board.error(
                    (self.clock)(),
                    Reason::Probe,
                    format!("{problem}; there is no release to go back to"),
                );
                // Something newer may be offered, which is the way out.
                return Reconciled::Settled;
            }
            Err(error) => {
                self.failed("cannot go back", error.reason(), &error);
                return Reconciled::Failed;
            }
        };
        info!(sequence = active.sequence.get(), manifest = %active.manifest, "went back");
        self.view().await;
        self.board.switched(SwitchOutcome::RolledBack);
        self.shop.reload().await;
        let Some(control) = stop.run_until_cancelled(self.shop.control()).await else {
            return Reconciled::Failed;
        };
        self.board.page((self.clock)(), &control);
        match (control, before) {
            (Ok(()), None) => self.reject(switch, problem).await,
            (Ok(()), Some(before)) => self.later(switch, format!("{problem}; {before}")),
            (Err(other), _) => self.later(
                switch,
                format!("{problem}; and with the release before: {other}"),
            ),
        }
    }
}
