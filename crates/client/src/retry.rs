//! When a call that failed is made again.

use crate::ApiError;
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::debug;

/// The first wait.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait: a restarting API server is found within it.
const LONGEST: Duration = Duration::from_secs(5);

/// Makes a call until it succeeds, fails for good, or would be made after `deadline`.
pub(crate) async fn until<T, F>(
    deadline: Instant,
    mut call: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut attempt = 0;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = pause(attempt, error.retry_after(), rand::random());
        if !error.is_transient() || Instant::now() + wait >= deadline {
            return Err(error);
        }
        debug!(%error, attempt, "call is made again");
        sleep(wait).await;
        attempt += 1;
    }
}

/// Doubles with each attempt, with a random half, so that many callers do not come back together.
/// `jitter` is from 0 to 1. The API server's own word is obeyed.
pub(crate) fn pause(attempt: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let full = release::backoff(FIRST, attempt, LONGEST);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
        .max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::refused;
    use std::cell::Cell;

    async fn calls(code: u16, failures: u32, deadline: Duration) -> (bool, u32) {
        let made = Cell::new(0);
        let result = until(Instant::now() + deadline, || {
            made.set(made.get() + 1);
            let failed = made.get() <= failures;
            async move { if failed { Err(refused(code)) } else { Ok(()) } }
        });
        (result.await.is_ok(), made.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_waited_for() {
        assert_eq!(calls(503, 4, Duration::from_mins(1)).await, (true, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_is_said_at_once() {
        assert_eq!(calls(422, 4, Duration::from_mins(1)).await, (false, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn every_wait_has_a_deadline() {
        let start = Instant::now();
        let (ok, made) = calls(429, u32::MAX, Duration::from_secs(20)).await;
        assert!(
            !ok && made > 4 && start.elapsed() <= Duration::from_secs(20),
            "{made} {:?}",
            start.elapsed()
        );
    }

    #[test]
    fn pauses_grow_to_a_bound_and_obey() {
        assert_eq!(pause(0, None, 1.0), FIRST);
        assert_eq!(pause(30, None, 1.0), LONGEST);
        assert_eq!(
            pause(0, Some(Duration::from_secs(7)), 0.0),
            Duration::from_secs(7)
        );
    }
}
