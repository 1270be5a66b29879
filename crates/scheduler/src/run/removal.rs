//! Takes down shops that left the registry, if the guard lets it.

use super::{
    Controller,
    last_backup::{self, Backup},
};
use client::apply;
use jiff::Timestamp;
use plan::{
    gate,
    guard::{Registry, Removal, removal},
};
use std::{
    collections::BTreeSet, convert::Infallible, sync::Arc, sync::atomic::Ordering::Relaxed,
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut told = None;
    let mut failed = BTreeSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(EVERY) => {}
        }
        if !controller.connections.leads() {
            continue;
        }
        match decide(&controller, Timestamp::now()) {
            Removal::Nothing => told = None,
            Removal::Held(held) => {
                // Once, not every five seconds; the metric stays.
                if told.as_ref() != Some(&held) {
                    error!(%held, "shops are missing in the registry; nothing is deleted");
                }
                told = Some(held);
            }
            Removal::Remove(shops) => {
                for shop in shops {
                    take_down(&controller, &shop, &mut failed).await;
                }
            }
        }
    }
}

/// What the guard says at this moment.
pub(super) fn decide(controller: &Controller, now: Timestamp) -> Removal {
    let mut state = controller.lock();
    let registry = if state.complete() {
        Registry::Whole {
            shops: state.fleet.shops.len(),
        }
    } else {
        Registry::Unreadable
    };
    if registry == Registry::Unreadable {
        return Removal::Nothing;
    }
    state.note_missing(now);
    // Those that are leaving were counted when they began to.
    let removed: Vec<_> = state
        .removed
        .iter()
        .copied()
        .skip(state.leaving.len())
        .collect();
    removal(
        registry,
        &state.missing,
        &removed,
        controller.settings.limit,
        controller.settings.grace,
        now,
    )
}

/// `failed` are last backups that were told of.
async fn take_down(controller: &Controller, shop: &str, failed: &mut BTreeSet<String>) {
    // The registry is asked once more, and not our memory of it.
    match controller
        .connections
        .cluster
        .get(&client::shop(shop))
        .await
    {
        Ok(None) => {}
        Ok(Some(_)) => return,
        Err(error) => {
            return warn!(shop, %error, "shop not taken down: its Shop cannot be looked up");
        }
    }
    let now = Timestamp::now();
    {
        let mut state = controller.lock();
        if state.leaving.insert(shop.to_owned()) {
            state.removed.push(now);
        }
    }
    match last_backup::ensure(controller, shop, now).await {
        Ok(Backup::Done) => {}
        Ok(Backup::Failed(job)) => {
            if failed.insert(format!("{shop}/{job}")) {
                error!(
                    shop,
                    job, "shop not taken down: its last backup failed, and is tried again tomorrow"
                );
            }
            return;
        }
        Ok(_) => return,
        Err(error) => {
            return warn!(shop, error = %runtime::Chain(&error), "shop not taken down: its last backup cannot be made");
        }
    }
    warn!(
        shop,
        "shop taken down: it left the registry; its namespace and its data stay"
    );
    let live = controller.lock().live(shop);
    let steps = gate(&[], &live, |_| None, now);
    let done = match apply::steps(
        &controller.connections.fleet_writer(),
        steps,
        apply::Ownership::Ask,
    )
    .await
    {
        Ok(done) => done,
        Err(stopped) => {
            warn!(shop, error = %runtime::Chain(&stopped.error), "shop taken down in part; the rest follows");
            stopped.done
        }
    };
    controller
        .counts
        .deletes
        .fetch_add(done.deleted.len() as u64, Relaxed);
    controller.lock().wrote(shop, Vec::new(), &done.deleted);
}

#[cfg(test)]
mod tests;
