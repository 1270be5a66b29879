//! Rollouts played through: whatever pods do, whoever pauses, and however often the scheduler
//! starts again.

use super::{Assigned, Decision, Health, Move, Situation, View, bounds, decide, order, test::spec};
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

#[test]
fn nothing_moves_while_it_is_paused_or_halted() {
    for hold in [true, false] {
        let mut world = World::new(quick(), &[Fate::Well(1); 100]);
        world.tick();
        world.tick();
        (world.spec.paused, world.held) = (hold, (!hold).then_some("halted by an operator"));
        let assigned = world.assigned_this();
        assert!((0..100).all(|_| world.tick().moves.is_empty()));
        assert_eq!(
            (world.assigned_this(), world.status.phase),
            (assigned, Some(Phase::Paused))
        );
        (world.spec.paused, world.held) = (false, None);
        assert_eq!(world.run(1000), Phase::Completed);
    }
}

#[test]
fn an_aborted_rollout_takes_every_shop_back() {
    let mut world = World::new(quick(), &[Fate::Well(1); 100]);
    while world.assigned_this() < 30 {
        world.tick();
    }
    world.spec.aborted = true;
    assert_eq!(world.run(100), Phase::Aborted);
    assert_eq!(world.assigned_this(), 0);
}

#[test]
fn a_fleet_that_scales_is_watched_to_the_end_also_by_who_started_a_moment_ago() {
    for restart in [false, true] {
        let mut world = World::new(quick(), &[Fate::Flaps(1); 60]);
        for _ in 0..1000 {
            let decision = world.tick();
            // What is remembered beside the status is lost with every start.
            if restart && decision.status.phase == Some(Phase::Soaking) {
                world.well.clear();
            }
            if decision.status.phase == Some(Phase::Completed) {
                break;
            }
        }
        assert_eq!(
            (world.status.phase, world.status.counts.failed),
            (Some(Phase::Completed), 0),
            "{restart}"
        );
    }
}

#[test]
fn a_shop_that_stays_without_its_pods_ends_the_soak() {
    let mut world = World::new(quick(), &[Fate::Well(1); 10]);
    while world.status.phase != Some(Phase::Soaking) {
        world.tick();
    }
    let shop = world.order[0].clone();
    world.fates.insert(shop, Fate::Silent);
    let phases: Vec<_> = (0..4).map(|_| world.tick().status.phase.unwrap()).collect();
    assert_eq!(phases.last(), Some(&Phase::Moving), "{phases:?}");
    while world.status.counts.failed == 0 {
        world.tick();
    }
}

#[test]
fn migrations_of_other_rollouts_count_for_a_database_server() {
    let mut world = World::new(quick(), &[Fate::Well(1); 9]);
    world.loaded = BTreeMap::from([("db0".to_owned(), 3), ("db1".to_owned(), 2)]);
    world.spec.waves[0].percent = Some(100);
    world.spec.waves.truncate(1);
    assert_eq!(world.tick().moves, [], "there are no canaries");
    let moved = world.tick().moves;
    let of = |server: u8| {
        moved
            .iter()
            .filter(|(shop, _)| shop.as_bytes()[3] % 3 == server)
            .count()
    };
    assert_eq!((of(0), of(1), of(2)), (0, 1, 3), "{moved:?}");
}

#[test]
fn a_breaking_migration_is_not_taken_back() {
    let mut world = World::new(quick(), &[Fate::Bad(1); 100]);
    world.breaking = true;
    assert_eq!(world.run(1000), Phase::Stopped);
    let assigned = world.assigned_this();
    assert!(assigned > 0);
    world.spec.aborted = true;
    let decision = world.tick();
    assert_eq!(
        (decision.status.phase, world.assigned_this()),
        (Some(Phase::Aborted), assigned)
    );
    assert!(
        decision.why.starts_with(&format!(
            "it was aborted; {assigned} shops keep the release"
        )),
        "{}",
        decision.why
    );
}

#[test]
fn a_promoted_wave_is_watched_no_longer() {
    let mut world = World::new(quick(), &[Fate::Well(0); 100]);
    while world.status.phase != Some(Phase::Soaking) {
        world.tick();
    }
    let wave = world.status.wave;
    world.promoted = wave;
    world.tick();
    assert_eq!(world.status.wave, wave.map(|wave| wave + 1));
}

#[test]
fn a_silent_shop_counts_as_failed_after_its_deadline() {
    let mut world = World::new(
        RolloutSpec {
            failure_budget: FailureBudget {
                shops: 0,
                percent: 100,
            },
            ..quick()
        },
        &[Fate::Silent; 5],
    );
    assert_eq!(world.run(100), Phase::Stopped);
    assert!(
        world.status.failed[0].why.contains("15m"),
        "{:?}",
        world.status.failed
    );
}

#[derive(Debug, Clone)]
enum Act {
    Wait,
    Pause(bool),
    Halt(bool),
    Promote,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![8 => (0_i64..10).prop_map(Fate::Well), 2 => (0_i64..10).prop_map(Fate::Flaps), 1 => (0_i64..10).prop_map(Fate::Bad), 1 => Just(Fate::Silent)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![6 => Just(Act::Wait), 1 => any::<bool>().prop_map(Act::Pause), 1 => any::<bool>().prop_map(Act::Halt), 1 => Just(Act::Promote)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bounds_hold_and_it_ends_whatever_happens(
        fates in proptest::collection::vec(fate(), 1..120),
        acts in proptest::collection::vec(act(), 0..60),
        (at_once, per_database, shops, keep) in (1_u32..20, 1_u32..5, 0_u32..8, any::<bool>()),
    ) {
        let on_failure = if keep { OnFailure::Pause } else { OnFailure::Return };
        let budget = FailureBudget { shops, percent: 100 };
        let mut world = World::new(RolloutSpec { at_once, per_database, on_failure, failure_budget: budget, ..spec() }, &fates);
        for act in acts {
            match act {
                Act::Wait => {}
                Act::Pause(on) => world.spec.paused = on,
                Act::Halt(on) => world.held = on.then_some("halted"),
                Act::Promote => world.promoted = world.status.wave,
            }
            let held = world.spec.paused || world.held.is_some();
            let decision = world.tick();
            prop_assert!(!held || decision.moves.is_empty());
        }
        (world.spec.paused, world.held) = (false, None);
        let phase = world.run(20_000);
        prop_assert!(matches!(phase, Phase::Completed | Phase::Stopped), "{phase:?}");
        prop_assert!(world.most.0 <= at_once as usize && world.most.1 <= per_database as usize, "{:?}", world.most);
        // Shops that were on their way when the budget was used up may still fail, and no others.
        prop_assert!(world.status.counts.failed <= shops + at_once, "{:?}", world.status.counts);
        if phase == Phase::Completed {
            prop_assert!(world.status.counts.failed <= shops);
            prop_assert!(world.status.counts.done > 0, "all failed: {:?}", world.status.counts);
        }
    }
}
