//! Several sources of releases as one: of what they offer, the highest sequence counts.

use deploy::{
    ActiveRelease, RootError,
    pull::{Candidate, Event, Follower, PullError, Standing},
};
use jiff::Timestamp;
use release::{Reason, Sequence, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::debug;

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
        Self { first, others, staged_by: 0 }
    }

    /// Any of them: for what is done to the root, not to a source.
    pub(crate) const fn first(&mut self) -> &mut Follower {
        &mut self.first
    }

    fn at(&mut self, index: usize) -> &mut Follower {
        match index.checked_sub(1).and_then(|index| self.others.get_mut(index)) {
            Some(other) => other,
            None => &mut self.first,
        }
    }

    /// Asks each of them. A source that offers less than another is not a failure; one that cannot be asked is one only where no other
    /// offers something new.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub(crate) async fn follow(
        &mut self,
        now: Timestamp,
        tell: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<Standing, PullError> {
        let mut best: Option<(Sequence, Standing)> = None;
        let (mut failure, mut outdone) = (None, None);
        for index in 0..=self.others.len() {
            let least = best.as_ref().map(|(sequence, _)| *sequence);
            match self.at(index).follow_from(least, now, tell, stop.cancelled()).await {
                Ok(standing) => {
                    let sequence = sequence(&standing);
                    if best.as_ref().is_none_or(|(known, _)| sequence > *known) {
                        if matches!(standing, Standing::Staged(_)) {
                            self.staged_by = index;
                        }
                        best = Some((sequence, standing));
                    }
                }
                Err(error) if error.reason() == Reason::Rollback => {
                    debug!(%error, "a source offers less than was accepted here, or than another does");
                    outdone.get_or_insert(error);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        // That one source lags behind matters where there is no other.
        let failure = failure.or(outdone.filter(|_| best.is_none()));
        match (best, failure) {
            (Some((_, standing @ Standing::Staged(_))), _) | (Some((_, standing)), None) => Ok(standing),
            (_, Some(error)) => Err(error),
            // There always is a first source.
            (None, None) => Err(PullError::Interrupted),
        }
    }

    pub(crate) async fn try_out(&mut self, candidate: &Candidate, now: Timestamp) -> Result<bool, RootError> {
        let by = self.staged_by;
        self.at(by).try_out(candidate, now).await
    }

    pub(crate) async fn keep(&mut self) -> Result<(), RootError> {
        let by = self.staged_by;
        self.at(by).keep().await
    }

    pub(crate) async fn roll_back(&mut self, problem: String, now: Timestamp) -> Result<Option<ActiveRelease>, RootError> {
        self.first.roll_back(problem, now).await
    }

    /// Takes a release off the rejected list.
    ///
    /// # Errors
    ///
    /// Where the root is busy or the disk refuses.
    pub async fn allow(&mut self, manifest: Sha256) -> Result<(), RootError> {
        self.first.allow(manifest).await
    }
}

fn sequence(standing: &Standing) -> Sequence {
    match standing {
        Standing::Active { sequence, .. } | Standing::Rejected { sequence, .. } => *sequence,
        Standing::Staged(candidate) => candidate.target.sequence,
    }
}
