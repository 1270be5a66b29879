//! The queue that watches fill and the reconcile loop empties. It also says whose requests go
//! first.

mod queue;

pub use queue::{Priority, ReconcileEnd};

use crate::RequestPriority;
use parking_lot::{Mutex, MutexGuard};
use queue::Queue;
use tokio::{sync::Notify, time::Instant};

/// Shops that wait for a reconcile, as tasks share them.
#[derive(Debug, Default)]
pub struct WorkQueue {
    queue: Mutex<Queue>,
    added: Notify,
    requests: RequestPriority,
}

impl WorkQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    /// Asks for a reconcile of a shop.
    pub fn ask(&self, shop: &str, priority: Priority) {
        if priority == Priority::Urgent {
            self.requests.hurry(shop);
        }
        self.lock().add(shop, priority);
        self.added.notify_one();
    }

    /// Asks for a reconcile of many shops, for which no person waits.
    pub fn ask_all(&self, shops: &[String]) {
        let mut queue = self.lock();
        for shop in shops {
            queue.add(shop, Priority::Slow);
        }
        drop(queue);
        self.added.notify_one();
    }

    /// Forgets a shop that is gone.
    pub fn forget(&self, shop: &str) {
        self.lock().forget(shop);
    }

    /// Takes the next shop, if fewer than `places` reconcile now.
    #[must_use]
    pub fn take(&self, places: usize) -> Option<String> {
        self.lock().take(places, Instant::now())
    }

    /// A reconcile has ended. Requests of other shops no longer wait for it, unless a person has
    /// just asked for another one.
    pub fn done(&self, shop: &str, ended: ReconcileEnd) {
        let mut queue = self.lock();
        queue.done(shop, ended, Instant::now());
        if !queue.hurried(shop) {
            self.requests.done(shop);
        }
    }

    /// When the next shop's time comes.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.lock().next()
    }

    /// Waits until somebody asks.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    /// Shops that wait now, and shops that failed.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        self.lock().depth()
    }

    /// Shops that reconcile now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().running()
    }

    /// Whose requests go first.
    #[must_use]
    pub fn requests(&self) -> RequestPriority {
        self.requests.clone()
    }
}
