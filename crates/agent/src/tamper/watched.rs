//! The tree that is looked after, and what is known of it.

use super::fs_events::Changed;
use crate::watch::{Inotify, Links};
use deploy::{Audit, DiskError, audit};
use notify::RecursiveMode;
use release::{RelativePath, Sha256};
use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

/// Between two scans of a whole tree: 50,000 files take about a second of one core, which is then
/// less than a thousandth of it.
const REST: Duration = Duration::from_mins(30);
/// How far a scan may be ahead of its pace before it sleeps: a sleep for each small file would cost
/// more than reading it.
const AHEAD: Duration = Duration::from_millis(100);

/// The tree that is watched.
pub(super) struct Watched {
    pub(super) manifest: Sha256,
    pub(super) tree: PathBuf,
    /// Whether its index says what belongs into it.
    pub(super) known: bool,
    pub(super) changed: Arc<Changed>,
    // Ends with it.
    _watcher: Option<Inotify>,
    /// The scan that is on its way: it goes on while changes are looked at, or a shop that is busy
    /// would never see the end of one.
    pub(super) scan: Option<Scan>,
    /// When the last one ended.
    pub(super) scanned: Option<Instant>,
    /// Something changed somewhere since the scan began.
    pub(super) rescan: bool,
    /// Found changed, counted, and not put back yet.
    pub(super) open: BTreeSet<RelativePath>,
    /// Found added, likewise.
    pub(super) added: BTreeSet<PathBuf>,
    /// When they are to be put back once more.
    pub(super) again: Option<Instant>,
    /// The tree was made again: the watches are on one that is gone.
    pub(super) replaced: bool,
}

/// A look through the whole tree.
pub(super) struct Scan {
    pub(super) work: JoinHandle<Result<Audit, DiskError>>,
    pub(super) start: Instant,
    // The thread notices that nobody waits any more.
    _halt: DropGuard,
}

impl Watched {
    pub(super) fn new(root: &Path, manifest: Sha256) -> Option<Self> {
        let tree = deploy::tree(&root.canonicalize().ok()?, &manifest);
        let outside = deploy::outside(root, &manifest).inspect_err(|error| {
            warn!(
                error = %runtime::Chain(error),
                "nobody can tell what belongs into the running tree: it is made again"
            );
        });
        let (known, outside) = (outside.is_ok(), outside.unwrap_or_default());
        let changed = Arc::new(Changed::new(&tree, &outside));
        let listener = Arc::clone(&changed);
        let handler = move |event| listener.hear(event);
        let watcher = Inotify::new(Links::Leave, handler).and_then(|mut watcher| {
            watcher
                .watch(&tree, RecursiveMode::Recursive)
                .map(|()| watcher)
        });
        let watcher = watcher.inspect_err(|error| {
            warn!(error = %runtime::Chain(error), "changes are found by the scan alone");
        });
        Some(Self {
            manifest,
            tree,
            known,
            changed,
            _watcher: watcher.ok(),
            scan: None,
            scanned: None,
            rescan: false,
            open: BTreeSet::new(),
            added: BTreeSet::new(),
            again: None,
            replaced: false,
        })
    }

    /// How many files are changed or added and not put back.
    pub(super) fn files(&self) -> u64 {
        (self.open.len() + self.added.len()) as u64
    }

    /// The same, as php-fpm may have compiled them.
    pub(super) fn scripts(&self) -> Vec<String> {
        let added = self
            .added
            .iter()
            .map(|path| path.to_string_lossy().into_owned());
        self.open
            .iter()
            .map(ToString::to_string)
            .chain(added)
            .collect()
    }

    pub(super) fn scan_when_due(&mut self, root: &Path, pace: u64) {
        let due = self.rescan || self.scanned.is_none_or(|scanned| scanned.elapsed() > REST);
        if self.scan.is_none() && due && self.known {
            self.rescan = false;
            self.scan = Some(Scan::start(root.to_owned(), self.manifest, pace.max(1)));
        }
    }
}

impl Scan {
    /// Reads the whole tree, no faster than `pace` bytes a second.
    fn start(root: PathBuf, manifest: Sha256, pace: u64) -> Self {
        let halt = CancellationToken::new();
        let (halted, start, mut read) = (halt.clone(), Instant::now(), 0);
        let mut paced = move |bytes: u64| {
            read += bytes;
            #[allow(clippy::cast_precision_loss, reason = "bytes of one tree")]
            let due = Duration::from_secs_f64(read as f64 / pace as f64);
            let ahead = due.saturating_sub(start.elapsed());
            if ahead > AHEAD {
                std::thread::sleep(ahead.min(Duration::from_secs(1)));
            }
            if halted.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let work = tokio::task::spawn_blocking(move || audit(&root, &manifest, None, &mut paced));
        Self {
            work,
            start,
            _halt: halt.drop_guard(),
        }
    }
}
