//! When each shop was last written whole. The reconcile loop owns it.

use api::name::spread;
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// How often every object of a shop is written whole, whatever the digests say: what changed while
/// nobody watched is found then.
const EVERY: Duration = Duration::from_hours(12);

/// When each shop was last written whole, by its name.
#[derive(Debug, Default)]
pub(super) struct Audits(Mutex<HashMap<String, Instant>>);

impl Audits {
    /// Whether a shop is written whole now; it then counts as done.
    pub(super) fn due(&self, shop: &str) -> bool {
        let mut audited = self.0.lock();
        // The first audits are spread over the whole interval.
        let begun = || {
            Instant::now()
                .checked_sub(EVERY.mul_f64(f64::from(spread(shop, 1000)) / 1000.0))
                .unwrap_or_else(Instant::now)
        };
        let last = audited.entry(shop.to_owned()).or_insert_with(begun);
        let due = last.elapsed() >= EVERY;
        if due {
            *last = Instant::now();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_shop_is_due_once_in_the_interval() {
        tokio::time::advance(EVERY).await;
        let audits = Audits::default();
        let first = audits.due("a");
        assert!(!audits.due("a"));
        tokio::time::advance(EVERY).await;
        assert!(audits.due("a") && !audits.due("a"), "{first}");
    }
}
