mod repaired;

use super::*;
use std::os::unix::fs::symlink;
use store::{Body, Etag, Info, Listed, Object, Stats, StoreError};

impl Lab {
    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    // A pod of the node: its root is a directory of its own.
    async fn pod(&self, name: &str) -> Result<Pulled, PullError> {
        self.pod_with(name, |_| ()).await
    }

    async fn pod_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Pulled, PullError> {
        let directory = self.cache();
        self.pull_with(|settings| {
            settings.root = self.directory.path().join(name);
            settings.cache = Some(cache::Settings {
                directory,
                limit: cache::LIMIT,
            });
            change(settings);
        })
        .await
    }

    fn chunks(&self) -> Vec<PathBuf> {
        let mut found: Vec<_> = fs::read_dir(self.cache().join("v1/chunks"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        found
    }

    fn incoming(&self) -> usize {
        fs::read_dir(self.cache().join("v1/incoming"))
            .unwrap()
            .count()
    }

    fn same_trees(&self, one: &str, other: &str) -> bool {
        let tree = |name: &str| {
            let top = self
                .directory
                .path()
                .join(name)
                .join("current")
                .canonicalize()
                .unwrap();
            tree_at(&top)
        };
        tree(one) == tree(other)
    }

    // Nothing but conditional questions: blobs are gone.
    fn remove_blobs(&self) {
        fs::remove_dir_all(self.directory.path().join("store/blobs")).unwrap();
    }
}

fn shop() -> [(&'static str, &'static str, Files); 2] {
    [
        ("core", "", many(200, "core")),
        (
            "theme",
            "app/theme",
            files([("a.css", "a{}"), ("b", "-> a.css")]),
        ),
    ]
}

// With a file that is unpacked from a spool file, and takes seconds in a build without
// optimisation.
fn large_shop() -> [(&'static str, &'static str, Files); 2] {
    let [(name, target, mut core), theme] = shop();
    core.insert(
        "large.bin".to_owned(),
        vec![b'x'; (tarball::SPOOL_THRESHOLD + 1).try_into().unwrap()],
    );
    [(name, target, core), theme]
}

#[tokio::test]
async fn the_second_pod_of_a_node_downloads_no_byte() {
    let lab = Lab::new().await;
    let manifest = lab.publish(1, &large_shop()).await;
    let chunks: usize = manifest
        .modules
        .iter()
        .map(|module| module.chunks.len())
        .sum();
    assert!(
        chunks > 2
            && manifest.modules[0]
                .chunks
                .iter()
                .any(|chunk| chunk.unpacked > tarball::SPOOL_THRESHOLD)
    );
    let first = lab.pod("one").await.unwrap();
    assert_eq!(
        (first.figures.cached_chunks, first.origin),
        (0, Origin::Store)
    );
    // Every chunk, and the manifest.
    assert_eq!((lab.chunks().len(), lab.incoming()), (chunks + 1, 0));
    lab.remove_blobs();
    let second = lab.pod("two").await.unwrap();
    assert_eq!(
        (second.outcome, second.figures.cached_chunks),
        (Outcome::Fresh, chunks as u64)
    );
    assert_eq!(
        second.figures.cached_bytes,
        manifest
            .modules
            .iter()
            .map(|module| module.size)
            .sum::<u64>()
    );
    assert_eq!(second.figures.downloaded_bytes, 0);
    assert!(lab.same_trees("one", "two"));
}

#[tokio::test]
async fn every_damaged_file_is_found_out_evicted_and_fetched_again() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("flipped", |path| overwrite(path, |bytes| bytes[0] ^= 1)),
        ("truncated", |path| {
            overwrite(path, |bytes| bytes.truncate(bytes.len() / 2))
        }),
        ("grown", |path| overwrite(path, |bytes| bytes.push(0))),
        ("a link", |path| {
            fs::remove_file(path).unwrap();
            symlink("/etc/passwd", path).unwrap();
        }),
        ("a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir_all(path.join("deep")).unwrap();
        }),
    ];
    let lab = Lab::new().await;
    lab.publish(1, &large_shop()).await;
    lab.pod("pod").await.unwrap();
    for (what, damage) in damages {
        for path in lab.chunks() {
            let good = fs::read(&path).unwrap();
            damage(&path);
            fs::remove_dir_all(lab.directory.path().join("other")).unwrap_or_default();
            let figures = lab.pod("other").await.unwrap().figures;
            assert_eq!(figures.cache_damaged, 1, "{what}");
            assert!(lab.same_trees("pod", "other"), "{what}");
            assert_eq!(fs::read(&path).unwrap(), good, "{what}");
            assert_eq!(lab.incoming(), 0);
        }
    }
}

#[tokio::test]
async fn damage_that_cannot_be_evicted_is_passed_by() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.publish(1, &shop()).await;
    lab.pod("pod").await.unwrap();
    for path in lab.chunks() {
        overwrite(&path, |bytes| bytes[0] ^= 1);
        let immutable = |flag: &str| {
            std::process::Command::new("chattr")
                .args([flag, path.to_str().unwrap()])
                .status()
        };
        if !immutable("+i").is_ok_and(|status| status.success()) {
            return;
        }
        fs::remove_dir_all(lab.directory.path().join("other")).unwrap_or_default();
        let pulled = lab.pod("other").await;
        immutable("-i").unwrap();
        assert!(pulled.unwrap().figures.cache_damaged >= 1);
        assert!(lab.same_trees("pod", "other"));
        fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn an_update_reads_only_what_changed_and_a_new_pod_everything() {
    let lab = Lab::new().await;
    let [core, _] = shop();
    lab.publish(
        1,
        &[core.clone(), ("theme", "skin", files([("a.css", "a{}")]))],
    )
    .await;
    lab.pod("one").await.unwrap();
    lab.publish(
        2,
        &[core, ("theme", "skin", files([("a.css", "a{color:red}")]))],
    )
    .await;
    let update = lab.pod("one").await.unwrap().figures;
    assert_eq!((update.cached_chunks, update.reused_files), (0, 200));
    lab.remove_blobs();
    let fresh = lab.pod("two").await.unwrap().figures;
    assert_eq!((fresh.reused_files, fresh.downloaded_bytes), (0, 0));
    assert!(lab.same_trees("one", "two"));
}

#[tokio::test]
async fn pods_that_start_together_download_each_chunk_once() {
    let lab = Lab::new().await;
    let manifest = lab.publish(1, &shop()).await;
    let size: u64 = manifest
        .modules
        .iter()
        .map(|module| module.size)
        .sum::<u64>()
        + manifest.to_json().len() as u64;
    let before = lab.store.stats().received();
    let pods = (0..8).map(|number| {
        let name = format!("pod{number}");
        let lab = &lab;
        async move { lab.pod(&name).await.unwrap() }
    });
    futures_util::future::join_all(pods).await;
    let received = lab.store.stats().received() - before;
    // The release object is small, and sent to those that do not find it in the cache yet.
    assert!(
        received >= size && received < size + 8 * 2000,
        "{received} bytes of {size}"
    );
    assert!((1..8).all(|number| lab.same_trees("pod0", &format!("pod{number}"))));
    assert_eq!(lab.incoming(), 0);
}

#[tokio::test]
async fn a_cache_that_others_can_enter_is_refused() {
    let lab = Lab::new().await;
    lab.publish(1, &shop()).await;
    fs::create_dir(lab.cache()).unwrap();
    fs::set_permissions(
        lab.cache(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let error = lab.pod("pod").await.unwrap_err();
    assert_eq!(error.reason(), release::Reason::Cache);
    assert!(
        lab.pod_with("pod", |settings| settings.cache = None)
            .await
            .is_ok()
    );
}

// A store that cannot be asked, in one way or another; it knows how often it was asked for what.
#[derive(Debug)]
struct Down {
    inner: Arc<dyn ObjectStore>,
    says: Says,
}

#[async_trait::async_trait]
impl ObjectStore for Down {
    async fn get(&self, key: &str, _: u64, _: Option<&Etag>) -> Result<Option<Object>, StoreError> {
        self.fail(key).await
    }

    async fn get_range(
        &self,
        key: &str,
        _: std::ops::Range<u64>,
        _: Option<&Etag>,
    ) -> Result<Body, StoreError> {
        self.fail(key).await
    }

    async fn head(&self, key: &str) -> Result<Option<Info>, StoreError> {
        self.fail(key).await
    }

    async fn put(&self, key: &str, _: bytes::Bytes, _: Condition) -> Result<Etag, StoreError> {
        self.fail(key).await
    }

    async fn put_file(
        &self,
        key: &str,
        _: &Path,
        _: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError> {
        self.fail(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.fail(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.fail(key).await
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

impl Down {
    async fn fail<T>(&self, key: &str) -> Result<T, StoreError> {
        let subject = store::Subject {
            action: store::Action::Read,
            key: key.to_owned(),
            store: "a store".into(),
        };
        match self.says {
            Says::Nothing => std::future::pending().await,
            Says::Unavailable => Err(StoreError::Unavailable {
                subject,
                code: "503 SlowDown".to_owned(),
            }),
            Says::Forbidden => Err(StoreError::Forbidden {
                subject,
                code: "AccessDenied".to_owned(),
            }),
            Says::Missing => Err(StoreError::Missing { subject }),
        }
    }
}

// How a store is down, or answers.
#[derive(Debug, Clone, Copy)]
enum Says {
    Nothing,
    Unavailable,
    Forbidden,
    Missing,
}

impl Lab {
    fn break_down(&mut self, says: Says) {
        self.store = Arc::new(Down {
            inner: Arc::clone(&self.store),
            says,
        });
    }
}

fn soon(settings: &mut Settings) {
    settings.deadline = Duration::from_secs(8);
}

#[tokio::test]
async fn a_new_pod_boots_while_the_store_is_down() {
    for answer in [Says::Nothing, Says::Unavailable] {
        let mut lab = Lab::new().await;
        lab.publish(1, &shop()).await;
        lab.pod("one").await.unwrap();
        lab.publish(2, &[("core", "", files([("index.php", "two")]))])
            .await;
        lab.pod("one").await.unwrap();
        lab.break_down(answer);
        let pulled = lab.pod_with("two", soon).await.unwrap();
        assert_eq!(
            (
                pulled.sequence.get(),
                pulled.origin,
                pulled.figures.downloaded_bytes
            ),
            (2, Origin::Cache, 0)
        );
        assert!(lab.same_trees("one", "two"));
        // Also a pod that is there already.
        assert_eq!(
            lab.pod_with("two", soon).await.unwrap().outcome,
            Outcome::AlreadyActive
        );
    }
}

#[tokio::test]
async fn an_answer_is_not_silence_and_a_node_without_memory_waits() {
    for (answer, reason) in [
        (Says::Forbidden, release::Reason::Forbidden),
        (Says::Missing, release::Reason::ChannelMissing),
    ] {
        let mut lab = Lab::new().await;
        lab.publish(1, &shop()).await;
        lab.pod("one").await.unwrap();
        lab.break_down(answer);
        assert_eq!(
            lab.pod_with("two", soon).await.unwrap_err().reason(),
            reason
        );
    }
    let mut lab = Lab::new().await;
    lab.publish(1, &shop()).await;
    lab.break_down(Says::Nothing);
    let error = lab.pod_with("one", soon).await.unwrap_err();
    assert_eq!(error.reason(), release::Reason::Deadline);
    lab.break_down(Says::Unavailable);
    assert_eq!(
        lab.pod_with("one", soon).await.unwrap_err().reason(),
        release::Reason::Unreachable
    );
}

#[tokio::test]
async fn what_the_node_remembers_meets_the_same_policy() {
    let mut lab = Lab::new().await;
    let manifest = lab.manifest(&shop(), &[]).await;
    let object = lab
        .sign(&manifest, 4, |release| {
            release.expires = Some(at(NOW + 100))
        })
        .await;
    lab.offer(&object).await;
    lab.pod("one").await.unwrap();
    lab.break_down(Says::Unavailable);
    let refused =
        async |change: fn(&mut Settings)| lab.pod_with("two", change).await.unwrap_err().reason();
    // The store's error stays the error, as it is the store that has to come back.
    assert_eq!(
        refused(|settings| settings.floor = Some(5.try_into().unwrap())).await,
        release::Reason::Unreachable
    );
    assert_eq!(
        refused(|settings| settings.now = at(NOW + 200)).await,
        release::Reason::Unreachable
    );
    assert_eq!(
        refused(|settings| settings.channel = "shops/other".parse().unwrap()).await,
        release::Reason::Unreachable
    );
    let stranger = SecretKey::generate(Algorithm::Ed25519).unwrap();
    let trust = TrustRoot::from_trusted(&root(1, &stranger, &[&stranger])).unwrap();
    let strange = lab.pod_with("two", |settings| settings.trust = trust).await;
    assert_eq!(strange.unwrap_err().reason(), release::Reason::Unreachable);
    assert!(!lab.directory.path().join("two/current").exists());
    assert_eq!(lab.pod("two").await.unwrap().origin, Origin::Cache);
}

#[tokio::test]
async fn a_damaged_release_object_of_the_cache_is_asked_for_again() {
    let lab = Lab::new().await;
    lab.publish(1, &shop()).await;
    lab.pod("one").await.unwrap();
    let object = fs::read_dir(lab.cache().join("v1/objects"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let length = fs::read(&object).unwrap().len();
    for at in [0, 20, length / 2, length - 2] {
        overwrite(&object, |bytes| bytes[at] ^= 4);
        assert_eq!(
            lab.pod("one").await.unwrap().outcome,
            Outcome::AlreadyActive
        );
        assert_eq!(fs::read(&object).unwrap().len(), length);
    }
}

#[tokio::test]
async fn successors_of_the_trust_root_are_remembered() {
    let mut lab = Lab::new().await;
    let manifest = lab.manifest(&shop(), &[]).await;
    let newer = SecretKey::generate(Algorithm::Ed25519).unwrap();
    lab.put(&key::trust_root(2), &root(2, &newer, &[&lab.key, &newer]))
        .await;
    let old = std::mem::replace(&mut lab.key, newer);
    let object = lab
        .sign(&manifest, 1, |release| release.root_version = 2)
        .await;
    lab.offer(&object).await;
    lab.pod("one").await.unwrap();
    lab.break_down(Says::Unavailable);
    assert_eq!(
        lab.pod_with("two", soon).await.unwrap().origin,
        Origin::Cache
    );
    drop(old);
}

#[tokio::test]
async fn a_file_decides_also_while_the_store_is_down() {
    let mut lab = Lab::new().await;
    let manifest = lab.manifest(&shop(), &[]).await;
    let object = lab.sign(&manifest, 1, |_| ()).await;
    let path = lab.directory.path().join("release.json");
    fs::write(&path, object).unwrap();
    let from_file = |settings: &mut Settings| {
        settings.source = Source::File(path.clone());
        settings.deadline = Duration::from_secs(8);
    };
    lab.pod_with("one", from_file).await.unwrap();
    lab.break_down(Says::Nothing);
    assert_eq!(
        lab.pod_with("two", from_file).await.unwrap().origin,
        Origin::Cache
    );
    assert!(lab.same_trees("one", "two"));
}

#[tokio::test]
async fn an_older_release_never_takes_the_place_of_a_newer_one() {
    let mut lab = Lab::new().await;
    lab.publish(1, &shop()).await;
    let older = fs::read(
        lab.directory
            .path()
            .join("store")
            .join(key::channel_head(&"shops/acme".parse().unwrap())),
    )
    .unwrap();
    lab.publish(2, &[("core", "", files([("index.php", "two")]))])
        .await;
    lab.pod("one").await.unwrap();
    // A pod that read the older one before, and is done later.
    lab.offer(&older).await;
    assert_eq!(lab.pod("slow").await.unwrap().sequence.get(), 1);
    lab.break_down(Says::Unavailable);
    assert_eq!(lab.pod_with("two", soon).await.unwrap().sequence.get(), 2);
}
