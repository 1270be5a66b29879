//! Clocks, replays, expiry and other channels: what the agent refuses while it follows, and what it
//! says of it.

use super::*;
use crate::status::Why;
use std::time::Duration;

const YEAR: Duration = Duration::from_hours(24 * 365);

fn ahead() -> Timestamp {
    Timestamp::now() + Duration::from_hours(1)
}

fn far_ahead() -> Timestamp {
    Timestamp::now() + 10 * YEAR
}

fn behind() -> Timestamp {
    Timestamp::now() - Duration::from_hours(1)
}

fn far_behind() -> Timestamp {
    Timestamp::now() - 10 * YEAR
}

fn reason(engine: &Activator<Scripted>) -> Option<Reason> {
    engine
        .board
        .now()
        .last_check
        .as_ref()?
        .error
        .as_ref()
        .map(|error| error.reason)
}

#[tokio::test]
async fn a_clock_that_went_back_accepts_nothing_and_says_so_and_the_shop_runs_on() {
    let (mut lab, mut engine) = running().await;
    lab.publish("good 2", Migration::None).await;
    for clock in [behind, far_behind] {
        engine.clock = clock;
        assert_eq!(
            (reconcile(&mut engine).await, lab.health().as_str()),
            (Reconciled::Failed, "good 1")
        );
        assert_eq!(reason(&engine), Some(Reason::Clock));
    }
    engine.clock = Timestamp::now;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
}

#[tokio::test]
async fn a_clock_far_ahead_finds_the_trust_root_expired_and_one_an_hour_ahead_does_no_harm() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    engine.clock = far_ahead;
    assert_eq!(
        (
            reconcile(&mut engine).await,
            lab.health().as_str(),
            reason(&engine)
        ),
        (Reconciled::Failed, "", Some(Reason::Expired))
    );
    engine.clock = ahead;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 1")
    );
    // What was accepted in the future keeps the clock from going back below it.
    lab.publish("good 2", Migration::None).await;
    engine.clock = Timestamp::now;
    assert_eq!(
        (reconcile(&mut engine).await, reason(&engine)),
        (Reconciled::Failed, Some(Reason::Clock))
    );
    engine.clock = || Timestamp::now() + Duration::from_hours(2);
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
}

#[tokio::test]
async fn a_clock_that_was_far_ahead_once_blocks_releases_for_an_hour_at_most_and_an_operator_ends_that()
 {
    let (mut lab, mut engine) = running().await;
    // Ahead by less than the trust root lasts.
    engine.clock = || Timestamp::now() + Duration::from_hours(20);
    lab.publish("good 2", Migration::None).await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
    lab.publish("good 3", Migration::None).await;
    engine.clock = Timestamp::now;
    assert_eq!(
        (reconcile(&mut engine).await, reason(&engine)),
        (Reconciled::Failed, Some(Reason::Clock))
    );
    engine.clock = ahead;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 3"),
        "not for 20 hours"
    );

    // With what an operator says beside the release object, at once.
    let (head, volume) = (
        lab.path("store")
            .join(key::channel_head(&"shops/acme".parse().unwrap())),
        lab.path("control"),
    );
    lab.publish("good 4", Migration::None).await;
    fs::copy(&head, volume.join("release.json")).unwrap();
    let mut engine = lab.engine_of(
        &lab.shop(),
        Sources::new(lab.follower(Source::File(volume)), Vec::new()),
    );
    assert_eq!(
        (reconcile(&mut engine).await, reason(&engine)),
        (Reconciled::Failed, Some(Reason::Clock))
    );
    lab.say("clock", &Timestamp::now().to_string());
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 4")
    );
}

#[tokio::test]
async fn a_release_that_expires_while_it_waits_does_not_run_and_the_running_one_stays() {
    let (mut lab, mut engine) = running().await;
    lab.publish("good 2", Migration::Breaking).await;
    lab.sign_anew(|release| release.expires = Some(Timestamp::now() + Duration::from_hours(2)))
        .await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Held);
    lab.say("migrated", "2");
    engine.clock = || Timestamp::now() + Duration::from_hours(3);
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Held, "good 1")
    );
    assert_eq!(
        engine.board.now().newer.as_ref().map(|newer| newer.why),
        Some(Why::Expired)
    );
}

#[tokio::test]
async fn an_older_release_under_the_head_is_a_replay() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    let head = lab
        .path("store")
        .join(key::channel_head(&"shops/acme".parse().unwrap()));
    lab.publish("good 1", Migration::None).await;
    let old = fs::read(&head).unwrap();
    lab.publish("good 2", Migration::None).await;
    reconcile(&mut engine).await;
    fs::write(&head, old).unwrap();
    for _ in 0..2 {
        assert_eq!(
            (
                reconcile(&mut engine).await,
                lab.health().as_str(),
                reason(&engine)
            ),
            (Reconciled::Failed, "good 2", Some(Reason::Rollback))
        );
        // After a restart, too.
        engine = lab.engine(&shop);
    }
}

#[tokio::test]
async fn a_release_of_another_channel_is_refused_however_well_it_is_signed() {
    let (mut lab, mut engine) = running().await;
    lab.publish("good 2", Migration::None).await;
    lab.sign_anew(|release| release.channel = "shops/other".parse().unwrap())
        .await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Failed, "good 1")
    );
    assert_eq!(reason(&engine), Some(Reason::Channel));
}
