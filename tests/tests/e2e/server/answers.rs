//! Reading, listing and deleting as S3 does it; and who may.

use super::client::{client, client_with, failure, start};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

#[tokio::test]
async fn what_was_put_is_got_with_its_etag() {
    let server = start();
    let client = client(&server);
    let put = client
        .put_object()
        .bucket("releases")
        .key("a b/ă+c")
        .body(b"hello".to_vec().into())
        .send()
        .await
        .unwrap();
    let got = client
        .get_object()
        .bucket("releases")
        .key("a b/ă+c")
        .send()
        .await
        .unwrap();
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");
    let head = client
        .head_object()
        .bucket("releases")
        .key("a b/ă+c")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (head.content_length(), head.e_tag()),
        (Some(5), put.e_tag())
    );
}

#[tokio::test]
async fn ranges_give_exactly_their_bytes() {
    let server = start();
    server.put("a", "0123456789");
    for (range, status, body, place) in [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=8-100", 206, "89", "bytes 8-9/10"),
        ("bytes=-1", 206, "9", "bytes 9-9/10"),
        ("bytes=4-", 206, "456789", "bytes 4-9/10"),
    ] {
        let answer = super::client::raw_get(&server, "a", &format!("range: {range}\r\n")).await;
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (status, body.as_bytes()),
            "{range}"
        );
        assert_eq!(answer.headers["content-range"], place);
    }
    let answer = client(&server)
        .get_object()
        .bucket("releases")
        .key("a")
        .range("bytes=10-11")
        .send()
        .await;
    assert_eq!(failure(answer), (Some(416), "InvalidRange".into()));
}

#[tokio::test]
async fn a_missing_key_and_a_missing_bucket_are_not_the_same() {
    let server = start();
    let client = client(&server);
    assert_eq!(
        failure(client.get_object().bucket("releases").key("a").send().await),
        (Some(404), "NoSuchKey".into())
    );
    assert_eq!(
        failure(client.get_object().bucket("nowhere").key("a").send().await),
        (Some(404), "NoSuchBucket".into())
    );
    assert_eq!(
        failure(
            client
                .head_object()
                .bucket("releases")
                .key("a")
                .send()
                .await
        )
        .0,
        Some(404)
    );
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_key_are_refused() {
    let server = start();
    server.put("a", "x");
    let access_key = server.options().access_key.clone();
    let forged = client_with(&server, &access_key, "guess", "us-east-1")
        .get_object()
        .bucket("releases")
        .key("a")
        .send()
        .await;
    assert_eq!(failure(forged), (Some(403), "SignatureDoesNotMatch".into()));
    let unknown = client_with(&server, "AKIANOBODY", "guess", "us-east-1")
        .get_object()
        .bucket("releases")
        .key("a")
        .send()
        .await;
    assert_eq!(failure(unknown), (Some(403), "InvalidAccessKeyId".into()));
    let unsigned = super::client::raw(&server, "GET /releases/a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(unsigned.status, 403);
}

#[tokio::test]
async fn keys_rotate_while_it_runs() {
    let server = start();
    server.put("a", "x");
    server.set_credentials([("AKIANEW".to_owned(), "new".to_owned())]);
    let old = client(&server)
        .get_object()
        .bucket("releases")
        .key("a")
        .send()
        .await;
    assert_eq!(failure(old), (Some(403), "InvalidAccessKeyId".into()));
    assert!(
        client_with(&server, "AKIANEW", "new", "us-east-1")
            .get_object()
            .bucket("releases")
            .key("a")
            .send()
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_long_listing_comes_in_pages() {
    let server = start();
    for number in 0..2500 {
        server.put(&format!("blobs/{number:05}"), "x");
    }
    server.put("other", "x");
    let mut pages = client(&server)
        .list_objects_v2()
        .bucket("releases")
        .prefix("blobs/")
        .into_paginator()
        .send();
    let (mut keys, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        count += 1;
        keys.extend(
            page.unwrap()
                .contents()
                .iter()
                .map(|object| object.key().unwrap().to_owned()),
        );
    }
    assert_eq!((count, keys.len()), (3, 2500));
    assert!(keys.is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn a_delimiter_lists_directories() {
    let server = start();
    for key in [
        "channels/a/release.json",
        "channels/b/release.json",
        "channels/list",
    ] {
        server.put(key, "x");
    }
    let page = client(&server)
        .list_objects_v2()
        .bucket("releases")
        .prefix("channels/")
        .delimiter("/")
        .send()
        .await
        .unwrap();
    let prefixes: Vec<_> = page
        .common_prefixes()
        .iter()
        .filter_map(|prefix| prefix.prefix())
        .collect();
    assert_eq!(prefixes, ["channels/a/", "channels/b/"]);
    assert_eq!(page.contents().len(), 1);
}

#[tokio::test]
async fn deleting_is_the_same_twice() {
    let server = start();
    let client = client(&server);
    for key in ["a", "b", "c"] {
        server.put(key, "x");
    }
    for _ in 0..2 {
        client
            .delete_object()
            .bucket("releases")
            .key("a")
            .send()
            .await
            .unwrap();
        let gone = ["b", "z"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
        let delete = Delete::builder()
            .set_objects(Some(gone.into()))
            .build()
            .unwrap();
        client
            .delete_objects()
            .bucket("releases")
            .delete(delete)
            .send()
            .await
            .unwrap();
    }
    assert_eq!(server.keys(), ["c"]);
}

#[tokio::test]
async fn buckets_are_created_and_listed() {
    let server = start();
    let client = client(&server);
    client
        .create_bucket()
        .bucket("another")
        .send()
        .await
        .unwrap();
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets
        .buckets()
        .iter()
        .filter_map(|bucket| bucket.name())
        .collect();
    assert_eq!(names, ["another", "releases"]);
    client.head_bucket().bucket("another").send().await.unwrap();
    assert_eq!(
        failure(client.head_bucket().bucket("missing").send().await).0,
        Some(404)
    );
}
