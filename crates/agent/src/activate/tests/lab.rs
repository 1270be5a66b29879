//! A pod of the tests: a channel with its publisher, a release root, and a shop that does as its
//! tree says.

use super::*;
use crate::Board;
use crate::watch::Wake;
use deploy::pull::{Follower, MEMORY, Settings, Source};
use php::Problem;
use release::{
    Algorithm, Envelope, Manifest, Migration, Module, Release, SecretKey, Sequence, TrustRoot,
    Verified, key,
};
use std::path::PathBuf;
use std::time::Duration;
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use store::{Condition, Location, ObjectStore, Options};
use tempfile::TempDir;
use tokio::sync::Notify;

// A channel, its publisher, and one pod.
pub(super) struct Lab {
    pub(super) directory: TempDir,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) key: SecretKey,
    pub(super) trust: Verified<TrustRoot>,
    pub(super) sequence: u64,
}

// Who signs a release.
#[derive(Clone, Copy)]
pub(super) enum Signer<'a> {
    Publisher,
    Stranger(&'a SecretKey),
    Nobody,
}

// Works where the tree that `current` names says so in `health`.
#[derive(Debug, Clone)]
pub(super) struct Scripted {
    pub(super) root: PathBuf,
    // The step that does not come to an end, and that it was reached.
    pub(super) hangs: Arc<Mutex<&'static str>>,
    pub(super) hanging: Arc<Notify>,
    // Ends the hang.
    pub(super) go_on: Arc<Notify>,
    // What the hook before writes into the operators' file `pause`.
    pub(super) pauses: Arc<Mutex<Option<&'static str>>>,
    pub(super) probes: Arc<AtomicUsize>,
    pub(super) said: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(super) fn hang(&self, step: &'static str) {
        *self.hangs.lock().unwrap() = step;
    }

    // Whether what the shop needs is away.
    fn is_alone(&self) -> bool {
        self.root.with_file_name("alone").exists()
    }

    async fn step(&self, name: &str) {
        let hangs = *self.hangs.lock().unwrap() == name;
        if hangs {
            self.hanging.notify_one();
            self.go_on.notified().await;
        }
    }
}

impl Shop for Scripted {
    async fn before(&self, switch: &Switch) -> Result<(), String> {
        self.said
            .lock()
            .unwrap()
            .push(format!("before {}", switch.sequence));
        assert!(
            switch.tree.join("health").is_file(),
            "the tree is complete before the hook"
        );
        if let Some(why) = self.pauses.lock().unwrap().take() {
            fs::write(self.root.with_file_name("control").join("pause"), why).unwrap();
        }
        self.step("before").await;
        Ok(())
    }

    async fn warm(&self, switch: &Switch) {
        self.said
            .lock()
            .unwrap()
            .push(format!("warm {}", switch.sequence));
        self.step("warm").await;
    }

    async fn rehearse(&self, switch: &Switch) -> Result<(), Objection> {
        self.step("rehearse").await;
        let health = fs::read_to_string(switch.tree.join("health")).unwrap();
        if self.is_alone() {
            return Err(Objection::Surroundings("no database".into()));
        }
        if health.starts_with("broken") {
            Err(Objection::Release(format!("the rehearsal said {health:?}")))
        } else {
            Ok(())
        }
    }

    async fn reload(&self) {}

    async fn probe(&self) -> Result<(), Problem> {
        self.probes.fetch_add(1, SeqCst);
        self.step("probe").await;
        let health = fs::read_to_string(self.root.join("current/health")).unwrap();
        if health == "takes the database away 2" {
            fs::write(self.root.with_file_name("alone"), "").unwrap();
        }
        if health.starts_with("good") {
            self.step("probe good").await;
        }
        match health.split(' ').next() {
            Some("good") => Ok(()),
            Some("minds") if !self.is_alone() => Ok(()),
            Some("silent") => Err(Problem::Silent("nobody listens".into())),
            _ => Err(Problem::Bad(format!("the page said {health:?}"))),
        }
    }

    async fn again(&self, _before: &Path) -> Result<(), Objection> {
        self.step("again").await;
        if self.is_alone() {
            return Err(Objection::Surroundings(
                "no database at the same time".into(),
            ));
        }
        let health = fs::read_to_string(self.root.join("current/health")).unwrap();
        if health.starts_with("good") || health.starts_with("minds") {
            Ok(())
        } else {
            Err(Objection::Release(health))
        }
    }

    async fn control(&self) -> Result<(), Problem> {
        self.step("control").await;
        if self.is_alone() {
            Err(Problem::Bad("no database".into()))
        } else {
            self.probe().await
        }
    }

    async fn after(&self, switch: &Switch, _before: Option<&Path>) -> Result<(), String> {
        self.said
            .lock()
            .unwrap()
            .push(format!("after {}", switch.sequence));
        self.step("after").await;
        Ok(())
    }
}

impl Lab {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["store", "control"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let store = store::open(
            &Location::Directory(directory.path().join("store")),
            &Options::default(),
        )
        .await
        .unwrap();
        let key = SecretKey::generate(Algorithm::Ed25519).unwrap();
        let expires = Timestamp::now() + Duration::from_hours(24);
        let mut root = TrustRoot::new(1, expires, [key.public().clone()].into(), 1)
            .unwrap()
            .to_envelope();
        root.sign(&key).unwrap();
        let trust = TrustRoot::from_trusted(&root.to_json()).unwrap();
        Self {
            directory,
            store,
            key,
            trust,
            sequence: 0,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    // Publishes a release whose `health` is this, under the next sequence.
    pub(super) async fn publish(&mut self, health: &str, migration: Migration) -> Sha256 {
        self.publish_as(health, migration, None, Signer::Publisher)
            .await
    }

    // The same with an end, and signed by this key.
    pub(super) async fn publish_as(
        &mut self,
        health: &str,
        migration: Migration,
        expires: Option<Timestamp>,
        signer: Signer<'_>,
    ) -> Sha256 {
        self.sequence += 1;
        let source = tempfile::tempdir().unwrap();
        fs::write(source.path().join("health"), health).unwrap();
        let mut tarball = Vec::new();
        let packed = tarball::pack(
            &tarball::scan(source.path(), &[]).unwrap(),
            &mut tarball,
            tarball::PackOptions::default(),
        )
        .unwrap();
        self.store
            .put(
                &key::blob(&packed.sha256),
                tarball.into(),
                Condition::Always,
            )
            .await
            .unwrap();
        let module = Module {
            name: "shop".parse().unwrap(),
            version: "1".parse().unwrap(),
            target: None,
            sha256: packed.sha256,
            size: packed.size,
            chunks: packed.chunks,
            replaced: Vec::new(),
        };
        let manifest = Manifest {
            schema: 1,
            modules: vec![module],
            files: packed.files,
            bytes: packed.bytes,
            shared: Vec::new(),
            writable: Vec::new(),
            php: None,
            migration,
            case_sensitive: false,
        };
        let bytes = manifest.to_json();
        let digest = Sha256::digest(&bytes);
        let now = Timestamp::now();
        let release = Release {
            channel: "shops/acme".parse().unwrap(),
            sequence: Sequence::try_from(self.sequence).unwrap(),
            created: expires.map_or(now, |expires| expires - Duration::from_hours(1)),
            expires,
            root_version: 1,
            migration,
            manifest: digest,
            manifest_size: bytes.len() as u64,
        };
        self.store
            .put(&key::blob(&digest), bytes.into(), Condition::Always)
            .await
            .unwrap();
        let mut envelope = release.to_envelope().unwrap();
        match signer {
            Signer::Publisher => envelope.sign(&self.key).unwrap(),
            Signer::Stranger(key) => envelope.sign(key).unwrap(),
            Signer::Nobody => {}
        }
        let head = key::channel_head(&release.channel);
        self.store
            .put(&head, envelope.to_json().into(), Condition::Always)
            .await
            .unwrap();
        digest
    }

    // Signs what the channel has in force once more, with this change.
    pub(super) async fn sign_anew(&self, change: impl FnOnce(&mut Release)) {
        let head = key::channel_head(&"shops/acme".parse().unwrap());
        let object = fs::read(self.path("store").join(&head)).unwrap();
        let mut release = Release::clone(
            &self
                .trust
                .verify_release(&Envelope::parse(&object).unwrap())
                .unwrap(),
        );
        change(&mut release);
        let mut envelope = release.to_envelope().unwrap();
        envelope.sign(&self.key).unwrap();
        self.store
            .put(&head, envelope.to_json().into(), Condition::Always)
            .await
            .unwrap();
    }

    pub(super) fn shop(&self) -> Scripted {
        Scripted {
            root: self.path("root"),
            hangs: Arc::default(),
            hanging: Arc::default(),
            go_on: Arc::default(),
            pauses: Arc::default(),
            probes: Arc::default(),
            said: Arc::default(),
        }
    }

    // The agent as it is after a start.
    pub(super) fn engine(&self, shop: &Scripted) -> Activator<Scripted> {
        self.engine_of(
            shop,
            Sources::new(self.follower(Source::Channel), Vec::new()),
        )
    }

    pub(super) fn follower(&self, source: Source) -> Follower {
        let settings = Settings {
            channel: "shops/acme".parse().unwrap(),
            root: self.path("root"),
            trust: self.trust.clone(),
            source,
            floor: None,
            trust_floor: 0,
            places: deploy::Places::default(),
            cache: None,
            memory: MEMORY,
            deadline: Duration::from_mins(1),
            now: Timestamp::now(),
        };
        Follower::new(settings, Arc::clone(&self.store))
    }

    pub(super) fn engine_of(&self, shop: &Scripted, sources: Sources) -> Activator<Scripted> {
        Activator {
            root: self.path("root"),
            sources,
            shop: shop.clone(),
            control: Some(self.path("control")),
            board: Board::for_tests(),
            wake: Wake::default(),
            passed: Passed::new(),
            retried: None,
            clock: Timestamp::now,
        }
    }

    pub(super) fn say(&self, file: &str, text: &str) {
        fs::write(self.path("control").join(file), text).unwrap();
    }

    pub(super) fn health(&self) -> String {
        fs::read_to_string(self.path("root/current/health")).unwrap_or_default()
    }
}

pub(super) async fn reconcile(engine: &mut Activator<Scripted>) -> Reconciled {
    engine.reconcile(&CancellationToken::new()).await
}

// A pod that runs `good 1`.
pub(super) async fn running() -> (Lab, Activator<Scripted>) {
    let mut lab = Lab::new().await;
    let mut engine = lab.engine(&lab.shop());
    lab.publish("good 1", Migration::None).await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 1")
    );
    (lab, engine)
}
