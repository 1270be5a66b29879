//! What the policy refuses although it is signed.

use super::{
    refusals::{refused, running},
    *,
};
use crate::ReleaseRoot;
use release::Reason;

#[tokio::test]
async fn an_old_release_is_refused_on_a_used_node_and_on_a_fresh_one_with_a_floor() {
    let lab = Lab::new().await;
    let old = lab
        .manifest(&[("core", "", files([("index.php", "old")]))], &[])
        .await;
    let old = lab.sign(&old, 1, |_| ()).await;
    lab.publish(2, &[("core", "", files([("index.php", "new")]))])
        .await;
    lab.pull().await.unwrap();
    lab.offer(&old).await;
    assert_eq!(lab.pull().await.unwrap_err().reason(), Reason::Rollback);
    assert_eq!(
        (lab.running(), lab.read("index.php").as_str()),
        (Some(2), "new")
    );
    let fresh = lab.pull_with(|settings| {
        settings.root = lab.directory.path().join("fresh");
        settings.floor = Some(2.try_into().unwrap());
    });
    assert_eq!(fresh.await.unwrap_err().reason(), Reason::Rollback);
    assert!(!lab.directory.path().join("fresh/current").is_symlink());
}

#[tokio::test]
async fn an_operator_may_choose_an_older_release_at_or_above_the_floor() {
    let lab = running().await;
    lab.publish(2, &[("core", "", files([("index.php", "two")]))])
        .await;
    lab.pull().await.unwrap();
    let first = |settings: &mut Settings| settings.source = Source::Chosen(1.try_into().unwrap());
    let refusal = lab.pull_with(|settings| {
        first(settings);
        settings.floor = Some(2.try_into().unwrap());
    });
    assert_eq!(refusal.await.unwrap_err().reason(), Reason::Rollback);
    lab.pull_with(first).await.unwrap();
    let state = View::read(&lab.settings().root).unwrap().state;
    assert_eq!(
        (lab.running(), lab.read("index.php").as_str()),
        (Some(1), "one")
    );
    assert_eq!(state.accepted.unwrap().sequence.get(), 2);
}

#[tokio::test]
async fn a_rejected_release_is_not_activated_again() {
    let lab = running().await;
    let manifest = lab
        .publish(2, &[("core", "", files([("index.php", "two")]))])
        .await;
    let digest = Sha256::digest(&manifest.to_json());
    ReleaseRoot::open(&lab.settings().root)
        .unwrap()
        .reject(digest, "front page", at(NOW))
        .unwrap();
    refused(&lab, |_| (), Reason::Rejected).await;
}

#[tokio::test]
async fn an_expired_release_is_not_activated_and_goes_on_running() {
    let lab = running().await;
    let next = lab
        .manifest(&[("core", "", files([("index.php", "two")]))], &[])
        .await;
    lab.offer(
        &lab.sign(&next, 2, |release| release.expires = Some(at(NOW)))
            .await,
    )
    .await;
    refused(&lab, |_| (), Reason::Expired).await;
    lab.pull_with(|settings| settings.now = at(NOW - 1))
        .await
        .unwrap();
    let later = lab
        .pull_with(|settings| settings.now = at(NOW + 5))
        .await
        .unwrap();
    assert_eq!(later.outcome, PullOutcome::AlreadyActive);
}

#[tokio::test]
async fn another_channel_another_key_and_a_clock_in_the_past_are_refused() {
    let lab = running().await;
    let next = lab
        .manifest(&[("core", "", files([("index.php", "two")]))], &[])
        .await;
    lab.offer(
        &lab.sign(&next, 2, |release| {
            release.channel = "shops/other".parse().unwrap();
        })
        .await,
    )
    .await;
    refused(&lab, |_| (), Reason::Channel).await;
    let stranger = SecretKey::generate(Algorithm::EcdsaP256).unwrap();
    lab.offer(&lab.sign(&next, 2, |_| ()).await).await;
    refused(
        &lab,
        |settings| {
            settings.trust = TrustRoot::from_trusted(&root(1, &stranger, &[&stranger])).unwrap();
        },
        Reason::Signature,
    )
    .await;
    refused(
        &lab,
        |settings| settings.now = at(NOW - 86_400),
        Reason::Clock,
    )
    .await;
    lab.offer(b"{}").await;
    refused(&lab, |_| (), Reason::Envelope).await;
}
