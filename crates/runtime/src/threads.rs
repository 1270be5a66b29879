//! The threads that a program cannot do without: made at its start, and kept. If a pod's limit
//! of processes is used up, as a shop may use it up, a program says so at once, and one that runs
//! already does not need another thread to go on.

use parking_lot::RwLock;
use release::Reason;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// How long a thread is kept though it has nothing to do: for good.
const KEPT: Duration = Duration::from_hours(24 * 365);
const SETTLE: Duration = Duration::from_millis(2);
const AGAIN: Duration = Duration::from_secs(1);
/// How long tokio may take to start threads that are to be had.
const STARTED: Duration = Duration::from_secs(5);

/// The event loop cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives too few threads.
    #[error(
        "the system gives this process {given} of the {needed} threads that it needs beside its \
         first"
    )]
    Threads {
        /// How many there are.
        given: usize,
        /// How many are needed.
        needed: usize,
        /// Why there is no other one.
        source: io::Error,
    },
    /// The system gives no event loop.
    #[error("cannot create an event loop")]
    Loop(#[source] io::Error),
}

impl StartError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Threads { .. } => Reason::Threads,
            // The nearest of sysexits: EX_IOERR, the system refused us something that every process
            // may have.
            Self::Loop(_) => Reason::Disk,
        }
    }
}

/// An event loop on this thread, and `needed` threads for what blocks, which `begin` is called on.
/// More are made where they are to be had.
///
/// # Errors
///
/// [`StartError`].
pub fn start(
    needed: usize,
    begin: impl Fn() + Send + Sync + 'static,
) -> Result<Runtime, StartError> {
    check(needed)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(KEPT)
        .on_thread_start(begin)
        .build();
    let runtime = runtime.map_err(StartError::Loop)?;
    let (gate, there) = (Arc::new(RwLock::new(())), Arc::new(AtomicUsize::new(0)));
    let held = gate.write();
    let one_more = || {
        let (gate, there) = (Arc::clone(&gate), Arc::clone(&there));
        // Each waits until all are there, so that no thread does the work of two.
        drop(runtime.spawn_blocking(move || {
            there.fetch_add(1, SeqCst);
            drop(gate.read());
        }));
    };
    // The kernel counts a thread for a moment after it was waited for.
    thread::sleep(SETTLE);
    (0..needed).for_each(|_| one_more());
    let (since, mut asked) = (Instant::now(), Instant::now());
    while there.load(SeqCst) < needed && since.elapsed() < STARTED {
        thread::sleep(SETTLE);
        if asked.elapsed() > AGAIN {
            // tokio tries to make a thread where there is work, and only then.
            one_more();
            asked = Instant::now();
        }
    }
    drop(held);
    let given = there.load(SeqCst).min(needed);
    if given == needed {
        Ok(runtime)
    } else {
        Err(StartError::Threads {
            given,
            needed,
            source: io::ErrorKind::WouldBlock.into(),
        })
    }
}

/// Whether so many threads are to be had, before tokio asks, which panics if there is none.
fn check(needed: usize) -> Result<(), StartError> {
    let gate = Arc::new(RwLock::new(()));
    let held = gate.write();
    let (mut threads, mut refused) = (Vec::with_capacity(needed), None);
    while threads.len() < needed && refused.is_none() {
        let gate = Arc::clone(&gate);
        match thread::Builder::new().spawn(move || drop(gate.read())) {
            Ok(thread) => threads.push(thread),
            Err(error) => refused = Some(error),
        }
    }
    drop(held);
    let given = threads.len();
    for thread in threads {
        // It does nothing that could panic.
        drop(thread.join());
    }
    refused.map_or(Ok(()), |source| {
        Err(StartError::Threads {
            given,
            needed,
            source,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_are_there_from_the_start_and_stay() {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let runtime = start(3, move || {
            count.fetch_add(1, SeqCst);
        })
        .unwrap();
        assert_eq!(begun.load(SeqCst), 3);
        // They have nothing to do by then.
        thread::sleep(Duration::from_millis(200));
        for _ in 0..20 {
            runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        }
        assert_eq!(begun.load(SeqCst), 3, "none was made anew");
        runtime.shutdown_background();
    }

    #[test]
    fn too_few_are_told_with_both_numbers() {
        let error = StartError::Threads {
            given: 1,
            needed: 4,
            source: io::ErrorKind::WouldBlock.into(),
        };
        assert_eq!(
            error.to_string(),
            "the system gives this process 1 of the 4 threads that it needs beside its first"
        );
        assert_eq!(
            (error.reason(), error.reason().trouble().exit_code()),
            (Reason::Threads, 75)
        );
    }
}
