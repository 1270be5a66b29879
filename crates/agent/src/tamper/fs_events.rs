//! What the kernel says of a tree: kept apart from what the shop may do, and gathered.

use notify::{Event, EventKind, event::ModifyKind};
use parking_lot::Mutex;
use release::RelativePath;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use tokio::sync::Notify;
use tracing::debug;

/// Paths that are gathered at most: beyond that, the whole tree is looked through.
pub(super) const PATHS: usize = 4096;

/// Where events of one tree arrive.
#[derive(Debug)]
pub(super) struct Changed {
    tree: PathBuf,
    // Where the shop may write: on a busy one, something happens there all the time.
    outside: Vec<PathBuf>,
    events: Mutex<FsEvents>,
    pub(super) wake: Notify,
}

/// What was heard and not looked at yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FsEvents {
    /// Paths of the tree that somebody wrote, made, renamed or removed.
    pub(super) paths: BTreeSet<RelativePath>,
    /// Something changed, and nobody knows where: events were lost, are more than are gathered, or
    /// have names that no release has.
    pub(super) anywhere: bool,
}

impl Changed {
    pub(super) fn new(tree: &Path, outside: &[RelativePath]) -> Self {
        let outside = outside.iter().map(|path| tree.join(path)).collect();
        Self {
            tree: tree.to_owned(),
            outside,
            events: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Takes an event; only what is about the release itself wakes anybody.
    pub(super) fn hear(&self, event: notify::Result<Event>) {
        let (paths, mut anywhere) = match event {
            // The queue of inotify was full.
            Ok(event) if event.need_rescan() => (Vec::new(), true),
            // Reading is what everybody does; a new link to a file, as the next release makes them,
            // changes nothing of it. Somebody who sets another mode, owner or time and nothing else
            // is the scan's business.
            Ok(Event {
                kind: EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)),
                ..
            }) => return,
            Ok(event) => (event.paths, false),
            Err(error) => {
                debug!(%error, "an event was lost");
                (Vec::new(), true)
            }
        };
        let mut own = Vec::new();
        for path in paths
            .iter()
            .filter(|path| !self.outside.iter().any(|outside| path.starts_with(outside)))
        {
            let inside = path
                .strip_prefix(&self.tree)
                .ok()
                .and_then(|path| path.to_str()?.parse().ok());
            match inside {
                Some(path) => own.push(path),
                None => anywhere = true,
            }
        }
        if own.is_empty() && !anywhere {
            return;
        }
        let mut events = self.events.lock();
        events.paths.extend(own);
        events.anywhere |= anywhere;
        if events.paths.len() > PATHS {
            *events = FsEvents {
                anywhere: true,
                ..FsEvents::default()
            };
        }
        drop(events);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> FsEvents {
        std::mem::take(&mut self.events.lock())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use notify::{
        RecursiveMode, Watcher as _,
        event::{AccessKind, CreateKind, DataChange, Flag, MetadataKind, RemoveKind, RenameMode},
    };
    use std::{
        fs,
        sync::Arc,
        time::{Duration, Instant},
    };

    const QUEUED: &str = "/proc/sys/fs/inotify/max_queued_events";

    fn changed() -> Changed {
        Changed::new(
            Path::new("/tree"),
            &["var/cache".parse().unwrap(), "media".parse().unwrap()],
        )
    }

    fn events(events: impl IntoIterator<Item = Event>) -> FsEvents {
        let changed = changed();
        events.into_iter().for_each(|event| changed.hear(Ok(event)));
        changed.take()
    }

    fn at(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    fn made(path: &str) -> Event {
        at(EventKind::Create(CreateKind::File), path)
    }

    fn only(path: &str) -> FsEvents {
        FsEvents {
            paths: BTreeSet::from([path.parse().unwrap()]),
            anywhere: false,
        }
    }

    #[test]
    fn what_changes_a_file_is_heard_and_what_only_looks_at_it_is_not() {
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for kind in [
            data,
            renamed,
            EventKind::Create(CreateKind::File),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert_eq!(
                events([at(kind, "/tree/lib/a.php")]),
                only("lib/a.php"),
                "{kind:?}"
            );
        }
        let linked = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        assert_eq!(
            events([linked, EventKind::Access(AccessKind::Any)].map(|kind| at(kind, "/tree/a"))),
            FsEvents::default()
        );
    }

    #[test]
    fn what_is_not_known_by_its_path_may_be_anywhere() {
        let anywhere = |events: FsEvents| events.anywhere;
        assert!(anywhere(events([
            made("/tree/a"),
            Event::new(EventKind::Other).set_flag(Flag::Rescan)
        ])));
        let broken = changed();
        broken.hear(Err(notify::Error::generic("no memory")));
        assert!(anywhere(broken.take()));
        // The tree itself, and a name that no release can have.
        assert!(anywhere(events([made("/tree")])) && anywhere(events([made("/tree/line\nbreak")])));
        assert!(!anywhere(events(
            (0..PATHS).map(|number| made(&format!("/tree/{number}")))
        )));
        let many = events((0..=PATHS).map(|number| made(&format!("/tree/{number}"))));
        assert_eq!(
            many,
            FsEvents {
                anywhere: true,
                ..FsEvents::default()
            }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_shops_own_business_wakes_nobody() {
        let changed = changed();
        for path in [
            "/tree/var/cache/page",
            "/tree/var/cache",
            "/tree/media/a\nb.jpg",
        ] {
            changed.hear(Ok(made(path)));
        }
        assert_eq!(changed.take(), FsEvents::default());
        assert!(
            tokio::time::timeout(Duration::from_secs(1), changed.wake.notified())
                .await
                .is_err()
        );
        changed.hear(Ok(made("/tree/var/cached.php")));
        assert_eq!(changed.take(), only("var/cached.php"));
        assert!(
            tokio::time::timeout(Duration::from_secs(1), changed.wake.notified())
                .await
                .is_ok()
        );
    }

    #[test]
    fn the_kernel_says_when_its_queue_was_full() {
        let tree = tempfile::tempdir().unwrap();
        let events: usize = fs::read_to_string(QUEUED).unwrap().trim().parse().unwrap();
        let (changed, gate) = (
            Arc::new(Changed::new(tree.path(), &[])),
            Arc::new(Mutex::new(())),
        );
        let held = gate.lock();
        let (listener, waits) = (Arc::clone(&changed), Arc::clone(&gate));
        let mut watcher = notify::recommended_watcher(move |event| {
            drop(waits.lock());
            listener.hear(event);
        })
        .unwrap();
        watcher
            .watch(tree.path(), RecursiveMode::Recursive)
            .unwrap();
        // Nobody reads while these come. Two names by turns, since the kernel joins events that are
        // equal.
        for number in 0..=2 * events {
            fs::write(
                tree.path()
                    .join(if number % 2 == 0 { "even" } else { "odd" }),
                "",
            )
            .unwrap();
        }
        drop(held);
        let start = Instant::now();
        while !changed.take().anywhere {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "nothing was said of {events} events that nobody read"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
