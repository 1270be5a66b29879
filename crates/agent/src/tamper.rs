//! Files of the running tree that change on the disk: noticed, reported, and put back.
//!
//! The agent finds them in two ways. The kernel reports each file of the tree that is written,
//! replaced, renamed or removed through this node (inotify, a watch for each directory). No program
//! has a reason to do that to a release, so the agent takes every report for damage. And a scan
//! reads the whole tree again and again, slowly enough not to disturb the shop, to find changes
//! that came another way; there [`deploy::audit`] decides. The agent verifies what it puts back
//! like any release.
//!
//! ```text
//!  inotify ─► hear ─► look ──┐                      ┌─ put back ─► OPcache forgets them
//!                            ├─► mend ─► repair ────┤              ─► watch the new tree
//!  scan of the whole tree ───┘             ▲        └─ failed: try again, without another scan
//!                                          └────────────┘
//! ```

mod fs_events;
mod watched;

use crate::board::Board;
use deploy::{Audit, DiskError, View, audit, pull::Follower};
use fs_events::FsEvents;
use jiff::Timestamp;
use php::Pool;
use release::{Reason, Sha256};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use watched::{Scan, Watched};

/// How long changes are gathered before they are looked at: whoever unpacks over a tree changes
/// thousands of files.
const GATHER: Duration = Duration::from_millis(500);
/// How often it is looked whether another tree runs.
const TURN: Duration = Duration::from_secs(5);
/// After a repair that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(15);
/// After a repair that met another writer of the release root, which has it for some seconds
/// mostly.
const AFTER_BUSY: Duration = Duration::from_secs(2);
/// How often `OPcache` is asked to forget what was put back, with a pause of [`AFTER_BUSY`]:
/// php-fpm's workers may all have visitors.
const ASKED: u32 = 3;
/// Beyond so many paths `OPcache` forgets the whole tree.
const SCRIPTS: usize = 5000;

/// What looks after the running tree.
#[derive(Debug)]
pub struct Guard {
    /// The release root.
    pub root: PathBuf,
    /// Puts files back.
    pub follower: Follower,
    /// php-fpm, which may have compiled what was changed.
    pub php: Option<Pool>,
    /// Bytes a second that scans may read.
    pub pace: u64,
    /// Where findings are shown.
    pub board: Board,
}

impl Guard {
    /// Looks after whatever tree runs, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut watched: Option<Watched> = None;
        // A tree that was made again, as nobody could tell what belongs into it: once, as that may
        // not help.
        let mut remade = None;
        loop {
            self.follow(&mut watched, &mut remade).await;
            let Some(watched) = &mut watched else {
                if stop.run_until_cancelled(sleep(TURN)).await.is_none() {
                    return;
                }
                continue;
            };
            watched.scan_when_due(&self.root, self.pace);
            let (changed, again) = (Arc::clone(&watched.changed), watched.again);
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.wake.notified() => {
                    sleep(GATHER).await;
                    self.look(watched, changed.take(), &stop).await;
                }
                () = sleep_until(again.unwrap_or_else(Instant::now).into()), if again.is_some() => self.repair(watched, &stop).await,
                (scan, found) = ended(&mut watched.scan) => self.scanned(watched, &scan, found, &stop).await,
                () = sleep(TURN) => {}
            }
        }
    }

    /// Watches the tree that runs now, if that is another one or was made again.
    async fn follow(&self, watched: &mut Option<Watched>, remade: &mut Option<Sha256>) {
        let running = self.running().await;
        if running
            == watched
                .as_ref()
                .filter(|watched| !watched.replaced)
                .map(|watched| watched.manifest)
        {
            return;
        }
        // The old watches first: both at once might be more than the kernel allows.
        drop(watched.take());
        self.board.looked(|tamper| tamper.unrepaired_files = 0);
        let Some(manifest) = running else { return };
        let root = self.root.clone();
        *watched = on_disk(move || Watched::new(&root, manifest)).await;
        if let Some(watched) = watched
            .as_mut()
            .filter(|watched| !watched.known && *remade != Some(manifest))
        {
            *remade = Some(manifest);
            watched.again = Some(Instant::now());
        }
    }

    async fn running(&self) -> Option<Sha256> {
        let root = self.root.clone();
        on_disk(move || {
            View::read(&root)
                .ok()?
                .running()
                .map(|active| active.manifest)
        })
        .await
    }

    /// Looks at the paths that were heard of; if that is not all of them, has the whole tree
    /// scanned.
    async fn look(&self, watched: &mut Watched, events: FsEvents, stop: &CancellationToken) {
        if events.anywhere {
            watched.rescan = true;
        }
        if events.paths.is_empty() {
            return;
        }
        let (root, manifest) = (self.root.clone(), watched.manifest);
        match on_disk(move || {
            audit(&root, &manifest, Some(&events.paths), &mut |_| {
                ControlFlow::Continue(())
            })
        })
        .await
        {
            Ok(found) => self.mend(watched, found, stop).await,
            Err(error) => {
                warn!(error = %runtime::Chain(&error), "changed files cannot be looked at");
                watched.rescan = true;
            }
        }
    }

    async fn scanned(
        &self,
        watched: &mut Watched,
        scan: &Scan,
        found: Result<Audit, DiskError>,
        stop: &CancellationToken,
    ) {
        watched.scanned = Some(Instant::now());
        match found {
            Ok(found) => {
                let elapsed_seconds = scan.start.elapsed().as_secs_f64();
                debug!(
                    files = found.files,
                    bytes = found.bytes,
                    elapsed_seconds,
                    "scanned the running tree"
                );
                self.mend(watched, found, stop).await;
                self.board
                    .looked(|tamper| tamper.last_scan_at = Some(Timestamp::now()));
            }
            Err(error) => {
                warn!(error = %runtime::Chain(&error), "the running tree cannot be scanned");
            }
        }
    }

    async fn mend(&self, watched: &mut Watched, found: Audit, stop: &CancellationToken) {
        // A tree that runs no more is taken away, and that is no damage.
        if self.running().await != Some(watched.manifest) {
            return;
        }
        let added = found.added.difference(&watched.added).count() as u64;
        if let Some(first) = found.added.first().filter(|_| added > 0) {
            warn!(
                files = added,
                path = %first.display(),
                "files were added to the running release on the disk"
            );
        }
        let changed = found.damaged.difference(&watched.open).count() as u64;
        if let Some(first) = found.damaged.first().filter(|_| changed > 0) {
            warn!(
                files = changed,
                path = %first,
                "files of the running release were changed on the disk"
            );
        }
        watched.added.extend(found.added);
        watched.open.extend(found.damaged);
        let open = watched.files();
        self.board.looked(|tamper| {
            tamper.changed_files += added + changed;
            tamper.unrepaired_files = open;
        });
        if open > 0 {
            self.repair(watched, stop).await;
        }
    }

    /// Has the tree made anew of what belongs into it: what was added goes with the old one.
    async fn repair(&self, watched: &mut Watched, stop: &CancellationToken) {
        match Box::pin(self.follower.repair(
            watched.open.clone(),
            Timestamp::now(),
            stop.cancelled(),
        ))
        .await
        {
            Ok(figures) => {
                let files = watched.files();
                info!(
                    files,
                    downloaded_bytes = figures.downloaded_bytes,
                    "changed files were put back"
                );
                watched.replaced = true;
                self.forget(&watched.tree, watched.scripts(), stop).await;
                self.board.looked(|tamper| {
                    tamper.repaired_files += files;
                    tamper.unrepaired_files = 0;
                });
            }
            Err(_) if stop.is_cancelled() => {}
            Err(error) => {
                let text = runtime::Chain(&error).to_string();
                if self
                    .board
                    .error(Timestamp::now(), error.reason(), text.clone())
                {
                    warn!(
                        files = watched.files(),
                        reason = %error.reason(),
                        error = text,
                        "changed files cannot be put back"
                    );
                }
                let pause = if error.reason() == Reason::Busy {
                    AFTER_BUSY
                } else {
                    AFTER_FAILURE
                };
                watched.again = Some(Instant::now() + pause);
            }
        }
    }

    /// What was compiled of changed files must not run on: php-fpm may never look at them again.
    async fn forget(&self, tree: &Path, scripts: Vec<String>, stop: &CancellationToken) {
        let Some(pool) = self.php.as_ref().filter(|_| !scripts.is_empty()) else {
            return;
        };
        for left in (0..ASKED).rev() {
            let forgotten = if scripts.len() > SCRIPTS {
                pool.forget(tree).await
            } else {
                pool.drop_scripts(tree, &scripts).await
            };
            match forgotten {
                Ok(forgotten) => return debug!(forgotten, "OPcache forgot what was put back"),
                Err(error) if left == 0 => {
                    warn!(
                        error = %runtime::Chain(&error),
                        "OPcache may have changed files compiled: restart php-fpm"
                    );
                }
                Err(_) if stop.run_until_cancelled(sleep(AFTER_BUSY)).await.is_none() => return,
                Err(_) => {}
            }
        }
    }
}

/// What came of the scan. Cancel-safe: it goes on, and whoever asks next hears of it.
async fn ended(scan: &mut Option<Scan>) -> (Scan, Result<Audit, DiskError>) {
    if let Some(running) = scan {
        let found = (&mut running.work)
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if let Some(scan) = scan.take() {
            return (scan, found);
        }
    }
    std::future::pending().await
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
