#![allow(
    clippy::disallowed_methods,
    reason = "a test changes files behind the store's back"
)]

mod locks;

use super::*;
use std::{
    fs::{self},
    os::unix::fs::symlink,
    sync::Mutex,
};
use tempfile::{TempDir, tempdir};

fn store(directory: &TempDir) -> DirectoryStore {
    DirectoryStore::open(directory.path(), &Options::default()).unwrap()
}

async fn keys(store: &DirectoryStore, prefix: &str) -> Vec<String> {
    store
        .list(prefix)
        .await
        .unwrap()
        .into_iter()
        .map(|listed| listed.key)
        .collect()
}

#[tokio::test]
async fn an_object_is_compared_with_a_file_byte_by_byte() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    let file = directory.path().join("file");
    let bytes = vec![7_u8; 600_000];
    fs::write(&file, &bytes).unwrap();
    assert_eq!(store.holds("a", &file).await.unwrap(), Holds::Nothing);
    store.put_file("a", &file, &|_| ()).await.unwrap();
    assert_eq!(store.holds("a", &file).await.unwrap(), Holds::Same);
    for at in [0, 299_999, 599_999] {
        let mut damaged = bytes.clone();
        damaged[at] = 8;
        fs::write(directory.path().join("a"), damaged).unwrap();
        assert_eq!(store.holds("a", &file).await.unwrap(), Holds::Other, "{at}");
    }
    fs::write(directory.path().join("a"), &bytes[1..]).unwrap();
    assert_eq!(store.holds("a", &file).await.unwrap(), Holds::Other);
}

#[tokio::test]
async fn what_is_put_is_read() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    let etag = store
        .put("a/b/c", "hello".into(), Condition::Always)
        .await
        .unwrap();
    assert_eq!(
        store.head("a/b/c").await.unwrap(),
        Some(Info {
            size: 5,
            etag: etag.clone()
        })
    );
    let object = store.get("a/b/c", 5, None).await.unwrap().unwrap();
    assert_eq!((&object.bytes[..], &object.etag), (&b"hello"[..], &etag));
    assert_eq!(store.get("a/b/c", 5, Some(&etag)).await.unwrap(), None);
    assert_eq!(
        store
            .get_range("a/b/c", 1..3, Some(&etag))
            .await
            .unwrap()
            .collect()
            .await
            .unwrap(),
        "el"
    );
    assert!(
        store
            .get_range("a/b/c", 3..3, None)
            .await
            .unwrap()
            .next()
            .await
            .is_none()
    );
    assert_eq!((store.stats().received(), store.stats().sent()), (7, 5));
    store.delete("a/b/c").await.unwrap();
    store.delete("a/b/c").await.unwrap();
    assert_eq!(store.head("a/b/c").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_nothing_else() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    store
        .put("a/b", "x".into(), Condition::Always)
        .await
        .unwrap();
    for key in ["c", "a", "a/c", "a/b/c"] {
        assert_eq!(store.head(key).await.unwrap(), None, "{key}");
        assert!(
            store.get(key, 9, None).await.unwrap_err().is_missing(),
            "{key}"
        );
        assert!(
            store
                .get_range(key, 0..1, None)
                .await
                .unwrap_err()
                .is_missing(),
            "{key}"
        );
    }
    let all = ["a/b", "c", "d"].map(str::to_owned).to_vec();
    assert_eq!(store.missing(all).await.unwrap(), ["c", "d"]);
}

#[tokio::test]
async fn a_missing_directory_is_a_missing_store() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    let gone = directory.path().join("gone");
    assert!(matches!(
        DirectoryStore::open(&gone, &Options::default()),
        Err(StoreError::Bucket { .. })
    ));
    directory.close().unwrap();
    assert!(matches!(
        store.head("a").await,
        Err(StoreError::Bucket { .. })
    ));
    assert!(matches!(
        store.put("a", "x".into(), Condition::Always).await,
        Err(StoreError::Bucket { .. })
    ));
    assert!(matches!(
        store.list("").await,
        Err(StoreError::Bucket { .. })
    ));
}

#[tokio::test]
async fn conditions_hold_or_nothing_is_written() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    let failed = |put: Result<Etag, StoreError>| matches!(put, Err(StoreError::Condition { .. }));
    let first = store.put("a", "1".into(), Condition::Absent).await.unwrap();
    assert!(failed(store.put("a", "2".into(), Condition::Absent).await));
    let second = store
        .put("a", "2".into(), Condition::Matches(first.clone()))
        .await
        .unwrap();
    assert!(failed(
        store
            .put("a", "3".into(), Condition::Matches(first.clone()))
            .await
    ));
    assert!(failed(
        store.put("b", "3".into(), Condition::Matches(first)).await
    ));
    assert_eq!(
        store.get("a", 1, None).await.unwrap(),
        Some(Object {
            bytes: "2".into(),
            etag: second
        })
    );
    assert_eq!(keys(&store, "").await, ["a"]);
    let left: Vec<_> = fs::read_dir(directory.path().join(RESERVED))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"], "no temporary file stays");
}

#[tokio::test]
async fn nothing_escapes_the_directory() {
    let outer = tempdir().unwrap();
    let inside = outer.path().join("store");
    fs::create_dir(&inside).unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    symlink("../secret", inside.join("link")).unwrap();
    symlink("..", inside.join("up")).unwrap();
    let store = DirectoryStore::open(&inside, &Options::default()).unwrap();
    for key in ["../secret", "/etc/passwd", "a/../../secret", "", "./a"] {
        assert!(
            matches!(store.get(key, 99, None).await, Err(StoreError::Key { .. })),
            "{key}"
        );
        assert!(
            matches!(
                store.put(key, "x".into(), Condition::Always).await,
                Err(StoreError::Key { .. })
            ),
            "{key}"
        );
        assert!(
            matches!(store.delete(key).await, Err(StoreError::Key { .. })),
            "{key}"
        );
    }
    for key in ["link", "up/secret"] {
        assert!(
            matches!(
                store.get(key, 99, None).await,
                Err(StoreError::Refused { .. })
            ),
            "{key}"
        );
        assert!(
            matches!(
                store.get_range(key, 0..1, None).await,
                Err(StoreError::Refused { .. })
            ),
            "{key}"
        );
    }
    assert!(matches!(
        store.put("up/secret", "x".into(), Condition::Always).await,
        Err(StoreError::Refused { .. })
    ));
    assert!(matches!(
        store.delete("up/secret").await,
        Err(StoreError::Refused { .. })
    ));
    store
        .put("link", "x".into(), Condition::Always)
        .await
        .unwrap();
    assert_eq!(
        fs::read(outer.path().join("secret")).unwrap(),
        b"secret",
        "the link was replaced, not followed"
    );
    assert!(matches!(
        store.list("../").await,
        Err(StoreError::Key { .. })
    ));
    assert!(matches!(
        store
            .put(".longshore/lock", "x".into(), Condition::Always)
            .await,
        Err(StoreError::Refused { .. })
    ));
    assert_eq!(keys(&store, "").await, ["link"]);
}

#[tokio::test]
async fn listings_are_sorted_and_start_with_the_prefix() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    for key in ["b/2", "b/10", "b.x", "b/c/1", "a/1", "bb"] {
        store.put(key, "x".into(), Condition::Always).await.unwrap();
    }
    assert_eq!(
        keys(&store, "").await,
        ["a/1", "b.x", "b/10", "b/2", "b/c/1", "bb"]
    );
    assert_eq!(keys(&store, "b/").await, ["b/10", "b/2", "b/c/1"]);
    assert_eq!(
        keys(&store, "b").await,
        ["b.x", "b/10", "b/2", "b/c/1", "bb"]
    );
    assert_eq!(keys(&store, "b/c/1").await, ["b/c/1"]);
    assert!(keys(&store, "none/").await.is_empty());
}

#[tokio::test]
async fn a_change_while_reading_is_noticed() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    let size = 3 << 20;
    let etag = store
        .put("a", vec![1; size].into(), Condition::Always)
        .await
        .unwrap();
    let range = 0..size as u64;

    let mut body = store
        .get_range("a", range.clone(), Some(&etag))
        .await
        .unwrap();
    body.next().await.unwrap().unwrap();
    store
        .put("a", vec![2; size].into(), Condition::Always)
        .await
        .unwrap();
    let rest = body.collect().await.unwrap();
    assert!(
        rest.len() == size - (256 << 10) && rest.iter().all(|&byte| byte == 1),
        "an object that was replaced by us is read to its end"
    );
    assert!(matches!(
        store.get_range("a", range.clone(), Some(&etag)).await,
        Err(StoreError::Replaced { .. })
    ));

    let mut body = store.get_range("a", range.clone(), None).await.unwrap();
    body.next().await.unwrap().unwrap();
    fs::write(directory.path().join("a"), vec![3; size]).unwrap();
    assert!(
        matches!(body.collect().await, Err(StoreError::Replaced { .. })),
        "one that is written in place is not"
    );

    let body = store.get_range("a", range.clone(), None).await.unwrap();
    fs::write(directory.path().join("a"), "short").unwrap();
    assert!(matches!(
        body.collect().await,
        Err(StoreError::Replaced { .. })
    ));
    assert!(matches!(
        store.get_range("a", range, None).await,
        Err(StoreError::Short { .. })
    ));
    assert!(matches!(
        store.get("a", 4, None).await,
        Err(StoreError::TooLarge { limit: 4, .. })
    ));
}

#[tokio::test]
async fn files_are_copied_piece_by_piece() {
    let directory = tempdir().unwrap();
    let store = store(&directory);
    let source = directory.path().join("source");
    fs::write(&source, vec![5; (9 << 20) + 1]).unwrap();
    let sent = Mutex::new(Vec::new());
    store
        .put_file("blobs/x", &source, &|bytes| {
            sent.lock().unwrap().push(bytes);
        })
        .await
        .unwrap();
    assert_eq!(sent.into_inner().unwrap(), [8 << 20, (1 << 20) + 1]);
    assert_eq!(
        fs::read(directory.path().join("blobs/x")).unwrap(),
        fs::read(&source).unwrap()
    );
    let absent = store
        .put_file("blobs/y", &directory.path().join("absent"), &|_| ())
        .await
        .unwrap_err();
    assert!(
        matches!(&absent, StoreError::Disk { path, .. } if path.ends_with("absent")),
        "{absent:?}"
    );
}
