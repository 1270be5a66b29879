use super::{
    SECRET, options,
    server::{End, Reply, Server},
    store,
};
use crate::{Body, Etag, StoreError};
use release::Reason;
use std::time::{Duration, Instant};

pub(super) const ALL: &str = "0123456789";

pub(super) async fn read(server: &Server) -> Result<String, StoreError> {
    let body: Result<Body, _> = store(server).await.get_range("a", 0..10, None).await;
    Ok(String::from_utf8(body?.collect().await?.to_vec()).unwrap())
}

#[tokio::test]
async fn a_body_resumes_from_the_byte_it_reached() {
    for end in [End::Reset, End::Close, End::Hang] {
        let server = Server::script(vec![
            Reply::cut(ALL, 0, 4, "e1").then(end),
            Reply::part(ALL, 4, "e1"),
        ])
        .await;
        assert_eq!(read(&server).await.unwrap(), ALL, "{end:?}");
        let requests = server.requests();
        assert_eq!(
            requests[0].line,
            "GET /shop/production/a?x-id=GetObject HTTP/1.1"
        );
        assert!(requests[0].has("range: bytes=0-9") && !requests[0].head.contains("if-match"));
        assert!(
            requests[1].has("range: bytes=4-9") && requests[1].has("if-match: \"e1\""),
            "{}",
            requests[1].head
        );
    }
}

#[tokio::test]
async fn a_whole_object_resumes_too() {
    let first = Reply::announcing(10, "200 OK", &["ETag: \"e1\""], "0123");
    let server = Server::script(vec![first, Reply::part(ALL, 4, "e1")]).await;
    let object = store(&server)
        .await
        .get("a", 10, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&object.bytes[..], object.etag),
        (ALL.as_bytes(), Etag::new("\"e1\""))
    );
}

#[tokio::test]
async fn an_object_that_changed_is_never_mixed() {
    let cut = || Reply::cut(ALL, 0, 4, "e1");
    let chunked = [
        "Transfer-Encoding: chunked",
        "ETag: \"e1\"",
        "Content-Range: bytes 0-9/10",
    ];
    for (case, replies) in [
        (
            "412",
            vec![
                cut(),
                Reply::error("412 Precondition Failed", "PreconditionFailed"),
            ],
        ),
        (
            "another state in spite of If-Match",
            vec![cut(), Reply::part(ALL, 4, "e2")],
        ),
        (
            "more bytes than announced",
            vec![Reply::raw(
                "206 Partial Content",
                &chunked,
                "c\r\n0123456789ab\r\n0\r\n\r\n",
            )],
        ),
    ] {
        let error = read(&Server::script(replies).await).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Replaced { .. }),
            "{case}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_trickle_is_ended_by_the_deadline() {
    let server = Server::start(|request, _| {
        let from = request
            .head
            .lines()
            .find_map(|line| {
                line.strip_prefix("range: bytes=")?
                    .strip_suffix("-9")?
                    .parse()
                    .ok()
            })
            .unwrap();
        Reply::cut(ALL, from, (from + 1).min(9), "e1").then(End::Hang)
    })
    .await;
    let mut options = options(&server.endpoint);
    options.deadline = Duration::from_secs(1);
    let started = Instant::now();
    let store = crate::open(&"s3://shop".parse().unwrap(), &options)
        .await
        .unwrap();
    let error = store
        .get_range("a", 0..10, None)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::Stalled, "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn throttling_and_trouble_are_waited_for() {
    let trouble = || Reply::error("500 Internal Server Error", "InternalError");
    let server = Server::script(vec![
        Reply::error("503 Slow Down", "SlowDown"),
        trouble(),
        Reply::none(),
        Reply::part(ALL, 0, "e1"),
    ])
    .await;
    let store = store(&server).await;
    assert_eq!(
        store
            .get_range("a", 0..10, None)
            .await
            .unwrap()
            .collect()
            .await
            .unwrap(),
        ALL
    );
    let stats = store.stats();
    assert_eq!(
        (
            stats.requests(),
            stats.retries(),
            stats.throttled(),
            stats.received()
        ),
        (4, 3, 1, 10)
    );
}

#[tokio::test]
async fn each_refusal_has_its_reason_and_names_the_place() {
    let region = Reply::new(
        "301 Moved Permanently",
        &["x-amz-bucket-region: eu-west-1"],
        "<Error><Code>PermanentRedirect</Code></Error>",
    );
    let signed =
        "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>";
    for (reply, reason, text) in [
        (
            Reply::error("403 Forbidden", "AccessDenied"),
            Reason::Forbidden,
            "without s3:ListBucket",
        ),
        (
            Reply::error("403 Forbidden", "SignatureDoesNotMatch"),
            Reason::Forbidden,
            "(SignatureDoesNotMatch)",
        ),
        (
            Reply::error("403 Forbidden", "RequestTimeTooSkewed"),
            Reason::Clock,
            "clock",
        ),
        (
            Reply::error("404 Not Found", "NoSuchKey"),
            Reason::ObjectMissing,
            "the object does not exist",
        ),
        (
            Reply::error("404 Not Found", "NoSuchBucket"),
            Reason::StoreMissing,
            "the store itself",
        ),
        (
            region,
            Reason::Region,
            "region eu-west-1, and us-east-1 was asked",
        ),
        (
            Reply::new("400 Bad Request", &[], signed),
            Reason::Region,
            "region eu-west-2",
        ),
        (
            Reply::error("416 Range Not Satisfiable", "InvalidRange"),
            Reason::Truncated,
            "before byte 10",
        ),
        (
            Reply::part("01234", 0, "e1"),
            Reason::Truncated,
            "before byte 10",
        ),
        (
            Reply::error("501 Not Implemented", "NotImplemented"),
            Reason::Config,
            "(501 NotImplemented)",
        ),
    ] {
        let server = Server::script(vec![reply]).await;
        let error = read(&server).await.unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.reason(), reason, "{error:?}");
        assert!(
            shown.starts_with(&format!(
                "cannot read a from bucket shop at {}",
                server.endpoint
            )) && shown.contains(text),
            "{shown}"
        );
        assert!(!format!("{error:?}").contains(SECRET));
        assert_eq!(server.requests().len(), 1, "asked once: {shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_unreachable_and_named() {
    let server = Server::script(vec![Reply::none()]).await;
    let endpoint = server.endpoint.clone();
    drop(server);
    let started = Instant::now();
    let store = crate::open(&"s3://shop".parse().unwrap(), &options(&endpoint))
        .await
        .unwrap();
    let error = store.head("a").await.unwrap_err();
    assert!(
        matches!(error, StoreError::Unreachable { .. }) && error.to_string().contains(&endpoint),
        "{error:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "its patience is 300 ms"
    );

    let server = Server::script(vec![Reply::error("404 Not Found", "NoSuchKey")]).await;
    let https = server.endpoint.replace("http:", "https:");
    let error = crate::open(&"s3://shop".parse().unwrap(), &options(&https))
        .await
        .unwrap()
        .head("a")
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Unreachable { .. }),
        "no TLS is no answer: {error:?}"
    );
}

#[tokio::test]
async fn get_knows_what_is_unchanged_or_too_large() {
    let server = Server::script(vec![Reply::raw("304 Not Modified", &["ETag: \"e1\""], "")]).await;
    assert_eq!(
        store(&server)
            .await
            .get("a", 10, Some(&Etag::new("\"e1\"")))
            .await
            .unwrap(),
        None
    );
    assert!(server.requests()[0].has("if-none-match: \"e1\""));
    let server = Server::script(vec![Reply::new("200 OK", &["ETag: \"e1\""], ALL)]).await;
    assert!(matches!(
        store(&server).await.get("a", 9, None).await,
        Err(StoreError::TooLarge { limit: 9, .. })
    ));
}

#[tokio::test]
async fn missing_means_that_the_bucket_was_asked() {
    let missing = || Reply::raw("404 Not Found", &[], "");
    let server = Server::script(vec![missing(), Reply::new("200 OK", &[], ""), missing()]).await;
    let store_there = store(&server).await;
    assert_eq!(store_there.head("a").await.unwrap(), None);
    assert_eq!(
        store_there
            .missing(vec!["a".to_owned(), "b".to_owned()])
            .await
            .unwrap(),
        ["a", "b"]
    );
    assert_eq!(server.requests().len(), 4, "the bucket is asked once");

    let server = Server::script(vec![missing()]).await;
    assert!(matches!(
        store(&server).await.head("a").await,
        Err(StoreError::Bucket { .. })
    ));
}

#[tokio::test]
async fn a_refusal_of_head_is_explained_by_get() {
    let server = Server::start(|request, _| match &request.line[..4] {
        "HEAD" => Reply::raw("403 Forbidden", &[], ""),
        _ => Reply::error("403 Forbidden", "InvalidAccessKeyId"),
    })
    .await;
    let error = store(&server).await.head("a").await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Forbidden { code, .. } if code == "InvalidAccessKeyId"),
        "{error:?}"
    );
}
