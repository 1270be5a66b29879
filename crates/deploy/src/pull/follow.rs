//! Following a channel: what is offered is staged as often as it changes, and whoever follows
//! decides when it becomes active.

use super::{
    Figures, Outcome, Progress, PullError, Run, Settings, Source, Spent, Staged, blocking,
    offer::Offer, said::Said, seen::Seen, tidy, watched, withdrawn,
};
use crate::{
    View,
    cache::Cache,
    root::{ReleaseRoot, RootError},
    state::{ActiveRelease, State, Target},
};
use jiff::Timestamp;
use release::{Migration, Reason, RelativePath, Sequence, Sha256};
use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use store::ObjectStore;
use tracing::warn;

/// Follows one channel into one release root.
///
/// It holds the root's lock only while it works: `longshore` may look and act in between, and what
/// it did counts.
#[derive(Debug)]
pub struct Follower {
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) last: Option<Known>,
    /// The cache grew, and nobody has looked at its size yet.
    grown: Option<Arc<Cache>>,
}

/// A release object that was looked at, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) seen: Seen,
    pub(super) standing: Standing,
}

/// How the offered release stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It is the active one.
    Active {
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
    /// Its tree is complete, and it is not active.
    Staged(Box<Candidate>),
    /// It failed here before, or in another pod of the shop, as the cluster says.
    Rejected {
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
}

/// A release that was verified, accepted and staged.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What [`Follower::try_out`] makes active.
    pub target: Target,
    /// What it asks of the database.
    pub migration: Migration,
    /// After this it must not be made active any more.
    pub expires: Option<Timestamp>,
    /// Scripts that its manifest wants compiled first; none where the manifest was not read, as
    /// its tree was there.
    pub warm: Vec<RelativePath>,
    /// What staging it cost; all zero where its tree was there.
    pub figures: Figures,
}

/// What happens while a channel is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Trusted keys signed this release, which is not the active one; whether it is accepted is
    /// decided next.
    Offered {
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
    /// Chunks come.
    Progress(Progress),
}

impl Known {
    /// Whether a "not modified" still means what it meant.
    pub(super) fn holds(
        &self,
        settings: &Settings,
        store: &dyn ObjectStore,
        root: &ReleaseRoot,
        said: &Said,
    ) -> bool {
        let State {
            accepted, rejected, ..
        } = root.state();
        let chosen = said.chosen == Some(self.seen.sequence);
        let behind = accepted.as_ref().is_some_and(|accepted| {
            settings.now < said.passed(accepted.at)
                || (self.seen.sequence < accepted.sequence && !chosen)
        });
        let rejected =
            |manifest: &Sha256| rejected.contains_key(manifest) || said.rejected.contains(manifest);
        match &self.standing {
            Standing::Active { .. } => self.seen.holds(settings, store, root, said),
            Standing::Staged(candidate) => {
                let manifest = &candidate.target.manifest;
                let waits =
                    root.is_complete(manifest) && !root.is_active(manifest) && !rejected(manifest);
                self.seen.is_same_question(settings, store) && waits && !behind
            }
            Standing::Rejected { manifest, .. } => {
                self.seen.is_same_question(settings, store) && rejected(manifest)
            }
        }
    }
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

    /// [`Self::follow_from`], whatever sequence is offered.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn follow(
        &mut self,
        now: Timestamp,
        tell: &(dyn Fn(Event) + Send + Sync),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Standing, PullError> {
        self.follow_from(None, now, tell, stop).await
    }

    /// Looks what is offered, and stages it where it is new: one request where nothing changed.
    ///
    /// `tell` hears what happens, `stop` ends it soon, as with [`super::pull()`]. A release below
    /// `least` is refused as below the floor.
    ///
    /// # Errors
    ///
    /// [`PullError`]; `current` and the state are as they were. That the release was rejected here
    /// before is no error.
    pub async fn follow_from(
        &mut self,
        least: Option<Sequence>,
        now: Timestamp,
        tell: &(dyn Fn(Event) + Send + Sync),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Standing, PullError> {
        let settings = Settings {
            now,
            floor: self.settings.floor.max(least),
            ..self.settings.clone()
        };
        // This look has the whole deadline, whatever those before took.
        self.store.begin();
        let (start, before) = (Instant::now(), Spent::of(self.store.as_ref()));
        let run = Run {
            restores: self.last.is_none(),
            ..Run::new(&settings, &self.store)
        };
        let (counters, halt) = (Arc::clone(&run.counters), run.halt.clone());
        let _halt_when_dropped = halt.clone().drop_guard();
        let offered = Mutex::new(None);
        let take = |offer: &Offer| {
            *offered.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(offer.seen(&settings, self.store.as_ref()));
            tell(Event::Offered {
                sequence: offer.release.sequence,
                manifest: offer.release.manifest,
            });
        };
        let report = |progress| tell(Event::Progress(progress));
        let stage = Box::pin(run.stage(self.last.as_ref(), &take));
        let staged = watched(stage, &counters, &halt, settings.deadline, &report, stop).await;
        let offered = offered.into_inner().unwrap_or_else(PoisonError::into_inner);
        let complete = match (staged, offered) {
            (Ok(Staged::Complete(complete)), _) => *complete,
            (Ok(Staged::Same(root, seen)), _) => return Ok(self.same(*root, seen).await),
            // Of a pod that starts, which nobody follows with.
            (Ok(Staged::Kept(_, sequence, manifest)), _) => {
                return Ok(Standing::Active { sequence, manifest });
            }
            (Err(error), Some(seen)) if error.reason() == Reason::Rejected => {
                let standing = Standing::Rejected {
                    sequence: seen.sequence,
                    manifest: seen.manifest,
                };
                self.last = Some(Known {
                    seen,
                    standing: standing.clone(),
                });
                return Ok(standing);
            }
            (Err(error), _) => return Err(error),
        };
        let seen = complete.offer.seen(&settings, self.store.as_ref());
        let (target, release) = (complete.offer.target(), &complete.offer.release);
        let standing = if complete.outcome == Outcome::AlreadyActive {
            // Another release object may name the manifest that runs: that it was accepted is to be
            // remembered.
            let (mut root, target, seen) = (complete.root, target.clone(), seen.clone());
            blocking(move || root.activate(&target, now).map(|()| write(&seen, &root))).await?;
            Standing::Active {
                sequence: release.sequence,
                manifest: release.manifest,
            }
        } else {
            let mut figures = complete.figures;
            before.add_to(&mut figures, self.store.as_ref());
            figures.total = start.elapsed();
            if complete.outcome == Outcome::Fresh {
                self.grown = complete.cache;
            }
            Standing::Staged(Box::new(Candidate {
                target,
                migration: release.migration,
                expires: release.expires,
                warm: complete.warm,
                figures,
            }))
        };
        self.last = Some(Known {
            seen,
            standing: standing.clone(),
        });
        Ok(standing)
    }

    /// Makes a staged release active on trial; `false` where it may not be any more:
    /// [`Self::follow`] says what is offered now.
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
            // What is said counts at this moment, too; where it is not understood any more, the
            // next look says so.
            let holds = Said::read(&settings.source)
                .is_ok_and(|said| known.holds(&settings, store.as_ref(), root, &said));
            if expires.is_some_and(|expires| now > expires) || !holds {
                return Ok(false);
            }
            root.try_out(&target, now)
                .map_err(|error| withdrawn(root, error))?;
            write(&known.seen, root);
            Ok(true)
        });
        tried.await
    }

    /// Ends the trial of the active release well, and removes what nobody may still use.
    ///
    /// # Errors
    ///
    /// Where the root is busy or the disk refuses.
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

    /// Goes back to the release before the active one; nothing where there is none.
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
    /// Where the root is busy or the disk refuses.
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
    /// Where the root is busy or the disk refuses.
    pub async fn allow(&mut self, manifest: Sha256) -> Result<(), RootError> {
        self.with_root(move |root| root.allow(&manifest)).await
    }

    /// Makes the active tree again, in one step for its readers: files that are well are linked,
    /// chunks with a path of `damaged` come from the node's cache or the store.
    ///
    /// # Errors
    ///
    /// [`PullError`], also where the store does not hold the active release any more; the tree is
    /// then as it was.
    pub async fn repair(
        &self,
        damaged: BTreeSet<RelativePath>,
        now: Timestamp,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Figures, PullError> {
        let path = self.settings.root.clone();
        let root_state = blocking(move || View::read(&path)).await?.state;
        let Some(active) = root_state.active else {
            return Err(RootError::Incomplete(Sha256::of(b"")).into());
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
        let stage = Box::pin(run.stage(None, &|_: &Offer| ()));
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

    async fn same(&mut self, root: ReleaseRoot, seen: Seen) -> Standing {
        let active = root.is_active(&seen.manifest);
        // What was staged is not tidied away.
        if let Some(known) = self
            .last
            .as_ref()
            .filter(|known| known.seen == seen && !active)
        {
            return known.standing.clone();
        }
        blocking(move || tidy(&root)).await;
        let standing = Standing::Active {
            sequence: seen.sequence,
            manifest: seen.manifest,
        };
        self.last = Some(Known {
            seen,
            standing: standing.clone(),
        });
        standing
    }
}

fn write(seen: &Seen, root: &ReleaseRoot) {
    if let Err(error) = seen.write(root.path()) {
        warn!(%error, "the next start asks for the whole release object");
    }
}
