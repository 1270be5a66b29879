//! Any order of releases, crashes and restarts ends on the newest release that works, as a model of a page says.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Publish { good: bool, number: u8 },
    Look,
    // The process dies while the shop is probed, if it comes to that.
    Crash,
    Restart,
    Pause(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (any::<bool>(), 0u8..3).prop_map(|(good, number)| Step::Publish { good, number }),
        4 => Just(Step::Look),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Pause),
    ];
    prop::collection::vec(step, 1..14)
}

// What runs, and what never will again.
#[derive(Debug, Default)]
struct Model {
    offered: String,
    running: String,
    rejected: BTreeSet<String>,
    paused: bool,
}

impl Model {
    fn look(&mut self) {
        if self.offered == self.running || self.paused || self.rejected.contains(&self.offered) {
            return;
        }
        if self.offered.starts_with("good") {
            self.running.clone_from(&self.offered);
        } else {
            self.rejected.insert(self.offered.clone());
        }
    }
}

async fn follow(steps: Vec<Step>) {
    let mut lab = Lab::new().await;
    let (shop, mut model) = (lab.shop(), Model { offered: "good".into(), ..Model::default() });
    let mut engine = lab.engine(&shop);
    lab.publish("good", Migration::None).await;
    look(&mut engine).await;
    model.look();
    for step in steps {
        match step {
            Step::Publish { good, number } => {
                model.offered = format!("{} {number}", if good { "good" } else { "bad" });
                lab.publish(&model.offered, Migration::None).await;
            }
            Step::Look => {
                look(&mut engine).await;
                model.look();
            }
            Step::Crash => {
                shop.hang("probe");
                // Dropped where it is.
                tokio::time::timeout(Duration::from_millis(150), look(&mut engine)).await.ok();
                shop.hang("");
                engine = lab.engine(&shop);
                // Threads of the one that was dropped may hold the root for a moment, as a killed process does not.
                for _ in 0..100 {
                    if look(&mut engine).await != Look::Failed {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                model.look();
            }
            Step::Restart => engine = lab.engine(&shop),
            Step::Pause(paused) => {
                lab.say("pause", if paused { "sale" } else { "" });
                model.paused = paused;
            }
        }
        let state = View::read(&lab.path("root")).unwrap().state;
        let accepted = state.accepted.map(|accepted| accepted.sequence.get());
        assert!(accepted <= Some(lab.sequence));
    }
    lab.say("pause", "");
    model.paused = false;
    look(&mut engine).await;
    model.look();
    assert_eq!(lab.health(), model.running, "{model:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_order_ends_on_the_newest_release_that_works(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(follow(steps));
    }
}
