//! The engine on a real release root and a real store, with a shop that is as good as a file of the
//! tree says.

#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

mod clock;
mod evidence;
mod lab;
mod meanwhile;
mod model;
mod timer;

use super::*;
use crate::status::Why;
use deploy::{View, pull::Source};
use jiff::Timestamp;
use lab::{Lab, Scripted, Signer, reconcile, running};
use release::{Migration, Passed, Reason, Sha256, key};
use std::{collections::BTreeSet, fs, sync::atomic::Ordering::SeqCst, time::Duration};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_good_release_runs_and_its_hooks_hear_of_it() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let mut engine = lab.engine(&shop);
    lab.publish("good 1", Migration::None).await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Settled);
    assert_eq!(
        (lab.health().as_str(), shop.probes.load(SeqCst)),
        ("good 1", 1)
    );
    assert_eq!(
        *shop.said.lock().unwrap(),
        ["before 1", "warm 1", "after 1"]
    );
    // Nothing new: nobody is bothered, and the store hears one question.
    let requests = lab.store.stats().requests();
    assert_eq!(reconcile(&mut engine).await, Reconciled::Settled);
    assert_eq!(
        (
            shop.probes.load(SeqCst),
            lab.store.stats().requests() - requests
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_bad_release_goes_and_is_not_tried_again_until_an_operator_says_so() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    let bad = lab.publish("bad 2", Migration::None).await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Settled);
    assert_eq!(lab.health(), "good 1");
    let state = View::read(&lab.path("root")).unwrap().state;
    assert!(state.rejected[&bad].reason.contains("bad 2") && state.trial.is_none());
    let probes = shop.probes.load(SeqCst);
    // The same manifest under a new sequence, also after a restart.
    lab.publish("bad 2", Migration::None).await;
    reconcile(&mut engine).await;
    reconcile(&mut lab.engine(&shop)).await;
    assert_eq!(
        (lab.health().as_str(), shop.probes.load(SeqCst)),
        ("good 1", probes)
    );
    // An operator says so, once. The kernel dates files by a clock that is up to 10 ms behind.
    tokio::time::sleep(Duration::from_millis(20)).await;
    lab.say("retry", &bad.to_string());
    reconcile(&mut engine).await;
    assert_eq!(
        (lab.health().as_str(), shop.probes.load(SeqCst) > probes),
        ("good 1", true)
    );
    let probes = shop.probes.load(SeqCst);
    reconcile(&mut engine).await;
    reconcile(&mut lab.engine(&shop)).await;
    assert_eq!(shop.probes.load(SeqCst), probes);
    // A newer good one goes through.
    lab.publish("good 4", Migration::None).await;
    reconcile(&mut engine).await;
    assert_eq!(lab.health(), "good 4");
}

#[tokio::test]
async fn the_cluster_says_once_that_a_release_is_tried_again_however_often_its_files_are_written() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    let bad = lab.publish("bad 2", Migration::None).await;
    reconcile(&mut engine).await;
    let probes = shop.probes.load(SeqCst);
    // Said before it failed, in a file that is newer than that.
    lab.say(
        "retry",
        &format!("{bad} {}", Timestamp::now() - Duration::from_mins(1)),
    );
    reconcile(&mut engine).await;
    assert_eq!(shop.probes.load(SeqCst), probes);
    // The clock of who says so is ahead: tried once, and not at each look.
    let retry = format!("{bad} {}", Timestamp::now() + Duration::from_mins(1));
    lab.say("retry", &retry);
    reconcile(&mut engine).await;
    let again = shop.probes.load(SeqCst);
    assert!(again > probes);
    lab.say("retry", &retry);
    reconcile(&mut engine).await;
    assert_eq!(
        (shop.probes.load(SeqCst), lab.health().as_str()),
        (again, "good 1")
    );
}

#[tokio::test]
async fn the_cluster_takes_a_running_pod_back_to_an_older_release() {
    let (mut lab, _) = running().await;
    let (shop, volume) = (lab.shop(), lab.path("control"));
    let head = lab
        .path("store")
        .join(key::channel_head(&"shops/acme".parse().unwrap()));
    let one = fs::read(&head).unwrap();
    lab.publish("good 2", Migration::None).await;
    fs::copy(&head, volume.join("release.json")).unwrap();
    let mut engine = lab.engine_of(
        &shop,
        Sources::new(lab.follower(Source::File(volume.clone())), Vec::new()),
    );
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
    fs::write(volume.join("release.json"), one).unwrap();
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Failed, "good 2"),
        "that is no choice"
    );
    lab.say("chosen", "1");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 1")
    );
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 1")
    );
    let state = View::read(&lab.path("root")).unwrap().state;
    assert_eq!(
        (
            state.accepted.unwrap().sequence.get(),
            state.rejected.len(),
            state.trial
        ),
        (2, 0, None)
    );
}

#[tokio::test]
async fn a_release_that_fails_its_rehearsal_is_met_by_nobody() {
    let (mut lab, mut engine) = running().await;
    let shop = engine.shop.clone();
    let broken = lab.publish("broken 2", Migration::None).await;
    assert_eq!(
        (reconcile(&mut engine).await, reconcile(&mut engine).await),
        (Reconciled::Settled, Reconciled::Settled)
    );
    let state = View::read(&lab.path("root")).unwrap().state;
    assert_eq!(
        (
            lab.health().as_str(),
            state.accepted.unwrap().sequence.get(),
            shop.probes.load(SeqCst)
        ),
        ("good 1", 1, 1)
    );
    assert!(state.rejected[&broken].reason.contains("broken 2"));
}

#[tokio::test]
async fn a_release_waits_for_the_migration_of_one_that_it_overtook() {
    let (mut lab, mut engine) = running().await;
    lab.publish("good 2", Migration::Breaking).await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Held);
    lab.publish("good 3", Migration::None).await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Held, "good 1")
    );
    let newer = engine.board.now().newer.clone().unwrap();
    assert!(
        newer.why == Why::Migration && newer.detail.contains("sequence 2 is breaking"),
        "{newer:?}"
    );
    lab.say("migrated", "2");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 3")
    );
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_held_against_the_release() {
    let (mut lab, mut engine) = running().await;
    lab.publish("silent 2", Migration::None).await;
    assert_eq!(reconcile(&mut engine).await, Reconciled::Failed);
    let state = View::read(&lab.path("root")).unwrap().state;
    assert!(state.trial.is_some() && state.rejected.is_empty());
    fs::write(lab.path("root/current/health"), "good again").unwrap();
    assert_eq!(reconcile(&mut engine).await, Reconciled::Settled);
    assert!(View::read(&lab.path("root")).unwrap().state.trial.is_none());
}

#[tokio::test]
async fn of_two_sources_the_higher_sequence_counts_and_a_source_that_lags_is_no_failure() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let (file, head) = (
        lab.path("release.json"),
        lab.path("store")
            .join(key::channel_head(&"shops/acme".parse().unwrap())),
    );
    lab.publish("good 1", Migration::None).await;
    fs::copy(&head, &file).unwrap();
    let first = lab.follower(Source::File(file.clone()));
    let mut engine = lab.engine_of(
        &shop,
        Sources::new(first, vec![lab.follower(Source::Channel)]),
    );
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 1")
    );
    // The channel is ahead of the file.
    lab.publish("good 2", Migration::None).await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
    // The file is ahead of the channel, which shows an old release again.
    let old = fs::read(&head).unwrap();
    lab.publish("good 3", Migration::None).await;
    fs::copy(&head, &file).unwrap();
    fs::write(&head, old).unwrap();
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 3")
    );
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 3")
    );
    // One source is gone: that is a failure, and nothing else.
    fs::remove_file(&file).unwrap();
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Failed, "good 3")
    );
}

#[tokio::test]
async fn what_waits_at_the_gate_is_staged_and_asks_one_question_a_look() {
    let (mut lab, mut engine) = running().await;
    lab.publish("good 2", Migration::Breaking).await;
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Held, "good 1")
    );
    let requests = lab.store.stats().requests();
    assert_eq!(reconcile(&mut engine).await, Reconciled::Held);
    assert_eq!(lab.store.stats().requests() - requests, 1);
    lab.say("migrated", "1");
    assert_eq!(reconcile(&mut engine).await, Reconciled::Held);
    lab.say("migrated", "2");
    lab.say("pause", "sale");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Held, "good 1")
    );
    lab.say("pause", "");
    assert_eq!(
        (reconcile(&mut engine).await, lab.health().as_str()),
        (Reconciled::Settled, "good 2")
    );
}
