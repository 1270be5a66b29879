//! What the loops of the controller share: the state that watches fill, and a handle for each
//! thing that one loop gives to another.

use super::{Settings, connections::Connections, reports::Reports};
use cell::{State, in_progress::InProgress};
use client::{Cluster, Events, KINDS, Priority, WorkQueue};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeSet, sync::atomic::AtomicU64};
use tokio::sync::{Notify, Semaphore};
use tracing::{info, warn};

/// What was done, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reconciles: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) deletes: AtomicU64,
    pub(crate) statuses: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) moves: AtomicU64,
    pub(crate) proof_lookups: AtomicU64,
    pub(crate) failed_proof_lookups: AtomicU64,
}

/// Everything that the loops share.
pub(crate) struct Controller {
    pub(crate) settings: Settings,
    state: Mutex<State>,
    pub(crate) queue: WorkQueue,
    pub(crate) connections: Connections,
    pub(crate) counts: Counts,
    pub(crate) events: Events,
    pub(super) reports: Reports,
    /// Wakes the rollouts loop.
    pub(super) rollouts: Notify,
    /// Wakes the loop of the edge's maps.
    pub(super) edge: Notify,
    /// Wakes the loop that looks proofs of domains up.
    pub(super) proofs: Notify,
    /// Held by whoever lists a kind.
    pub(super) lists: Semaphore,
}

impl Controller {
    pub(super) fn new(
        cluster: &Cluster,
        settings: Settings,
        optional: &BTreeSet<&'static str>,
    ) -> Self {
        let unread = [
            "shops",
            "classes",
            "releases",
            "rollouts",
            "halt",
            "certificates",
            "visits",
        ]
        .into_iter();
        let unread = unread
            .chain(
                KINDS
                    .iter()
                    .map(|kind| kind.name)
                    .filter(|kind| !optional.contains(kind)),
            )
            .collect();
        let queue = WorkQueue::default();
        let mut state = State {
            unread,
            ..State::default()
        };
        for own in &settings.platform_hosts {
            state.claims.reserve(&own.host);
        }
        Self {
            events: Events::new(cluster.client(), &settings.identity),
            connections: Connections::new(cluster, queue.requests()),
            queue,
            state: Mutex::new(state),
            counts: Counts::default(),
            reports: Reports::new(settings.agents),
            rollouts: Notify::new(),
            edge: Notify::new(),
            proofs: Notify::new(),
            lists: Semaphore::new(1),
            settings,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn wake_rollouts(&self) {
        self.rollouts.notify_one();
    }

    /// A first list came whole.
    pub(crate) fn read(&self, what: &'static str) {
        let mut state = self.lock();
        if state.unread.remove(what) && state.complete() {
            drop(state);
            info!("everything was read");
            self.everything();
        }
    }

    pub(crate) fn complete(&self) -> bool {
        self.lock().complete()
    }

    /// Asks for a reconcile of every shop.
    pub(super) fn everything(&self) {
        let shops = self.lock().shops();
        self.queue.ask_all(&shops);
        self.edge.notify_one();
        self.proofs.notify_one();
        self.wake_rollouts();
    }

    pub(crate) fn halted(&self, why: Option<String>) {
        let mut state = self.lock();
        if state.halted == why {
            return;
        }
        warn!(halted = why.as_deref().unwrap_or("no"), "halt");
        state.halted = why;
        let lifted = state.halted.is_none();
        // Agents that are about to switch are told to wait, or to go on.
        let moving = self
            .reports
            .with(|reports| InProgress::new(&state, reports, Timestamp::now()).all());
        drop(state);
        for shop in &moving {
            self.queue.ask(shop, Priority::Urgent);
        }
        if lifted {
            // Also who arrived meanwhile, and was told to wait before.
            self.everything();
        }
        self.wake_rollouts();
    }
}
