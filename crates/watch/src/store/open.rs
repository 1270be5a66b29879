//! The file of the database: opened, made, or set aside.
//!
//! ```text
//!  watch.db                  the database
//!  watch.db-wal              what was committed and is not in it yet
//!  watch.db.damaged-1770…    the last one that could not be used, for a person to look at
//! ```

use super::error::DatabaseError;
use jiff::Timestamp;
use rusqlite::Connection;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tracing::warn;

/// Its name in the directory.
const FILE: &str = "watch.db";
/// What tells our files from those of others: `LSW1`, as SQLite's header has it.
const APPLICATION: i32 = 0x4c53_5731;
/// The version of the tables.
const VERSION: i32 = 1;
/// Bytes in a page: SQLite's default, on which the limit rests.
const PAGE: u64 = 4096;

const TABLES: &str = "
CREATE TABLE groups (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, fingerprint INTEGER NOT NULL,
    source TEXT NOT NULL, severity INTEGER NOT NULL, class TEXT NOT NULL, message TEXT NOT NULL,
    sample TEXT NOT NULL, state INTEGER NOT NULL, resolved_at INTEGER NOT NULL,
    back_since INTEGER, first INTEGER NOT NULL, last INTEGER NOT NULL,
    UNIQUE (shop, fingerprint)) STRICT;
CREATE INDEX open_groups ON groups (shop, severity) WHERE state = 0;
CREATE INDEX last_groups ON groups (last);
CREATE INDEX fatal_groups ON groups (fingerprint) WHERE severity = 3;
CREATE TABLE releases (
    grouped INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
    sequence INTEGER NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (grouped, sequence)) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    shop TEXT NOT NULL, severity INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (shop, severity)) STRICT, WITHOUT ROWID;
CREATE TABLE pods (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, run TEXT NOT NULL,
    seen INTEGER NOT NULL) STRICT;
CREATE TABLE counted (
    pod INTEGER NOT NULL REFERENCES pods ON DELETE CASCADE, fingerprint INTEGER NOT NULL,
    sequence INTEGER NOT NULL, count INTEGER NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (pod, fingerprint, sequence)) STRICT, WITHOUT ROWID;
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, host TEXT NOT NULL, vantage TEXT NOT NULL,
    cause TEXT NOT NULL, problem TEXT NOT NULL, began INTEGER NOT NULL, ended INTEGER) STRICT;
CREATE INDEX shop_incidents ON incidents (shop, began);
CREATE UNIQUE INDEX open_incidents ON incidents (host, vantage) WHERE ended IS NULL;
CREATE TABLE months (
    shop TEXT NOT NULL, month TEXT NOT NULL, up INTEGER NOT NULL, probes INTEGER NOT NULL,
    PRIMARY KEY (shop, month)) STRICT, WITHOUT ROWID;
";

/// Whether the database was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatabaseOrigin {
    /// It is the one of before.
    Kept,
    /// There was none.
    New,
    /// There was one that cannot be used, which was set aside.
    Rebuilt,
}

/// Opens the database of a directory with at most `limit` bytes. One that is damaged, or that
/// another program or another version made, is set aside, and a new one is begun.
///
/// # Errors
///
/// The disk refuses, or another process has it.
#[allow(
    clippy::disallowed_methods,
    reason = "before anything that could be lost"
)]
pub(super) fn open(
    directory: &Path,
    limit: u64,
) -> Result<(Connection, DatabaseOrigin), DatabaseError> {
    fs::create_dir_all(directory)
        .map_err(|error| DatabaseError::Refused(format!("{}: {error}", directory.display())))?;
    let path = directory.join(FILE);
    match attempt(&path, limit) {
        Err(DatabaseError::Damaged(why)) => {
            set_aside(&path, &why)
                .map_err(|error| DatabaseError::Refused(format!("{}: {error}", path.display())))?;
            let (connection, _) = attempt(&path, limit)?;
            Ok((connection, DatabaseOrigin::Rebuilt))
        }
        other => other,
    }
}

/// Bytes that the database has on its disk.
pub(super) fn bytes(directory: &Path) -> u64 {
    [FILE.to_owned(), format!("{FILE}-wal")]
        .iter()
        .filter_map(|name| fs::metadata(directory.join(name)).ok())
        .map(|file| file.len())
        .sum()
}

fn attempt(path: &Path, limit: u64) -> Result<(Connection, DatabaseOrigin), DatabaseError> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(2))?;
    // One process has it: a pod that is not gone yet, or a person with `sqlite3`, keeps the other
    // out. Then the index of the log is in memory, and no third file is there to be lost.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(DatabaseError::Refused(format!(
            "no write-ahead log: {mode}"
        )));
    }
    // What was committed survives kill -9; a power failure takes the last moments.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let found = known(&db)?;
    if found == DatabaseOrigin::New {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; \
             PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    let pages = i64::try_from(limit / PAGE).unwrap_or(i64::MAX);
    db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    Ok((db, found))
}

/// Whose it is, and whether it is whole.
fn known(db: &Connection) -> Result<DatabaseOrigin, DatabaseError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (number("application_id")?, number("user_version")?, tables) {
        (0, 0, 0) => return Ok(DatabaseOrigin::New),
        (APPLICATION, VERSION, _) => {}
        (APPLICATION, version, _) => {
            return Err(DatabaseError::Damaged(format!(
                "its tables are of version {version}, and this program's of {VERSION}"
            )));
        }
        _ => return Err(DatabaseError::Damaged("another program made it".to_owned())),
    }
    let whole: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if whole == "ok" {
        Ok(DatabaseOrigin::Kept)
    } else {
        Err(DatabaseError::Damaged(whole))
    }
}

/// Keeps the file beside its place, and none that was set aside before.
#[allow(
    clippy::disallowed_methods,
    reason = "what is lost is rebuilt from what agents and hosts say"
)]
fn set_aside(path: &Path, why: &str) -> io::Result<()> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let prefix = format!("{FILE}.damaged-");
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    let aside = beside(&format!(".damaged-{}", Timestamp::now().as_second()));
    fs::rename(path, &aside)?;
    for end in ["-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    warn!(why, kept = %aside.display(), "database set aside, and a new one begun");
    Ok(())
}

#[cfg(test)]
mod tests;
