//! From a release that may run to one that runs on trial: confirm, prepare, switch.

use super::{
    engine::{Activator, Reconciled},
    shop::{Objection, Shop, Switch},
};
use crate::{
    gate::Hold,
    status::{Phase, SwitchOutcome, Why},
};
use deploy::pull::{Candidate, PullError};
use release::Reason;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

impl<S: Shop> Activator<S> {
    /// What the tree brings is about to run, or visitors are about to meet it: whoever vouched for
    /// it has to do so at this moment.
    async fn confirmed(
        &mut self,
        candidate: &mut Candidate,
        stop: &CancellationToken,
    ) -> Result<(), Reconciled> {
        match self
            .sources
            .confirm(candidate, (self.clock)(), stop.cancelled())
            .await
        {
            Ok(true) => Ok(()),
            // What is offered by now is looked at at once.
            Ok(false) => {
                self.wake.wake();
                Err(Reconciled::Held)
            }
            Err(PullError::Interrupted) => Err(Reconciled::Failed),
            Err(error) => {
                let text = runtime::Chain(&error).to_string();
                self.board.why(
                    if error.reason() == Reason::Expired {
                        Why::Expired
                    } else {
                        Why::Failed
                    },
                    &text,
                );
                self.board.not_checked((self.clock)(), error.reason(), text);
                self.failed(
                    "a release that was staged may not become active",
                    error.reason(),
                    &error,
                );
                Err(Reconciled::Failed)
            }
        }
    }

    pub(super) async fn switch(
        &mut self,
        mut candidate: Box<Candidate>,
        stop: &CancellationToken,
    ) -> Reconciled {
        if let Err(outcome) = self.confirmed(&mut candidate, stop).await {
            return outcome;
        }
        let switch = Switch::to(
            &self.root,
            candidate.target.sequence,
            candidate.target.manifest,
        );
        let switch = Switch {
            warm: candidate.warm.clone(),
            ..switch
        };
        self.board.phase(Phase::Warming);
        // Nothing was switched yet, so that an end in the middle leaves nothing behind.
        match stop.run_until_cancelled(self.prepare(&switch)).await {
            None => return Reconciled::Failed,
            Some(Err(Unfit::Waits(hold))) => return self.hold(&hold),
            Some(Err(Unfit::Objected(Objection::Surroundings(problem)))) => {
                return self.later(&switch, problem);
            }
            Some(Err(Unfit::Objected(Objection::Release(problem)))) => {
                self.board.switched(SwitchOutcome::Failed);
                return self.reject(&switch, problem).await;
            }
            Some(Ok(())) => {}
        }
        // Again: the hook and the warming had time in which somebody may have said stop.
        if let Err(outcome) = self.confirmed(&mut candidate, stop).await {
            return outcome;
        }
        if let Some(hold) = self.held(&candidate).await {
            return self.hold(&hold);
        }
        if stop.is_cancelled() {
            return Reconciled::Failed;
        }
        self.board.phase(Phase::Switching);
        match self.sources.try_out(&candidate, (self.clock)()).await {
            Ok(true) => {}
            Ok(false) => return Reconciled::Held,
            Err(error) => {
                self.failed("cannot switch", error.reason(), &error);
                return Reconciled::Failed;
            }
        }
        info!(sequence = switch.sequence.get(), manifest = %switch.manifest, "switched, on trial");
        self.view().await;
        self.shop.reload().await;
        self.conclude(&switch, stop).await
    }

    /// What is done with the new tree while the one before still runs.
    async fn prepare(&self, switch: &Switch) -> Result<(), Unfit> {
        if let Err(problem) = self.shop.before(switch).await {
            warn!(
                sequence = switch.sequence.get(),
                error = problem,
                "the hook before the switch failed"
            );
            return Err(Unfit::Waits(Hold::Hook(problem)));
        }
        self.shop.warm(switch).await;
        self.shop.rehearse(switch).await.map_err(Unfit::Objected)
    }
}

/// Why a release that the gate let through is not switched to.
enum Unfit {
    Waits(Hold),
    Objected(Objection),
}
