//! A run that somebody looks at: how far it is, whether it is to stop, and when its time is over.

use super::{Progress, PullError, progress::Counters};
use std::{future::Future, pin::pin, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often the progress is told.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Tells how far `run` is, and halts it when `stop` completes or the deadline passes.
pub(super) async fn watched<T>(
    run: impl Future<Output = Result<T, PullError>>,
    counters: &Counters,
    halt: &CancellationToken,
    deadline: Duration,
    report: &(dyn Fn(Progress) + Send + Sync),
    stop: impl Future<Output = ()> + Send,
) -> Result<T, PullError> {
    let (mut run, mut stop, mut over) = (pin!(run), pin!(stop), pin!(tokio::time::sleep(deadline)));
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            result = &mut run => return result,
            () = &mut stop => {
                halt.cancel();
                return interrupted(run.await, PullError::Interrupted);
            }
            () = &mut over => {
                halt.cancel();
                return interrupted(run.await, PullError::Deadline(deadline));
            }
            _ = ticks.tick() => {
                let progress = counters.now();
                if progress.chunks_total > 0 {
                    report(progress);
                }
            }
        }
    }
}

// What ended the run is the error, unless the run was done all the same or had an error of its own.
fn interrupted<T>(result: Result<T, PullError>, by: PullError) -> Result<T, PullError> {
    match result {
        Err(PullError::Interrupted) => Err(by),
        other => other,
    }
}
