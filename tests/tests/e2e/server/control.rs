//! Counts, and control over HTTP.

use super::client::{client, raw, raw_get, start};
use e2e::s3::{Counts, Effect, Fault, Faults, Operation};

#[tokio::test]
async fn requests_bytes_and_connections_are_counted() {
    let server = start();
    server.put("a", vec![0; 100_000]);
    for _ in 0..3 {
        raw_get(&server, "a", "").await;
    }
    assert!(
        client(&server)
            .head_object()
            .bucket("releases")
            .key("b")
            .send()
            .await
            .is_err()
    );
    let counts = server.stats();
    assert_eq!(
        (
            counts.count(Operation::GetObject),
            counts.count(Operation::HeadObject),
            counts.total()
        ),
        (3, 1, 4)
    );
    assert_eq!(
        (
            counts.gets["a"],
            counts.statuses[&200],
            counts.statuses[&404]
        ),
        (3, 3, 1)
    );
    assert!(
        (300_000..310_000).contains(&counts.bytes_sent),
        "{}",
        counts.bytes_sent
    );
    assert!(counts.connections >= 4 && counts.requests_peak >= 1 && counts.requests_now == 0);
    server.reset_stats();
    assert_eq!((server.stats().total(), server.stats().bytes_sent), (0, 0));
}

#[tokio::test]
async fn faults_and_counts_go_over_http_as_json() {
    let server = start();
    server.put("a", "text");
    let faults = Faults {
        faults: vec![
            Fault::new(Effect::slow_down())
                .first(1)
                .on(Operation::GetObject),
        ],
        ..Faults::default()
    };
    let json = serde_json::to_string(&faults).unwrap();
    let put = format!(
        "PUT /-/faults HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{json}",
        json.len()
    );
    assert_eq!(raw(&server, &put).await.status, 200);
    assert_eq!(server.faults(), faults);
    assert_eq!(
        [
            raw_get(&server, "a", "").await.status,
            raw_get(&server, "a", "").await.status
        ],
        [503, 200]
    );
    let stats = raw(&server, "GET /-/stats HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let counts: Counts = serde_json::from_slice(&stats.body).unwrap();
    assert_eq!((counts.gets["a"], counts.faults["status"]), (2, 1));
    assert_eq!(
        raw(&server, "DELETE /-/faults HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .status,
        200
    );
    assert_eq!(server.faults(), Faults::default());
}

#[tokio::test]
async fn a_fault_that_does_not_parse_is_refused() {
    let server = start();
    let put = "PUT /-/faults HTTP/1.1\r\nhost: x\r\ncontent-length: 13\r\n\r\n{\"fault\": []}";
    let answer = raw(&server, put).await;
    assert_eq!(answer.status, 400);
    assert!(String::from_utf8_lossy(&answer.body).contains("unknown field"));
}
