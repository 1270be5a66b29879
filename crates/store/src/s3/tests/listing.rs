//! Listings, and stores that are not like S3.

use super::{
    reading::{ALL, read},
    server::{Reply, Server},
    store,
};
use release::Reason;

#[tokio::test]
async fn listings_have_all_pages_and_our_keys_only() {
    let page = |key: &str, next: &str| {
        format!(
            "<ListBucketResult><Contents><Key>{key}</Key><Size>3</\
             Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>{next}</\
             ListBucketResult>"
        )
    };
    let first = page(
        "production/b/2",
        "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>",
    );
    let server = Server::start(move |request, _| {
        let body = if request.line.contains("continuation-token=more") {
            page("production/b/1", "")
        } else {
            first.clone()
        };
        Reply::new("200 OK", &[], &body)
    })
    .await;
    let listed = store(&server).await.list("b/").await.unwrap();
    assert_eq!(
        listed.iter().map(|object| &*object.key).collect::<Vec<_>>(),
        ["b/1", "b/2"]
    );
    assert_eq!(
        (listed[0].size, listed[0].modified.to_string()),
        (3, "2026-01-01T00:00:00Z".to_owned())
    );
    assert!(
        server.requests()[0]
            .line
            .contains("prefix=production%2Fb%2F")
    );
}

#[tokio::test]
async fn what_is_not_like_s3_is_named_and_not_asked_again() {
    for (case, reply, says) in [
        (
            "a weak tag",
            Reply::new("200 OK", &["ETag: W/\"e\""], ALL),
            "a weak ETag",
        ),
        ("no tag", Reply::new("200 OK", &[], ALL), "without an ETag"),
        (
            "compressed on the way",
            Reply::new("200 OK", &["ETag: \"e\"", "Content-Encoding: gzip"], ALL),
            "Content-Encoding gzip",
        ),
        (
            "archived",
            Reply::error("403 Forbidden", "InvalidObjectState"),
            "the object is archived (InvalidObjectState)",
        ),
        (
            "no such function",
            Reply::error("501 Not Implemented", "NotImplemented"),
            "NotImplemented",
        ),
    ] {
        let server = Server::script(vec![reply]).await;
        let error = store(&server).await.get("a", 10, None).await.unwrap_err();
        assert_eq!(
            (error.reason(), server.requests().len()),
            (Reason::Config, 1),
            "{case}: {error}"
        );
        assert!(error.to_string().contains(says), "{case}: {error}");
    }
    let server = Server::script(vec![Reply::new(
        "200 OK",
        &["ETag: \"e\""],
        "all of it, and more",
    )])
    .await;
    let error = read(&server).await.unwrap_err();
    assert!(
        error.reason() == Reason::Config
            && error
                .to_string()
                .contains("other bytes than those of the Range"),
        "{error}"
    );
}
