#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

use super::*;
use crate::{
    Context, Output,
    fsck::damage,
    gc::{Rules, collect},
    packing::stageable::packed,
    publish::{Intent, Publisher, Repeat, Untrusted},
    remote::Remote,
    spec::Spec,
};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use release::{Algorithm, SecretKey, TrustRoot};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use store::{Body, Info, Listed, Location, Object, Options, Stats};

const NOW: i64 = 1_800_000_000;

/// On a thread and a runtime of its own, as another process would be.
type Act = Box<dyn FnOnce() + Send>;

/// A store in which something happens right before one of its calls.
struct Gap {
    inner: Arc<dyn ObjectStore>,
    left: AtomicUsize,
    act: Mutex<Option<Act>>,
}

impl std::fmt::Debug for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gap").finish_non_exhaustive()
    }
}

impl Gap {
    fn before(
        call: usize,
        inner: &Arc<dyn ObjectStore>,
        act: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            left: AtomicUsize::new(call),
            act: Mutex::new(Some(Box::new(act))),
        })
    }

    async fn call(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            let act = self.act.lock().take();
            if let Some(act) = act {
                tokio::task::spawn_blocking(act).await.unwrap();
            }
        }
    }

    fn happened(&self) -> bool {
        self.act.lock().is_none()
    }
}

#[async_trait]
impl ObjectStore for Gap {
    async fn get(
        &self,
        key: &str,
        limit: u64,
        known: Option<&Etag>,
    ) -> Result<Option<Object>, StoreError> {
        self.call().await;
        self.inner.get(key, limit, known).await
    }
    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&Etag>,
    ) -> Result<Body, StoreError> {
        self.call().await;
        self.inner.get_range(key, range, etag).await
    }
    async fn head(&self, key: &str) -> Result<Option<Info>, StoreError> {
        self.call().await;
        self.inner.head(key).await
    }
    async fn put(&self, key: &str, bytes: Bytes, condition: Condition) -> Result<Etag, StoreError> {
        self.call().await;
        self.inner.put(key, bytes, condition).await
    }
    async fn put_file(
        &self,
        key: &str,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError> {
        self.call().await;
        self.inner.put_file(key, path, progress).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.call().await;
        self.inner.list(prefix).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call().await;
        self.inner.delete(key).await
    }
    fn begin(&self) {
        self.inner.begin();
    }
    fn identity(&self) -> String {
        self.inner.identity()
    }
    fn stats(&self) -> &Stats {
        self.inner.stats()
    }
}

/// A store that had a release of A, then one of B, and a publisher who is about to publish A once
/// more: gc needs nothing of A.
struct Lab {
    directory: tempfile::TempDir,
    store: Arc<dyn ObjectStore>,
}

fn context(seconds: i64) -> Context {
    Context {
        output: Output::Json,
        progress: Arc::new(Progress::new(Output::Json)),
        now: Timestamp::from_second(NOW + seconds).unwrap(),
    }
}

async fn open(directory: &Path, deadline: Duration) -> Arc<dyn ObjectStore> {
    let options = Options {
        deadline,
        ..Options::default()
    };
    store::open(&Location::Directory(directory.join("store")), &options)
        .await
        .unwrap()
}

async fn publish(
    directory: PathBuf,
    store: Arc<dyn ObjectStore>,
    contents: &'static str,
) -> Result<(), CommandError> {
    let text = format!(
        "channel = \"shops/acme\"\n[[module]]\nname = \"m\"\nversion = \"1\"\nsource = \
         \"{contents}\"\n"
    );
    let spec = Spec::parse(&text, &directory.join("longshore.toml")).unwrap();
    let package = packed(&spec, &directory.join("packed").join(contents));
    let remote = Remote {
        store,
        channel: spec.channel.clone(),
    };
    let now = context(0).now;
    let keys = [directory.join("ci.key")];
    let publisher = Publisher::begin(
        remote,
        &directory.join("1.root.json"),
        Untrusted::Refuse,
        now,
        &context(0).progress,
    )
    .await?;
    publisher
        .publish(
            &package,
            &Intent {
                expires: None,
                repeat: Repeat::Skip,
                keys: &keys,
            },
            &context(0).progress,
        )
        .await
        .map(drop)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Keeps the release in force alone, of whatever age.
async fn gc(store: &dyn ObjectStore) -> Result<(), CommandError> {
    // The blobs are of today by the clock of their file system, whatever the clock here.
    collect(
        store,
        &Rules {
            keep: 1,
            until: Timestamp::MAX,
            delete: true,
        },
        &context(0),
    )
    .await
    .map(drop)
}

impl Lab {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for made in ["store", "packed", "a", "b"] {
            fs::create_dir(at(made)).unwrap();
        }
        fs::write(at("a/index.php"), "A").unwrap();
        fs::write(at("b/index.php"), "B").unwrap();
        let key = SecretKey::generate(Algorithm::Ed25519).unwrap();
        fs::write(at("ci.key"), key.to_pem().unwrap()).unwrap();
        let root = TrustRoot::new(
            1,
            Timestamp::from_second(NOW + 1_000_000).unwrap(),
            [key.public().clone()].into(),
            1,
        )
        .unwrap();
        let mut envelope = root.to_envelope();
        envelope.sign(&key).unwrap();
        fs::write(at("1.root.json"), envelope.to_json()).unwrap();
        let store = open(directory.path(), Duration::from_mins(1)).await;
        let lab = Self { directory, store };
        for contents in ["a", "b"] {
            lab.publish(&lab.store, contents).await.unwrap();
        }
        lab
    }

    async fn publish(
        &self,
        store: &Arc<dyn ObjectStore>,
        contents: &'static str,
    ) -> Result<(), CommandError> {
        publish(
            self.directory.path().to_owned(),
            Arc::clone(store),
            contents,
        )
        .await
    }

    /// A fresh pod gets all of what is in force.
    async fn is_whole(&self, case: &str) {
        let found = damage(&*self.store, &context(0), 1).await.unwrap();
        assert!(found.is_empty(), "{case}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gc_between_any_two_steps_of_a_publisher_harms_neither() {
    for step in 0.. {
        let lab = Lab::new().await;
        let inner = Arc::clone(&lab.store);
        let gap = Gap::before(step, &lab.store, move || block_on(gc(&*inner)).unwrap());
        let store: Arc<dyn ObjectStore> = gap.clone();
        lab.publish(&store, "a").await.unwrap();
        lab.is_whole(&format!("gc before step {step}")).await;
        if !gap.happened() {
            assert!(step > 8, "a publication has more steps than {step}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_between_any_two_steps_of_a_gc_harms_neither() {
    let (mut waited, mut step) = (0, 0);
    loop {
        let lab = Lab::new().await;
        let directory = lab.directory.path().to_owned();
        let published = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&published);
        // It has no time to wait for the gc, which stands still meanwhile.
        let act = move || {
            let published = block_on(async {
                let store = open(&directory, Duration::from_millis(400)).await;
                publish(directory, store, "a").await
            });
            done.store(1 + usize::from(published.is_ok()), Ordering::Relaxed);
        };
        let gap = Gap::before(step, &lab.store, act);
        gc(&*gap).await.unwrap();
        lab.is_whole(&format!("publisher before step {step}")).await;
        waited += usize::from(published.load(Ordering::Relaxed) == 1);
        lab.publish(&lab.store, "a").await.unwrap();
        lab.is_whole(&format!("publisher before step {step}, and again"))
            .await;
        if !gap.happened() {
            break;
        }
        step += 1;
    }
    assert!(
        waited > 0 && step > 5,
        "{waited} of {step} publishers met a gc at work"
    );
}

#[tokio::test]
async fn a_mark_counts_for_an_hour_and_for_one_gc() {
    let lab = Lab::new().await;
    Mark::set(&*lab.store, context(0).now).await.unwrap();
    assert!(matches!(
        Mark::set(&*lab.store, context(60).now).await,
        Err(CommandError::Collecting { .. })
    ));
    // Its gc died; nobody waits for it for ever.
    none(&*lab.store, context(3_601).now, &context(0).progress)
        .await
        .unwrap();
    Mark::set(&*lab.store, context(3_601).now)
        .await
        .unwrap()
        .remove(&*lab.store)
        .await
        .unwrap();
    assert!(found(&*lab.store).await.unwrap().is_none());
    // One of a clock that is a day ahead.
    Mark::set(&*lab.store, context(86_400).now).await.unwrap();
    none(&*lab.store, context(0).now, &context(0).progress)
        .await
        .unwrap();
}
