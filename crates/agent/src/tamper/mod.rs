//! Files of the running tree that change on the disk: noticed, reported, and put back.
//!
//! Two ways lead here. The kernel says when a file of the tree is written, replaced or removed through this node (inotify, a watch for
//! each directory); and a scan reads the whole tree again and again, so slowly that nobody feels it, for what came another way. Either
//! only says where to look: what decides is [`deploy::audit`], and what is put back was verified like any release.

use crate::board::Board;
use deploy::{Audit, View, audit, pull::Follower};
use jiff::Timestamp;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use release::{RelativePath, Sha256};
use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long changes are gathered before they are looked at: whoever unpacks over a tree changes thousands of files.
const GATHER: Duration = Duration::from_millis(500);
/// How often it is looked whether another tree runs.
const TURN: Duration = Duration::from_secs(5);
/// Between two scans of a whole tree: 50,000 files take about a second of one core, which is then less than a thousandth of it.
const REST: Duration = Duration::from_mins(30);
/// After a repair that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(15);
/// How far a scan may be ahead of its pace before it sleeps: a sleep for each small file would cost more than reading it.
const AHEAD: Duration = Duration::from_millis(100);
/// Paths that are gathered at most: beyond that, the whole tree is looked through.
const PATHS: usize = 4096;

/// What looks after the running tree.
#[derive(Debug)]
pub struct Guard {
    /// The release root.
    pub root: PathBuf,
    /// Puts files back.
    pub follower: Follower,
    /// Bytes a second that scans may read.
    pub pace: u64,
    /// Where findings are shown.
    pub board: Board,
}

#[derive(Debug, Default)]
struct Changed {
    heard: Mutex<Heard>,
    wake: Notify,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    paths: BTreeSet<PathBuf>,
    // Something changed, and nobody knows where: events were lost, or are more than are gathered.
    anywhere: bool,
}

// The tree that is watched.
struct Watched {
    manifest: Sha256,
    tree: PathBuf,
    changed: Arc<Changed>,
    // Ends with it.
    _watcher: Option<RecommendedWatcher>,
    scanned: Option<Instant>,
    // Found changed, counted, and not put back yet.
    open: BTreeSet<RelativePath>,
    // Found added, likewise.
    added: BTreeSet<PathBuf>,
    // The tree was made again: the watches are on one that is gone.
    replaced: bool,
}

impl Guard {
    /// Looks after whatever tree runs, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut watched: Option<Watched> = None;
        loop {
            let root = self.root.clone();
            let running = on_disk(move || View::read(&root).ok()?.running().map(|active| active.manifest)).await;
            let current = watched.as_ref().filter(|watched| !watched.replaced).map(|watched| watched.manifest);
            if running != current {
                // The old watches first: both at once might be more than the kernel allows.
                drop(watched.take());
                let root = self.root.clone();
                watched = match running {
                    Some(manifest) => on_disk(move || Watched::new(&root, manifest)).await,
                    None => None,
                };
            }
            let Some(watched) = &mut watched else {
                if stop.run_until_cancelled(sleep(TURN)).await.is_none() {
                    return;
                }
                continue;
            };
            let due = watched.scanned.is_none_or(|scanned| scanned.elapsed() > REST);
            let changed = Arc::clone(&watched.changed);
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.wake.notified() => {
                    sleep(GATHER).await;
                    self.look(watched, changed.take(), &stop).await;
                }
                () = self.scan(watched, &stop), if due => {}
                () = sleep(TURN), if !due => {}
            }
        }
    }

    /// Looks at the paths that were heard of; where that is not all of them, has the whole tree scanned.
    async fn look(&self, watched: &mut Watched, heard: Heard, stop: &CancellationToken) {
        if heard.anywhere {
            watched.scanned = None;
            return;
        }
        let only = relative(&watched.tree, &heard.paths);
        if only.is_empty() {
            return;
        }
        let (root, manifest) = (self.root.clone(), watched.manifest);
        match on_disk(move || audit(&root, &manifest, Some(&only), &mut |_| ControlFlow::Continue(()))).await {
            Ok(found) => self.mend(watched, found, stop).await,
            Err(error) => warn!(error = %runtime::Chain(&error), "changed files cannot be looked at"),
        }
    }

    /// Reads the whole tree, no faster than it may. Cancel-safe: the thread notices, and what it found so far is found again.
    async fn scan(&self, watched: &mut Watched, stop: &CancellationToken) {
        let (root, manifest, pace) = (self.root.clone(), watched.manifest, self.pace.max(1));
        let halt = stop.child_token();
        let halted = halt.clone();
        let _halt_when_dropped = halt.drop_guard();
        let start = Instant::now();
        let mut read = 0;
        let paced = move |bytes: u64| {
            read += bytes;
            #[allow(clippy::cast_precision_loss, reason = "bytes of one tree")]
            let due = Duration::from_secs_f64(read as f64 / pace as f64);
            let ahead = due.saturating_sub(start.elapsed());
            if ahead > AHEAD {
                std::thread::sleep(ahead.min(Duration::from_secs(1)));
            }
            if halted.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let found = on_disk(move || {
            let mut paced = paced;
            audit(&root, &manifest, None, &mut paced)
        });
        match found.await {
            Ok(found) => {
                debug!(
                    files = found.files,
                    bytes = found.bytes,
                    elapsed_seconds = start.elapsed().as_secs_f64(),
                    "scanned the running tree"
                );
                watched.scanned = Some(Instant::now());
                self.mend(watched, found, stop).await;
                self.board.looked(|tamper| tamper.last_scan_at = Some(Timestamp::now()));
            }
            Err(error) => {
                warn!(error = %runtime::Chain(&error), "the running tree cannot be scanned");
                watched.scanned = Some(Instant::now());
            }
        }
    }

    async fn mend(&self, watched: &mut Watched, found: Audit, stop: &CancellationToken) {
        let added = found.added.difference(&watched.added).count() as u64;
        if let Some(first) = found.added.first().filter(|_| added > 0) {
            warn!(files = added, path = %first.display(), "files were added to the running release on the disk");
        }
        let changed = found.damaged.difference(&watched.open).count() as u64;
        if let Some(first) = found.damaged.first().filter(|_| changed > 0) {
            warn!(files = changed, path = %first, "files of the running release were changed on the disk");
        }
        self.board.looked(|tamper| tamper.changed_files += added + changed);
        watched.added.extend(found.added);
        watched.open.extend(found.damaged);
        if watched.open.is_empty() && watched.added.is_empty() {
            return;
        }
        // The tree is made anew of what belongs into it, so what was added goes with the old one.
        match Box::pin(self.follower.repair(watched.open.clone(), Timestamp::now(), stop.cancelled())).await {
            Ok(figures) => {
                let files = (watched.open.len() + watched.added.len()) as u64;
                watched.open.clear();
                watched.added.clear();
                watched.replaced = true;
                info!(files, downloaded_bytes = figures.downloaded_bytes, "changed files were put back");
                self.board.looked(|tamper| tamper.repaired_files += files);
            }
            Err(error) => {
                let text = runtime::Chain(&error).to_string();
                if self.board.error(Timestamp::now(), error.reason(), text.clone()) {
                    warn!(files = watched.open.len() + watched.added.len(), reason = %error.reason(), error = text, "changed files cannot be put back");
                }
                // The whole tree is looked at again, soon.
                watched.scanned = None;
                stop.run_until_cancelled(sleep(AFTER_FAILURE)).await;
            }
        }
    }
}

impl Changed {
    fn hear(&self, event: notify::Result<Event>) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            // The queue of inotify was full.
            Ok(event) if event.need_rescan() => heard.anywhere = true,
            // Reading is what everybody does; a new link to a file, as the next release makes them, changes nothing of it.
            Ok(Event { kind: EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)), .. }) => return,
            Ok(event) => heard.paths.extend(event.paths),
            Err(error) => {
                debug!(%error, "an event was lost");
                heard.anywhere = true;
            }
        }
        if heard.anywhere || heard.paths.len() > PATHS {
            *heard = Heard { anywhere: true, ..Heard::default() };
        }
        self.wake.notify_one();
    }

    fn take(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watched {
    fn new(root: &Path, manifest: Sha256) -> Option<Self> {
        let tree = deploy::tree(&root.canonicalize().ok()?, &manifest);
        let changed = Arc::new(Changed::default());
        let listener = Arc::clone(&changed);
        let handler = move |event| listener.hear(event);
        let watcher = RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false));
        let watcher = watcher.and_then(|mut watcher| watcher.watch(&tree, RecursiveMode::Recursive).map(|()| watcher));
        let watcher = watcher.inspect_err(|error| {
            warn!(%error, "changes are found by the scan alone: fs.inotify.max_user_watches may be too low for this tree");
        });
        Some(Self {
            manifest,
            tree,
            changed,
            _watcher: watcher.ok(),
            scanned: None,
            open: BTreeSet::new(),
            added: BTreeSet::new(),
            replaced: false,
        })
    }
}

/// The paths below the tree that a release may have, and those of the directories above them, as a directory may be gone as a whole.
fn relative(tree: &Path, paths: &BTreeSet<PathBuf>) -> BTreeSet<RelativePath> {
    paths.iter().filter_map(|path| path.strip_prefix(tree).ok()?.to_str()?.parse().ok()).collect()
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test prepares what is on the disk")]

    use super::*;
    use notify::event::{AccessKind, CreateKind, Flag};
    use std::fs;

    const QUEUED: &str = "/proc/sys/fs/inotify/max_queued_events";

    fn heard(events: impl IntoIterator<Item = notify::Result<Event>>) -> Heard {
        let changed = Changed::default();
        events.into_iter().for_each(|event| changed.hear(event));
        changed.take()
    }

    #[test]
    fn what_is_not_known_by_its_path_may_be_anywhere() {
        let anywhere = Heard { anywhere: true, ..Heard::default() };
        let made = |path: String| Ok(Event::new(EventKind::Create(CreateKind::File)).add_path(path.into()));
        let read = Event::new(EventKind::Access(AccessKind::Any)).add_path("/tree/read".into());
        assert_eq!(heard([Ok(read), made("/tree/a".to_owned())]).paths, BTreeSet::from(["/tree/a".into()]));
        assert_eq!(heard([made("/tree/a".to_owned()), Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))]), anywhere);
        assert_eq!(heard([Err(notify::Error::generic("no memory"))]), anywhere);
        assert!(!heard((0..PATHS).map(|number| made(format!("/tree/{number}")))).anywhere);
        assert_eq!(heard((0..=PATHS).map(|number| made(format!("/tree/{number}")))), anywhere);
    }

    #[test]
    fn the_kernel_says_when_its_queue_was_full() {
        let tree = tempfile::tempdir().unwrap();
        let events: usize = fs::read_to_string(QUEUED).unwrap().trim().parse().unwrap();
        let (changed, gate) = (Arc::new(Changed::default()), Arc::new(Mutex::new(())));
        let held = gate.lock().unwrap();
        let (listener, waits) = (Arc::clone(&changed), Arc::clone(&gate));
        let mut watcher = notify::recommended_watcher(move |event| {
            drop(waits.lock());
            listener.hear(event);
        })
        .unwrap();
        watcher.watch(tree.path(), RecursiveMode::Recursive).unwrap();
        // Nobody reads while these come. Two names by turns, since the kernel joins events that are equal.
        for number in 0..=2 * events {
            fs::write(tree.path().join(if number % 2 == 0 { "even" } else { "odd" }), "").unwrap();
        }
        drop(held);
        let start = Instant::now();
        while !changed.take().anywhere {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing was said of {events} events that nobody read");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
