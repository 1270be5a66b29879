//! Each fault of a download does what it says, and only that.

use super::client::{End, client, client_with, failure, raw_get, start};
use e2e::s3::{Effect, Fault, Faults, Operation};
use std::time::{Duration, Instant};

const SIZE: usize = 1 << 20;

fn bytes() -> Vec<u8> {
    (0..SIZE)
        .map(|place| u8::try_from(place % 251).unwrap())
        .collect()
}

#[tokio::test]
async fn a_reset_comes_after_exactly_so_many_bytes() {
    let server = start();
    server.put("a", bytes());
    server.fault(Fault::new(Effect::Reset { after: 65_536 }));
    let answer = raw_get(&server, "a", "").await;
    assert_eq!(
        (answer.status, answer.body.len(), answer.end),
        (200, 65_536, End::Reset)
    );
    assert_eq!(answer.headers["content-length"], SIZE.to_string());
}

#[tokio::test]
async fn a_truncated_answer_ends_like_a_finished_one() {
    let server = start();
    server.put("a", bytes());
    server.fault(Fault::new(Effect::Truncate { after: 1000 }));
    let answer = raw_get(&server, "a", "").await;
    assert_eq!((answer.body.len(), answer.end), (1000, End::Closed));
}

#[tokio::test]
async fn a_stalled_answer_stays_open() {
    let server = start();
    server.put("a", bytes());
    server.fault(Fault::new(Effect::Stall { after: 10 }));
    let answer = raw_get(&server, "a", "").await;
    assert_eq!((answer.body.len(), answer.end), (10, End::Stalled));
}

#[tokio::test]
async fn a_trickle_keeps_its_pace() {
    let server = start();
    server.put("a", vec![1; 200]);
    server.fault(Fault::new(Effect::Trickle {
        after: 100,
        bytes_per_second: 200,
    }));
    let begin = Instant::now();
    let answer = raw_get(&server, "a", "").await;
    assert_eq!((answer.body.len(), answer.end), (200, End::Complete));
    assert!(
        (400..1500).contains(&begin.elapsed().as_millis()),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_flip_is_at_its_place_in_the_object_whatever_the_range() {
    let server = start();
    server.put("a", bytes());
    server.fault(Fault::new(Effect::Flip { offset: 1005 }));
    for (range, place) in [
        ("", Some(1005)),
        ("range: bytes=1000-1999\r\n", Some(5)),
        ("range: bytes=2000-2999\r\n", None),
    ] {
        let answer = raw_get(&server, "a", range).await;
        let clean = bytes();
        let clean = if range.is_empty() {
            &clean[..]
        } else if place.is_some() {
            &clean[1000..2000]
        } else {
            &clean[2000..3000]
        };
        let differ = answer
            .body
            .iter()
            .zip(clean)
            .position(|(got, put)| got != put);
        assert_eq!((answer.body.len(), differ), (clean.len(), place));
    }
    assert_eq!(server.get("a").unwrap(), bytes());
}

#[tokio::test]
async fn excess_bytes_follow_what_was_asked_for() {
    let server = start();
    server.put("a", "text");
    server.fault(Fault::new(Effect::Excess { bytes: 3 }));
    let answer = raw_get(&server, "a", "range: bytes=0-1\r\n").await;
    assert_eq!(
        (answer.body.as_slice(), answer.end),
        (&b"te\0\0\0"[..], End::Complete)
    );
}

#[tokio::test]
async fn a_swapped_object_fails_the_next_range() {
    let server = start();
    server.put("a", bytes());
    let client = client(&server);
    let etag = client
        .head_object()
        .bucket("releases")
        .key("a")
        .send()
        .await
        .unwrap()
        .e_tag()
        .unwrap()
        .to_owned();
    server.fault(
        Fault::new(Effect::Swap { after: 1000 })
            .first(1)
            .on(Operation::GetObject),
    );
    let first = raw_get(&server, "a", "").await;
    assert_eq!(
        first.body,
        bytes(),
        "the reader that started before sees one object"
    );
    let next = client
        .get_object()
        .bucket("releases")
        .key("a")
        .if_match(&etag)
        .range("bytes=1000-")
        .send()
        .await;
    assert_eq!(failure(next), (Some(412), "PreconditionFailed".into()));
    assert_eq!(server.get("a").unwrap().len(), SIZE);
}

#[tokio::test]
async fn latency_comes_before_the_first_byte() {
    let server = start();
    server.put("a", "text");
    server.fault(Fault::new(Effect::Latency { ms: 200 }));
    let begin = Instant::now();
    assert_eq!(raw_get(&server, "a", "").await.body, b"text");
    assert!(begin.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn errors_are_answered_for_a_number_of_requests_a_key_or_a_time() {
    let server = start();
    let client = client(&server);
    for key in ["a", "b", "secret"] {
        server.put(key, "text");
    }
    let status = async |key: &str| {
        client
            .get_object()
            .bucket("releases")
            .key(key)
            .send()
            .await
            .err()
            .and_then(|error| Some(error.raw_response()?.status().as_u16()))
    };
    server.fault(Fault::new(Effect::slow_down()).first_per_key(1).keys("a"));
    assert_eq!(
        [status("a").await, status("a").await, status("b").await],
        [Some(503), None, None]
    );
    server.set_faults(Faults::default());
    server.fault(Fault::new(Effect::access_denied()).keys("secret"));
    assert_eq!(
        [
            status("secret").await,
            status("secret").await,
            status("a").await
        ],
        [Some(403), Some(403), None]
    );
    server.set_faults(Faults::default());
    server.fault(Fault::new(Effect::slow_down()).skip(1).first(2));
    assert_eq!(
        [
            status("a").await,
            status("b").await,
            status("a").await,
            status("a").await
        ],
        [None, Some(503), Some(503), None]
    );
    server.set_faults(Faults::default());
    server.fault(Fault::new(Effect::slow_down()).lasting(Duration::from_millis(300)));
    assert_eq!(status("a").await, Some(503));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(status("a").await, None);
}

#[tokio::test]
async fn the_same_seed_fails_the_same_requests() {
    let server = start();
    server.put("a", "text");
    let client = client(&server);
    let mut runs = Vec::new();
    for _ in 0..2 {
        server.set_faults(Faults {
            seed: 7,
            faults: vec![Fault::new(Effect::slow_down()).probability(0.5)],
            ..Faults::default()
        });
        let mut run = Vec::new();
        for _ in 0..40 {
            run.push(
                client
                    .get_object()
                    .bucket("releases")
                    .key("a")
                    .send()
                    .await
                    .is_ok(),
            );
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false));
}

#[tokio::test]
async fn an_expired_token_is_refused_until_another_key_signs() {
    let server = start();
    server.put("a", "text");
    server.set_credentials([
        ("AKIAOLD".to_owned(), "old".to_owned()),
        ("AKIANEW".to_owned(), "new".to_owned()),
    ]);
    let old = client_with(&server, "AKIAOLD", "old", "us-east-1");
    let new = client_with(&server, "AKIANEW", "new", "us-east-1");
    server.fault(Fault::new(Effect::expired_token()).signed_with("AKIAOLD"));
    let get = |client: &aws_sdk_s3::Client| client.get_object().bucket("releases").key("a").send();
    assert_eq!(failure(get(&old).await), (Some(400), "ExpiredToken".into()));
    assert!(get(&new).await.is_ok());
}

#[tokio::test]
async fn a_bucket_elsewhere_redirects_whoever_signs_for_another_region() {
    let server = start();
    server.put("a", "text");
    server.fault(Fault::new(Effect::Redirect {
        region: "eu-central-1".into(),
    }));
    let error = client(&server)
        .get_object()
        .bucket("releases")
        .key("a")
        .send()
        .await
        .unwrap_err();
    let response = error.raw_response().unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers().get("x-amz-bucket-region")
        ),
        (301, Some("eu-central-1"))
    );
    let options = server.options();
    let there = client_with(
        &server,
        &options.access_key,
        &options.secret_key,
        "eu-central-1",
    );
    assert!(
        there
            .get_object()
            .bucket("releases")
            .key("a")
            .send()
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn bandwidth_is_shared_or_each_connections_own() {
    let server = start();
    server.put("a", vec![1; 500_000]);
    let pair = async || {
        let begin = Instant::now();
        let (one, two) = tokio::join!(raw_get(&server, "a", ""), raw_get(&server, "a", ""));
        assert_eq!((one.body.len(), two.body.len()), (500_000, 500_000));
        begin.elapsed().as_millis()
    };
    server.set_faults(Faults {
        bandwidth: Some(1_000_000),
        ..Faults::default()
    });
    let shared = pair().await;
    assert!(
        (800..2000).contains(&shared),
        "{shared} ms for 1 MB at 1 MB/s"
    );
    server.set_faults(Faults {
        connection_bandwidth: Some(1_000_000),
        ..Faults::default()
    });
    let own = pair().await;
    assert!(
        (400..shared).contains(&own),
        "{own} ms for twice 0.5 MB at 1 MB/s each"
    );
}

#[tokio::test]
async fn a_refusing_server_resets_every_connection() {
    let server = start();
    server.put("a", "text");
    server.set_faults(Faults {
        refuse: true,
        ..Faults::default()
    });
    assert_eq!(
        failure(
            client(&server)
                .get_object()
                .bucket("releases")
                .key("a")
                .send()
                .await
        )
        .0,
        None
    );
    server.set_faults(Faults::default());
    assert_eq!(raw_get(&server, "a", "").await.body, b"text");
}
