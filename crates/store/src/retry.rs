//! Whether and when to ask again.

use crate::{
    Options, Stats, StoreError, Subject,
    budget::{Budget, RETRY, SILENCE},
    deadline::Deadline,
};
use parking_lot::Mutex;
use release::backoff;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

/// The first step of the backoff.
const BASE: Duration = Duration::from_millis(100);
/// The longest step of the backoff.
const CAP: Duration = Duration::from_secs(5);
/// How often a refusal that should end by itself is tried again: conflicting writers, credentials
/// that were just refreshed.
const REFUSALS: u32 = 5;

/// What kind of failure an attempt met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Asking again gives the same.
    Final,
    /// A refusal that ends by itself, or stays: asked again a few times.
    Refusal,
    /// No answer.
    Silence,
    /// An answer that is no result: an error of the service, a body that broke off.
    Trouble,
    /// The service asks us to slow down, or to come back after some time.
    Throttle(Option<Duration>),
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    pub(crate) class: Class,
}

impl Failure {
    pub(crate) fn last(error: StoreError) -> Self {
        Self {
            error,
            class: Class::Final,
        }
    }
}

/// The failures of one call so far.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: u32,
    refused: u32,
    spent: f64,
    silent_since: Option<Instant>,
}

impl Attempts {
    /// The backoff before the next attempt at most, and the attempt's cost; `None` to give up.
    fn next(&mut self, class: Class, now: Instant, patience: Duration) -> Option<(Duration, f64)> {
        self.silent_since = (class == Class::Silence).then(|| self.silent_since.unwrap_or(now));
        let silent = self
            .silent_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.refused += u32::from(class == Class::Refusal);
        let give_up = match class {
            Class::Final => true,
            Class::Refusal => self.refused > REFUSALS,
            Class::Silence => silent >= patience,
            Class::Trouble | Class::Throttle(_) => false,
        };
        if give_up {
            return None;
        }
        let step = backoff(BASE, self.failed, CAP);
        self.failed += 1;
        let cost = if class == Class::Silence {
            SILENCE
        } else {
            RETRY
        };
        self.spent += cost;
        Some((step, cost))
    }
}

/// Full jitter: anything from nothing to the whole step. Of the ways to spread retries it needs the
/// fewest calls (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
fn jitter(step: Duration, fraction: f64) -> Duration {
    step.mul_f64(fraction)
}

/// How one store retries: the deadline, the budget and the patience that all its calls share.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Deadline,
    patience: Duration,
    budget: Mutex<Budget>,
    stats: Arc<Stats>,
}

impl Retry {
    pub(crate) fn new(options: &Options, stats: Arc<Stats>) -> Self {
        let now = Instant::now();
        Self {
            deadline: Deadline::new(options),
            patience: options.patience,
            budget: Mutex::new(Budget::new(options.retry_burst, options.retry_rate, now)),
            stats,
        }
    }

    /// Makes attempts until one succeeds, the failure is final, or the deadline leaves no time.
    pub(crate) async fn run<T, F>(
        &self,
        subject: &Subject,
        attempt: impl Fn() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut attempts = Attempts::default();
        let mut last = None;
        loop {
            match timeout_at(self.until(), attempt()).await {
                Ok(Ok(done)) => {
                    self.succeeded(&mut attempts);
                    return Ok(done);
                }
                Ok(Err(failure)) => last = Some(self.pause(subject, &mut attempts, failure).await?),
                Err(_elapsed) => return Err(self.too_late(subject, last)),
            }
        }
    }

    /// Waits before the next attempt after `failure`, and gives its error back for the case that it
    /// stays the last one.
    ///
    /// # Errors
    ///
    /// That error where another attempt is of no use, or the deadline with it as its source.
    pub(crate) async fn pause(
        &self,
        subject: &Subject,
        attempts: &mut Attempts,
        failure: Failure,
    ) -> Result<StoreError, StoreError> {
        let Failure { error, class } = failure;
        let now = Instant::now();
        let Some((step, cost)) = attempts.next(class, now, self.patience) else {
            return Err(error);
        };
        let mut wait = jitter(step, rand::random());
        if let Class::Throttle(asked) = class {
            self.stats.throttle();
            wait = wait.max(asked.unwrap_or_default());
        }
        wait = wait.max(self.budget().take(cost, now));
        if now + wait >= self.until() {
            return Err(self.too_late(subject, Some(error)));
        }
        debug!(error = %error, ?wait, "asking the store again");
        sleep(wait).await;
        self.stats.retry();
        Ok(error)
    }

    /// A call succeeded, or a body moved on: the next failure is its first again.
    pub(crate) fn succeeded(&self, attempts: &mut Attempts) {
        self.budget().give_back(attempts.spent);
        *attempts = Attempts::default();
    }

    pub(crate) fn too_late(&self, subject: &Subject, last: Option<StoreError>) -> StoreError {
        StoreError::Deadline {
            subject: subject.clone(),
            limit: self.deadline.limit(),
            source: last.map(Box::new),
        }
    }

    /// The next piece of work begins.
    pub(crate) fn begin(&self) {
        self.deadline.begin();
    }

    /// When everything must be done.
    pub(crate) fn until(&self) -> Instant {
        self.deadline.until()
    }

    fn budget(&self) -> parking_lot::MutexGuard<'_, Budget> {
        self.budget.lock()
    }
}

#[cfg(test)]
mod tests;
