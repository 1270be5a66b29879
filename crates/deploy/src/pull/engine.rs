//! One run: from what is offered to a complete tree, and to the active one.

use super::{
    Figures, Origin, Progress, PullError, PullOutcome, Pulled, Settings, Source, blocking,
    first::{self, Instead},
    last_release::LastRelease,
    origin::Memory,
    progress::Counters,
    release_source::{Fetched, OfferedRelease, Purpose},
    release_status::CheckedRelease,
    said::Said,
    store_counters::StoreCounters,
    timings::Stopwatch,
    watched::watched,
};
use crate::{
    cache::Cache,
    root::{ReleaseRoot, RootError},
    state::Target,
};
use release::{RelativePath, Sequence, Sha256};
use std::{collections::BTreeSet, future::Future, path::Path, sync::Arc, time::Instant};
use store::ObjectStore;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Makes the release that is offered the active one.
///
/// `report` hears how far it is once a second while chunks come. When `stop` completes, or the
/// deadline passes, the pull ends soon, at the end of the chunks in work, and removes what it
/// staged. Not cancel-safe in one respect: when its future is dropped, threads may still work for a
/// moment, and hold the lock of the root until they notice.
///
/// # Errors
///
/// [`PullError`]; `current` is then as it was, and the space of what was staged is free again.
pub async fn pull(
    settings: &Settings,
    store: &Arc<dyn ObjectStore>,
    report: &(dyn Fn(Progress) + Send + Sync),
    stop: impl Future<Output = ()> + Send,
) -> Result<Pulled, PullError> {
    let (start, before) = (Instant::now(), StoreCounters::read(store.as_ref()));
    let run = Run {
        restores: true,
        ..Run::new(settings, store)
    };
    let (counters, halt) = (Arc::clone(&run.counters), run.halt.clone());
    let _halt_when_dropped = halt.clone().drop_guard();
    let mut pulled = watched(
        Box::pin(run.run()),
        &counters,
        &halt,
        settings.deadline,
        report,
        stop,
    )
    .await?;
    if pulled.outcome == PullOutcome::Fresh {
        report(counters.now());
    }
    before.add_to(&mut pulled.figures, store.as_ref());
    pulled.figures.total = start.elapsed();
    Ok(pulled)
}

pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    pub(super) store: &'a Arc<dyn ObjectStore>,
    pub(super) counters: Arc<Counters>,
    pub(super) halt: CancellationToken,
    /// What trees lead to is made again first, if it is gone.
    pub(super) restores: bool,
    /// The active tree is made again, as these paths of it are not what they were.
    pub(super) damaged: Option<Arc<BTreeSet<RelativePath>>>,
}

/// What is on the disk once the offer was followed.
pub(super) enum Staged {
    /// The release object is the one that was seen; nothing was done.
    Same(Box<ReleaseRoot>, LastRelease),
    /// What is in force has to wait, and this ran here.
    Kept(Box<ReleaseRoot>, Sequence, Sha256),
    /// The tree of this offer is complete.
    Complete(Box<Complete>),
}

pub(super) struct Complete {
    pub(super) root: ReleaseRoot,
    pub(super) offer: OfferedRelease,
    pub(super) last_release: Option<LastRelease>,
    pub(super) cache: Option<Arc<Cache>>,
    pub(super) outcome: PullOutcome,
    pub(super) warm: Vec<RelativePath>,
    pub(super) figures: Figures,
}

impl<'a> Run<'a> {
    pub(super) fn new(settings: &'a Settings, store: &'a Arc<dyn ObjectStore>) -> Self {
        Self {
            settings,
            store,
            counters: Arc::default(),
            halt: CancellationToken::new(),
            restores: false,
            damaged: None,
        }
    }

    pub(super) async fn run(self) -> Result<Pulled, PullError> {
        let complete = match self.stage(None, &|_: &OfferedRelease| ()).await? {
            Staged::Complete(complete) => *complete,
            Staged::Same(
                root,
                LastRelease {
                    sequence, manifest, ..
                },
            )
            | Staged::Kept(root, sequence, manifest) => {
                blocking(move || tidy(&root)).await;
                let (outcome, origin) = (PullOutcome::AlreadyActive, Origin::Store);
                return Ok(Pulled {
                    sequence,
                    manifest,
                    outcome,
                    origin,
                    figures: Figures::default(),
                });
            }
        };
        let Complete {
            root,
            offer,
            last_release,
            cache,
            outcome,
            mut figures,
            ..
        } = complete;
        let (target, origin) = (offer.target(), offer.origin);
        let (
            Target {
                sequence, manifest, ..
            },
            now,
        ) = (target.clone(), self.settings.now);
        let mut watch = Stopwatch::start();
        let next = (self.settings.source.is_in_force())
            .then(|| offer.last_release(self.settings, self.store.as_ref()))
            .filter(|next| Some(next) != last_release.as_ref());
        blocking(move || -> Result<(), PullError> {
            let mut root = root;
            if let Err(error) = root.activate(&target, now) {
                return Err(withdrawn(&mut root, error).into());
            }
            tidy(&root);
            if let Some(Err(error)) = next.map(|next| next.write(root.path())) {
                warn!(%error, "the next start asks for the whole release object");
            }
            // The release runs: only now is there time to look at every file of the cache.
            if let Some(cache) = cache.filter(|_| outcome == PullOutcome::Fresh) {
                cache.sweep();
            }
            Ok(())
        })
        .await?;
        figures.stages.activate = watch.lap();
        Ok(Pulled {
            sequence,
            manifest,
            outcome,
            origin,
            figures,
        })
    }

    /// Everything but the activation. `known` is what a follower has seen; if it does not hold,
    /// the disk's hint is taken.
    pub(super) async fn stage(
        &self,
        known: Option<&CheckedRelease>,
        offered: &(dyn Fn(&OfferedRelease) + Sync),
    ) -> Result<Staged, PullError> {
        let mut watch = Stopwatch::start();
        let (last_release, root) = self.open().await?;
        let source = self.settings.source.clone();
        let said = blocking(move || Said::read(&source)).await?;
        let from_disk = || {
            last_release.as_ref().filter(|last_release| {
                last_release.holds(self.settings, self.store.as_ref(), &root, &said)
            })
        };
        let known = known
            .filter(|known| known.holds(self.settings, self.store.as_ref(), &root, &said))
            .map(|known| &known.last_release)
            .or_else(from_disk);
        // A tree that is made again needs the release object, however well known it is.
        let known = known.filter(|_| self.damaged.is_none());
        let cache = self.open_cache().await?;
        let memory = cache
            .as_ref()
            .map(|cache| Memory::new(Arc::clone(cache), self.store.as_ref()));
        // Of a pod that starts all rules count once it is known that it starts with this one.
        let starts = matches!(self.settings.source, Source::Start(_));
        let check = |offer: &OfferedRelease| {
            let purpose = if starts || root.is_active(&offer.release.manifest) {
                Purpose::Record
            } else {
                Purpose::Activation
            };
            offer.check(self.settings, &said, root.state(), purpose)
        };
        let fetched = OfferedRelease::fetch(
            self.settings,
            self.store.as_ref(),
            memory.as_ref(),
            known,
            check,
        );
        let mut offer = match self.unless_halted(fetched).await? {
            Fetched::Offer(offer) => offer,
            Fetched::Same(last_release) => return Ok(Staged::Same(Box::new(root), last_release)),
        };
        offered(&offer);
        check(&offer)?;
        if let Source::Start(directory) = &self.settings.source
            && !root.is_active(&offer.release.manifest)
        {
            let directory = directory.clone();
            let previous = blocking(move || first::previous(&directory)).await;
            match first::instead(self.settings, &offer, previous, &said, &root) {
                None => offer.check(self.settings, &said, root.state(), Purpose::Activation)?,
                Some(Instead::Running(active)) => {
                    return Ok(Staged::Kept(
                        Box::new(root),
                        active.sequence,
                        active.manifest,
                    ));
                }
                Some(Instead::Previous(previous)) => offer = previous.after(offer),
            }
        }
        if let Some(memory) = &memory {
            offer.remember(self.settings, memory).await;
        }
        let release = &offer.release;
        let (sequence, manifest) = (release.sequence, release.manifest);
        let taken = watch.lap();
        // The sequence that runs names the manifest that runs: it is signed, and a sequence is
        // never given twice.
        let again = self.damaged.is_some() && root.is_active(&manifest);
        let mut warm = Vec::new();
        let (root, mut figures, outcome) = if again {
            let (root, figures, _) = self.fresh(root, release, cache.as_ref()).await?;
            (root, figures, PullOutcome::Fresh)
        } else if root.is_active(&manifest) {
            (root, Figures::default(), PullOutcome::AlreadyActive)
        } else if root.is_complete(&manifest) || self.damaged.is_some() {
            (root, Figures::default(), PullOutcome::AlreadyComplete)
        } else {
            info!(sequence = sequence.get(), %manifest, "release accepted");
            let (root, figures, scripts) = self.fresh(root, release, cache.as_ref()).await?;
            warm = scripts;
            (root, figures, PullOutcome::Fresh)
        };
        figures.stages.offer = taken;
        Ok(Staged::Complete(Box::new(Complete {
            root,
            offer,
            last_release,
            cache,
            outcome,
            warm,
            figures,
        })))
    }

    /// Opens the root, and reads the hint that is on its disk.
    async fn open(&self) -> Result<(Option<LastRelease>, ReleaseRoot), PullError> {
        let (path, places, restores) = (
            self.settings.root.clone(),
            self.settings.places.clone(),
            self.restores,
        );
        let cache = self
            .settings
            .cache
            .as_ref()
            .map(|cache| cache.directory.clone());
        let store = self.store.directory().map(Path::to_owned);
        let opened = blocking(move || -> Result<_, PullError> {
            if let Some(conflict) = places.conflict(&path, cache.as_deref(), store.as_deref()) {
                return Err(RootError::from(conflict).into());
            }
            let root = ReleaseRoot::open_with(&path, &places)?;
            if restores {
                root.restore()?;
            }
            Ok((LastRelease::read(root.path()), root))
        });
        opened.await
    }

    pub(super) async fn open_cache(&self) -> Result<Option<Arc<Cache>>, PullError> {
        let Some(settings) = self.settings.cache.clone() else {
            return Ok(None);
        };
        Ok(blocking(move || Cache::open(&settings)).await?)
    }

    pub(super) async fn unless_halted<T>(
        &self,
        work: impl Future<Output = Result<T, PullError>>,
    ) -> Result<T, PullError> {
        self.halt
            .run_until_cancelled(work)
            .await
            .unwrap_or(Err(PullError::Interrupted))
    }
}

/// Gives back the space of a tree that the full disk kept from becoming active, and the error that
/// said so.
pub(super) fn withdrawn(root: &mut ReleaseRoot, error: RootError) -> RootError {
    if error.is_full()
        && let Err(error) = root.withdraw()
    {
        warn!(%error, "the tree stays on the full disk until the next pull");
    }
    error
}

/// Removes old trees. Also if nothing was switched: the run that did may have died before it
/// came to this.
pub(super) fn tidy(root: &ReleaseRoot) {
    if let Err(error) = root.prune() {
        warn!(%error, "an old tree stays until the next pull");
    }
}
