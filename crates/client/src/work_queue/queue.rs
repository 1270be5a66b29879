//! Which shop reconciles next: what a person just changed first, what fails last, and no shop
//! twice at once.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// How soon a shop reconciles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person waits for it.
    Urgent,
    /// Something of it changed.
    Normal,
    /// Every shop reconciles: after a start, after a class changed, and for the audit.
    Slow,
}

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconcileEnd {
    /// All is as it should be.
    Settled,
    /// The same, and it reconciles again after this time.
    Again(Duration),
    /// Something failed.
    Failed,
}

/// The first wait of a shop that failed.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_mins(5);
/// One of so many places is open to shops that failed before: they wait for deadlines, and others
/// must not.
const FAILING: usize = 4;
/// Places that are kept for what a person waits for.
const RESERVED: usize = 4;

/// Shops that wait, shops that reconcile, and shops whose time comes later.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: [VecDeque<String>; 3],
    queued: HashMap<String, Priority>,
    later: BTreeSet<(Instant, String)>,
    due: HashMap<String, Instant>,
    running: HashSet<String>,
    /// Asked for while they reconciled.
    again: HashMap<String, Priority>,
    failures: HashMap<String, u32>,
}

impl Queue {
    /// Asks for a reconcile. A person's word does not wait for the end of a failed shop's pause.
    pub(super) fn add(&mut self, shop: &str, priority: Priority) {
        if self.running.contains(shop) {
            let kept = self.again.entry(shop.to_owned()).or_insert(priority);
            *kept = priority.min(*kept);
            return;
        }
        if priority > Priority::Urgent
            && self.failures.contains_key(shop)
            && self.due.contains_key(shop)
        {
            return;
        }
        if self
            .queued
            .get(shop)
            .is_some_and(|queued| *queued <= priority)
        {
            return;
        }
        self.forget_later(shop);
        // The place in a slower line is left behind, and skipped when it comes up.
        self.queued.insert(shop.to_owned(), priority);
        self.ready[priority as usize].push_back(shop.to_owned());
    }

    fn forget_later(&mut self, shop: &str) {
        if let Some(at) = self.due.remove(shop) {
            self.later.remove(&(at, shop.to_owned()));
        }
    }

    /// The next shop, of which at most `places` reconcile together, and a few more where a
    /// person waits.
    pub(super) fn take(&mut self, places: usize, now: Instant) -> Option<String> {
        self.wake(now);
        let lines = match self.running.len() {
            few if few < places => 3,
            many if many < places + RESERVED => 1,
            _ => return None,
        };
        let failing = self
            .running
            .iter()
            .filter(|shop| self.failures.contains_key(*shop))
            .count();
        let full = failing >= (places / FAILING).max(1);
        for (line, priority) in [Priority::Urgent, Priority::Normal, Priority::Slow]
            .into_iter()
            .enumerate()
            .take(lines)
        {
            let mut kept = VecDeque::new();
            let mut found = None;
            while let Some(shop) = self.ready[line].pop_front() {
                if self.queued.get(&shop) != Some(&priority) {
                    continue;
                }
                if full && self.failures.contains_key(&shop) {
                    kept.push_back(shop);
                    continue;
                }
                found = Some(shop);
                break;
            }
            kept.append(&mut self.ready[line]);
            self.ready[line] = kept;
            if let Some(shop) = found {
                self.queued.remove(&shop);
                self.running.insert(shop.clone());
                return Some(shop);
            }
        }
        None
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, shop)) = self.later.first().cloned().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, shop.clone()));
            self.due.remove(&shop);
            self.add(&shop, Priority::Slow);
        }
    }

    /// A reconcile has ended.
    pub(super) fn done(&mut self, shop: &str, ended: ReconcileEnd, now: Instant) {
        self.running.remove(shop);
        let wait = match ended {
            ReconcileEnd::Settled => {
                self.failures.remove(shop);
                None
            }
            ReconcileEnd::Again(wait) => {
                self.failures.remove(shop);
                Some(wait)
            }
            ReconcileEnd::Failed => {
                let failures = self.failures.entry(shop.to_owned()).or_default();
                *failures += 1;
                Some(release::backoff(FIRST, *failures - 1, LONGEST))
            }
        };
        if let Some(wait) = wait {
            self.forget_later(shop);
            self.due.insert(shop.to_owned(), now + wait);
            self.later.insert((now + wait, shop.to_owned()));
        }
        if let Some(priority) = self.again.remove(shop) {
            self.add(shop, priority);
        }
    }

    /// Whether a person waits for a reconcile that has not begun.
    pub(super) fn hurried(&self, shop: &str) -> bool {
        [&self.queued, &self.again]
            .iter()
            .any(|asked| asked.get(shop) == Some(&Priority::Urgent))
    }

    /// When the next shop's time comes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Shops that wait now, and shops that failed.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.queued.len(), self.failures.len())
    }

    /// Shops that reconcile now.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Forgets a shop that is gone.
    pub(super) fn forget(&mut self, shop: &str) {
        self.forget_later(shop);
        self.failures.remove(shop);
        self.queued.remove(shop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_person_changed_comes_before_five_thousand_others() {
        let mut queue = Queue::default();
        (0..5000).for_each(|index| queue.add(&format!("s{index}"), Priority::Slow));
        queue.add("s4999", Priority::Urgent);
        assert_eq!(queue.take(32, now()).as_deref(), Some("s4999"));
        assert_eq!(queue.take(32, now()).as_deref(), Some("s0"));
        assert_eq!(queue.depth().0, 4998);
        // Also where every place is taken.
        assert_eq!(std::iter::from_fn(|| queue.take(32, now())).count(), 30);
        (100..110).for_each(|index| queue.add(&format!("s{index}"), Priority::Urgent));
        assert!(queue.hurried("s100"));
        assert_eq!(
            std::iter::from_fn(|| queue.take(32, now())).collect::<Vec<_>>(),
            ["s100", "s101", "s102", "s103"]
        );
        assert!(!queue.hurried("s100") && queue.hurried("s104"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_shop_reconciles_twice_at_once_and_none_is_lost() {
        let mut queue = Queue::default();
        queue.add("a", Priority::Normal);
        assert_eq!(queue.take(32, now()).as_deref(), Some("a"));
        queue.add("a", Priority::Normal);
        assert_eq!(queue.take(32, now()), None);
        queue.done("a", ReconcileEnd::Settled, now());
        assert_eq!(queue.take(32, now()).as_deref(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_shop_waits_longer_each_time_and_a_person_ends_the_wait() {
        let mut queue = Queue::default();
        let start = now();
        queue.add("a", Priority::Normal);
        for wait in [1, 2, 4] {
            assert_eq!(queue.take(32, now()).as_deref(), Some("a"));
            queue.done("a", ReconcileEnd::Failed, now());
            queue.add("a", Priority::Normal);
            assert_eq!(queue.take(32, now()), None, "its own events do not wake it");
            assert_eq!(queue.next(), Some(now() + Duration::from_secs(wait)));
            tokio::time::advance(Duration::from_secs(wait)).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(7));
        assert_eq!(queue.take(32, now()).as_deref(), Some("a"));
        queue.done("a", ReconcileEnd::Failed, now());
        queue.add("a", Priority::Urgent);
        assert_eq!(queue.take(32, now()).as_deref(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_broken_shops_leave_three_of_four_places_to_the_others() {
        let mut queue = Queue::default();
        for index in 0..100 {
            let shop = format!("broken{index}");
            queue.add(&shop, Priority::Normal);
            assert!(queue.take(1000, now()).is_some());
            queue.done(&shop, ReconcileEnd::Failed, now());
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        // Also where the broken ones were first in line.
        queue.wake(now());
        (0..100).for_each(|index| queue.add(&format!("good{index}"), Priority::Slow));
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(32, now())).collect();
        assert_eq!(taken.len(), 32);
        assert_eq!(
            taken
                .iter()
                .filter(|shop| shop.starts_with("broken"))
                .count(),
            8
        );
    }
}
