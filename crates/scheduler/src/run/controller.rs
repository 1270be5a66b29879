//! What the parts of the controller share.

use super::{
    Leadership, Settings, State,
    halt::Halt,
    in_progress::InProgress,
    queue::{Priority, Queue},
    report::Report,
};
use api::name::spread;
use client::Events;
use client::RequestPriority;
use client::{Cluster, KINDS};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tracing::{info, warn};

/// Shops are spread over so many slots, and slots over shards.
const SLOTS: u32 = 64;

/// What was done, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) looks: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) deletes: AtomicU64,
    pub(crate) statuses: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) moves: AtomicU64,
}

/// Everything that the parts share.
pub(crate) struct Controller {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    state: Mutex<State>,
    pub(super) queue: Mutex<Queue>,
    pub(super) work: Notify,
    pub(super) rollouts: Notify,
    pub(super) edge: Notify,
    /// One for each shard.
    pub(super) held: Vec<Leadership>,
    pub(crate) counts: Counts,
    pub(crate) events: Events,
    /// What agents said, by shop.
    pub(super) reports: Mutex<BTreeMap<String, Report>>,
    /// When each shop was written whole.
    pub(super) audited: Mutex<HashMap<String, Instant>>,
    /// When each shop was last seen well, and with which sequence.
    pub(super) well: Mutex<HashMap<String, (u64, Timestamp)>>,
    pub(super) halt: Halt,
    pub(super) request_priority: RequestPriority,
    /// Leadership by whoever lists a kind.
    pub(super) lists: Semaphore,
}

impl Controller {
    pub(super) fn new(
        cluster: &Cluster,
        settings: Settings,
        optional: &BTreeSet<&'static str>,
    ) -> Self {
        let unread = ["shops", "classes", "releases", "rollouts", "halt"].into_iter();
        let unread = unread
            .chain(
                KINDS
                    .iter()
                    .map(|kind| kind.name)
                    .filter(|kind| !optional.contains(kind)),
            )
            .collect();
        Self {
            events: Events::new(cluster.client(), &settings.identity),
            cluster: cluster.clone(),
            state: Mutex::new(State {
                unread,
                ..State::default()
            }),
            queue: Mutex::default(),
            work: Notify::new(),
            rollouts: Notify::new(),
            edge: Notify::new(),
            held: (0..settings.shards)
                .map(|_| Leadership::default())
                .collect(),
            counts: Counts::default(),
            reports: Mutex::default(),
            audited: Mutex::default(),
            well: Mutex::default(),
            halt: Halt::default(),
            request_priority: RequestPriority::default(),
            lists: Semaphore::new(1),
            settings,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at a shop.
    pub(crate) fn ask(&self, shop: &str, priority: Priority) {
        if priority == Priority::Urgent {
            self.request_priority.hurry(shop);
        }
        self.queue().add(shop, priority);
        self.work.notify_one();
    }

    pub(crate) fn forget(&self, shop: &str) {
        self.queue().forget(shop);
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

    /// Asks for a look at every shop.
    pub(super) fn everything(&self) {
        let shops = self.lock().shops();
        let mut queue = self.queue();
        for shop in &shops {
            queue.add(shop, Priority::Slow);
        }
        drop(queue);
        self.work.notify_one();
        self.edge.notify_one();
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
        let flying =
            self.with_reports(|reports| InProgress::new(&state, reports, Timestamp::now()).all());
        drop(state);
        for shop in &flying {
            self.ask(shop, Priority::Urgent);
        }
        if lifted {
            // Also who arrived meanwhile, and was told to wait before.
            self.everything();
        }
        self.wake_rollouts();
    }

    /// Calls with what agents said, where agents are asked.
    pub(super) fn with_reports<T>(
        &self,
        call: impl FnOnce(Option<&BTreeMap<String, Report>>) -> T,
    ) -> T {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        call(self.settings.agents.then_some(&*reports))
    }

    pub(super) fn shard(&self, shop: &str) -> usize {
        (spread(shop, SLOTS) % self.settings.shards) as usize
    }

    /// The connection for a shop, which lets others go first for whom a person waits.
    pub(super) fn reader(&self, shop: &str) -> Cluster {
        let (request_priority, shop) = (self.request_priority.clone(), Arc::<str>::from(shop));
        self.cluster.queued(Arc::new(move || {
            let (request_priority, shop) = (request_priority.clone(), Arc::clone(&shop));
            async move { request_priority.pass(Some(&*shop)).await }.boxed()
        }))
    }

    /// The same that writes, while this process leads the shop's shard.
    pub(crate) fn writer(&self, shop: &str) -> Cluster {
        self.reader(shop)
            .fenced(self.held[self.shard(shop)].fence())
    }

    /// The connection that writes for whoever looks at the whole fleet, while this process does.
    pub(crate) fn first_writer(&self) -> Cluster {
        self.cluster.fenced(self.held[0].fence())
    }

    /// The same for what the halt stops, also between one try and the next.
    pub(super) fn mover(&self, shop: &str) -> Cluster {
        let (leads, halt) = (self.held[0].fence(), self.halt.clone());
        self.reader(shop)
            .fenced(Arc::new(move || leads() && halt.lets()))
    }

    /// How many shops may lose their workloads here in an hour: the share of the shards that this
    /// process leads. All processes together keep the limit, but for one shop for each of them.
    pub(super) fn removals(&self, shops: usize) -> usize {
        let led = self.held.iter().filter(|held| held.is()).count();
        share(self.settings.limit.of(shops), led, self.held.len())
    }

    /// Whether this process leads the shard that looks at the whole fleet.
    pub(crate) fn leads(&self) -> bool {
        self.held[0].is()
    }
}

/// The part of a limit that falls to who leads `led` of `all` shards; nobody is left with nothing
/// but by a limit of nothing.
fn share(limit: usize, led: usize, all: usize) -> usize {
    (limit * led / all.max(1)).max(limit.min(1))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_limit_is_shared_by_shards() {
        for (limit, led, all, expected) in [
            (5, 1, 1, 5),
            (5, 2, 4, 2),
            (50, 1, 64, 1),
            (50, 0, 64, 1),
            (0, 1, 1, 0),
        ] {
            assert_eq!(share(limit, led, all), expected, "{limit} {led}/{all}");
        }
    }
}
