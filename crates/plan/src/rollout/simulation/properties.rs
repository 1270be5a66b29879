//! What holds whatever happens.

use super::*;

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
        let on_failure = if keep {
            OnFailure::Pause
        } else {
            OnFailure::Return
        };
        let budget = FailureBudget {
            shops,
            percent: 100,
        };
        let mut world = World::new(
            RolloutSpec {
                at_once,
                per_database,
                on_failure,
                failure_budget: budget,
                ..spec()
            },
            &fates,
        );
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
        prop_assert!(
            matches!(phase, Phase::Completed | Phase::Stopped),
            "{phase:?}"
        );
        prop_assert!(
            world.most.0 <= at_once as usize && world.most.1 <= per_database as usize,
            "{:?}",
            world.most
        );
        // Shops that were on their way when the budget was used up may still fail, and no others.
        prop_assert!(
            world.status.counts.failed <= shops + at_once,
            "{:?}",
            world.status.counts
        );
        if phase == Phase::Completed {
            prop_assert!(world.status.counts.failed <= shops);
            prop_assert!(
                world.status.counts.done > 0,
                "all failed: {:?}",
                world.status.counts
            );
        }
    }
}
