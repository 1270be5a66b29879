//! How rollouts end, and what holds them up.

use super::*;

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
fn a_completed_rollout_goes_back_if_a_person_aborts_it() {
    let mut world = World::new(quick(), &[Fate::Well(0); 100]);
    assert_eq!(world.run(1000), Phase::Completed);
    world.spec.aborted = true;
    // A shop that has moved on meanwhile stays where it is.
    world.assigned.get_mut("s007").unwrap().0 = Assigned::Newer;
    assert_eq!(world.tick().status.phase, Some(Phase::Returning));
    assert_eq!(world.run(1000), Phase::Aborted);
    assert_eq!(world.assigned_this(), 0);
    assert_eq!(world.assigned["s007"].0, Assigned::Newer);
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

#[test]
fn evidence_against_a_release_takes_its_canaries_back() {
    let mut world = World::new(quick(), &[Fate::Well(1); 100]);
    world.spec.canaries = vec!["s003".to_owned(), "s004".to_owned()];
    world.order = order("test", &world.spec, world.fates.keys().map(String::as_str));
    world.evidence = Evidence::Clean("no evidence against it".to_owned());
    while world.status.phase != Some(Phase::Soaking) {
        world.tick();
    }
    assert_eq!((world.status.wave, world.assigned_this()), (Some(0), 2));
    world.evidence = Evidence::Against("a fatal error".to_owned());
    let decision = world.tick();
    assert!(
        decision.why.starts_with("a fatal error; look"),
        "{}",
        decision.why
    );
    // Nobody runs the release any more, so nothing is seen of it.
    world.evidence = Evidence::Clean(String::new());
    assert_eq!(world.run(10), Phase::Stopped);
    assert_eq!((world.assigned_this(), world.status.counts.failed), (0, 2));
    assert!(
        world
            .status
            .failed
            .iter()
            .all(|it| it.why == "a fatal error")
    );
}

#[test]
fn a_wave_waits_ten_minutes_for_evidence_and_goes_on_without() {
    let second_wave = |evidence: Evidence| {
        let mut world = World::new(quick(), &[Fate::Well(1); 10]);
        world.evidence = evidence;
        while world.status.wave != Some(2) {
            world.tick();
        }
        world.now
    };
    let at = second_wave(Evidence::NotAsked);
    let waited = second_wave(Evidence::Away(at));
    // The minute of the step itself, too.
    assert_eq!(waited.duration_since(at), SignedDuration::from_mins(11));
    // Somebody does not wait.
    let mut world = World::new(quick(), &[Fate::Well(1); 10]);
    world.evidence = Evidence::Away(at + SignedDuration::from_hours(99));
    world.run(500);
    assert_eq!(world.status.phase, Some(Phase::Soaking));
    let wave = world.status.wave;
    world.promoted = wave;
    world.tick();
    assert_ne!(world.status.wave, wave);
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
