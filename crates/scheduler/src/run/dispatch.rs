//! Looks at shops: so many at a time, those first that a person waits for, and only those whose
//! shard this process leads.

use super::{Controller, Ended, GRACE, reconcile};
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

/// Looks at shops, so many at a time, as long as this process leads their shards.
pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        while controller.complete()
            && let Some(shop) = next(&controller)
        {
            let shared = Arc::clone(&controller);
            running.spawn(async move {
                let ended = reconcile::look(&shared, &shop).await;
                shared.counts.looks.fetch_add(1, Relaxed);
                if ended == Ended::Failed {
                    shared.counts.failures.fetch_add(1, Relaxed);
                }
                over(&shared, &shop, ended);
            });
        }
        let due = controller
            .queue()
            .next()
            .unwrap_or_else(|| Instant::now() + Duration::from_mins(1));
        tokio::select! {
            () = stop.cancelled() => {}
            () = controller.work.notified() => {}
            () = sleep_until(due) => {}
            Some(_ended) = running.join_next(), if !running.is_empty() => {}
        }
        while running.try_join_next().is_some() {}
    }
    // What was begun is finished: half of a shop is no harm, and a whole one is better.
    if timeout(GRACE.saturating_sub(Duration::from_secs(2)), async {
        while running.join_next().await.is_some() {}
    })
    .await
    .is_err()
    {
        warn!(shops = running.len(), "looks cut off");
    }
    Ok(())
}

/// The next shop of a shard that this process leads; those of others are its leader's.
fn next(controller: &Controller) -> Option<String> {
    loop {
        let shop = controller
            .queue()
            .take(controller.settings.at_once, Instant::now())?;
        if controller.held[controller.shard(&shop)].is() {
            return Some(shop);
        }
        over(controller, &shop, Ended::Settled);
    }
}

/// A look has ended; others need not wait for it any more, unless a person has just asked for
/// another one.
fn over(controller: &Controller, shop: &str, ended: Ended) {
    let mut queue = controller.queue();
    queue.done(shop, ended, Instant::now());
    if !queue.hurried(shop) {
        controller.request_priority.done(shop);
    }
}
