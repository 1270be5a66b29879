//! Any order of releases, crashes and restarts ends on the newest release that is acceptable and
//! works, as a model of a page says.

use super::*;
use proptest::prelude::*;
use release::{Algorithm, SecretKey};
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        health: &'static str,
        number: u8,
        migration: Migration,
    },
    // What no pod may accept: signed by nobody, by somebody else, or over; and the object of some
    // time ago, once more.
    Unsigned,
    Foreign,
    Expired,
    Replay(prop::sample::Index),
    Reconcile,
    // The process dies while it is at this, if it comes to that.
    Crash(&'static str),
    Restart,
    Pause(bool),
    // The database is ready for all that was published.
    Migrated,
    // An operator has one tried again that was rejected.
    Retry(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let health = prop_oneof![2 => Just("good"), 1 => Just("bad"), 1 => Just("broken")];
    let migration = prop_oneof![3 => Just(Migration::None), 1 => Just(Migration::Breaking)];
    let step = prop_oneof![
        8 => (health, 0u8..3, migration).prop_map(|(health, number, migration)| Step::Publish { health, number, migration }),
        1 => Just(Step::Unsigned),
        1 => Just(Step::Foreign),
        1 => Just(Step::Expired),
        2 => any::<prop::sample::Index>().prop_map(Step::Replay),
        8 => Just(Step::Reconcile),
        4 => prop::sample::select(vec!["before", "warm", "rehearse", "probe"]).prop_map(Step::Crash),
        2 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Pause),
        2 => Just(Step::Migrated),
        2 => any::<prop::sample::Index>().prop_map(Step::Retry),
    ];
    prop::collection::vec(step, 1..14)
}

// A release object, as it lies in the channel.
#[derive(Debug, Clone)]
struct Offer {
    sequence: u64,
    manifest: Sha256,
    health: String,
    migration: Migration,
    genuine: bool,
}

// What runs, and what never will again.
#[derive(Debug)]
struct Model {
    offered: Offer,
    running: Offer,
    accepted: u64,
    rejected: BTreeSet<Sha256>,
    retry: Option<Sha256>,
    // The newest with a migration that was seen since the start.
    passed: Option<u64>,
    migrated: u64,
    paused: bool,
}

impl Model {
    fn acceptable(&self) -> bool {
        self.offered.genuine
            && self.offered.sequence >= self.accepted
            && !self.rejected.contains(&self.offered.manifest)
    }

    // Whether it comes to a switch.
    fn goes(&mut self) -> bool {
        if let Some(manifest) = self.retry.take() {
            self.rejected.remove(&manifest);
        }
        if !self.acceptable() {
            return false;
        }
        let sequence = self.offered.sequence;
        if self.offered.manifest == self.running.manifest {
            (self.accepted, self.running.sequence) = (sequence, sequence);
            return false;
        }
        let needs = if self.offered.migration == Migration::None {
            self.passed
                .filter(|passed| (self.running.sequence + 1..sequence).contains(passed))
        } else {
            self.passed = Some(sequence);
            self.passed
        };
        !self.paused && needs.is_none_or(|needs| needs <= self.migrated)
    }

    fn reconcile(&mut self) {
        if !self.goes() {
            return;
        }
        if !self.offered.health.starts_with("broken") {
            self.accepted = self.offered.sequence;
        }
        if self.offered.health.starts_with("good") {
            self.running = self.offered.clone();
        } else {
            self.rejected.insert(self.offered.manifest);
        }
    }

    // What a look that died in the middle leaves: the next one does the rest.
    fn crash(&mut self, at: &str) {
        let reached = self.goes();
        let broken = self.offered.health.starts_with("broken");
        if reached && broken && at == "probe" {
            self.rejected.insert(self.offered.manifest);
        }
        self.passed = None;
    }
}

async fn publish(lab: &mut Lab, health: &str, migration: Migration) -> Offer {
    let manifest = lab.publish(health, migration).await;
    Offer {
        sequence: lab.sequence,
        manifest,
        health: health.to_owned(),
        migration,
        genuine: true,
    }
}

// What is on the disk is what the model says.
fn compare(lab: &Lab, model: &Model) {
    let state = View::read(&lab.path("root")).unwrap().state;
    assert_eq!(lab.health(), model.running.health, "{model:?}");
    assert_eq!(
        state.rejected.keys().copied().collect::<BTreeSet<_>>(),
        model.rejected,
        "{model:?}"
    );
    assert_eq!(
        state.accepted.map(|accepted| accepted.sequence.get()),
        Some(model.accepted),
        "{model:?}"
    );
}

async fn follow(steps: Vec<Step>) {
    let mut lab = Lab::new().await;
    let head = lab
        .path("store")
        .join(key::channel_head(&"shops/acme".parse().unwrap()));
    let (shop, stranger) = (lab.shop(), SecretKey::generate(Algorithm::Ed25519).unwrap());
    let mut engine = lab.engine(&shop);
    let first = publish(&mut lab, "good", Migration::None).await;
    reconcile(&mut engine).await;
    let (offered, running) = (first.clone(), first);
    let mut model = Model {
        offered,
        running,
        accepted: 1,
        rejected: BTreeSet::new(),
        retry: None,
        passed: None,
        migrated: 0,
        paused: false,
    };
    let mut published = vec![(model.offered.clone(), fs::read(&head).unwrap())];
    for step in steps {
        match step {
            Step::Publish {
                health,
                number,
                migration,
            } => {
                model.offered = publish(&mut lab, &format!("{health} {number}"), migration).await;
                published.push((model.offered.clone(), fs::read(&head).unwrap()));
            }
            Step::Unsigned | Step::Foreign | Step::Expired => {
                let (expires, signer) = match step {
                    Step::Unsigned => (None, Signer::Nobody),
                    Step::Foreign => (None, Signer::Stranger(&stranger)),
                    _ => (
                        Some(Timestamp::now() - Duration::from_hours(1)),
                        Signer::Publisher,
                    ),
                };
                lab.publish_as("good, and not to be had", Migration::None, expires, signer)
                    .await;
                model.offered.genuine = false;
            }
            Step::Replay(which) => {
                let (offer, object) = which.get(&published);
                model.offered = offer.clone();
                fs::write(&head, object).unwrap();
            }
            Step::Reconcile => {
                reconcile(&mut engine).await;
                model.reconcile();
            }
            Step::Crash(at) => {
                shop.hang(at);
                let asked = CancellationToken::new();
                tokio::select! {
                    _ended = engine.reconcile(&asked) => {}
                    // Dropped where it is.
                    () = shop.hanging.notified() => {}
                }
                shop.hang("");
                model.crash(at);
                engine = lab.engine(&shop);
                reconcile(&mut engine).await;
                model.reconcile();
            }
            Step::Restart => {
                engine = lab.engine(&shop);
                model.passed = None;
            }
            Step::Pause(paused) => {
                lab.say("pause", if paused { "sale" } else { "" });
                model.paused = paused;
            }
            Step::Migrated => {
                lab.say("migrated", &lab.sequence.to_string());
                model.migrated = lab.sequence;
            }
            Step::Retry(_) if model.rejected.is_empty() => {}
            Step::Retry(which) => {
                let manifest = *which.get(&model.rejected.iter().copied().collect::<Vec<_>>());
                // The kernel dates files by a clock that is up to 10 ms behind.
                tokio::time::sleep(Duration::from_millis(15)).await;
                lab.say("retry", &manifest.to_string());
                model.retry = Some(manifest);
            }
        }
        compare(&lab, &model);
    }
    lab.say("pause", "");
    model.paused = false;
    reconcile(&mut engine).await;
    model.reconcile();
    assert_eq!(lab.health(), model.running.health, "{model:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_order_ends_on_the_newest_release_that_is_acceptable_and_works(steps in steps()) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(follow(steps));
    }
}
