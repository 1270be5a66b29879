//! What is forgotten, so that the database and memory have bounds.

use crate::{
    collect::pods::Pods,
    fleet::Fleet,
    performance::Performance,
    store::{Store, groups, incidents},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often it is looked whether the database has room.
const LOOK: Duration = Duration::from_secs(10);
/// How often what is over is forgotten.
const EVERY: Duration = Duration::from_hours(1);

/// Forgets what is over, until `stop`.
pub(crate) async fn run(
    store: Store,
    fleet: Arc<Mutex<Fleet>>,
    pods: Arc<Pods>,
    performance: Arc<Mutex<Performance>>,
    stop: CancellationToken,
) {
    let (mut last, mut failures) = (None::<Instant>, 0);
    loop {
        let due = last.is_none_or(|it| it.elapsed() >= EVERY);
        if due && fleet.lock().is_listed() && pods.is_listed() {
            last = Some(Instant::now());
            // Before another lock is taken: who answers takes them in another order.
            let shops: BTreeSet<String> = fleet.lock().names().map(str::to_owned).collect();
            prune(&store, &shops, &pods).await;
            performance
                .lock()
                .retain(|shop| shops.contains(shop), &pods.uids());
        }
        let failed = store.counts().failures.load(Relaxed);
        if failed != failures && is_full(&store).await {
            squeeze(&store).await;
        }
        failures = failed;
        if stop.run_until_cancelled(sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

async fn prune(store: &Store, shops: &BTreeSet<String>, pods: &Pods) {
    pods.keep_shops(|shop| shops.contains(shop));
    let (there, now) = (pods.uids(), Timestamp::now());
    let pruned = store.call(move |db| {
        groups::keep_pods(db, &there, now)?;
        incidents::prune(db, now)?;
        groups::prune(db, now)
    });
    match pruned.await {
        Ok(groups) => info!(groups, "what is over is forgotten"),
        Err(error) => warn!(%error, "what is over is not forgotten yet"),
    }
}

/// Whether the database has no room, by its own limit.
async fn is_full(store: &Store) -> bool {
    store.call(groups::is_full).await.unwrap_or(false)
}

async fn squeeze(store: &Store) {
    match store.call(groups::squeeze).await {
        Ok(groups) => warn!(
            groups,
            "the database is full; the oldest groups are forgotten"
        ),
        Err(error) => warn!(%error, "the database is full, and nothing can be forgotten"),
    }
}
