//! Writers at once, and what they leave.

use super::*;
use futures_util::future::join_all;
use std::{
    fs::{self, FileTimes},
    time::{Duration, SystemTime},
};
use tempfile::tempdir;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_writers_one_wins() {
    let directory = tempdir().unwrap();
    let stores: Vec<_> = (0..8).map(|_| store(&directory)).collect();
    let absent = join_all(
        stores
            .iter()
            .map(|store| store.put("a", "0".into(), Condition::Absent)),
    )
    .await;
    assert_eq!(absent.iter().filter(|put| put.is_ok()).count(), 1);

    // Everybody adds one, ten times, by compare-and-swap: a lost update would show in the sum.
    let count = |store: &DirectoryStore| {
        let store = DirectoryStore::open(&store.root, &Options::default()).unwrap();
        async move {
            for _ in 0..10 {
                loop {
                    let read = store.get("a", 9, None).await.unwrap().unwrap();
                    let next = str::from_utf8(&read.bytes).unwrap().parse::<u32>().unwrap() + 1;
                    match store
                        .put("a", next.to_string().into(), Condition::Matches(read.etag))
                        .await
                    {
                        Ok(_) => break,
                        Err(StoreError::Condition { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        }
    };
    join_all(stores.iter().map(count)).await;
    assert_eq!(
        stores[0].get("a", 9, None).await.unwrap().unwrap().bytes,
        "80"
    );
}

#[tokio::test]
async fn what_a_killed_writer_left_is_removed_after_a_day() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    store.put("a", "x".into(), Condition::Always).await.unwrap();
    let reserved = directory.path().join(RESERVED);
    for (name, hours) in [("old", 25), ("young", 23), ("lock", 25)] {
        let file = fs::File::create(reserved.join(name)).unwrap();
        let time = SystemTime::now() - Duration::from_hours(hours);
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    store.put("a", "y".into(), Condition::Always).await.unwrap();
    assert!(
        !reserved.join("old").exists()
            && reserved.join("young").exists()
            && reserved.join("lock").exists()
    );
}

#[tokio::test]
async fn a_lock_that_is_held_ends_at_the_deadline() {
    let directory = tempdir().unwrap();
    store(&directory)
        .put("a", "x".into(), Condition::Always)
        .await
        .unwrap();
    let held = fs::File::open(directory.path().join(RESERVED).join("lock")).unwrap();
    held.lock().unwrap();
    let options = Options {
        deadline: Duration::from_millis(100),
        ..Options::default()
    };
    let store = DirectoryStore::open(directory.path(), &options).unwrap();
    assert!(matches!(
        store.put("a", "y".into(), Condition::Always).await,
        Err(StoreError::Deadline { .. })
    ));
    held.unlock().unwrap();
}

#[tokio::test]
async fn each_piece_of_work_has_the_whole_deadline() {
    let directory = tempdir().unwrap();
    store(&directory)
        .put("a", "x".into(), Condition::Always)
        .await
        .unwrap();
    let options = Options {
        deadline: Duration::from_millis(100),
        ..Options::default()
    };
    let store = DirectoryStore::open(directory.path(), &options).unwrap();
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert!(matches!(
        store.head("a").await,
        Err(StoreError::Deadline { .. })
    ));
    store.begin();
    assert!(store.head("a").await.unwrap().is_some());
}
