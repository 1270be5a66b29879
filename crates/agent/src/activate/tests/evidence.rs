//! What is held against a release, and what is not: trouble that the release that runs has, too,
//! and releases whom nobody vouches for any more.

use super::*;
use crate::status::Phase;
use crate::status::Why;
use release::{Algorithm, SecretKey, TrustRoot};
use std::time::Duration;

fn newer(engine: &Activator<Scripted>) -> (Why, String) {
    let newer = engine.board.now().newer.clone().unwrap();
    (newer.why, newer.detail)
}

fn state(lab: &Lab) -> deploy::State {
    View::read(&lab.path("root")).unwrap().state
}

#[tokio::test]
async fn a_rehearsal_that_fails_as_the_running_release_does_is_tried_again() {
    let (mut lab, mut engine) = running().await;
    fs::write(lab.path("alone"), "").unwrap();
    lab.publish("good 2", Migration::None).await;
    for _ in 0..2 {
        assert_eq!(
            (reconcile(&mut engine).await, lab.health().as_str()),
            (Reconciled::Later, "good 1")
        );
        let (why, detail) = newer(&engine);
        assert!(
            why == Why::Shop && detail.contains("tried again: no database"),
            "{why} {detail}"
        );
        assert!(state(&lab).rejected.is_empty() && state(&lab).trial.is_none());
        assert_eq!(engine.board.now().phase, Phase::Waiting);
    }
    fs::remove_file(lab.path("alone")).unwrap();
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
}

#[tokio::test]
async fn a_trial_that_fails_as_the_release_before_does_goes_back_and_is_tried_again() {
    let (mut lab, mut engine) = running().await;
    let manifest = lab
        .publish("takes the database away 2", Migration::None)
        .await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Later, "good 1")
    );
    let (why, detail) = newer(&engine);
    assert!(
        why == Why::Shop && detail.contains("and with the release before: no database"),
        "{why} {detail}"
    );
    assert!(state(&lab).rejected.is_empty() && state(&lab).trial.is_none());
    // The same where a start finds the trial.
    fs::remove_file(lab.path("alone")).unwrap();
    engine.shop.hang("probe");
    let (shop, asked) = (engine.shop.clone(), CancellationToken::new());
    tokio::select! {
        _ended = engine.reconcile(&asked) => {}
        () = shop.hanging.notified() => {}
    }
    shop.hang("");
    assert!(state(&lab).trial.is_some());
    let mut engine = lab.engine(&shop);
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Later, "good 1")
    );
    assert_eq!(newer(&engine).0, Why::Shop);
    assert!(!state(&lab).rejected.contains_key(&manifest));
}

#[tokio::test]
async fn trouble_that_ends_right_after_the_last_failed_probe_is_held_against_nobody() {
    let (mut lab, mut engine) = running().await;
    lab.publish("takes the database away 2", Migration::None)
        .await;
    let (shop, asked, alone) = (
        engine.shop.clone(),
        CancellationToken::new(),
        lab.path("alone"),
    );
    // It comes back after the release before was asked in between, and before that is asked again
    // for good.
    shop.hang("control");
    let meanwhile = async {
        shop.hanging.notified().await;
        fs::remove_file(&alone).unwrap();
        shop.hang("");
        shop.go_on.notify_one();
    };
    let (looked, ()) = tokio::join!(engine.reconcile(&asked), meanwhile);
    assert_eq!(
        (looked, lab.health().as_str()),
        (Reconciled::Later, "good 1")
    );
    let (why, detail) = newer(&engine);
    assert!(
        why == Why::Shop && detail.ends_with("no database at the same time"),
        "{why} {detail}"
    );
    assert!(state(&lab).rejected.is_empty());
}

#[tokio::test]
async fn a_release_that_works_again_while_it_is_still_active_is_kept() {
    let (mut lab, mut engine) = running().await;
    lab.publish("minds 2", Migration::None).await;
    let (shop, asked, alone) = (
        engine.shop.clone(),
        CancellationToken::new(),
        lab.path("alone"),
    );
    shop.hang("probe");
    let meanwhile = async {
        shop.hanging.notified().await;
        fs::write(&alone, "").unwrap();
        shop.hang("again");
        shop.go_on.notify_one();
        shop.hanging.notified().await;
        fs::remove_file(&alone).unwrap();
        shop.hang("");
        shop.go_on.notify_one();
    };
    let (looked, ()) = tokio::join!(engine.reconcile(&asked), meanwhile);
    assert_eq!(
        (looked, lab.health().as_str()),
        (Reconciled::Settled, "minds 2")
    );
}

// What the next trust root trusts is in the store: another key, and the one of before no more.
async fn withdraw(lab: &Lab, expires: Timestamp) -> SecretKey {
    let next = SecretKey::generate(Algorithm::Ed25519).unwrap();
    let mut root = TrustRoot::new(2, expires, [next.public().clone()].into(), 1)
        .unwrap()
        .to_envelope();
    root.sign(&lab.key).unwrap();
    root.sign(&next).unwrap();
    lab.store
        .put(
            &key::trust_root(2),
            root.to_json().into(),
            store::Condition::Always,
        )
        .await
        .unwrap();
    next
}

#[tokio::test]
async fn a_release_that_waited_while_its_key_was_withdrawn_runs_nothing_and_is_not_switched_to() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    lab.say("pause", "sale");
    lab.publish("good 2", Migration::None).await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Held);
    withdraw(&lab, Timestamp::now() + Duration::from_hours(24)).await;
    lab.say("pause", "");
    for _ in 0..2 {
        assert_eq!(
            (reconcile(&mut engine).await, lab.health().as_str()),
            (Reconciled::Failed, "good 1")
        );
        let error = engine
            .board
            .now()
            .last_check
            .clone()
            .unwrap()
            .error
            .unwrap();
        assert_eq!(error.reason, Reason::Signature, "{error:?}");
        assert_eq!(newer(&engine).0, Why::Failed);
        assert!(
            shop.said
                .lock()
                .unwrap()
                .iter()
                .all(|said| said != "before 2" && said != "warm 2"),
            "nothing of it runs"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_withdrawn_while_a_release_is_prepared_counts_at_the_switch() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    lab.publish("good 2", Migration::None).await;
    shop.hang("warm");
    let asked = CancellationToken::new();
    let meanwhile = async {
        shop.hanging.notified().await;
        withdraw(&lab, Timestamp::now() + Duration::from_hours(24)).await;
        shop.go_on.notify_one();
    };
    let (looked, ()) = tokio::join!(engine.reconcile(&asked), meanwhile);
    assert_eq!(
        (looked, lab.health().as_str()),
        (Reconciled::Failed, "good 1")
    );
    assert!(shop.said.lock().unwrap().contains(&"warm 2".to_owned()));
}

#[tokio::test]
async fn a_release_that_waited_until_its_root_expired_is_not_switched_to() {
    let (mut lab, mut engine) = running().await;
    lab.say("pause", "sale");
    lab.publish("good 2", Migration::None).await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Held);
    lab.say("pause", "");
    // The root of the lab ends after a day.
    engine.clock = || Timestamp::now() + Duration::from_hours(25);
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Failed, "good 1")
    );
    assert_eq!(
        engine
            .board
            .now()
            .last_check
            .clone()
            .unwrap()
            .error
            .unwrap()
            .reason,
        Reason::Expired
    );
}
