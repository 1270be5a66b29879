//! Follows what PHP, php-fpm and nginx write into the pod's logs, and the shop's code into its own
//! directories: each error is one event of the agent, in the container's log, which outlives the
//! pod.
//!
//! ```text
//!  inotify ─► wake ─► (gather) ─► round: find each tree's directories ─► watch them
//!                                        ─► read what is new ─► errors
//! ```
//!
//! The agent does not poll: while no program writes, nothing happens. While one writes very much,
//! it looks by the clock alone, as to hear of each write would cost more than to read. It also
//! follows staged trees, because a rehearsal already writes reports.

mod directory;
mod place;
mod report;
mod rotated;
mod tail;

use crate::{
    errors::Errors,
    watch::{Inotify, Links},
};
use directory::{Begin, Directory, Of};
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
/// Bytes of news in a round from which on the agent looks by the clock, and hears of no writes.
const BUSY: u64 = 64 << 10;
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
    /// The directory in which PHP, php-fpm and nginx write.
    pub pod: Option<PathBuf>,
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
    pub fn begin(self, errors: Arc<Errors>) -> Option<Following> {
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
        let mut followed = Followed::new(self, errors, watcher.ok()?);
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
    errors: Arc<Errors>,
    begin: Begin,
    // So much is written that nothing is watched.
    busy: bool,
}

impl Followed {
    fn new(logs: Logs, errors: Arc<Errors>, watcher: Inotify) -> Self {
        Self {
            logs,
            watcher,
            watched: BTreeMap::new(),
            directories: BTreeMap::new(),
            errors,
            begin: Begin::Now,
            busy: false,
        }
    }

    /// Looks at everything once, and says when to do it again although nobody wrote.
    fn round(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let begin = std::mem::replace(&mut self.begin, Begin::Start);
        let mut here = BTreeMap::new();
        let trees = open_directory(&self.logs.root.join("releases"));
        let is_there = trees.is_ok();
        if let Ok(trees) = trees {
            keep(&mut here, trees);
        }
        let found = self.find(&mut here);
        self.directories.retain(|identity, directory| {
            let stays = found.contains(identity);
            if !stays {
                directory.end(&self.errors);
            }
            stays
        });
        // Watched before they are read: nothing is written in between.
        let was_busy = std::mem::take(&mut self.busy);
        self.watch(if was_busy { BTreeMap::new() } else { here });
        let (mut news, mut more) = (0, was_busy);
        for directory in self.directories.values_mut() {
            match directory.round(begin, &self.errors) {
                Ok((new, again)) => {
                    news += new;
                    more |= again;
                }
                Err(error) => debug!(%error, "logs of the shop cannot be read"),
            }
        }
        self.busy = news > BUSY;
        let told = self.errors.turn();
        let again = (more || self.busy).then_some(now + GATHER);
        let looks = (!is_there).then_some(now + TURN);
        [told, again, looks].into_iter().flatten().min()
    }

    fn end(mut self) {
        for directory in self.directories.values_mut() {
            directory.end(&self.errors);
        }
        self.errors.end();
    }

    // The directories that there are, and whatever is above those that there are not: `here`.
    fn find(&mut self, here: &mut BTreeMap<Identity, File>) -> BTreeSet<Identity> {
        let (mut found, mut trees) = (BTreeSet::new(), BTreeSet::new());
        let pod = self.logs.pod.as_deref().map(open_directory);
        match pod {
            Some(Ok(directory)) => {
                let identity = keep(here, directory);
                found.extend(identity.filter(|identity| self.add(*identity, here, Of::Pod)));
            }
            Some(Err(error)) => debug!(%error, "the pod's logs are not followed"),
            None => {}
        }
        for (release, path, Reached { directory, whole }) in self.reached() {
            let identity = keep(here, directory).filter(|_| whole);
            trees.insert(release.clone());
            let Some(identity) = identity else { continue };
            let of = Of::Tree {
                release: Some(release),
                path,
            };
            if !self.add(identity, here, of) {
                continue;
            }
            if !found.insert(identity)
                && let Some(directory) = self.directories.get_mut(&identity)
            {
                directory.is_shared();
            }
        }
        self.errors.learn(&trees);
        found
    }

    // Whether it is followed from now on.
    fn add(&mut self, identity: Identity, here: &BTreeMap<Identity, File>, of: Of) -> bool {
        if self.directories.contains_key(&identity) {
            return true;
        }
        match here[&identity].try_clone() {
            Ok(handle) => {
                self.directories
                    .insert(identity, Directory::new(of, handle));
                true
            }
            Err(error) => {
                debug!(%error, "a directory of logs is not followed");
                false
            }
        }
    }

    fn reached(&self) -> Vec<(String, RelativePath, Reached)> {
        let Logs {
            root,
            writable,
            paths,
            ..
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
