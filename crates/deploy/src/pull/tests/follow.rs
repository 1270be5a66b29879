//! Following a channel, look by look.

use super::*;
use crate::pull::{Candidate, Follower, ReleaseStatus};

pub(super) fn follower(lab: &Lab) -> Follower {
    Follower::new(lab.settings(), Arc::clone(&lab.store))
}

async fn look(follower: &mut Follower, second: i64) -> Result<ReleaseStatus, PullError> {
    follower
        .follow(at(NOW + second), &|_| (), std::future::pending())
        .await
}

async fn staged(follower: &mut Follower, second: i64) -> Candidate {
    match look(follower, second).await.unwrap() {
        ReleaseStatus::Staged(candidate) => *candidate,
        other => panic!("{other:?}"),
    }
}

pub(super) fn shop(text: &str) -> [(&'static str, &'static str, Files); 1] {
    [("core", "", files([("index.php", text)]))]
}

impl Lab {
    pub(super) fn view(&self) -> View {
        View::read(&self.settings().root).unwrap()
    }
}

#[tokio::test]
async fn what_is_staged_waits_for_its_caller_and_costs_one_question_a_look() {
    let lab = Lab::new().await;
    lab.publish(1, &shop("one")).await;
    let mut follower = follower(&lab);
    let candidate = staged(&mut follower, 0).await;
    assert!(candidate.figures.files == 1 && lab.view().current.is_none());
    let requests = lab.store.stats().requests();
    assert_eq!(staged(&mut follower, 1).await, candidate);
    assert_eq!(lab.store.stats().requests() - requests, 1);

    assert!(follower.try_out(&candidate, at(NOW + 2)).await.unwrap());
    assert_eq!(
        (
            lab.view().state.trial,
            lab.view().running().map(|it| it.sequence.get())
        ),
        (Some(at(NOW + 2)), Some(1))
    );
    follower.keep().await.unwrap();
    assert_eq!(lab.view().state.trial, None);
    let requests = lab.store.stats().requests();
    assert!(matches!(
        look(&mut follower, 3).await.unwrap(),
        ReleaseStatus::Active { .. }
    ));
    assert_eq!(lab.store.stats().requests() - requests, 1);
}

#[tokio::test]
async fn a_release_that_was_rolled_back_is_not_offered_again() {
    let lab = Lab::new().await;
    lab.publish(1, &shop("one")).await;
    let mut follower = follower(&lab);
    let one = staged(&mut follower, 0).await;
    assert!(follower.try_out(&one, at(NOW)).await.unwrap());
    follower.keep().await.unwrap();
    lab.publish(2, &shop("two")).await;
    let two = staged(&mut follower, 1).await;
    assert!(follower.try_out(&two, at(NOW + 1)).await.unwrap());
    let active = follower.go_back(at(NOW + 2)).await.unwrap().unwrap();
    assert!(
        lab.view().state.rejected.is_empty(),
        "whoever goes back does not know yet whose fault it was"
    );
    follower
        .reject(two.target.manifest, "HTTP 500".into(), at(NOW + 2))
        .await
        .unwrap();
    let View { state, .. } = lab.view();
    assert_eq!(
        (active.manifest, lab.view().running().unwrap().manifest),
        (one.target.manifest, one.target.manifest)
    );
    assert_eq!(
        (
            state.rejected[&two.target.manifest].reason.as_str(),
            state.trial
        ),
        ("HTTP 500", None)
    );
    assert_eq!(
        state.accepted.unwrap().sequence.get(),
        2,
        "what was accepted never falls"
    );
    for second in 3..6 {
        let requests = lab.store.stats().requests();
        assert!(matches!(
            look(&mut follower, second).await.unwrap(),
            ReleaseStatus::Rejected { .. }
        ));
        assert!(
            second == 3 || lab.store.stats().requests() - requests == 1,
            "the refusal is remembered"
        );
    }
    follower.allow(two.target.manifest).await.unwrap();
    assert_eq!(staged(&mut follower, 7).await.target, two.target);
}

#[tokio::test]
async fn a_release_that_expired_while_it_waited_is_not_tried_out() {
    let lab = Lab::new().await;
    let manifest = lab.manifest(&shop("one"), &[]).await;
    let object = lab
        .sign(&manifest, 1, |release| release.expires = Some(at(NOW + 10)))
        .await;
    lab.offer(&object).await;
    let mut follower = follower(&lab);
    let candidate = staged(&mut follower, 0).await;
    assert!(!follower.try_out(&candidate, at(NOW + 11)).await.unwrap());
    assert!(lab.view().current.is_none());
}

/// A release that was staged under root 1, and waits.
async fn waiting(lab: &Lab) -> (Follower, Candidate) {
    lab.publish(1, &shop("one")).await;
    let mut follower = follower(lab);
    let candidate = staged(&mut follower, 0).await;
    (follower, candidate)
}

#[tokio::test]
async fn what_waits_is_confirmed_by_two_questions_and_then_known_again() {
    let lab = Lab::new().await;
    let (mut follower, mut candidate) = waiting(&lab).await;
    let requests = lab.store.stats().requests();
    assert!(
        follower
            .confirm(&mut candidate, at(NOW + 1), std::future::pending())
            .await
            .unwrap()
    );
    assert_eq!(
        lab.store.stats().requests() - requests,
        2,
        "the release object, and whether there is a next root"
    );
    assert_eq!(staged(&mut follower, 2).await, candidate);
    assert_eq!(lab.store.stats().requests() - requests, 3);
    assert!(follower.try_out(&candidate, at(NOW + 3)).await.unwrap());
}

#[tokio::test]
async fn what_waits_is_not_confirmed_once_something_else_is_offered() {
    let lab = Lab::new().await;
    let (mut follower, mut candidate) = waiting(&lab).await;
    lab.publish(2, &shop("two")).await;
    assert!(
        !follower
            .confirm(&mut candidate, at(NOW + 1), std::future::pending())
            .await
            .unwrap()
    );
    assert!(
        !follower.try_out(&candidate, at(NOW + 1)).await.unwrap(),
        "what is not confirmed is not known any more"
    );
    assert_eq!(staged(&mut follower, 2).await.target.sequence.get(), 2);
}

#[tokio::test]
async fn what_waits_is_refused_once_an_operator_rejects_it() {
    let lab = Lab::new().await;
    let (mut follower, mut candidate) = waiting(&lab).await;
    follower
        .reject(
            candidate.target.manifest,
            "as an operator says".into(),
            at(NOW),
        )
        .await
        .unwrap();
    let error = follower
        .confirm(&mut candidate, at(NOW + 1), std::future::pending())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), release::Reason::Rejected);
}

#[tokio::test]
async fn what_another_process_activated_meanwhile_counts() {
    let lab = Lab::new().await;
    lab.publish(1, &shop("one")).await;
    let mut follower = follower(&lab);
    let candidate = staged(&mut follower, 0).await;
    lab.publish(2, &shop("two")).await;
    lab.pull().await.unwrap();
    assert!(!follower.try_out(&candidate, at(NOW + 1)).await.unwrap());
    assert_eq!(lab.view().running().unwrap().sequence.get(), 2);
}

#[tokio::test]
async fn a_release_below_the_least_is_refused_before_it_is_staged() {
    let lab = Lab::new().await;
    lab.publish(1, &shop("one")).await;
    let error = follower(&lab)
        .follow_from(
            Some(2.try_into().unwrap()),
            at(NOW),
            &|_| (),
            std::future::pending(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.reason(), release::Reason::Rollback);
}

#[tokio::test]
async fn without_a_release_before_there_is_nothing_to_go_back_to() {
    let lab = Lab::new().await;
    lab.publish(1, &shop("one")).await;
    let mut follower = follower(&lab);
    let one = staged(&mut follower, 0).await;
    assert!(follower.try_out(&one, at(NOW)).await.unwrap());
    assert_eq!(follower.go_back(at(NOW)).await.unwrap(), None);
    assert!(lab.view().state.trial.is_some() && lab.view().running().is_some());
}
