use super::*;
use crate::Action;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn subject() -> Subject {
    Subject {
        action: Action::Read,
        key: "k".to_owned(),
        store: "bucket shop".into(),
    }
}

fn failure(class: Class) -> Failure {
    Failure {
        error: StoreError::Unavailable {
            subject: subject(),
            code: "503 SlowDown".to_owned(),
        },
        class,
    }
}

fn retry(deadline: u64) -> Retry {
    let options = Options {
        deadline: Duration::from_secs(deadline),
        patience: Duration::from_secs(20),
        ..Options::default()
    };
    Retry::new(&options, Arc::new(Stats::default()))
}

/// A service that throttles for the first `seconds`, asked by every one of `callers`; how often it
/// was asked.
async fn asked_while_throttled(callers: Vec<&Retry>, seconds: u64) -> u64 {
    let (asked, start) = (AtomicU64::new(0), Instant::now());
    let ask = || async {
        asked.fetch_add(1, Relaxed);
        let throttled = start.elapsed() < Duration::from_secs(seconds);
        if throttled {
            Err(failure(Class::Throttle(None)))
        } else {
            Ok(())
        }
    };
    let subject = subject();
    for done in join_all(callers.into_iter().map(|retry| retry.run(&subject, &ask))).await {
        done.unwrap();
    }
    asked.load(Relaxed)
}

#[test]
fn the_backoff_doubles_from_100_ms_to_5_s() {
    let (mut attempts, now) = (Attempts::default(), Instant::now());
    let steps: Vec<_> = (0..8)
        .map(|_| {
            attempts
                .next(Class::Trouble, now, Duration::MAX)
                .map(|(step, _)| step.as_millis())
                .unwrap()
        })
        .collect();
    assert_eq!(steps, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(
        jitter(Duration::from_secs(2), 0.25),
        Duration::from_millis(500)
    );
}

#[test]
fn each_class_ends_in_its_own_way() {
    let now = Instant::now();
    let later = now + Duration::from_secs(20);
    let patience = Duration::from_secs(20);
    let mut attempts = Attempts::default();
    assert!(attempts.next(Class::Final, now, patience).is_none());
    assert!(attempts.next(Class::Silence, now, patience).is_some());
    assert!(
        attempts.next(Class::Silence, later, patience).is_none(),
        "patience is over"
    );
    assert!(
        attempts
            .next(Class::Throttle(None), later, patience)
            .is_some(),
        "an answer, if only to slow down, is no silence"
    );
    assert!(
        attempts.next(Class::Silence, later, patience).is_some(),
        "and starts the patience anew"
    );
    let refused = (0..100)
        .take_while(|_| attempts.next(Class::Refusal, now, patience).is_some())
        .count();
    assert_eq!(refused, 5);
}

#[tokio::test(start_paused = true)]
async fn five_hundred_clients_outlive_a_minute_of_throttling() {
    let clients: Vec<_> = (0..500).map(|_| retry(600)).collect();
    let start = Instant::now();
    let asked = asked_while_throttled(clients.iter().collect(), 60).await;
    // A client alone is bounded by its backoff: about 6 attempts until the cap, then one every 2.5
    // s on average.
    assert!(asked < 500 * 45, "{asked} requests");
    assert!(
        start.elapsed() < Duration::from_secs(66),
        "all done one longest backoff after the end: {:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_one_store_share_its_budget() {
    let store = retry(600);
    let start = Instant::now();
    let asked = asked_while_throttled(vec![&store; 64], 60).await;
    // 64 in flight, a burst of 100, 10 a second; those that waited for their tokens when the
    // trouble ended come once more.
    let bound = 64 + 100 + 10 * start.elapsed().as_secs() + 10;
    assert!(asked <= bound, "{asked} requests, bound {bound}");
    assert!(
        start.elapsed() < Duration::from_secs(75),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_throttling_and_names_it() {
    let store = retry(30);
    let start = Instant::now();
    let error = store
        .run(&subject(), || async {
            Err::<(), _>(failure(Class::Throttle(None)))
        })
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Deadline { source: Some(last), .. } if matches!(**last, StoreError::Unavailable { .. })),
        "{error:?}"
    );
    assert!(start.elapsed() <= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_an_attempt_that_hangs() {
    let store = retry(30);
    let start = Instant::now();
    let error = store
        .run(&subject(), std::future::pending::<Result<(), Failure>>)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Deadline { source: None, .. }),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_final_failure_is_not_asked_again() {
    let store = retry(30);
    let error = store
        .run(&subject(), || async { Err::<(), _>(failure(Class::Final)) })
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }));
    assert_eq!(store.stats.retries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_names_a_time_is_left_alone_until_then() {
    let store = retry(30);
    let start = Instant::now();
    let first = AtomicU64::new(0);
    let ask = || async {
        if first.fetch_add(1, Relaxed) == 0 {
            Err(failure(Class::Throttle(Some(Duration::from_secs(7)))))
        } else {
            Ok(())
        }
    };
    store.run(&subject(), ask).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(7));
    assert_eq!((store.stats.retries(), store.stats.throttled()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_beginning_of_each_piece_of_work() {
    let store = retry(30);
    tokio::time::advance(Duration::from_secs(40)).await;
    let asked = || async {
        sleep(Duration::from_secs(10)).await;
        Ok(())
    };
    assert!(matches!(
        store.run(&subject(), asked).await,
        Err(StoreError::Deadline { .. })
    ));
    store.begin();
    store.run(&subject(), asked).await.unwrap();
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(
        matches!(
            store.run(&subject(), asked).await,
            Err(StoreError::Deadline { .. })
        ),
        "and not from the last answer"
    );
}
