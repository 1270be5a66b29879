//! Faults of uploads, and the checksums that come with them.

use super::client::{client, failure, start};
use e2e::s3::{Effect, Fault, Operation};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_lost_answer_is_carried_out_all_the_same() {
    let server = start();
    server.fault(
        Fault::new(Effect::LostAnswer)
            .on(Operation::PutObject)
            .first(1),
    );
    let put = client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .body(b"text".to_vec().into())
        .send()
        .await;
    assert_eq!(failure(put).0, None);
    assert_eq!(server.get("a").unwrap(), "text");
}

#[tokio::test]
async fn an_upload_that_is_reset_stores_nothing() {
    let server = start();
    server.fault(Fault::new(Effect::Reset { after: 100_000 }).on(Operation::PutObject));
    let put = client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .body(vec![1; 1 << 20].into())
        .send()
        .await;
    assert_eq!(failure(put).0, None);
    assert_eq!(server.keys().len(), 0);
}

#[tokio::test]
async fn a_refused_upload_still_gets_its_answer() {
    let server = start();
    server.fault(Fault::new(Effect::slow_down()));
    let put = client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .body(vec![1; 8 << 20].into())
        .send()
        .await;
    assert_eq!(failure(put), (Some(503), "SlowDown".into()));
}

#[tokio::test]
async fn a_wrong_checksum_is_refused() {
    let server = start();
    let client = client(&server);
    let put = || {
        client
            .put_object()
            .bucket("releases")
            .key("a")
            .body(b"text".to_vec().into())
    };
    let refused = put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await;
    assert_eq!(failure(refused), (Some(400), "BadDigest".into()));
    let refused = put().checksum_crc32("AAAAAA==").send().await;
    assert_eq!(failure(refused), (Some(400), "BadDigest".into()));
    assert_eq!(server.keys().len(), 0);
}

#[tokio::test]
async fn a_flip_on_the_way_up_is_noticed_by_the_checksum() {
    let server = start();
    server.fault(Fault::new(Effect::Flip { offset: 1000 }).on(Operation::PutObject));
    let put = client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .body(vec![1; 4096].into())
        .send()
        .await;
    assert_eq!(failure(put).0, Some(400));
    assert_eq!(server.keys().len(), 0);
}

#[tokio::test]
async fn bandwidth_holds_for_uploads_as_well() {
    let server = start();
    server.set_faults(e2e::s3::Faults {
        bandwidth: Some(1_000_000),
        ..e2e::s3::Faults::default()
    });
    let begin = Instant::now();
    client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .body(vec![1; 1_000_000].into())
        .send()
        .await
        .unwrap();
    assert!(
        begin.elapsed() > Duration::from_millis(500),
        "{:?}",
        begin.elapsed()
    );
}
