//! Keeping bytes that are in memory.

use super::{FailedRequest, Inner, Said, body};
use crate::{
    Action, Condition, Etag, StoreError, Subject,
    retry::{Class, Failure},
};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Puts `bytes`, conditionally.
///
/// If an attempt got no answer, the write may have happened, and the next attempt then fails its
/// own condition. So a failed condition after such an attempt is settled by reading the object:
/// where it holds our bytes, the write was ours.
pub(super) async fn put(
    inner: &Arc<Inner>,
    subject: &Subject,
    key: &str,
    bytes: Bytes,
    condition: &Condition,
) -> Result<Etag, StoreError> {
    let unsettled = AtomicBool::new(false);
    let attempt = || async {
        let done = once(inner, subject, key, bytes.clone(), condition).await;
        if done.as_ref().is_err_and(|failure| {
            matches!(
                failure.class,
                Class::Silence | Class::Trouble | Class::Throttle(_)
            )
        }) {
            unsettled.store(true, Relaxed);
        }
        done
    };
    match inner.retry.run(subject, attempt).await {
        Err(failed @ StoreError::Condition { .. }) if unsettled.load(Relaxed) => {
            settle(inner, subject, key, &bytes, failed).await
        }
        done => done,
    }
}

async fn once(
    inner: &Inner,
    subject: &Subject,
    key: &str,
    bytes: Bytes,
    condition: &Condition,
) -> Result<Etag, Failure> {
    let size = bytes.len() as u64;
    let request = |client: aws_sdk_s3::Client| {
        let request = client
            .put_object()
            .bucket(&inner.bucket)
            .key(key)
            .body(ByteStream::from(bytes));
        match condition {
            Condition::Always => request,
            Condition::Absent => request.if_none_match("*"),
            Condition::Matches(etag) => request.if_match(etag.as_str()),
        }
        .send()
    };
    match inner.ask(size, request).await {
        Ok(done) => Inner::state(subject, done.e_tag),
        // What `If-Match` says of a key that is not there.
        Err(FailedRequest {
            said: Said::Missing,
            ..
        }) if matches!(condition, Condition::Matches(_)) => {
            Err(Failure::last(StoreError::Condition {
                subject: subject.clone(),
            }))
        }
        // The store's word alone, such as NotImplemented, does not say what it is that it cannot
        // do.
        Err(FailedRequest {
            said: Said::Refused,
            code,
        }) => {
            let asked = match condition {
                Condition::Always => "",
                Condition::Absent => {
                    "; asked was a conditional write, If-None-Match: *, which the store must \
                     support"
                }
                Condition::Matches(_) => {
                    "; asked was a conditional write, If-Match, which the store must support"
                }
            };
            Err(inner.failure(
                subject,
                FailedRequest {
                    said: Said::Refused,
                    code: format!("{code}{asked}"),
                },
            ))
        }
        Err(answer) => Err(inner.failure(subject, answer)),
    }
}

async fn settle(
    inner: &Arc<Inner>,
    subject: &Subject,
    key: &str,
    bytes: &Bytes,
    failed: StoreError,
) -> Result<Etag, StoreError> {
    let reading = Subject {
        action: Action::Read,
        ..subject.clone()
    };
    match body::whole(inner, reading, key.to_owned(), bytes.len() as u64, None).await {
        Ok(Some(found)) if found.bytes == *bytes => Ok(found.etag),
        Ok(_) | Err(StoreError::Missing { .. } | StoreError::TooLarge { .. }) => Err(failed),
        Err(error) => Err(error),
    }
}
