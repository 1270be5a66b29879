//! One writer at a time on a release root: a lock that dies with its holder.

use crate::disk::{DiskError, attempt};
use rustix::fs::{Mode, OFlags};
use std::{
    fs::{File, TryLockError},
    io::{Read as _, Write as _},
    path::Path,
};

/// The held lock. The kernel releases it when the last descriptor closes, so also when the process
/// is killed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// A program that another thread just starts has a copy of the descriptor until it runs: to
    /// close ours would not free the lock at once.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the lock is free once all copies of its descriptor are closed");
        }
    }
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(crate) enum Locking {
    /// It is ours.
    Held(Lock),
    /// Somebody else has it: the process that the file names, which may be one of another
    /// container.
    Busy(Option<u32>),
}

impl Lock {
    /// Tries to take the lock, without waiting. Nobody ever removes the file: two processes must
    /// always meet at the same inode.
    pub(crate) fn try_lock(path: &Path) -> Result<Locking, DiskError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file: File = attempt("deploy.lock.open", "open", path, || {
            rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))
        })?
        .into();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                (&file)
                    .take(20)
                    .read_to_string(&mut text)
                    .map_err(|error| DiskError::new("read", path, error))?;
                return Ok(Locking::Busy(text.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(DiskError::new("lock", path, error)),
        }
        let named = attempt("deploy.lock.write", "write", path, || {
            file.set_len(0)?;
            file.write_all(format!("{}\n", std::process::id()).as_bytes())
        });
        if let Err(error) = named {
            // A full disk must not keep us from removing what filled it; the name is only for
            // people.
            tracing::warn!(path = %path.display(), %error, "the lock does not name its holder");
        }
        Ok(Locking::Held(Self { file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        process::Command,
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        thread,
    };

    #[test]
    fn a_lock_that_is_given_back_is_free_whatever_is_started_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    drop(Command::new("true").status());
                }
            });
            let busy = (0..20_000).find(|_| {
                let locking = Lock::try_lock(&path).unwrap();
                matches!(locking, Locking::Busy(_))
            });
            over.store(true, Relaxed);
            assert_eq!(busy, None);
        });
    }
}
