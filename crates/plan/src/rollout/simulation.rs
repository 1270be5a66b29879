//! Rollouts played through: whatever pods do, whoever pauses, and however often the scheduler
//! starts again.

mod endings;
mod evidence;
mod properties;
mod visitors;

use super::{
    Assigned, Decision, Evidence, Health, Move, Situation, View, bounds, decide, order, test::spec,
};
use api::{FailureBudget, OnFailure, Phase, RolloutSpec, RolloutStatus};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What becomes of a shop that is assigned the release.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It is well after so many minutes.
    Well(i64),
    /// It says that it does not work after so many minutes.
    Bad(i64),
    /// It is well after so many minutes, and then lacks a pod for one minute in every few.
    Flaps(i64),
    /// It never says anything.
    Silent,
}

struct World {
    name: &'static str,
    spec: RolloutSpec,
    status: RolloutStatus,
    fates: BTreeMap<String, Fate>,
    assigned: BTreeMap<String, (Assigned, Timestamp)>,
    /// When each was last seen well.
    well: BTreeMap<String, Timestamp>,
    /// Migrations of other rollouts.
    loaded: BTreeMap<String, usize>,
    order: Vec<String>,
    held: Option<&'static str>,
    promoted: Option<u32>,
    evidence: Evidence,
    breaking: bool,
    now: Timestamp,
    /// Most shops that were on their way together, in all and on one database.
    most: (usize, usize),
}

impl World {
    fn new(spec: RolloutSpec, fates: &[Fate]) -> Self {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let fates: BTreeMap<_, _> = fates
            .iter()
            .enumerate()
            .map(|(index, fate)| (format!("s{index:03}"), *fate))
            .collect();
        let assigned = fates
            .keys()
            .map(|shop| (shop.clone(), (Assigned::Other, now)))
            .collect();
        let order = order("test", &spec, fates.keys().map(String::as_str));
        let status = RolloutStatus::default();
        let (well, loaded) = (BTreeMap::new(), BTreeMap::new());
        Self {
            name: "test",
            spec,
            status,
            fates,
            assigned,
            well,
            loaded,
            order,
            held: None,
            promoted: None,
            evidence: Evidence::NotAsked,
            breaking: false,
            now,
            most: (0, 0),
        }
    }

    fn view(&self, shop: &str) -> View {
        let (assigned, mut since) = self.assigned[shop];
        let age = self.now.duration_since(since).as_mins();
        let health = match (assigned, self.fates[shop]) {
            (Assigned::This, Fate::Flaps(minutes)) if age >= minutes => {
                // Each at a minute of its own, so that there always is one.
                let lacks = (self.now.as_second() / 60 + i64::from(shop.as_bytes()[3])) % 3 == 0
                    && age > minutes;
                since = if lacks { self.now } else { since };
                if lacks { Health::Pending } else { Health::Good }
            }
            (Assigned::This, Fate::Well(minutes)) if age >= minutes => Health::Good,
            (Assigned::This, Fate::Bad(minutes)) if age >= minutes => {
                Health::Bad("probe failed".to_owned())
            }
            (Assigned::This, _) => Health::Pending,
            _ => Health::Good,
        };
        let database = Some(format!("db{}", shop.as_bytes()[3] % 3));
        let well = self
            .well
            .get(shop)
            .copied()
            .filter(|well| assigned == Assigned::This && *well >= self.assigned[shop].1);
        let rejected = matches!(health, Health::Bad(_)).then_some(since);
        View {
            assigned,
            since,
            well,
            health,
            closed: None,
            returns: true,
            rejected,
            database,
        }
    }

    fn tick(&mut self) -> Decision {
        // What a restart keeps is what the API server stores.
        let text = serde_json::to_string(&self.status).unwrap();
        self.status = serde_json::from_str(&text).unwrap();
        let views: BTreeMap<_, _> = self
            .fates
            .keys()
            .map(|shop| (shop.clone(), self.view(shop)))
            .collect();
        assert_eq!(
            self.order,
            order(self.name, &self.spec, self.fates.keys().map(String::as_str))
        );
        let situation = Situation {
            order: &self.order,
            views: &views,
            held: self.held,
            promoted: self.promoted,
            loaded: &self.loaded,
            evidence: &self.evidence,
            breaking: self.breaking,
            now: self.now,
        };
        let decision = decide(&self.spec, &self.status, &situation);
        for (shop, direction) in &decision.moves {
            if *direction == Move::Again {
                self.assigned
                    .insert(shop.clone(), (Assigned::This, self.now));
                continue;
            }
            let assigned = if *direction == Move::Forward {
                Assigned::This
            } else {
                Assigned::Other
            };
            assert_ne!(
                self.assigned[shop].0, assigned,
                "{shop} is told what it was told before"
            );
            self.assigned.insert(shop.clone(), (assigned, self.now));
        }
        self.status = decision.status.clone();
        let good = views
            .iter()
            .filter(|(_, view)| view.assigned == Assigned::This && view.health == Health::Good)
            .map(|(shop, _)| shop.clone());
        self.well.extend(good.map(|shop| (shop, self.now)));
        self.measure();
        self.now += SignedDuration::from_mins(1);
        decision
    }

    fn measure(&mut self) {
        let deadline = SignedDuration::from_mins(15);
        let flying = |shop: &&String| {
            let view = self.view(shop);
            view.assigned == Assigned::This
                && view.health == Health::Pending
                && !self.well.contains_key(*shop)
                && self.now.duration_since(view.since) < deadline
        };
        let flying: Vec<_> = self.fates.keys().filter(flying).collect();
        let mut loads = BTreeMap::<_, usize>::new();
        for shop in &flying {
            *loads.entry(shop.as_bytes()[3] % 3).or_default() += 1;
        }
        self.most = (
            self.most.0.max(flying.len()),
            self.most.1.max(loads.into_values().max().unwrap_or(0)),
        );
    }

    fn assigned_this(&self) -> usize {
        self.assigned
            .values()
            .filter(|(assigned, _)| *assigned == Assigned::This)
            .count()
    }

    fn run(&mut self, minutes: usize) -> Phase {
        for _ in 0..minutes {
            self.tick();
            if matches!(
                self.status.phase,
                Some(Phase::Completed | Phase::Stopped | Phase::Aborted)
            ) {
                break;
            }
        }
        self.status.phase.unwrap()
    }
}

fn quick() -> RolloutSpec {
    RolloutSpec {
        at_once: 10,
        per_database: 3,
        failure_budget: FailureBudget {
            shops: 5,
            percent: 100,
        },
        ..spec()
    }
}

#[test]
fn good_shops_get_the_release_wave_by_wave_with_a_soak_between() {
    let mut world = World::new(
        RolloutSpec {
            canaries: vec!["s042".to_owned()],
            ..quick()
        },
        &[Fate::Well(2); 200],
    );
    let start = world.now;
    let mut first = Vec::new();
    while world.status.wave != Some(1) {
        first.extend(world.tick().moves);
    }
    assert_eq!(
        first,
        [("s042".to_owned(), Move::Forward)],
        "the canary goes by itself"
    );
    assert_eq!(world.run(1000), Phase::Completed);
    assert_eq!(
        (world.assigned_this(), world.status.counts.done),
        (200, 200)
    );
    // The canary's soak and those of four waves: 30 + 30 + 30 + 15 + 1 minutes.
    assert!(world.now.duration_since(start) >= SignedDuration::from_mins(106));
}

#[test]
fn two_percent_of_bad_shops_stop_the_rollout_within_its_budget_and_the_wave_goes_back() {
    let fates: Vec<_> = (0..500)
        .map(|index| {
            if index % 50 == 0 {
                Fate::Bad(1)
            } else {
                Fate::Well(2)
            }
        })
        .collect();
    let mut world = World::new(quick(), &fates);
    assert_eq!(world.run(5000), Phase::Stopped);
    let counts = world.status.counts.clone();
    assert!(counts.failed > 5 && counts.failed <= 5 + 10, "{counts:?}");
    let end = bounds(&world.spec, &world.order)[world.status.wave.unwrap() as usize - 1];
    let left: Vec<_> = world.order[end..]
        .iter()
        .filter(|shop| world.assigned[*shop].0 == Assigned::This)
        .collect();
    assert_eq!(left, Vec::<&String>::new(), "the failed wave is back");
    assert!(
        world.order[..end]
            .iter()
            .any(|shop| world.assigned[shop].0 == Assigned::This),
        "waves before it stay"
    );
}

#[test]
fn a_rollout_whose_shops_all_failed_is_no_success_whatever_its_budget() {
    // One shop, and a budget of five; a canary by itself; a fleet so small that each wave is one
    // shop.
    let canary = RolloutSpec {
        canaries: vec!["s001".to_owned()],
        ..quick()
    };
    for (spec, fates, failed) in [
        (quick(), vec![Fate::Bad(1)], 1),
        (quick(), vec![Fate::Silent], 1),
        (quick(), vec![Fate::Bad(1); 5], 1),
        (canary, vec![Fate::Well(1), Fate::Bad(1), Fate::Well(1)], 1),
        (
            RolloutSpec {
                waves: vec![api::Wave {
                    percent: Some(100),
                    soak: "1m".parse().unwrap(),
                    shops: Vec::new(),
                }],
                ..quick()
            },
            vec![Fate::Bad(1); 4],
            4,
        ),
    ] {
        for on_failure in [OnFailure::Return, OnFailure::Pause] {
            let mut world = World::new(
                RolloutSpec {
                    on_failure,
                    ..spec.clone()
                },
                &fates,
            );
            assert_eq!(
                (world.run(1000), world.status.counts.failed),
                (Phase::Stopped, failed),
                "{fates:?}"
            );
            assert_eq!(
                world.assigned_this() == 0,
                on_failure == OnFailure::Return,
                "{fates:?}"
            );
        }
    }
}

#[test]
fn a_rollout_that_stopped_leaves_shops_to_the_next_one() {
    let mut world = World::new(quick(), &[Fate::Bad(1); 100]);
    assert_eq!(world.run(1000), Phase::Stopped);
    let stopped = world.status.clone();
    // Another rollout tells a shop the same release.
    world
        .assigned
        .insert("s000".to_owned(), (Assigned::This, world.now));
    for _ in 0..30 {
        assert_eq!(world.tick().moves, []);
    }
    assert_eq!(world.status, stopped);
    // A person resumes it: what failed is forgotten, and tried again.
    (world.status.phase, world.status.failed) = (Some(Phase::Moving), Vec::new());
    assert!(!world.tick().moves.is_empty());
}

#[test]
fn shops_that_stayed_with_what_they_rejected_try_again_once_a_person_resumes() {
    let mut world = World::new(
        RolloutSpec {
            on_failure: OnFailure::Pause,
            ..quick()
        },
        &[Fate::Bad(1); 20],
    );
    assert_eq!(world.run(1000), Phase::Stopped);
    let assigned = world.assigned_this();
    assert!(assigned > 0);
    let act = |at: Timestamp| api::Act {
        at: at.to_string(),
        by: "anna".to_owned(),
        what: super::RESUMED.to_owned(),
        why: String::new(),
    };
    // What was said before they failed says nothing.
    (world.status.phase, world.status.failed) = (Some(Phase::Moving), Vec::new());
    world.status.history = vec![act("2026-11-23T11:00:00Z".parse().unwrap())];
    assert_eq!(world.run(10), Phase::Stopped);
    (world.status.phase, world.status.failed) = (Some(Phase::Moving), Vec::new());
    world.status.history = vec![act(world.now)];
    world
        .fates
        .values_mut()
        .for_each(|fate| *fate = Fate::Well(1));
    world.fates.insert("s000".to_owned(), Fate::Bad(0));
    let again = |decision: &Decision| {
        decision
            .moves
            .iter()
            .filter(|(_, direction)| *direction == Move::Again)
            .count()
    };
    world.now += SignedDuration::from_mins(1);
    // Each of them once.
    let moves: Vec<_> = (0..10).map(|_| again(&world.tick())).collect();
    assert!(moves.iter().sum::<usize>() <= assigned, "{moves:?}");
}
