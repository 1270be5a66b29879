//! A node whose store is down, or answers strangely.

use super::*;
use store::{Body, Etag, Info, Listed, Object, Stats, StoreError};

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
pub(super) enum Says {
    Nothing,
    Unavailable,
    Forbidden,
    Missing,
}

impl Lab {
    pub(super) fn break_down(&mut self, says: Says) {
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
            PullOutcome::AlreadyActive
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
            release.expires = Some(at(NOW + 100));
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
            PullOutcome::AlreadyActive
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
