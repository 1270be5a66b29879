//! notify's watcher, where the system may refuse the thread that it needs.
//!
//! `notify` makes that thread, does not say where it cannot, and panics when such a watcher is
//! dropped. A shop that uses up the pod's limit of processes must not end the agent by that.

use notify::{Config, EventHandler, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::{mem, path::Path};

/// Why nothing is heard of changes.
#[derive(Debug, thiserror::Error)]
pub enum InotifyError {
    /// The kernel gives no more inotify instances or watches.
    #[error(
        "the system does not let files be watched: fs.inotify.max_user_instances or \
         max_user_watches may be too low"
    )]
    System(#[from] notify::Error),
    /// There is no thread to read events on.
    #[error(
        "the system gives no thread to watch files with: the pod's limit of processes is used up"
    )]
    Thread,
}

/// Whether links below what is watched are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Leave,
}

/// Hears of names that change in directories.
#[derive(Debug)]
pub(crate) struct Inotify(Option<RecommendedWatcher>);

impl Inotify {
    /// A watcher of nothing yet. `handler` runs on a thread of its own.
    pub(crate) fn new(links: Links, handler: impl EventHandler) -> Result<Self, InotifyError> {
        let config = Config::default().with_follow_symlinks(links == Links::Follow);
        let mut inotify = Self(Some(RecommendedWatcher::new(handler, config)?));
        inotify.living()?;
        Ok(inotify)
    }

    /// Watches a directory from now on, or anew.
    pub(crate) fn watch(
        &mut self,
        directory: &Path,
        mode: RecursiveMode,
    ) -> Result<(), InotifyError> {
        Ok(self.living()?.watch(directory, mode)?)
    }

    /// Watches it no more.
    pub(crate) fn unwatch(&mut self, directory: &Path) -> Result<(), InotifyError> {
        Ok(self.living()?.unwatch(directory)?)
    }

    /// The watcher, if its thread answers: whatever else is asked of it without one panics.
    fn living(&mut self) -> Result<&mut RecommendedWatcher, InotifyError> {
        let watcher = self.0.as_mut().ok_or(InotifyError::Thread)?;
        watcher
            .configure(Config::default())
            .map_err(|_gone| InotifyError::Thread)?;
        Ok(watcher)
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let lives = self.living().is_ok();
        if let Some(watcher) = self.0.take().filter(|_| !lives) {
            // Two descriptors are lost; dropping it would panic.
            mem::forget(watcher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_whose_thread_is_gone_says_so_and_is_dropped_without_a_panic() {
        let directory = tempfile::tempdir().unwrap();
        let mut inotify = Inotify::new(Links::Leave, |_: notify::Result<notify::Event>| {
            panic!("its thread ends here")
        })
        .unwrap();
        inotify
            .watch(directory.path(), RecursiveMode::NonRecursive)
            .unwrap();
        std::fs::File::create(directory.path().join("x")).unwrap();
        let start = std::time::Instant::now();
        while inotify.living().is_ok() {
            assert!(start.elapsed() < std::time::Duration::from_secs(10));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(
            inotify
                .watch(directory.path(), RecursiveMode::NonRecursive)
                .is_err()
        );
        drop(inotify);
    }
}
