//! Conditional requests: what makes publishing a compare-and-swap.

use super::client::{client, failure, start};
use e2e::s3::{Effect, Fault, Operation};

#[tokio::test]
async fn a_second_put_of_an_immutable_object_is_refused() {
    let server = start();
    let client = client(&server);
    let put = || {
        client
            .put_object()
            .bucket("releases")
            .key("a")
            .if_none_match("*")
            .body(b"1".to_vec().into())
            .send()
    };
    put().await.unwrap();
    assert_eq!(
        failure(put().await),
        (Some(412), "PreconditionFailed".into())
    );
}

#[tokio::test]
async fn a_server_that_ignores_conditions_carries_out_a_second_put() {
    let server = start();
    server.put("a", "old");
    server.fault(Fault::new(Effect::Unconditional).on(Operation::PutObject));
    client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .if_none_match("*")
        .body(b"new".to_vec().into())
        .send()
        .await
        .unwrap();
    assert_eq!(server.get("a").unwrap(), "new");
}

#[tokio::test]
async fn of_two_swaps_from_the_same_etag_one_wins() {
    let server = start();
    let client = client(&server);
    server.put("a", "old");
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
    let swap = |body: &str| {
        let body = body.as_bytes().to_vec().into();
        client
            .put_object()
            .bucket("releases")
            .key("a")
            .if_match(&etag)
            .body(body)
            .send()
    };
    let (one, two) = tokio::join!(swap("one"), swap("two"));
    assert!(one.is_ok() != two.is_ok());
    let loser = if one.is_ok() { two } else { one };
    assert_eq!(failure(loser), (Some(412), "PreconditionFailed".into()));
}

#[tokio::test]
async fn a_swap_of_a_missing_object_is_not_found() {
    let server = start();
    let put = client(&server)
        .put_object()
        .bucket("releases")
        .key("a")
        .if_match("\"abc\"")
        .body(b"1".to_vec().into())
        .send()
        .await;
    assert_eq!(failure(put), (Some(404), "NoSuchKey".into()));
}

#[tokio::test]
async fn a_known_object_is_not_sent_again() {
    let server = start();
    let client = client(&server);
    server.put("a", "text");
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
    assert_eq!(
        failure(
            client
                .get_object()
                .bucket("releases")
                .key("a")
                .if_none_match(&etag)
                .send()
                .await
        )
        .0,
        Some(304)
    );
    server.put("a", "other");
    assert!(
        client
            .get_object()
            .bucket("releases")
            .key("a")
            .if_none_match(&etag)
            .send()
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_replaced_object_does_not_match_any_more() {
    let server = start();
    let client = client(&server);
    server.put("a", "text");
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
    let get = || {
        client
            .get_object()
            .bucket("releases")
            .key("a")
            .if_match(&etag)
            .range("bytes=1-2")
            .send()
    };
    assert!(get().await.is_ok());
    server.put("a", "TEXT");
    assert_eq!(
        failure(get().await),
        (Some(412), "PreconditionFailed".into())
    );
}
