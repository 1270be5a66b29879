//! The database: one thread has it, and does what it is told in transactions.
//!
//! ```text
//!  collect ──┐                       ┌ BEGIN  work, work, work …  COMMIT ┐
//!  probe   ──┼─► queue (256) ─► thread                                   ├─► each is told
//!  serve   ──┘                       └───────────────────────────────────┘
//! ```
//!
//! Whoever gives work learns of its end when it is committed, and not before. Work that fails takes
//! no other work with it.

mod error;
pub(crate) mod fatal;
pub(crate) mod groups;
pub(crate) mod incidents;
mod open;
pub(crate) mod take;
mod words;

pub use error::DatabaseError;

use open::DatabaseOrigin;
use rusqlite::Connection;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::error;

/// Work that waits at most.
const QUEUE: usize = 256;
/// Work in one transaction at most: it is over in tens of milliseconds.
const BATCH: usize = 64;
/// How long work waits for its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells whoever gave the work how its transaction ended.
type Tell = Box<dyn FnOnce(Result<(), DatabaseError>) + Send>;
/// Work that answers how it went, and what is to be told after the commit; without a database it
/// does nothing.
type Work =
    Box<dyn FnOnce(Result<&Connection, DatabaseError>) -> (Result<(), DatabaseError>, Tell) + Send>;

/// What is counted of the database.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Databases that were set aside.
    pub(crate) rebuilt: AtomicU64,
    /// Work that failed.
    pub(crate) failures: AtomicU64,
    /// Bytes on the disk.
    pub(crate) bytes: AtomicU64,
    /// Bytes that it may have.
    pub(crate) limit: AtomicU64,
}

/// The database. Its clones are the same one.
#[derive(Clone)]
pub(crate) struct Store {
    queue: mpsc::Sender<Work>,
    counts: Arc<Counts>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// The end of the thread: nobody has the database any more.
#[derive(Debug)]
pub(crate) struct StoreEnd(oneshot::Receiver<()>);

impl StoreEnd {
    /// Waits for it.
    pub(crate) async fn wait(self) {
        // The sender is dropped with the thread, however that ends.
        self.0.await.ok();
    }
}

impl Store {
    /// Opens the database of a directory, for at most `limit` bytes. It is closed when all who have
    /// it are gone.
    ///
    /// # Errors
    ///
    /// The disk refuses, or another process has it.
    pub(crate) async fn open(
        directory: PathBuf,
        limit: u64,
    ) -> Result<(Self, StoreEnd), DatabaseError> {
        let (queue, work) = mpsc::channel(QUEUE);
        let (opened, is_open) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        counts.limit.store(limit, Relaxed);
        let counted = Arc::clone(&counts);
        let begun = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let _ended: oneshot::Sender<()> = ended;
                match open::open(&directory, limit) {
                    Err(error) => {
                        opened.send(Err(error)).ok();
                    }
                    Ok((db, found)) => {
                        note(&counted, &directory, found);
                        opened.send(Ok(())).ok();
                        keep(db, work, &directory, limit, &counted);
                    }
                }
            });
        begun.map_err(|error| DatabaseError::Refused(error.to_string()))?;
        is_open.await.unwrap_or(Err(DatabaseError::Slow))?;
        Ok((Self { queue, counts }, StoreEnd(end)))
    }

    /// What is counted of it.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Has this done in a transaction, and gives what came of it once that is committed.
    ///
    /// # Errors
    ///
    /// It was not done. After [`DatabaseError::Slow`] it may be done later.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let (tell, told) = oneshot::channel();
        let work: Work = Box::new(move |db| {
            let done = db.and_then(|db| work(db).map_err(DatabaseError::from));
            let outcome = done.as_ref().map(drop).map_err(Clone::clone);
            let tell: Tell = Box::new(move |committed| {
                // Whoever asked may have gone.
                tell.send(done.and_then(|value| committed.map(|()| value)))
                    .ok();
            });
            (outcome, tell)
        });
        let answer = timeout(PATIENCE, async {
            self.queue
                .send(work)
                .await
                .map_err(|_| DatabaseError::Slow)?;
            told.await.unwrap_or(Err(DatabaseError::Slow))
        });
        answer.await.unwrap_or(Err(DatabaseError::Slow))
    }
}

fn note(counts: &Counts, directory: &Path, found: DatabaseOrigin) {
    if found == DatabaseOrigin::Rebuilt {
        counts.rebuilt.fetch_add(1, Relaxed);
    }
    counts.bytes.store(open::bytes(directory), Relaxed);
}

/// Does what comes until nobody is left who could ask.
fn keep(
    mut db: Connection,
    mut queue: mpsc::Receiver<Work>,
    directory: &Path,
    limit: u64,
    counts: &Counts,
) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        if transaction(&db, batch, counts) == Health::Damaged {
            // The file is given up before it is moved.
            drop(db);
            match open::open(directory, limit) {
                Ok((opened, found)) => {
                    note(counts, directory, found);
                    db = opened;
                }
                Err(error) => {
                    error!(%error, "no database");
                    return;
                }
            }
        }
        counts.bytes.store(open::bytes(directory), Relaxed);
    }
}

/// Whether the file is to be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Damaged,
}

fn transaction(db: &Connection, batch: Vec<Work>, counts: &Counts) -> Health {
    let mut health = Health::Good;
    let mut failed = |error: &DatabaseError| {
        counts.failures.fetch_add(1, Relaxed);
        error!(%error, "database failed");
        if matches!(error, DatabaseError::Damaged(_)) {
            health = Health::Damaged;
        }
    };
    let mut told = Vec::new();
    let begun = db
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(DatabaseError::from);
    for work in batch {
        let place = begun
            .clone()
            .and_then(|()| Ok(db.execute_batch("SAVEPOINT work")?));
        let placed = place.is_ok();
        let (done, tell) = work(place.map(|()| db));
        told.push(tell);
        // Such as a full disk, after which SQLite has rolled everything back already: then there is
        // nothing to close, and the commit fails, too.
        let closed = match (placed, &done) {
            (false, _) => Ok(()),
            (true, Ok(())) => db.execute_batch("RELEASE work"),
            (true, Err(_)) => db.execute_batch("ROLLBACK TO work; RELEASE work"),
        };
        if let Err(error) = done.and(closed.map_err(DatabaseError::from)) {
            failed(&error);
        }
    }
    let committed = begun.and_then(|()| Ok(db.execute_batch("COMMIT")?));
    let committed = committed.inspect_err(|error| {
        failed(error);
        if !db.is_autocommit()
            && let Err(error) = db.execute_batch("ROLLBACK")
        {
            failed(&error.into());
        }
    });
    for tell in told {
        tell(committed.clone());
    }
    health
}

#[cfg(test)]
mod tests;
