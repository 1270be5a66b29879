//! Following a channel: stages every release that is offered; the caller decides when one becomes
//! active.

use super::{
    Figures, Progress, PullError, PullOutcome, Settings, Source, blocking,
    engine::{Run, Staged, tidy, withdrawn},
    last_release::LastRelease,
    release_source::OfferedRelease,
    release_status::{Candidate, CheckedRelease, ReleaseStatus},
    said::Said,
    store_counters::StoreCounters,
    watched::watched,
};
use crate::{
    View,
    cache::Cache,
    root::{ReleaseRoot, RootError},
    state::ActiveRelease,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use release::{Reason, RelativePath, Sequence, Sha256};
use std::{collections::BTreeSet, future::Future, sync::Arc, time::Instant};
use store::ObjectStore;
use tracing::warn;

/// Follows one channel into one release root.
///
/// It holds the root's lock only while it works, so that `longshore` may read and change the root
/// in between.
#[derive(Debug)]
pub struct Follower {
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) last: Option<CheckedRelease>,
    /// The cache grew, and its size has not been checked yet.
    grown: Option<Arc<Cache>>,
}

/// What happens while a channel is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Trusted keys signed this release, which is not the active one; the policy decides next
    /// whether to accept it.
    Offered {
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
    /// Chunks come.
    Progress(Progress),
}

impl Follower {
    /// Follows what `settings` name; their `now` is replaced at each call.
    #[must_use]
    pub const fn new(settings: Settings, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            settings,
            store,
            last: None,
            grown: None,
        }
    }

    /// Does the same as [`Self::follow_from`], whatever sequence is offered.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn follow(
        &mut self,
        now: Timestamp,
        tell: &(dyn Fn(Event) + Send + Sync),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<ReleaseStatus, PullError> {
        self.follow_from(None, now, tell, stop).await
    }

    /// Looks which release is offered, and stages it if it is new; this takes one request if
    /// nothing changed.
    ///
    /// It calls `tell` for each event, and ends soon after `stop`, as [`super::pull()`] does. It
    /// refuses a release below `least` as below the floor.
    ///
    /// # Errors
    ///
    /// [`PullError`]; `current` and the state do not change. It is no error if the release was
    /// rejected here before.
    pub async fn follow_from(
        &mut self,
        least: Option<Sequence>,
        now: Timestamp,
        tell: &(dyn Fn(Event) + Send + Sync),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<ReleaseStatus, PullError> {
        let settings = Settings {
            now,
            floor: self.settings.floor.max(least),
            ..self.settings.clone()
        };
        // This call has the whole deadline, whatever the earlier ones took.
        self.store.begin();
        let (start, before) = (Instant::now(), StoreCounters::read(self.store.as_ref()));
        let run = Run {
            restores: self.last.is_none(),
            ..Run::new(&settings, &self.store)
        };
        let (counters, halt) = (Arc::clone(&run.counters), run.halt.clone());
        let _halt_when_dropped = halt.clone().drop_guard();
        let offered = Mutex::new(None);
        let take = |offer: &OfferedRelease| {
            *offered.lock() = Some(offer.last_release(&settings, self.store.as_ref()));
            tell(Event::Offered {
                sequence: offer.release.sequence,
                manifest: offer.release.manifest,
            });
        };
        let report = |progress| tell(Event::Progress(progress));
        let stage = Box::pin(run.stage(self.last.as_ref(), &take));
        let staged = watched(stage, &counters, &halt, settings.deadline, &report, stop).await;
        let offered = offered.into_inner();
        let complete = match (staged, offered) {
            (Ok(Staged::Complete(complete)), _) => *complete,
            (Ok(Staged::Same(root, last_release)), _) => {
                return Ok(self.same(*root, last_release).await);
            }
            // Of a pod that starts, which nobody follows with.
            (Ok(Staged::Kept(_, sequence, manifest)), _) => {
                return Ok(ReleaseStatus::Active { sequence, manifest });
            }
            (Err(error), Some(last_release)) if error.reason() == Reason::Rejected => {
                let status = ReleaseStatus::Rejected {
                    sequence: last_release.sequence,
                    manifest: last_release.manifest,
                };
                self.last = Some(CheckedRelease {
                    last_release,
                    status: status.clone(),
                });
                return Ok(status);
            }
            (Err(error), _) => return Err(error),
        };
        let last_release = complete.offer.last_release(&settings, self.store.as_ref());
        let (target, release) = (complete.offer.target(), &complete.offer.release);
        let status = if complete.outcome == PullOutcome::AlreadyActive {
            // Another release object may name the manifest that runs: remember that it was
            // accepted.
            let (mut root, target, last_release) =
                (complete.root, target.clone(), last_release.clone());
            blocking(move || {
                root.activate(&target, now)
                    .map(|()| write(&last_release, &root))
            })
            .await?;
            ReleaseStatus::Active {
                sequence: release.sequence,
                manifest: release.manifest,
            }
        } else {
            let mut figures = complete.figures;
            before.add_to(&mut figures, self.store.as_ref());
            figures.total = start.elapsed();
            if complete.outcome == PullOutcome::Fresh {
                self.grown = complete.cache;
            }
            ReleaseStatus::Staged(Box::new(Candidate {
                target,
                migration: release.migration,
                expires: release.expires,
                warm: complete.warm,
                figures,
            }))
        };
        self.last = Some(CheckedRelease {
            last_release,
            status: status.clone(),
        });
        Ok(status)
    }

    /// Makes a staged release active on trial. Returns `false` if the release may no longer run;
    /// then [`Self::follow`] says what is offered now.
    ///
    /// # Errors
    ///
    /// As [`ReleaseRoot::activate`].
    pub async fn try_out(
        &mut self,
        candidate: &Candidate,
        now: Timestamp,
    ) -> Result<bool, RootError> {
        let Some(known) = self.last.clone() else {
            return Ok(false);
        };
        let (settings, store) = (
            Settings {
                now,
                ..self.settings.clone()
            },
            Arc::clone(&self.store),
        );
        let (target, expires) = (candidate.target.clone(), candidate.expires);
        let tried = self.with_root(move |root| {
            // What is said counts at this moment, too; if it is not understood any more, the
            // next look says so.
            let holds = Said::read(&settings.source)
                .is_ok_and(|said| known.holds(&settings, store.as_ref(), root, &said));
            if expires.is_some_and(|expires| now > expires) || !holds {
                return Ok(false);
            }
            root.try_out(&target, now)
                .map_err(|error| withdrawn(root, error))?;
            write(&known.last_release, root);
            Ok(true)
        });
        tried.await
    }

    /// Ends the trial of the active release well, and removes what nobody may still use.
    ///
    /// # Errors
    ///
    /// If the root is busy or the disk refuses.
    pub async fn keep(&mut self) -> Result<(), RootError> {
        let grown = self.grown.take();
        let kept = self.with_root(move |root| {
            root.keep()?;
            tidy(root);
            if let Some(cache) = grown {
                cache.sweep();
            }
            Ok(())
        });
        kept.await
    }

    /// Goes back to the release before the active one; does nothing if there is none.
    ///
    /// # Errors
    ///
    /// As [`ReleaseRoot::go_back`].
    pub async fn go_back(&mut self, now: Timestamp) -> Result<Option<ActiveRelease>, RootError> {
        self.with_root(move |root| root.go_back(now)).await
    }

    /// Puts a release that is not active on the rejected list.
    ///
    /// # Errors
    ///
    /// If the root is busy or the disk refuses.
    pub async fn reject(
        &mut self,
        manifest: Sha256,
        reason: String,
        now: Timestamp,
    ) -> Result<(), RootError> {
        self.with_root(move |root| root.reject(manifest, &reason, now))
            .await
    }

    /// Lets a rejected release be tried again.
    ///
    /// # Errors
    ///
    /// If the root is busy or the disk refuses.
    pub async fn allow(&mut self, manifest: Sha256) -> Result<(), RootError> {
        self.with_root(move |root| root.allow(&manifest)).await
    }

    /// Makes the active tree again, in one step for its readers: it links intact files, and takes
    /// chunks with a path of `damaged` from the node's cache or the store.
    ///
    /// # Errors
    ///
    /// [`PullError`], also if the store no longer holds the active release; the tree does not
    /// change then.
    pub async fn repair(
        &self,
        damaged: BTreeSet<RelativePath>,
        now: Timestamp,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Figures, PullError> {
        let path = self.settings.root.clone();
        let root_state = blocking(move || View::read(&path)).await?.state;
        let Some(active) = root_state.active else {
            return Err(RootError::Incomplete(Sha256::digest(b"")).into());
        };
        let settings = Settings {
            now,
            source: Source::Chosen(active.sequence),
            ..self.settings.clone()
        };
        self.store.begin();
        let run = Run {
            damaged: Some(Arc::new(damaged)),
            ..Run::new(&settings, &self.store)
        };
        let (counters, halt) = (Arc::clone(&run.counters), run.halt.clone());
        let _halt_when_dropped = halt.clone().drop_guard();
        let stage = Box::pin(run.stage(None, &|_: &OfferedRelease| ()));
        match watched(stage, &counters, &halt, settings.deadline, &|_| (), stop).await? {
            Staged::Complete(complete) => Ok(complete.figures),
            Staged::Same(..) | Staged::Kept(..) => Ok(Figures::default()),
        }
    }

    async fn with_root<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut ReleaseRoot) -> Result<T, RootError> + Send + 'static,
    ) -> Result<T, RootError> {
        let (path, places) = (self.settings.root.clone(), self.settings.places.clone());
        blocking(move || {
            ReleaseRoot::open_with(&path, &places).and_then(|mut root| work(&mut root))
        })
        .await
    }

    async fn same(&mut self, root: ReleaseRoot, last_release: LastRelease) -> ReleaseStatus {
        let active = root.is_active(&last_release.manifest);
        // What was staged is not tidied away.
        if let Some(known) = self
            .last
            .as_ref()
            .filter(|known| known.last_release == last_release && !active)
        {
            return known.status.clone();
        }
        blocking(move || tidy(&root)).await;
        let status = ReleaseStatus::Active {
            sequence: last_release.sequence,
            manifest: last_release.manifest,
        };
        self.last = Some(CheckedRelease {
            last_release,
            status: status.clone(),
        });
        status
    }
}

fn write(last_release: &LastRelease, root: &ReleaseRoot) {
    if let Err(error) = last_release.write(root.path()) {
        warn!(%error, "the next start asks for the whole release object");
    }
}
