//! Files that others replace: the release object in force, and what operators say.
//!
//! The kubelet updates a projected volume by a new directory and a rename of the link `..data`, so
//! names in the directory are watched, never the files. What is not noticed (inotify's queue
//! overflows, a directory is replaced as a whole) is found at the next poll.

use super::{Inotify, Links, Wake};
use crate::serve::Heartbeat;
use notify::{Event, EventKind, RecursiveMode};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How often a directory that is not there is looked for, and one that is there watched anew, in
/// case it is another by now.
const REARM: Duration = Duration::from_mins(1);
/// Within what time it must come round: nothing is waited for but that and the kernel.
pub(crate) const ROUND: Duration = Duration::from_mins(5);

/// Wakes whenever a name changes in the directories of `paths`, until `stop`; `heartbeat` beats at
/// each round. If the system does not let files be watched, it says so once and asks again:
/// until then what changes is found by polling.
pub async fn watch(paths: Vec<PathBuf>, wake: Wake, heartbeat: Heartbeat, stop: CancellationToken) {
    let directories: BTreeSet<_> = paths.iter().map(|path| directory(path)).collect();
    let (mut inotify, mut told, mut watched) = (None, false, BTreeSet::new());
    loop {
        heartbeat.beat();
        if inotify.is_none() {
            let heard = wake.clone();
            match Inotify::new(Links::Leave, move |event| hear(&heard, event)) {
                Ok(made) => inotify = Some(made),
                Err(error) if !told => {
                    warn!(
                        error = %runtime::Chain(&error),
                        "files are not watched: what changes is found by polling"
                    );
                    told = true;
                }
                Err(error) => {
                    debug!(error = %runtime::Chain(&error), "files are still not watched");
                }
            }
        }
        if let Some(inotify) = &mut inotify {
            for directory in &directories {
                arm(inotify, directory, &mut watched, &wake);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(REARM) => {}
        }
    }
}

/// Watches a directory, also where another one has taken its place.
fn arm(inotify: &mut Inotify, directory: &Path, watched: &mut BTreeSet<PathBuf>, wake: &Wake) {
    let known = watched.contains(directory);
    match inotify.watch(directory, RecursiveMode::NonRecursive) {
        Ok(()) if known => {}
        Ok(()) => {
            watched.insert(directory.to_owned());
            // What came before the watch.
            wake.wake();
        }
        Err(error) => {
            watched.remove(directory);
            if known {
                warn!(
                    path = %directory.display(),
                    error = %runtime::Chain(&error),
                    "a directory is not watched any more"
                );
            }
        }
    }
}

fn hear(wake: &Wake, event: notify::Result<Event>) {
    match event {
        // Reading is what we do ourselves.
        Ok(Event {
            kind: EventKind::Access(_),
            ..
        }) => {}
        // Among them that the kernel's queue was full, which may have been about our files.
        Ok(_) => wake.wake(),
        Err(error) => {
            debug!(%error, "an event was lost");
            wake.wake();
        }
    }
}

/// A directory itself, and that of a file.
fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !path.is_dir() => parent.to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use crate::serve::Heartbeats;
    use notify::Watcher as _;
    use std::{
        fs,
        os::unix::fs::symlink,
        sync::{Arc, Mutex},
    };

    const QUEUED: &str = "/proc/sys/fs/inotify/max_queued_events";

    fn heartbeat() -> Heartbeat {
        Heartbeats::new().task("watch", ROUND)
    }

    async fn woken(wake: &Wake) -> bool {
        tokio::time::timeout(Duration::from_secs(1), wake.asked())
            .await
            .is_ok()
    }

    async fn quiet(wake: &Wake) {
        while tokio::time::timeout(Duration::from_millis(100), wake.asked())
            .await
            .is_ok()
        {}
    }

    #[tokio::test]
    async fn a_swap_as_the_kubelet_does_it_wakes_within_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("..1")).unwrap();
        fs::write(at("..1/release.json"), "one").unwrap();
        symlink("..1", at("..data")).unwrap();
        symlink("..data/release.json", at("release.json")).unwrap();
        let (wake, stop) = (Wake::default(), CancellationToken::new());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(watch(
            vec![at("release.json")],
            wake.clone(),
            heartbeat(),
            stop.clone(),
        ));
        assert!(woken(&wake).await, "at the start");
        quiet(&wake).await;
        fs::read(at("release.json")).unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(200), wake.asked())
                .await
                .is_err(),
            "reading is no change"
        );

        fs::create_dir(at("..2")).unwrap();
        fs::write(at("..2/release.json"), "two").unwrap();
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(woken(&wake).await, "after the swap");
        quiet(&wake).await;

        fs::write(at("other"), "x").unwrap();
        fs::rename(at("other"), at("release.json")).unwrap();
        assert!(woken(&wake).await, "after a rename");
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_no_error() {
        let (wake, stop) = (Wake::default(), CancellationToken::new());
        stop.cancel();
        watch(
            vec!["/nowhere/release.json".into()],
            wake,
            heartbeat(),
            stop,
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_comes_later_is_found_by_the_timer() {
        let directory = tempfile::tempdir().unwrap();
        let later = directory.path().join("later");
        let (wake, stop, mut heartbeats) =
            (Wake::default(), CancellationToken::new(), Heartbeats::new());
        let heartbeat = heartbeats.task("watch", ROUND);
        let comes = async {
            tokio::time::sleep(REARM * 20).await;
            assert!(
                crate::serve::livez(&heartbeats)
                    .iter()
                    .all(|check| check.ok),
                "it goes round all the while"
            );
            fs::create_dir(&later).unwrap();
            wake.asked().await;
            stop.cancel();
        };
        let ((), ()) = tokio::join!(
            watch(
                vec![later.join("release.json")],
                wake.clone(),
                heartbeat,
                stop.clone()
            ),
            comes
        );
    }

    #[tokio::test]
    async fn a_queue_that_was_full_wakes() {
        let directory = tempfile::tempdir().unwrap();
        let events: usize = fs::read_to_string(QUEUED).unwrap().trim().parse().unwrap();
        let (wake, gate) = (Wake::default(), Arc::new(Mutex::new(())));
        let (heard, waits) = (wake.clone(), Arc::clone(&gate));
        let _inotify = {
            let _held = gate.lock().unwrap();
            let mut inotify = notify::recommended_watcher(move |event: notify::Result<Event>| {
                drop(waits.lock());
                // Nothing but the word that events were lost.
                if event.as_ref().is_ok_and(Event::need_rescan) {
                    hear(&heard, event);
                }
            })
            .unwrap();
            inotify
                .watch(directory.path(), RecursiveMode::NonRecursive)
                .unwrap();
            // Nobody reads while these come. Two names by turns, since the kernel joins events that
            // are equal.
            for number in 0..=2 * events {
                fs::write(
                    directory
                        .path()
                        .join(if number % 2 == 0 { "even" } else { "odd" }),
                    "",
                )
                .unwrap();
            }
            inotify
        };
        tokio::time::timeout(Duration::from_secs(30), wake.asked())
            .await
            .unwrap();
    }
}
