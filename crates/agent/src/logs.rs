//! Passes on what the shop's code writes into its log directories, as events of the agent, so that
//! the text is in the container's log and outlives the pod.
//!
//! ```text
//!  inotify ─► wake ─► (gather) ─► round: find each tree's directories ─► watch them
//!                                        ─► read what is new ─► events
//! ```
//!
//! The agent does not poll: while no program writes, nothing happens. It also follows staged trees,
//! because a rehearsal already writes reports.

mod budget;
mod directory;
mod line;
mod place;
mod report;

use crate::watch::{Inotify, Links};
use budget::Budget;
use directory::{Begin, Directory};
use notify::{Event, EventKind, RecursiveMode};
use place::{Reached, reach};
use release::RelativePath;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long events are gathered: a busy shop writes a line with each request.
const GATHER: Duration = Duration::from_millis(250);
/// How often the release root is looked for, as long as it is not there.
const TURN: Duration = Duration::from_secs(5);
/// Of every event with a line that the shop wrote, and of no other: who reads the log tells by it
/// whose word a line is.
const SOURCE: &str = "shop";
/// Paths that may be followed.
pub(crate) const PATHS: usize = 16;

/// Where the shop writes logs and reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The release root.
    pub root: PathBuf,
    /// The volume of the directories that the shop writes.
    pub writable: Option<PathBuf>,
    /// Directories in a tree.
    pub paths: Vec<RelativePath>,
}

/// Logs that are followed.
#[derive(Debug)]
pub struct Following {
    followed: Followed,
    wake: Arc<Notify>,
    // When to look again although nobody wrote.
    next: Option<Instant>,
}

impl Logs {
    /// Notes how far each log is, before the shop that writes them starts; `None` if the system
    /// does not let files be watched.
    #[must_use]
    pub fn begin(self) -> Option<Following> {
        let wake = Arc::new(Notify::new());
        let heard = Arc::clone(&wake);
        let handler = move |event| {
            if is_news(&event) {
                heard.notify_one();
            }
        };
        // The paths that are watched are links of /proc to directories that are open: the kernel
        // follows those, and no other.
        let watcher = Inotify::new(Links::Follow, handler).inspect_err(|error| {
            warn!(error = %runtime::Chain(error), "the shop's logs are not followed");
        });
        let mut followed = Followed::new(self, watcher.ok()?);
        let next = followed.round();
        Some(Following {
            followed,
            wake,
            next,
        })
    }
}

impl Following {
    /// Follows the logs of every tree, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            mut followed,
            wake,
            mut next,
        } = self;
        loop {
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = wake.notified() => sleep(GATHER).await,
                () = due => {}
            }
            (followed, next) = on_disk(move || {
                let next = followed.round();
                (followed, next)
            })
            .await;
        }
        on_disk(move || followed.end()).await;
    }
}

/// Whether something may have been written; what we do ourselves, to read it, is not.
fn is_news(event: &notify::Result<Event>) -> bool {
    !matches!(
        event,
        Ok(Event {
            kind: EventKind::Access(_),
            ..
        })
    )
}

// A directory by what it is, whatever its name: a kept one is of all trees.
type Identity = (u64, u64);

#[derive(Debug)]
struct Followed {
    logs: Logs,
    watcher: Inotify,
    // Directories that are watched, each held open so that its link in /proc stays what it is.
    watched: BTreeMap<Identity, File>,
    directories: BTreeMap<Identity, Directory>,
    budget: Budget,
    begin: Begin,
}

impl Followed {
    fn new(logs: Logs, watcher: Inotify) -> Self {
        let budget = Budget::new(Instant::now());
        Self {
            logs,
            watcher,
            watched: BTreeMap::new(),
            directories: BTreeMap::new(),
            budget,
            begin: Begin::Now,
        }
    }

    /// Looks at everything once, and says when to do it again although nobody wrote.
    fn round(&mut self) -> Option<Instant> {
        let now = Instant::now();
        tell_dropped(self.budget.turn(now));
        let begin = std::mem::replace(&mut self.begin, Begin::Start);
        let Ok(releases) = open_directory(&self.logs.root.join("releases")) else {
            return Some(now + TURN);
        };
        let mut here = BTreeMap::new();
        keep(&mut here, releases);
        let mut found = BTreeSet::new();
        for (release, path, Reached { directory, whole }) in self.reached() {
            let Some(identity) = keep(&mut here, directory) else {
                continue;
            };
            if whole && found.insert(identity) && !self.directories.contains_key(&identity) {
                match here[&identity].try_clone() {
                    Ok(handle) => drop(
                        self.directories
                            .insert(identity, Directory::new(&release, &path, handle)),
                    ),
                    Err(error) => debug!(%path, %error, "a directory of logs is not followed"),
                }
            }
        }
        self.watch(here);
        let mut more = false;
        self.directories.retain(|identity, directory| {
            let stays = found.contains(identity);
            if !stays {
                directory.end(&mut self.budget);
            }
            stays
        });
        for directory in self.directories.values_mut() {
            match directory.round(begin, &mut self.budget) {
                Ok(again) => more |= again,
                Err(error) => debug!(%error, "logs of the shop cannot be read"),
            }
        }
        if more {
            Some(now + GATHER)
        } else {
            self.budget.due()
        }
    }

    fn end(mut self) {
        for directory in self.directories.values_mut() {
            directory.end(&mut self.budget);
        }
        tell_dropped(self.budget.untold());
    }

    fn reached(&self) -> Vec<(String, RelativePath, Reached)> {
        let Logs {
            root,
            writable,
            paths,
        } = &self.logs;
        let releases = root.join("releases");
        let names = std::fs::read_dir(&releases)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut reached = Vec::new();
        for release in names.filter(|name| !name.contains('.')) {
            for path in paths {
                match reach(root, &releases.join(&release), writable.as_deref(), path) {
                    Ok(Some(found)) => reached.push((release.clone(), path.clone(), found)),
                    Ok(None) => {}
                    Err(error) => {
                        debug!(release, %path, %error, "a directory of logs is not followed");
                    }
                }
            }
        }
        reached
    }

    fn watch(&mut self, here: BTreeMap<Identity, File>) {
        let gone: Vec<_> = self
            .watched
            .keys()
            .filter(|identity| !here.contains_key(identity))
            .copied()
            .collect();
        for file in gone
            .iter()
            .filter_map(|identity| self.watched.remove(identity))
        {
            if let Err(error) = self.watcher.unwatch(&link(&file)) {
                debug!(%error, "a directory that is gone was not watched");
            }
        }
        for (identity, file) in here {
            if self.watched.contains_key(&identity) {
                continue;
            }
            match self
                .watcher
                .watch(&link(&file), RecursiveMode::NonRecursive)
            {
                Ok(()) => drop(self.watched.insert(identity, file)),
                Err(error) => {
                    warn!(error = %runtime::Chain(&error), "a directory of logs is not watched");
                }
            }
        }
    }
}

fn tell_dropped(bytes: Option<u64>) {
    if let Some(bytes) = bytes {
        warn!(
            bytes,
            "the shop wrote more logs than are passed on in a minute"
        );
    }
}

fn keep(here: &mut BTreeMap<Identity, File>, directory: File) -> Option<Identity> {
    let found = directory.metadata().ok()?;
    let identity = (found.dev(), found.ino());
    here.entry(identity).or_insert(directory);
    Some(identity)
}

fn link(directory: &File) -> PathBuf {
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

fn open_directory(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    Ok(File::from(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?))
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
