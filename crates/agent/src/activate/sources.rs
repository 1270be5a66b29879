//! Several sources of releases as one: of what they offer, the highest sequence counts.

use crate::watch::Wake;
use deploy::{
    ActiveRelease, RootError,
    pull::{Candidate, Event, Follower, PullError, ReleaseStatus},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use release::{Reason, Sequence, Sha256};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How long a source that does not answer may hold up what another one offers, or a look that
/// somebody asked for.
const UNANSWERED: Duration = Duration::from_secs(2);
/// How long one that has offered something may, between two signs of progress: the store gives up
/// on what stalls before that.
const UNMOVED: Duration = Duration::from_secs(30);

/// One follower for each source, all on one release root.
#[derive(Debug)]
pub struct Sources {
    first: Follower,
    others: Vec<Follower>,
    /// Which of them staged what waits.
    staged_by: usize,
}

impl Sources {
    /// The sources in the order in which they are asked.
    #[must_use]
    pub const fn new(first: Follower, others: Vec<Follower>) -> Self {
        Self {
            first,
            others,
            staged_by: 0,
        }
    }

    /// Any of them: for what is done to the root, not to a source.
    pub(crate) const fn first(&mut self) -> &mut Follower {
        &mut self.first
    }

    fn at(&mut self, index: usize) -> &mut Follower {
        match index
            .checked_sub(1)
            .and_then(|index| self.others.get_mut(index))
        {
            Some(other) => other,
            None => &mut self.first,
        }
    }

    /// Asks each of them. A source that offers less than another is not a failure; one that cannot
    /// be asked is one only if no other offers something new. One that hangs is left alone once
    /// another has something new, or `wake` asks for another look.
    ///
    /// # Errors
    ///
    /// The first failure; [`PullError::Interrupted`] also where `wake` cut it short.
    pub(crate) async fn follow(
        &mut self,
        now: Timestamp,
        tell: &(dyn Fn(Event) + Send + Sync),
        wake: &Wake,
        stop: &CancellationToken,
    ) -> Result<ReleaseStatus, PullError> {
        let mut best: Option<(Sequence, ReleaseStatus)> = None;
        let (mut failure, mut outdone) = (None, None);
        for index in 0..=self.others.len() {
            let least = best.as_ref().map(|(sequence, _)| *sequence);
            let urgent = matches!(best, Some((_, ReleaseStatus::Staged(_))));
            let news = News::default();
            let heard = |event: Event| {
                news.hear(&event);
                tell(event);
            };
            let end = async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = news.stalled(), if urgent => {}
                    () = news.outwaited(wake), if !urgent => {}
                }
            };
            match self.at(index).follow_from(least, now, &heard, end).await {
                Ok(status) => {
                    let sequence = sequence(&status);
                    if best.as_ref().is_none_or(|(known, _)| sequence > *known) {
                        if matches!(status, ReleaseStatus::Staged(_)) {
                            self.staged_by = index;
                        }
                        best = Some((sequence, status));
                    }
                }
                Err(error) if error.reason() == Reason::Rollback => {
                    debug!(
                        %error,
                        "a source offers less than was accepted here, or than another does"
                    );
                    outdone.get_or_insert(error);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        // That one source lags behind matters if there is no other.
        let failure = failure.or(outdone.filter(|_| best.is_none()));
        match (best, failure) {
            (Some((_, status @ ReleaseStatus::Staged(_))), _) | (Some((_, status)), None) => {
                Ok(status)
            }
            (_, Some(error)) => Err(error),
            // There always is a first source.
            (None, None) => Err(PullError::Interrupted),
        }
    }

    pub(crate) async fn try_out(
        &mut self,
        candidate: &Candidate,
        now: Timestamp,
    ) -> Result<bool, RootError> {
        let by = self.staged_by;
        self.at(by).try_out(candidate, now).await
    }

    pub(crate) async fn keep(&mut self) -> Result<(), RootError> {
        let by = self.staged_by;
        self.at(by).keep().await
    }

    /// Whether what waits is still what its source offers, and everybody who vouched for it still
    /// does.
    ///
    /// # Errors
    ///
    /// As [`Follower::confirm`].
    pub(crate) async fn confirm(
        &mut self,
        candidate: &mut Candidate,
        now: Timestamp,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<bool, PullError> {
        let by = self.staged_by;
        self.at(by).confirm(candidate, now, stop).await
    }

    pub(crate) async fn go_back(
        &mut self,
        now: Timestamp,
    ) -> Result<Option<ActiveRelease>, RootError> {
        self.first.go_back(now).await
    }

    /// Takes a release off the rejected list.
    ///
    /// # Errors
    ///
    /// If the root is busy or the disk refuses.
    pub async fn allow(&mut self, manifest: Sha256) -> Result<(), RootError> {
        self.first.allow(manifest).await
    }
}

/// What came last from the source that is asked.
#[derive(Debug, Default)]
struct News(Mutex<Option<Event>>);

impl News {
    fn hear(&self, event: &Event) {
        *self.0.lock() = Some(event.clone());
    }

    fn last(&self) -> Option<Event> {
        self.0.lock().clone()
    }

    /// Ends once somebody waits for this source to end, and nothing has come from it for too long.
    async fn outwaited(&self, wake: &Wake) {
        wake.asked().await;
        // For who looks again afterwards.
        wake.wake();
        self.stalled().await;
    }

    /// Ends once nothing has come from this source for too long.
    async fn stalled(&self) {
        loop {
            let before = self.last();
            sleep(if before.is_none() {
                UNANSWERED
            } else {
                UNMOVED
            })
            .await;
            if self.last() == before {
                return;
            }
        }
    }
}

fn sequence(status: &ReleaseStatus) -> Sequence {
    match status {
        ReleaseStatus::Active { sequence, .. } | ReleaseStatus::Rejected { sequence, .. } => {
            *sequence
        }
        ReleaseStatus::Staged(candidate) => candidate.target.sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deploy::pull::Progress;
    use tokio::time::{Instant, timeout};

    fn progress(bytes: u64) -> Event {
        Event::Progress(Progress {
            chunks: 0,
            chunks_total: 9,
            bytes,
            bytes_total: 900,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_has_all_the_time_that_nobody_else_needs() {
        let (news, wake) = (News::default(), Wake::default());
        assert!(
            timeout(Duration::from_hours(1), news.outwaited(&wake))
                .await
                .is_err()
        );
        wake.wake();
        let start = Instant::now();
        news.outwaited(&wake).await;
        assert_eq!(start.elapsed(), UNANSWERED);
        // Who asked is heard by the next look, too.
        assert!(timeout(Duration::ZERO, wake.asked()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_moves_is_waited_for_and_one_that_stopped_is_not() {
        let news = News::default();
        news.hear(&progress(0));
        let start = Instant::now();
        let moving = async {
            for bytes in 1..=20 {
                sleep(UNMOVED / 2).await;
                // Told every second, also if nothing came.
                news.hear(&progress(bytes));
                news.hear(&progress(bytes));
            }
        };
        tokio::join!(news.stalled(), moving);
        assert!(
            start.elapsed() >= UNMOVED * 10 && start.elapsed() <= UNMOVED * 12,
            "{:?}",
            start.elapsed()
        );
    }
}
