//! The pull: from what is offered to a complete, active tree. DESIGN §5 in code.
//!
//! ```text
//!  offer ── verify ── policy ──► manifest ──► link what did not change ──► plan ──► supply ─bytes─► crew ──► complete ──► activate
//!  (raw bytes)                  (digest)      (from the active tree)               │ (async)       (threads)
//!                                                                     node cache ◄─┴─► store
//! ```
//!
//! [`pull`] does all of it once; a [`Follower`] does it again and again, and leaves the last step
//! to its caller.
//!
//! Nothing is parsed, decompressed or written before the step that vouches for it.

mod confirm;
mod crew;
mod download;
mod error;
mod first;
mod follow;
mod offer;
mod origin;
mod plan;
mod progress;
mod reuse;
mod room;
mod said;
mod seen;
mod space;
mod stage;
mod supply;
mod timings;

pub use error::PullError;
pub use follow::{Candidate, Event, Follower, Standing};
pub use offer::newest_root;
pub use origin::Origin;
pub use plan::MEMORY_FLOOR;
pub use progress::{Figures, Outcome, Progress, Pulled};
pub use timings::{Limit, Stages, Work};

use crate::{
    cache::{self, Cache},
    places::Places,
    root::{ReleaseRoot, RootError},
    state::Target,
};
use first::Instead;
use follow::Known;
use jiff::Timestamp;
use offer::{Fetched, Offer};
use origin::Memory;
use progress::Counters;
use release::{ChannelName, RelativePath, Sequence, Sha256, TrustRoot, Verified};
use said::Said;
use seen::Seen;
use std::{
    collections::BTreeSet,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use store::ObjectStore;
use timings::Stopwatch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Memory for a pull's buffers where nobody says otherwise: 64 MiB.
pub const MEMORY: u64 = 64 << 20;
/// How often the progress is told.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What to pull, and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The channel to follow.
    pub channel: ChannelName,
    /// The release root, an absolute path.
    pub root: PathBuf,
    /// The trust root that is believed.
    pub trust: Verified<TrustRoot>,
    /// Where the release object is.
    pub source: Source,
    /// The lowest sequence to accept.
    pub floor: Option<Sequence>,
    /// The lowest version of the trust root to accept a release under: a key that was withdrawn
    /// since is no key for a fresh node either.
    pub trust_floor: u64,
    /// Where trees lead to.
    pub places: Places,
    /// The cache that this node's pods share, where there is one.
    pub cache: Option<cache::Settings>,
    /// Bytes for buffers, at least [`MEMORY_FLOOR`].
    pub memory: u64,
    /// How long all of it may take.
    pub deadline: Duration,
    /// The time, read once for the whole run.
    pub now: Timestamp,
}

/// Where the release object comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The store's channel decides.
    Channel,
    /// A file, or a directory with a `release.json`, such as a projected volume.
    File(PathBuf),
    /// As [`Self::File`], for a pod that starts: where the directory says that the database is not
    /// ready for the release object in force, or that the shop's pods rejected it, what ran here
    /// goes on, or its `previous.json` counts.
    Start(PathBuf),
    /// An operator chose this sequence of the channel. It may be older than the accepted one, which
    /// is still remembered, and it may have been rejected before; signatures, channel, floor and
    /// expiry count as ever.
    Chosen(Sequence),
}

impl Source {
    const fn is_in_force(&self) -> bool {
        matches!(self, Self::Channel | Self::File(_) | Self::Start(_))
    }
}

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
    let (start, before) = (Instant::now(), Spent::of(store.as_ref()));
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
    if pulled.outcome == Outcome::Fresh {
        report(counters.now());
    }
    before.add_to(&mut pulled.figures, store.as_ref());
    pulled.figures.total = start.elapsed();
    Ok(pulled)
}

/// Tells how far `run` is, and halts it when `stop` completes or the deadline passes.
async fn watched<T>(
    run: impl Future<Output = Result<T, PullError>>,
    counters: &Counters,
    halt: &CancellationToken,
    deadline: Duration,
    report: &(dyn Fn(Progress) + Send + Sync),
    stop: impl Future<Output = ()> + Send,
) -> Result<T, PullError> {
    let (mut run, mut stop, mut over) = (pin!(run), pin!(stop), pin!(tokio::time::sleep(deadline)));
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            result = &mut run => return result,
            () = &mut stop => {
                halt.cancel();
                return interrupted(run.await, PullError::Interrupted);
            }
            () = &mut over => {
                halt.cancel();
                return interrupted(run.await, PullError::Deadline(deadline));
            }
            _ = ticks.tick() => {
                let progress = counters.now();
                if progress.chunks_total > 0 {
                    report(progress);
                }
            }
        }
    }
}

/// Tells the progress as a log event: what a process without a terminal gives to [`pull`].
pub fn log_progress(progress: Progress) {
    let Progress {
        chunks,
        chunks_total,
        bytes,
        bytes_total,
    } = progress;
    info!(chunks, chunks_total, bytes, bytes_total, "pulling");
}

// What ended the run is the error, unless the run was done all the same or had an error of its own.
fn interrupted<T>(result: Result<T, PullError>, by: PullError) -> Result<T, PullError> {
    match result {
        Err(PullError::Interrupted) => Err(by),
        other => other,
    }
}

struct Run<'a> {
    settings: &'a Settings,
    store: &'a Arc<dyn ObjectStore>,
    counters: Arc<Counters>,
    halt: CancellationToken,
    /// What trees lead to is made again first, where it is gone.
    restores: bool,
    /// The active tree is made again, as these paths of it are not what they were.
    damaged: Option<Arc<BTreeSet<RelativePath>>>,
}

/// What is on the disk once the offer was followed.
enum Staged {
    /// The release object is the one that was seen; nothing was done.
    Same(Box<ReleaseRoot>, Seen),
    /// What is in force has to wait, and this ran here.
    Kept(Box<ReleaseRoot>, Sequence, Sha256),
    /// The tree of this offer is complete.
    Complete(Box<Complete>),
}

struct Complete {
    root: ReleaseRoot,
    offer: Offer,
    seen: Option<Seen>,
    cache: Option<Arc<Cache>>,
    outcome: Outcome,
    warm: Vec<RelativePath>,
    figures: Figures,
}

impl<'a> Run<'a> {
    fn new(settings: &'a Settings, store: &'a Arc<dyn ObjectStore>) -> Self {
        Self {
            settings,
            store,
            counters: Arc::default(),
            halt: CancellationToken::new(),
            restores: false,
            damaged: None,
        }
    }

    async fn run(self) -> Result<Pulled, PullError> {
        let complete = match self.stage(None, &|_: &Offer| ()).await? {
            Staged::Complete(complete) => *complete,
            Staged::Same(
                root,
                Seen {
                    sequence, manifest, ..
                },
            )
            | Staged::Kept(root, sequence, manifest) => {
                blocking(move || tidy(&root)).await;
                let (outcome, origin) = (Outcome::AlreadyActive, Origin::Store);
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
            seen,
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
            .then(|| offer.seen(self.settings, self.store.as_ref()))
            .filter(|next| Some(next) != seen.as_ref());
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
            if let Some(cache) = cache.filter(|_| outcome == Outcome::Fresh) {
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

    /// Everything but the activation. `known` is what a follower has seen; where it does not hold,
    /// the disk's hint is taken.
    async fn stage(
        &self,
        known: Option<&Known>,
        offered: &(dyn Fn(&Offer) + Sync),
    ) -> Result<Staged, PullError> {
        let mut watch = Stopwatch::start();
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
            Ok((Seen::read(root.path()), root))
        });
        let (seen, root) = opened.await?;
        let source = self.settings.source.clone();
        let said = blocking(move || Said::read(&source)).await?;
        let from_disk = || {
            seen.as_ref()
                .filter(|seen| seen.holds(self.settings, self.store.as_ref(), &root, &said))
        };
        let known = known
            .filter(|known| known.holds(self.settings, self.store.as_ref(), &root, &said))
            .map(|known| &known.seen)
            .or_else(from_disk);
        // A tree that is made again needs the release object, however well known it is.
        let known = known.filter(|_| self.damaged.is_none());
        let cache = self.open_cache().await?;
        let memory = cache
            .as_ref()
            .map(|cache| Memory::new(Arc::clone(cache), self.store.as_ref()));
        // Of a pod that starts all rules count once it is known that it starts with this one.
        let starts = matches!(self.settings.source, Source::Start(_));
        let check = |offer: &Offer| {
            offer.check(
                self.settings,
                &said,
                root.state(),
                starts || root.is_active(&offer.release.manifest),
            )
        };
        let fetched = Offer::fetch(
            self.settings,
            self.store.as_ref(),
            memory.as_ref(),
            known,
            check,
        );
        let mut offer = match self.unless_halted(fetched).await? {
            Fetched::Offer(offer) => offer,
            Fetched::Same(seen) => return Ok(Staged::Same(Box::new(root), seen)),
        };
        offered(&offer);
        check(&offer)?;
        if let Source::Start(directory) = &self.settings.source
            && !root.is_active(&offer.release.manifest)
        {
            let directory = directory.clone();
            let previous = blocking(move || first::previous(&directory)).await;
            match first::instead(self.settings, &offer, previous, &said, &root) {
                None => offer.check(self.settings, &said, root.state(), false)?,
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
            (root, figures, Outcome::Fresh)
        } else if root.is_active(&manifest) {
            (root, Figures::default(), Outcome::AlreadyActive)
        } else if root.is_complete(&manifest) || self.damaged.is_some() {
            (root, Figures::default(), Outcome::AlreadyComplete)
        } else {
            info!(sequence = sequence.get(), %manifest, "release accepted");
            let (root, figures, scripts) = self.fresh(root, release, cache.as_ref()).await?;
            warm = scripts;
            (root, figures, Outcome::Fresh)
        };
        figures.stages.offer = taken;
        Ok(Staged::Complete(Box::new(Complete {
            root,
            offer,
            seen,
            cache,
            outcome,
            warm,
            figures,
        })))
    }

    async fn open_cache(&self) -> Result<Option<Arc<Cache>>, PullError> {
        let Some(settings) = self.settings.cache.clone() else {
            return Ok(None);
        };
        Ok(blocking(move || Cache::open(&settings)).await?)
    }

    async fn unless_halted<T>(
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
fn withdrawn(root: &mut ReleaseRoot, error: RootError) -> RootError {
    if error.is_full()
        && let Err(error) = root.withdraw()
    {
        warn!(%error, "the tree stays on the full disk until the next pull");
    }
    error
}

/// Removes old trees. Also where nothing was switched: the run that did may have died before it
/// came to this.
fn tidy(root: &ReleaseRoot) {
    if let Err(error) = root.prune() {
        warn!(%error, "an old tree stays until the next pull");
    }
}

/// Runs disk work on a thread for it. A panic there is a panic here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

// The store's counters at one moment: it may have served others before.
struct Spent {
    requests: u64,
    retries: u64,
    received: u64,
    network: Duration,
}

impl Spent {
    fn of(store: &dyn ObjectStore) -> Self {
        let stats = store.stats();
        Self {
            requests: stats.requests(),
            retries: stats.retries(),
            received: stats.received(),
            network: stats.network(),
        }
    }

    fn add_to(&self, figures: &mut Figures, store: &dyn ObjectStore) {
        let now = Self::of(store);
        figures.requests = now.requests - self.requests;
        figures.retries = now.retries - self.retries;
        figures.downloaded_bytes = now.received - self.received;
        figures.network = now.network.saturating_sub(self.network);
    }
}

#[cfg(test)]
mod tests;
