use super::{
    server::{Reply, Request, Server},
    store,
};
use crate::{Condition, Etag, Holds, StoreError};
use std::{
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tempfile::NamedTempFile;

pub(super) fn done() -> Reply {
    Reply::new("200 OK", &["ETag: \"new\""], "")
}

fn failed() -> Reply {
    Reply::error("412 Precondition Failed", "PreconditionFailed")
}

#[tokio::test]
async fn conditions_are_sent_as_headers() {
    for (condition, header) in [
        (Condition::Absent, "if-none-match: *"),
        (
            Condition::Matches(Etag::new("\"old\"")),
            "if-match: \"old\"",
        ),
    ] {
        let server = Server::script(vec![done()]).await;
        let etag = store(&server)
            .await
            .put("a", "mine".into(), condition)
            .await
            .unwrap();
        let request = &server.requests()[0];
        assert_eq!(
            (etag.as_str(), &request.body[..]),
            ("\"new\"", &b"mine"[..])
        );
        assert!(
            request.has(header) && request.line.starts_with("PUT /shop/production/a"),
            "{}",
            request.head
        );
        assert!(
            !request.head.contains("aws-chunked") && !request.head.contains("x-amz-checksum"),
            "{}",
            request.head
        );
    }
}

#[tokio::test]
async fn a_condition_that_fails_is_an_error_and_the_object_is_not_read() {
    let server = Server::script(vec![failed()]).await;
    assert!(matches!(
        store(&server)
            .await
            .put("a", "mine".into(), Condition::Absent)
            .await,
        Err(StoreError::Condition { .. })
    ));
    assert_eq!(server.requests().len(), 1);
    let server = Server::script(vec![Reply::error("404 Not Found", "NoSuchKey")]).await;
    let matches = Condition::Matches(Etag::new("\"old\""));
    assert!(matches!(
        store(&server).await.put("a", "mine".into(), matches).await,
        Err(StoreError::Condition { .. })
    ));
}

#[tokio::test]
async fn conflicting_writers_are_asked_again_and_then_told() {
    let conflict = || Reply::error("409 Conflict", "ConditionalRequestConflict");
    let server = Server::script(vec![conflict(), done()]).await;
    assert!(
        store(&server)
            .await
            .put("a", "mine".into(), Condition::Absent)
            .await
            .is_ok()
    );
    let server = Server::script(vec![conflict(), failed()]).await;
    assert!(matches!(
        store(&server)
            .await
            .put("a", "mine".into(), Condition::Absent)
            .await,
        Err(StoreError::Condition { .. })
    ));
    assert_eq!(
        server.requests().len(),
        2,
        "a conflict wrote nothing, so there is nothing to settle"
    );
}

#[tokio::test]
async fn a_lost_answer_to_a_conditional_write_is_settled_by_reading() {
    for condition in [Condition::Absent, Condition::Matches(Etag::new("\"old\""))] {
        for (there, ours) in [("mine", true), ("them", false), ("longer than mine", false)] {
            let server = Server::script(vec![
                Reply::none(),
                failed(),
                Reply::new("200 OK", &["ETag: \"e\""], there),
            ])
            .await;
            let put = store(&server)
                .await
                .put("a", "mine".into(), condition.clone())
                .await;
            match put {
                Ok(etag) => assert!(ours && etag.as_str() == "\"e\"", "{there}"),
                Err(error) => assert!(
                    !ours && matches!(error, StoreError::Condition { .. }),
                    "{there}: {error:?}"
                ),
            }
            assert!(server.requests()[2].line.starts_with("GET "));
        }
    }
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_told_which_header_it_lacks() {
    for (status, code) in [
        ("501 Not Implemented", "NotImplemented"),
        ("400 Bad Request", "InvalidArgument"),
    ] {
        let server = Server::script(vec![Reply::error(status, code)]).await;
        let error = store(&server)
            .await
            .put("a", "mine".into(), Condition::Absent)
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a conditional write, If-None-Match: *"),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1);
        let plain = store(&server)
            .await
            .put("a", "mine".into(), Condition::Always)
            .await
            .unwrap_err();
        assert!(!plain.to_string().contains("conditional"), "{plain}");
    }
}

#[tokio::test]
async fn an_object_of_the_right_size_and_other_bytes_is_found() {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(b"hello").unwrap();
    let head = |tag: &str| Reply::announcing(5, "200 OK", &[&format!("ETag: \"{tag}\"")], "");
    let body = |text: &str| {
        Reply::new(
            "206 Partial Content",
            &["ETag: \"e\"", "Content-Range: bytes 0-4/5"],
            text,
        )
    };
    let (md5, other) = ("5d41402abc4b2a76b9719d911017c592", "0".repeat(32));
    for (case, replies, holds, requests) in [
        ("its MD5", vec![head(md5)], Holds::Same, 1),
        (
            "another one, as with KMS",
            vec![head(&other), body("hello")],
            Holds::Same,
            2,
        ),
        (
            "another one, and other bytes",
            vec![head(&other), body("hullo")],
            Holds::Other,
            2,
        ),
        ("no checksum", vec![head("0x8DB")], Holds::Same, 1),
        (
            "another size",
            vec![Reply::announcing(6, "200 OK", &["ETag: \"e\""], "")],
            Holds::Other,
            1,
        ),
    ] {
        let server = Server::script(replies).await;
        assert_eq!(
            (
                store(&server).await.holds("a", file.path()).await.unwrap(),
                server.requests().len()
            ),
            (holds, requests),
            "{case}"
        );
    }
}

#[tokio::test]
async fn deleting_what_is_not_there_is_no_error() {
    for reply in [
        Reply::raw("204 No Content", &[], ""),
        Reply::error("404 Not Found", "NoSuchKey"),
    ] {
        store(&Server::script(vec![reply]).await)
            .await
            .delete("a")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn keys_that_leave_the_prefix_are_never_asked_for() {
    let server = Server::script(vec![done()]).await;
    let store = store(&server).await;
    for key in ["", "../a", "/a", "a//b", "a/./b"] {
        assert!(
            matches!(
                store.put(key, "mine".into(), Condition::Always).await,
                Err(StoreError::Key { .. })
            ),
            "{key}"
        );
        assert!(
            matches!(
                store.get_range(key, 0..1, None).await,
                Err(StoreError::Key { .. })
            ),
            "{key}"
        );
    }
    assert!(server.requests().is_empty());
}

/// A file of 8 MiB and 5 bytes, so of two parts.
fn file() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&vec![7; (8 << 20) + 5]).unwrap();
    file
}

fn created() -> Reply {
    Reply::new(
        "200 OK",
        &[],
        "<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>",
    )
}

fn is(request: &Request, method: &str, text: &str) -> bool {
    request.line.starts_with(method) && request.line.contains(text)
}

#[tokio::test]
async fn a_large_file_is_sent_in_parts() {
    let server = Server::start(|request, _| match request {
        request if is(request, "POST", "uploads") => created(),
        request if is(request, "PUT", "partNumber=") => {
            Reply::new("200 OK", &["ETag: \"part\""], "")
        }
        _ => Reply::new(
            "200 OK",
            &[],
            "<CompleteMultipartUploadResult><ETag>\"all\"</ETag></CompleteMultipartUploadResult>",
        ),
    })
    .await;
    let sent = Mutex::new(Vec::new());
    store(&server)
        .await
        .put_file("a", file().path(), &|bytes| {
            sent.lock().unwrap().push(bytes);
        })
        .await
        .unwrap();
    assert_eq!(
        sent.into_inner().unwrap().iter().sum::<u64>(),
        (8 << 20) + 5
    );
    let requests = server.requests();
    let mut parts: Vec<_> = requests
        .iter()
        .filter(|request| is(request, "PUT", "uploadId=up"))
        .map(|part| part.body.len())
        .collect();
    parts.sort_unstable();
    assert_eq!(parts, [5, 8 << 20]);
    let last = requests.last().unwrap();
    let body = str::from_utf8(&last.body).unwrap();
    assert!(is(last, "POST", "uploadId=up"), "{}", last.line);
    assert!(
        body.find("<PartNumber>1").unwrap() < body.find("<PartNumber>2").unwrap(),
        "{body}"
    );
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted() {
    let server = Server::start(|request, _| match request {
        request if is(request, "POST", "uploads") => created(),
        request if is(request, "DELETE", "uploadId=up") => Reply::raw("204 No Content", &[], ""),
        _ => Reply::error("403 Forbidden", "AccessDenied"),
    })
    .await;
    let error = store(&server)
        .await
        .put_file("a", file().path(), &|_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Forbidden { .. }), "{error:?}");
    assert!(
        server
            .requests()
            .iter()
            .any(|request| is(request, "DELETE", "uploadId=up"))
    );
}

#[tokio::test]
async fn a_lost_answer_to_the_end_of_an_upload_is_settled_by_size() {
    for (size, ours) in [((8 << 20) + 5, true), (3, false)] {
        let ends = AtomicU64::new(0);
        let server = Server::start(move |request, _| match request {
            request if is(request, "POST", "uploads") => created(),
            request if is(request, "PUT", "partNumber=") => {
                Reply::new("200 OK", &["ETag: \"part\""], "")
            }
            request if is(request, "HEAD", "") => {
                Reply::announcing(size, "200 OK", &["ETag: \"all\""], "")
            }
            request if is(request, "DELETE", "") => Reply::error("404 Not Found", "NoSuchUpload"),
            _ if ends.fetch_add(1, Relaxed) == 0 => Reply::none(),
            _ => Reply::error("404 Not Found", "NoSuchUpload"),
        })
        .await;
        let done = store(&server)
            .await
            .put_file("a", file().path(), &|_| ())
            .await;
        assert_eq!(done.is_ok(), ours, "{done:?}");
    }
}
