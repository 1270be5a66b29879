//! What comes while a release is on its way: somebody says stop, or the agent is asked to end.

use super::*;
use crate::status::Why;

// Looks, and asks for the end as soon as the shop hangs at this step.
async fn ended_at(lab: &Lab, shop: &Scripted, step: &'static str) -> Reconciled {
    shop.hang(step);
    let (mut engine, asked) = (lab.engine(shop), CancellationToken::new());
    let end = async {
        shop.hanging.notified().await;
        asked.cancel();
    };
    let (reconcile, ()) = tokio::join!(engine.reconcile(&asked), end);
    shop.hang("");
    reconcile
}

fn state(lab: &Lab) -> deploy::State {
    View::read(&lab.path("root")).unwrap().state
}

#[tokio::test]
async fn a_pause_that_comes_while_a_release_is_staged_holds_it() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    lab.publish("good 2", Migration::None).await;
    let mut shown = engine.board.watch();
    let asked = CancellationToken::new();
    let pause = async {
        shown
            .wait_for(|snapshot| snapshot.newer.is_some())
            .await
            .unwrap();
        lab.say("pause", "sale");
    };
    let (look_one, ()) = tokio::join!(engine.reconcile(&asked), pause);
    assert_eq!(
        (look_one, lab.health().as_str()),
        (Reconciled::Held, "good 1")
    );
    assert!(
        shop.said
            .lock()
            .unwrap()
            .iter()
            .all(|said| said != "before 2"),
        "no hook runs for what is paused"
    );
    lab.say("pause", "");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
}

#[tokio::test]
async fn a_pause_that_comes_while_a_release_is_prepared_holds_it() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    lab.publish("good 2", Migration::None).await;
    *shop.pauses.lock().unwrap() = Some("sale");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Held, "good 1")
    );
    assert_eq!(
        engine.board.now().newer.as_ref().map(|newer| newer.why),
        Some(Why::Paused)
    );
    let state = state(&lab);
    assert!(
        state.rejected.is_empty() && state.trial.is_none(),
        "{state:?}"
    );
    lab.say("pause", "");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
}

#[tokio::test]
async fn a_stop_before_the_switch_leaves_nothing_behind_and_the_next_start_goes_on() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    lab.publish("good 0", Migration::None).await;
    reconcile(&mut lab.engine(&shop)).await;
    for (step, health, before) in [
        ("before", "good 1", "good 0"),
        ("warm", "good 2", "good 1"),
        ("rehearse", "good 3", "good 2"),
    ] {
        lab.publish(health, Migration::None).await;
        assert_eq!(
            ended_at(&lab, &shop, step).await,
            Reconciled::Failed,
            "{step}"
        );
        let state = state(&lab);
        assert!(
            state.trial.is_none() && state.rejected.is_empty() && lab.health() == before,
            "{step}: {state:?}"
        );
        reconcile(&mut lab.engine(&shop)).await;
        assert_eq!(lab.health(), health, "after {step}");
    }
}

#[tokio::test]
async fn a_stop_while_the_shop_is_probed_leaves_a_trial_that_the_next_start_ends() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    lab.publish("good 1", Migration::None).await;
    reconcile(&mut lab.engine(&shop)).await;
    for (health, after) in [("bad 2", "good 1"), ("good 3", "good 3")] {
        lab.publish(health, Migration::None).await;
        assert_eq!(
            (ended_at(&lab, &shop, "probe").await, lab.health().as_str()),
            (Reconciled::Failed, health)
        );
        assert!(state(&lab).trial.is_some());
        reconcile(&mut lab.engine(&shop)).await;
        assert_eq!(lab.health(), after);
    }
}

#[tokio::test]
async fn a_stop_during_the_hook_after_a_switch_leaves_the_release_kept() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    lab.publish("good 1", Migration::None).await;
    assert_eq!(
        (ended_at(&lab, &shop, "after").await, lab.health().as_str()),
        (Reconciled::Settled, "good 1")
    );
    assert!(state(&lab).trial.is_none());
}

#[tokio::test]
async fn a_stop_while_the_release_before_is_asked_leaves_the_bad_one_unjudged_and_the_next_start_judges_it()
 {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    lab.publish("good 1", Migration::None).await;
    reconcile(&mut lab.engine(&shop)).await;
    let bad = lab.publish("bad 2", Migration::None).await;
    assert_eq!(
        (
            ended_at(&lab, &shop, "control").await,
            lab.health().as_str()
        ),
        (Reconciled::Failed, "good 1")
    );
    assert!(state(&lab).rejected.is_empty() && state(&lab).trial.is_none());
    assert_eq!(
        (
            reconcile(&mut lab.engine(&shop)).await,
            lab.health().as_str()
        ),
        (Reconciled::Settled, "good 1")
    );
    assert!(state(&lab).rejected.contains_key(&bad));
}
