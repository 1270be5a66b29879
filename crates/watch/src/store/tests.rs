//! What the thread does with work.

use super::*;
use rusqlite::OptionalExtension as _;

const LIMIT: u64 = 64 << 20;

fn insert(db: &Connection, uid: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO pods (uid, run, seen) VALUES (?1, 'r', 0)",
        [uid],
    )
    .map(drop)
}

fn has(db: &Connection, uid: &str) -> rusqlite::Result<bool> {
    let found: Option<i64> = db
        .query_row("SELECT id FROM pods WHERE uid = ?1", [uid], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.is_some())
}

#[tokio::test]
async fn work_that_fails_takes_no_other_work_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _ended) = Store::open(directory.path().to_owned(), LIMIT)
        .await
        .unwrap();
    let bad = store.call(|db| {
        insert(db, "bad")?;
        db.execute("INSERT INTO nowhere VALUES (1)", []).map(drop)
    });
    let (good, bad, other) = tokio::join!(
        store.call(|db| insert(db, "good")),
        bad,
        store.call(|db| insert(db, "other"))
    );
    good.unwrap();
    assert!(matches!(bad, Err(DatabaseError::Refused(_))), "{bad:?}");
    other.unwrap();
    let found = store.call(|db| Ok([has(db, "good")?, has(db, "bad")?, has(db, "other")?]));
    assert_eq!(found.await.unwrap(), [true, false, true]);
    assert_eq!(store.counts().failures.load(Relaxed), 1);
}

#[tokio::test]
async fn it_is_closed_when_nobody_has_it_and_what_was_committed_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path().to_owned(), LIMIT);
    let (store, ended) = open().await.unwrap();
    store.call(|db| insert(db, "kept")).await.unwrap();
    let other = open().await.map(drop);
    assert_eq!(other, Err(DatabaseError::Busy));
    drop(store);
    ended.wait().await;
    let (store, _ended) = open().await.unwrap();
    assert!(store.call(|db| has(db, "kept")).await.unwrap());
}

#[tokio::test]
async fn one_that_is_damaged_while_it_is_open_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _ended) = Store::open(directory.path().to_owned(), LIMIT)
        .await
        .unwrap();
    store.call(|db| insert(db, "lost")).await.unwrap();
    let damaged = store.call(|_| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err::<(), _>(rusqlite::Error::SqliteFailure(code, None))
    });
    assert!(matches!(damaged.await, Err(DatabaseError::Damaged(_))));
    // The file itself is whole, as the look at it says: it is kept.
    assert!(store.call(|db| has(db, "lost")).await.unwrap());
}
