//! Who goes first at the API server. Its queues are fair, so that what one person waits for would
//! stand behind all that a rollout asks for; instead, the rest of this process waits a moment
//! meanwhile.

use parking_lot::{Mutex, MutexGuard};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How long a change of one shop holds others up at most, whatever becomes of it.
const FAVOUR: Duration = Duration::from_secs(3);
/// How long one request of others waits at most: where people change shops all the time, rollouts
/// go on, slowly.
const WAIT: Duration = Duration::from_secs(1);

/// The shops that a person waits for, and since when.
#[derive(Debug, Clone, Default)]
pub struct RequestPriority(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    hurried: Mutex<HashMap<String, Instant>>,
    changed: Notify,
}

impl RequestPriority {
    fn hurried(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.hurried.lock()
    }

    /// A person waits for this shop from now on.
    pub fn hurry(&self, shop: &str) {
        self.hurried().insert(shop.to_owned(), Instant::now());
        // Its own requests may stand in the line, as it was looked at for another reason.
        self.0.changed.notify_waiters();
    }

    /// Nobody waits for it any more.
    pub fn done(&self, shop: &str) {
        if self.hurried().remove(shop).is_some() {
            self.0.changed.notify_waiters();
        }
    }

    /// Waits for the turn of a request for `shop`, or for no shop.
    pub async fn pass(&self, shop: Option<&str>) {
        let begin = Instant::now();
        loop {
            let changed = self.0.changed.notified();
            let Some(end) = self.end(shop) else { return };
            let until = end.min(begin + WAIT);
            if Instant::now() >= until || timeout_at(until, changed).await.is_err() {
                return;
            }
        }
    }

    /// When the last of the others is favoured no more; `None` if this one need not wait.
    fn end(&self, shop: Option<&str>) -> Option<Instant> {
        let mut hurried = self.hurried();
        hurried.retain(|_, since| since.elapsed() < FAVOUR);
        let own = shop.is_some_and(|shop| hurried.contains_key(shop));
        hurried
            .values()
            .max()
            .filter(|_| !own)
            .map(|since| *since + FAVOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waited(request_priority: &RequestPriority, shop: Option<&str>) -> Duration {
        let begin = Instant::now();
        request_priority.pass(shop).await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn others_wait_until_it_is_done_and_never_long() {
        let request_priority = RequestPriority::default();
        assert_eq!(waited(&request_priority, Some("a")).await, Duration::ZERO);
        request_priority.hurry("a");
        assert_eq!(
            (
                waited(&request_priority, Some("a")).await,
                waited(&request_priority, None).await
            ),
            (Duration::ZERO, WAIT)
        );
        let soon = Duration::from_millis(100);
        let (time, ()) = tokio::join!(waited(&request_priority, Some("b")), async {
            tokio::time::sleep(soon).await;
            request_priority.done("a");
        });
        assert_eq!(
            (time, waited(&request_priority, Some("b")).await),
            (soon, Duration::ZERO)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_stands_in_the_line_goes_when_a_person_asks_for_that_shop_too() {
        let request_priority = RequestPriority::default();
        request_priority.hurry("a");
        let soon = Duration::from_millis(100);
        let (time, ()) = tokio::join!(waited(&request_priority, Some("b")), async {
            tokio::time::sleep(soon).await;
            request_priority.hurry("b");
        });
        assert_eq!(time, soon);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_holds_nobody_up_for_ever() {
        let request_priority = RequestPriority::default();
        request_priority.hurry("a");
        tokio::time::advance(FAVOUR).await;
        assert_eq!(waited(&request_priority, None).await, Duration::ZERO);
    }
}
