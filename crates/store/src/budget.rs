//! The budget of retries: how much one store may add to the load of a service that has trouble.

use std::time::Duration;
use tokio::time::Instant;

/// What a retry costs, in tokens.
pub(crate) const RETRY: f64 = 1.0;
/// What a retry after silence costs: twice as much, as in the AWS SDKs (10 units against 5), since
/// silence has cost the service work.
pub(crate) const SILENCE: f64 = 2.0;
/// What a request that succeeds at once gives back: a fifth, as in the AWS SDKs (1 unit against 5).
const FIRST_SUCCESS: f64 = 0.2;

/// A token bucket in which a retry takes its place at once and waits until its tokens are there.
///
/// The numbers are those of the AWS SDKs' standard retry mode (AWS SDKs and Tools Reference Guide,
/// "Retry behavior"), divided by 5. One thing differs on purpose: there an empty bucket ends the
/// retries, and a pod whose service throttles for a minute fails. Here the bucket also fills with
/// time, and an empty one only spaces the retries out. So while nothing succeeds a client sends at
/// most `requests in flight + burst + rate × seconds` requests (a bound per client, as Google's
/// "Site Reliability Engineering", chapter 21, asks for), and the deadline, not the budget, decides
/// when to give up.
#[derive(Debug)]
pub(crate) struct Budget {
    tokens: f64,
    burst: f64,
    rate: f64,
    at: Instant,
}

impl Budget {
    pub(crate) fn new(burst: u32, rate: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self {
            tokens: burst,
            burst,
            rate: f64::from(rate.max(1)),
            at: now,
        }
    }

    /// Takes `cost`, and says how long to wait until it is covered. Takers are served in the order
    /// in which they came.
    pub(crate) fn take(&mut self, cost: f64, now: Instant) -> Duration {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.at = now;
        self.tokens = (self.tokens + filled).min(self.burst) - cost;
        Duration::from_secs_f64((-self.tokens).max(0.0) / self.rate)
    }

    /// A request succeeded that had taken `spent`: it gets that back, or a fifth of a retry where
    /// it had taken nothing.
    pub(crate) fn give_back(&mut self, spent: f64) {
        let back = if spent > 0.0 { spent } else { FIRST_SUCCESS };
        self.tokens = (self.tokens + back).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_budget_spaces_retries_by_its_rate() {
        let now = Instant::now();
        let mut budget = Budget::new(2, 10, now);
        let waits: Vec<_> = (0..4)
            .map(|_| budget.take(RETRY, now).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 100, 200]);
        assert_eq!(
            budget.take(RETRY, now + Duration::from_mins(1)).as_millis(),
            0,
            "time fills it"
        );
        assert_eq!(
            budget.take(RETRY, now + Duration::from_mins(1)).as_millis(),
            0
        );
        assert_eq!(
            budget.take(RETRY, now + Duration::from_mins(1)).as_millis(),
            100,
            "but never above the burst"
        );
    }

    #[test]
    fn success_gives_back_what_was_taken() {
        let now = Instant::now();
        let mut budget = Budget::new(1, 10, now);
        assert!(budget.take(RETRY, now).is_zero());
        budget.give_back(RETRY);
        assert!(budget.take(RETRY, now).is_zero());
        (0..5).for_each(|_| budget.give_back(0.0));
        assert!(
            budget.take(RETRY, now).as_micros() < 1,
            "five first successes are worth a retry"
        );
    }

    proptest! {
        #[test]
        fn no_more_than_burst_and_rate_allow(gaps in prop::collection::vec(0u64..300, 1..200)) {
            let start = Instant::now();
            let mut budget = Budget::new(5, 10, start);
            let mut now = start;
            let mut sent = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                sent.push(now + budget.take(RETRY, now));
            }
            for (count, &at) in (0u32..).zip(&sent) {
                let allowed = 5.0 + (at - start).as_secs_f64() * 10.0;
                prop_assert!(
                    f64::from(count) + 1.0 <= allowed + 1e-3,
                    "{count} by {:?}",
                    at - start
                );
            }
        }
    }
}
