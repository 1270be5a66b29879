//! The reconcile loop. It reconciles a limited number of shops at a time, first those for which a
//! person waits, and only while this process leads.

use super::{Controller, GRACE, ReconcileEnd, audit::Audits, reconcile};
use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Reconciles shops, a limited number at a time, as long as this process leads.
pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let audits = Arc::new(Audits::default());
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        while controller.complete()
            && let Some(shop) = next(&controller)
        {
            let (shared, audits) = (Arc::clone(&controller), Arc::clone(&audits));
            running.spawn(async move {
                let ended = reconcile::reconcile(&shared, &audits, &shop).await;
                shared.counts.reconciles.fetch_add(1, Relaxed);
                if ended == ReconcileEnd::Failed {
                    shared.counts.failures.fetch_add(1, Relaxed);
                }
                shared.queue.done(&shop, ended);
            });
        }
        let due = controller
            .queue
            .next()
            .unwrap_or_else(|| Instant::now() + Duration::from_mins(1));
        tokio::select! {
            () = stop.cancelled() => {}
            () = controller.queue.added() => {}
            () = sleep_until(due) => {}
            Some(_ended) = running.join_next(), if !running.is_empty() => {}
        }
        while running.try_join_next().is_some() {}
    }
    // Finish what was begun: a shop that is half written does no harm, but a whole one is better.
    if timeout(GRACE.saturating_sub(Duration::from_secs(2)), async {
        while running.join_next().await.is_some() {}
    })
    .await
    .is_err()
    {
        warn!(shops = running.len(), "reconciles cut off");
    }
    Ok(())
}

/// The next shop, while this process leads.
fn next(controller: &Controller) -> Option<String> {
    loop {
        let shop = controller.queue.take(controller.settings.at_once)?;
        if controller.connections.leads() {
            return Some(shop);
        }
        controller.queue.done(&shop, ReconcileEnd::Settled);
    }
}
