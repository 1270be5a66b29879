//! Rollouts that ask for evidence, among visitors: the rule of `observe`, and what is decided by
//! it.

use super::{
    visitors::{Fault, STEP, Visitors},
    *,
};

const SEEDS: std::ops::Range<u64> = 0..20;
const SHOPS: usize = 24;
/// Before this minute no rollout has moved all shops: the canary is watched for 30 minutes, and so
/// is the wave after it, and the next one for 15.
const LAST_WAVE: i64 = 140;
/// Steps of a minute.
const STEPS: i64 = 60 / STEP;

fn rollout(seed: u64, fault: Fault) -> (World, Visitors) {
    let spec = RolloutSpec {
        canaries: vec!["s007".to_owned()],
        ..quick()
    };
    let mut world = World::new(spec, &[Fate::Well(2); SHOPS]);
    world.name = "evidence";
    world.order = order(
        "evidence",
        &world.spec,
        world.fates.keys().map(String::as_str),
    );
    let mut visitors = Visitors::new(&world, seed, fault);
    // Before it begins, an hour of visitors.
    for _ in 0..60 * STEPS {
        visitors.step(&world);
    }
    (world, visitors)
}

/// A minute of visitors, and then a decision; or a decision as soon as something is held against
/// the release.
fn minute(world: &mut World, visitors: &mut Visitors) -> Decision {
    for _ in 0..STEPS {
        world.evidence = visitors.step(world);
        if matches!(world.evidence, Evidence::Against(_)) {
            break;
        }
    }
    world.tick()
}

fn over(world: &World) -> bool {
    let phase = world.status.phase;
    matches!(
        phase,
        Some(Phase::Completed | Phase::Stopped | Phase::Aborted)
    )
}

#[test]
fn twenty_noisy_rollouts_stop_for_nothing() {
    let mut waited = 0;
    for seed in SEEDS {
        let (mut world, mut visitors) = rollout(seed, Fault::None);
        // Payments fail, a database is slow, and nobody answers who would know, each at its time:
        // while there are shops that did not move, which the last wave leaves none of.
        let mut at = 60 * STEPS;
        while at < LAST_WAVE * STEPS {
            let minutes =
                |random: &mut visitors::Random, most| 1 + random.below(most).cast_signed();
            at += minutes(&mut visitors.random, 20) * STEPS;
            let end = at + minutes(&mut visitors.random, 10) * STEPS;
            let end = end.min(LAST_WAVE * STEPS);
            match visitors.random.below(3) {
                0 => visitors.outages.push((at, end)),
                1 => visitors.slow.push((at, end)),
                _ => visitors.away.push((at, end)),
            }
            at = end;
        }
        for _ in 0..300 {
            let decision = minute(&mut world, &mut visitors);
            waited += usize::from(decision.why.contains("does not answer"));
            if over(&world) {
                break;
            }
        }
        let (phase, counts) = (world.status.phase, &world.status.counts);
        assert_eq!(
            (phase, counts.done, counts.failed),
            (Some(Phase::Completed), 24, 0),
            "seed {seed}, minute {}: {:?}",
            visitors.minute(),
            world.status.failed.first()
        );
    }
    assert!(waited > 0, "no wave waited for evidence");
}

/// How a rollout with this fault ends: how many shops ever had the release, and why it stopped.
fn stopped(seed: u64, fault: Fault) -> (usize, String) {
    let (mut world, mut visitors) = rollout(seed, fault);
    let mut most = 0;
    for _ in 0..300 {
        minute(&mut world, &mut visitors);
        most = most.max(world.assigned_this());
        if over(&world) {
            break;
        }
    }
    let status = &world.status;
    assert_eq!(status.phase, Some(Phase::Stopped), "seed {seed}: {fault:?}");
    let end = bounds(&world.spec, &world.order)[status.wave.unwrap() as usize];
    let left = world.order[..end].iter();
    let left = left.filter(|shop| world.assigned[*shop].0 == Assigned::This);
    let earlier = status.wave.unwrap().checked_sub(1);
    let kept = earlier.map_or(0, |wave| bounds(&world.spec, &world.order)[wave as usize]);
    assert!(left.count() <= kept, "seed {seed}: the wave is back");
    (most, status.failed[0].why.clone())
}

#[test]
fn a_release_with_a_new_fatal_error_goes_back_each_time_and_says_why() {
    for seed in SEEDS {
        for of in [2, 20, 80] {
            let (most, why) = stopped(seed, Fault::Throws(of));
            assert!(
                why.contains("a fatal error that no release had before: error 7777"),
                "{why}"
            );
            assert!(
                most <= SHOPS / 2,
                "seed {seed}, one of {of}: {most} shops had it"
            );
        }
    }
}

#[test]
fn a_release_whose_pages_take_twice_as_long_goes_back_each_time_and_says_why() {
    for seed in SEEDS {
        let (most, why) = stopped(seed, Fault::Slow);
        assert!(why.contains("pages take longer"), "{why}");
        assert!(most <= SHOPS / 2, "seed {seed}: {most} shops had it");
    }
}
