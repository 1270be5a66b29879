//! The engine over hours, by a clock that is only moved when nothing else is left to do.

use super::*;
use crate::status::CheckOutcome;
use crate::status::Phase;
use crate::status::{ReadinessPolicy, readyz};
use std::time::Duration;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn a_release_that_no_event_told_of_is_found_within_the_interval() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    let (file, head) = (
        lab.path("release.json"),
        lab.path("store")
            .join(key::channel_head(&"shops/acme".parse().unwrap())),
    );
    lab.publish("good 1", Migration::None).await;
    for source in [Source::File(file.clone()), Source::Channel] {
        fs::copy(&head, &file).unwrap();
        let engine = lab.engine_of(
            &shop,
            Sources::new(lab.follower(source.clone()), Vec::new()),
        );
        let (mut shown, asked) = (engine.board.watch(), CancellationToken::new());
        let publisher = async {
            shown
                .wait_for(|now| {
                    now.running.is_some() && now.last_check.is_some() && now.phase == Phase::Idle
                })
                .await
                .unwrap();
            lab.publish(&format!("good {}", lab.sequence + 1), Migration::None)
                .await;
            fs::copy(&head, &file).unwrap();
            let published = Instant::now();
            shown
                .wait_for(|now| {
                    now.running
                        .as_ref()
                        .is_some_and(|it| it.sequence.get() == lab.sequence)
                })
                .await
                .unwrap();
            asked.cancel();
            published.elapsed()
        };
        let ((), waited) = tokio::join!(engine.run(INTERVAL, asked.clone()), publisher);
        assert!(waited <= INTERVAL, "{source:?}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_the_store_ends_nothing_and_the_next_release_runs_once_it_is_back() {
    let mut lab = Lab::new().await;
    let shop = lab.shop();
    lab.publish("good 1", Migration::None).await;
    let engine = lab.engine(&shop);
    let (board, mut shown, asked) = (
        engine.board.clone(),
        engine.board.watch(),
        CancellationToken::new(),
    );
    let (store, away) = (lab.path("store"), lab.path("away"));
    let hour = async {
        shown
            .wait_for(|now| {
                now.running.is_some() && now.last_check.is_some() && now.phase == Phase::Idle
            })
            .await
            .unwrap();
        fs::rename(&store, &away).unwrap();
        let (gone, before) = (Instant::now(), lab.store.stats().requests());
        let mut looks = 0;
        while gone.elapsed() < Duration::from_hours(1) {
            shown
                .wait_for(|now| now.phase == Phase::Checking)
                .await
                .unwrap();
            shown
                .wait_for(|now| now.phase == Phase::Idle)
                .await
                .unwrap();
            looks += 1;
            let checks = readyz(&board.now(), &ReadinessPolicy::default(), Timestamp::now());
            assert!(checks.iter().all(|check| check.ok), "{checks:?}");
        }
        // Every five minutes, or up to twice as often; more often only at first.
        assert!((12..=32).contains(&looks), "{looks} looks");
        assert_eq!(
            board.now().last_check.as_ref().map(|check| check.outcome),
            Some(CheckOutcome::Failed)
        );
        assert!(lab.store.stats().requests() - before <= 2 * looks);
        fs::rename(&away, &store).unwrap();
        lab.publish("good 2", Migration::None).await;
        shown
            .wait_for(|now| {
                now.running
                    .as_ref()
                    .is_some_and(|it| it.sequence.get() == 2)
            })
            .await
            .unwrap();
        asked.cancel();
    };
    tokio::join!(engine.run(INTERVAL, asked.clone()), hour);
    assert_eq!(lab.health(), "good 2");
}
