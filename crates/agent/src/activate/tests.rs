//! The engine on a real release root and a real store, with a shop that is as good as a file of the tree says.

#![allow(clippy::disallowed_methods, reason = "a test prepares what is on the disk")]

mod clock;
mod meanwhile;
mod model;
mod timer;

use super::*;
use deploy::pull::{Follower, MEMORY, Settings, Source};
use release::{Algorithm, Envelope, Manifest, Migration, Module, Release, SecretKey, Sequence, TrustRoot, Verified, key};
use std::path::Path;
use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use store::{Condition, Location, ObjectStore, Options};
use tempfile::TempDir;
use tokio::sync::Notify;

// A channel, its publisher, and one pod.
struct Lab {
    directory: TempDir,
    store: Arc<dyn ObjectStore>,
    key: SecretKey,
    trust: Verified<TrustRoot>,
    sequence: u64,
}

// Who signs a release.
#[derive(Clone, Copy)]
enum Signer<'a> {
    Publisher,
    Stranger(&'a SecretKey),
    Nobody,
}

// Works where the tree that `current` names says so in `health`.
#[derive(Debug, Clone)]
struct Scripted {
    root: PathBuf,
    // The step that does not come to an end, and that it was reached.
    hangs: Arc<Mutex<&'static str>>,
    hanging: Arc<Notify>,
    // What the hook before writes into the operators' file `pause`.
    pauses: Arc<Mutex<Option<&'static str>>>,
    probes: Arc<AtomicUsize>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn hang(&self, step: &'static str) {
        *self.hangs.lock().unwrap() = step;
    }

    async fn step(&self, name: &str) {
        let hangs = *self.hangs.lock().unwrap() == name;
        if hangs {
            self.hanging.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

impl Shop for Scripted {
    async fn before(&self, switch: &Switch) -> Result<(), String> {
        self.said.lock().unwrap().push(format!("before {}", switch.sequence));
        assert!(switch.tree.join("health").is_file(), "the tree is complete before the hook");
        if let Some(why) = self.pauses.lock().unwrap().take() {
            fs::write(self.root.with_file_name("control").join("pause"), why).unwrap();
        }
        self.step("before").await;
        Ok(())
    }

    async fn warm(&self, switch: &Switch) {
        self.said.lock().unwrap().push(format!("warm {}", switch.sequence));
        self.step("warm").await;
    }

    async fn rehearse(&self, switch: &Switch) -> Result<(), String> {
        self.step("rehearse").await;
        let health = fs::read_to_string(switch.tree.join("health")).unwrap();
        if health.starts_with("broken") { Err(format!("the rehearsal said {health:?}")) } else { Ok(()) }
    }

    async fn reload(&self) {}

    async fn probe(&self) -> Result<(), Problem> {
        self.probes.fetch_add(1, SeqCst);
        self.step("probe").await;
        let health = fs::read_to_string(self.root.join("current/health")).unwrap();
        if health.starts_with("good") {
            self.step("probe good").await;
        }
        match health.split(' ').next() {
            Some("good") => Ok(()),
            Some("silent") => Err(Problem::Silent("nobody listens".into())),
            _ => Err(Problem::Bad(format!("the page said {health:?}"))),
        }
    }

    async fn after(&self, switch: &Switch, _before: Option<&Path>) -> Result<(), String> {
        self.said.lock().unwrap().push(format!("after {}", switch.sequence));
        self.step("after").await;
        Ok(())
    }
}

impl Lab {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["store", "control"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let store = store::open(&Location::Directory(directory.path().join("store")), &Options::default()).await.unwrap();
        let key = SecretKey::generate(Algorithm::Ed25519).unwrap();
        let expires = Timestamp::now() + Duration::from_hours(24);
        let mut root = TrustRoot::new(1, expires, [key.public().clone()].into(), 1).unwrap().to_envelope();
        root.sign(&key).unwrap();
        let trust = TrustRoot::from_trusted(&root.to_json()).unwrap();
        Self { directory, store, key, trust, sequence: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    // Publishes a release whose `health` is this, under the next sequence.
    async fn publish(&mut self, health: &str, migration: Migration) -> Sha256 {
        self.publish_as(health, migration, None, Signer::Publisher).await
    }

    // The same with an end, and signed by this key.
    async fn publish_as(&mut self, health: &str, migration: Migration, expires: Option<Timestamp>, signer: Signer<'_>) -> Sha256 {
        self.sequence += 1;
        let source = tempfile::tempdir().unwrap();
        fs::write(source.path().join("health"), health).unwrap();
        let mut tarball = Vec::new();
        let packed = tarball::pack(&tarball::scan(source.path(), &[]).unwrap(), &mut tarball, tarball::PackOptions::default()).unwrap();
        self.store.put(&key::blob(&packed.sha256), tarball.into(), Condition::Always).await.unwrap();
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
        };
        let bytes = manifest.to_json();
        let digest = Sha256::of(&bytes);
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
        self.store.put(&key::blob(&digest), bytes.into(), Condition::Always).await.unwrap();
        let mut envelope = release.to_envelope().unwrap();
        match signer {
            Signer::Publisher => envelope.sign(&self.key).unwrap(),
            Signer::Stranger(key) => envelope.sign(key).unwrap(),
            Signer::Nobody => {}
        }
        let head = key::channel_head(&release.channel);
        self.store.put(&head, envelope.to_json().into(), Condition::Always).await.unwrap();
        digest
    }

    // Signs what the channel has in force once more, with this change.
    async fn sign_anew(&self, change: impl FnOnce(&mut Release)) {
        let head = key::channel_head(&"shops/acme".parse().unwrap());
        let object = fs::read(self.path("store").join(&head)).unwrap();
        let mut release = Release::clone(&self.trust.verify_release(&Envelope::parse(&object).unwrap()).unwrap());
        change(&mut release);
        let mut envelope = release.to_envelope().unwrap();
        envelope.sign(&self.key).unwrap();
        self.store.put(&head, envelope.to_json().into(), Condition::Always).await.unwrap();
    }

    fn shop(&self) -> Scripted {
        Scripted {
            root: self.path("root"),
            hangs: Arc::default(),
            hanging: Arc::default(),
            pauses: Arc::default(),
            probes: Arc::default(),
            said: Arc::default(),
        }
    }

    // The agent as it is after a start.
    fn engine(&self, shop: &Scripted) -> Engine<Scripted> {
        self.engine_of(shop, Sources::new(self.follower(Source::Channel), Vec::new()))
    }

    fn follower(&self, source: Source) -> Follower {
        let settings = Settings {
            channel: "shops/acme".parse().unwrap(),
            root: self.path("root"),
            trust: self.trust.clone(),
            source,
            floor: None,
            storage: None,
            cache: None,
            memory: MEMORY,
            deadline: Duration::from_mins(1),
            now: Timestamp::now(),
        };
        Follower::new(settings, Arc::clone(&self.store))
    }

    fn engine_of(&self, shop: &Scripted, sources: Sources) -> Engine<Scripted> {
        Engine {
            root: self.path("root"),
            sources,
            shop: shop.clone(),
            control: Some(self.path("control")),
            board: Board::for_tests(),
            wake: Wake::default(),
            passed: gate::Passed::default(),
            clock: Timestamp::now,
        }
    }

    fn say(&self, file: &str, text: &str) {
        fs::write(self.path("control").join(file), text).unwrap();
    }

    fn health(&self) -> String {
        fs::read_to_string(self.path("root/current/health")).unwrap_or_default()
    }
}

async fn look(engine: &mut Engine<Scripted>) -> Look {
    engine.look(&CancellationToken::new()).await
}

#[tokio::test]
async fn a_good_release_runs_and_its_hooks_hear_of_it() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    assert_eq!(look(&mut engine).await, Look::Settled);
    assert_eq!((lab.health().as_str(), shop.probes.load(SeqCst)), ("good 1", 1));
    assert_eq!(*shop.said.lock().unwrap(), ["before 1", "warm 1", "after 1"]);
    // Nothing new: nobody is bothered, and the store hears one question.
    let requests = lab.store.stats().requests();
    assert_eq!(look(&mut engine).await, Look::Settled);
    assert_eq!((shop.probes.load(SeqCst), lab.store.stats().requests() - requests), (1, 1));
}

#[tokio::test]
async fn a_bad_release_goes_and_is_not_tried_again_until_an_operator_says_so() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    look(&mut engine).await;
    let bad = lab.publish("bad 2", Migration::None).await;
    assert_eq!(look(&mut engine).await, Look::Settled);
    assert_eq!(lab.health(), "good 1");
    let state = View::read(&lab.path("root")).unwrap().state;
    assert!(state.rejected[&bad].reason.contains("bad 2") && state.trial.is_none());
    let probes = shop.probes.load(SeqCst);
    // The same manifest under a new sequence, also after a restart.
    lab.publish("bad 2", Migration::None).await;
    look(&mut engine).await;
    look(&mut lab.engine(&shop)).await;
    assert_eq!((lab.health().as_str(), shop.probes.load(SeqCst)), ("good 1", probes));
    // An operator says so, once. The kernel dates files by a clock that is up to 10 ms behind.
    tokio::time::sleep(Duration::from_millis(20)).await;
    lab.say("retry", &bad.to_string());
    look(&mut engine).await;
    assert_eq!((lab.health().as_str(), shop.probes.load(SeqCst) > probes), ("good 1", true));
    let probes = shop.probes.load(SeqCst);
    look(&mut engine).await;
    look(&mut lab.engine(&shop)).await;
    assert_eq!(shop.probes.load(SeqCst), probes);
    // A newer good one goes through.
    lab.publish("good 4", Migration::None).await;
    look(&mut engine).await;
    assert_eq!(lab.health(), "good 4");
}

#[tokio::test]
async fn a_release_that_fails_its_rehearsal_is_met_by_nobody() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    look(&mut engine).await;
    let broken = lab.publish("broken 2", Migration::None).await;
    assert_eq!((look(&mut engine).await, look(&mut engine).await), (Look::Settled, Look::Settled));
    let state = View::read(&lab.path("root")).unwrap().state;
    assert_eq!((lab.health().as_str(), state.accepted.unwrap().sequence.get(), shop.probes.load(SeqCst)), ("good 1", 1, 1));
    assert!(state.rejected[&broken].reason.contains("broken 2"));
}

#[tokio::test]
async fn a_release_waits_for_the_migration_of_one_that_it_overtook() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    look(&mut engine).await;
    lab.publish("good 2", Migration::Breaking).await;
    assert_eq!(look(&mut engine).await, Look::Held);
    lab.publish("good 3", Migration::None).await;
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Held, "good 1"));
    let newer = engine.board.now().newer.clone().unwrap();
    assert!(newer.why == Why::Migration && newer.detail.contains("sequence 2 is breaking"), "{newer:?}");
    lab.say("migrated", "2");
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 3"));
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_held_against_the_release() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    look(&mut engine).await;
    lab.publish("silent 2", Migration::None).await;
    assert_eq!(look(&mut engine).await, Look::Failed);
    let state = View::read(&lab.path("root")).unwrap().state;
    assert!(state.trial.is_some() && state.rejected.is_empty());
    fs::write(lab.path("root/current/health"), "good again").unwrap();
    assert_eq!(look(&mut engine).await, Look::Settled);
    assert!(View::read(&lab.path("root")).unwrap().state.trial.is_none());
}

#[tokio::test]
async fn of_two_sources_the_higher_sequence_counts_and_a_source_that_lags_is_no_failure() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let (file, head) = (lab.path("release.json"), lab.path("store").join(key::channel_head(&"shops/acme".parse().unwrap())));
    lab.publish("good 1", Migration::None).await;
    fs::copy(&head, &file).unwrap();
    let first = lab.follower(Source::File(file.clone()));
    let mut engine = lab.engine_of(&shop, Sources::new(first, vec![lab.follower(Source::Channel)]));
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 1"));
    // The channel is ahead of the file.
    lab.publish("good 2", Migration::None).await;
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 2"));
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 2"));
    // The file is ahead of the channel, which shows an old release again.
    let old = fs::read(&head).unwrap();
    lab.publish("good 3", Migration::None).await;
    fs::copy(&head, &file).unwrap();
    fs::write(&head, old).unwrap();
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 3"));
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 3"));
    // One source is gone: that is a failure, and nothing else.
    fs::remove_file(&file).unwrap();
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Failed, "good 3"));
}

#[tokio::test]
async fn what_waits_at_the_gate_is_staged_and_asks_one_question_a_look() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    look(&mut engine).await;
    lab.publish("good 2", Migration::Breaking).await;
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Held, "good 1"));
    let requests = lab.store.stats().requests();
    assert_eq!(look(&mut engine).await, Look::Held);
    assert_eq!(lab.store.stats().requests() - requests, 1);
    lab.say("migrated", "1");
    assert_eq!(look(&mut engine).await, Look::Held);
    lab.say("migrated", "2");
    lab.say("pause", "sale");
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Held, "good 1"));
    lab.say("pause", "");
    assert_eq!((look(&mut engine).await, lab.health().as_str()), (Look::Settled, "good 2"));
}
