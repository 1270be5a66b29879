//! A release that was staged, and may have waited for days, is checked again whole before any of
//! its code runs and before it is switched to: what vouched for it may be withdrawn by then.

use super::{
    Follower, PullError, ReleaseStatus, blocking,
    engine::Run,
    origin::Memory,
    release_source::{Fetched, OfferedRelease, Purpose},
    release_status::{Candidate, CheckedRelease},
    said::Said,
    watched::watched,
};
use crate::{View, state::State};
use jiff::Timestamp;
use std::{future::Future, sync::Arc};

impl Follower {
    /// Whether `candidate` is what its source still offers and may still become active: the trust
    /// roots are walked anew, and signatures, channel, floor, expiry, clock and the rejected list
    /// count as they do for a release that was never seen. `candidate` then has the version of the
    /// trust root that vouches for it now. `false` if something else is offered; whatever is not
    /// confirmed is looked at as if it were new by the next [`Follower::follow`].
    ///
    /// The store is asked, or if it cannot be, the node's cache: without either, the release
    /// waits.
    ///
    /// # Errors
    ///
    /// [`PullError`]: it may not become active, or nobody can be asked whether it may.
    pub async fn confirm(
        &mut self,
        candidate: &mut Candidate,
        now: Timestamp,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<bool, PullError> {
        let settings = super::Settings {
            now,
            ..self.settings.clone()
        };
        // Taken away: what is not confirmed is not known any more.
        let last = self.last.take();
        self.store.begin();
        let run = Run::new(&settings, &self.store);
        let (counters, halt) = (Arc::clone(&run.counters), run.halt.clone());
        let _halt_when_dropped = halt.clone().drop_guard();
        let offered = watched(
            Box::pin(run.ask_anew()),
            &counters,
            &halt,
            settings.deadline,
            &|_| (),
            stop,
        )
        .await;
        let offer = match offered {
            Ok(offer) => offer,
            Err(error) => {
                // Nothing is known against it.
                if matches!(&error, PullError::Interrupted) || error.is_transient() {
                    self.last = last;
                }
                return Err(error);
            }
        };
        let target = offer.target();
        if (target.sequence, target.manifest)
            != (candidate.target.sequence, candidate.target.manifest)
        {
            return Ok(false);
        }
        (candidate.target, candidate.expires) = (target, offer.release.expires);
        let last_release = offer.last_release(&settings, self.store.as_ref());
        self.last = Some(CheckedRelease {
            last_release,
            status: ReleaseStatus::Staged(Box::new(candidate.clone())),
        });
        Ok(true)
    }
}

impl Run<'_> {
    /// The offer as if none was ever seen, which the policy accepts here and now.
    async fn ask_anew(&self) -> Result<OfferedRelease, PullError> {
        let (path, source) = (self.settings.root.clone(), self.settings.source.clone());
        let (state, said) = blocking(move || -> Result<(State, Said), PullError> {
            Ok((View::read(&path)?.state, Said::read(&source)?))
        })
        .await?;
        let cache = self.open_cache().await?;
        let memory = cache
            .as_ref()
            .map(|cache| Memory::new(Arc::clone(cache), self.store.as_ref()));
        let check =
            |offer: &OfferedRelease| offer.check(self.settings, &said, &state, Purpose::Activation);
        let fetched = OfferedRelease::fetch(
            self.settings,
            self.store.as_ref(),
            memory.as_ref(),
            None,
            check,
        );
        let offer = match self.unless_halted(fetched).await? {
            Fetched::Offer(offer) => offer,
            // Nothing was seen.
            Fetched::Same(_) => return Err(PullError::Interrupted),
        };
        check(&offer)?;
        Ok(offer)
    }
}
