//! Files that are ours, and files that are not.

#![allow(
    clippy::disallowed_methods,
    reason = "tests damage what they made themselves"
)]

use super::*;

const LIMIT: u64 = 64 << 20;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn opened(directory: &Path) -> DatabaseOrigin {
    open(directory, LIMIT).unwrap().1
}

#[test]
fn a_database_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("made/by/us");
    assert_eq!(opened(&inner), DatabaseOrigin::New);
    assert_eq!(opened(&inner), DatabaseOrigin::Kept);
    let (db, _) = open(&inner, LIMIT).unwrap();
    assert_eq!(
        open(&inner, LIMIT).unwrap_err(),
        DatabaseError::Busy,
        "another process has it"
    );
    drop(db);
    assert!(bytes(&inner) > 0);
}

#[test]
fn one_that_cannot_be_used_is_set_aside_and_one_such_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE);
    fs::write(
        &file,
        b"no database, and longer than a header would be".repeat(100),
    )
    .unwrap();
    assert_eq!(opened(directory.path()), DatabaseOrigin::Rebuilt);
    // Of another program.
    fs::remove_file(&file).unwrap();
    let other = Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE cookies (id INTEGER)")
        .unwrap();
    drop(other);
    assert_eq!(opened(directory.path()), DatabaseOrigin::Rebuilt);
    // Of a later version.
    let later = Connection::open(&file).unwrap();
    later
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    drop(later);
    assert_eq!(opened(directory.path()), DatabaseOrigin::Rebuilt);
    // Damaged in its middle.
    let (db, _) = open(directory.path(), LIMIT).unwrap();
    for index in 0..500 {
        let text = "x".repeat(1000);
        db.execute(
            "INSERT INTO pods (uid, run, seen) VALUES (?1, ?2, 0)",
            (index.to_string(), text),
        )
        .unwrap();
    }
    drop(db);
    let mut damaged = fs::read(&file).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8192].fill(0x55);
    fs::write(&file, damaged).unwrap();
    assert_eq!(opened(directory.path()), DatabaseOrigin::Rebuilt);
    assert_eq!(opened(directory.path()), DatabaseOrigin::Kept);
    let aside = names(directory.path());
    let aside = aside.iter().filter(|name| name.contains(".damaged-"));
    assert_eq!(aside.count(), 1);
}

#[test]
fn it_does_not_grow_beyond_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let (db, _) = open(directory.path(), 1 << 20).unwrap();
    let mut insert = db
        .prepare("INSERT INTO pods (uid, run, seen) VALUES (?1, ?2, 0)")
        .unwrap();
    let run = "x".repeat(10_000);
    let full = (0..1000).find_map(|index| insert.execute((index.to_string(), &run)).err());
    let full = DatabaseError::from(full.unwrap());
    assert!(matches!(full, DatabaseError::Full(_)), "{full:?}");
    drop(insert);
    drop(db);
    assert!(fs::metadata(directory.path().join(FILE)).unwrap().len() <= 1 << 20);
}
