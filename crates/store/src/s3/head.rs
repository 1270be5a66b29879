//! Looking an object up.

use super::{FailedRequest, Inner, Said};
use crate::{Info, StoreError, Subject, retry::Failure};
use std::sync::atomic::Ordering::Relaxed;

impl Inner {
    /// One attempt to learn size and state of `key`.
    ///
    /// An answer to HEAD has no body and so no error code. If its status alone leaves open what
    /// is wrong, the first byte of the object is asked for instead, whose refusal says it; a 404
    /// counts once the bucket is known to exist.
    pub(super) async fn head(&self, subject: &Subject, key: &str) -> Result<Option<Info>, Failure> {
        let asked = self
            .ask(0, |client| {
                client.head_object().bucket(&self.bucket).key(key).send()
            })
            .await;
        match asked {
            // Some proxies say 0 of every HEAD, as they count the bytes of the answer.
            Ok(found) if found.content_length.unwrap_or_default() == 0 => {
                match self.first_byte(subject, key).await {
                    Err(Failure {
                        error: StoreError::Short { .. },
                        ..
                    }) => Ok(Some(Info {
                        size: 0,
                        etag: Self::state(subject, found.e_tag)?,
                    })),
                    other => other,
                }
            }
            Ok(found) => {
                let size = found
                    .content_length
                    .and_then(|size| u64::try_from(size).ok());
                let size = size
                    .ok_or_else(|| Self::strange(subject, "an answer without a Content-Length"))?;
                Ok(Some(Info {
                    size,
                    etag: Self::state(subject, found.e_tag)?,
                }))
            }
            Err(FailedRequest {
                said: Said::Missing,
                ..
            }) => self.check_bucket(subject).await.map(|()| None),
            Err(FailedRequest {
                said: Said::Forbidden | Said::Refused | Said::Region(None),
                ..
            }) => self.first_byte(subject, key).await,
            Err(answer) => Err(self.failure(subject, answer)),
        }
    }

    async fn first_byte(&self, subject: &Subject, key: &str) -> Result<Option<Info>, Failure> {
        let asked = self
            .ask(0, |client| {
                client
                    .get_object()
                    .bucket(&self.bucket)
                    .key(key)
                    .range("bytes=0-0")
                    .send()
            })
            .await;
        match asked {
            Ok(found) => {
                let size = found
                    .content_range
                    .as_deref()
                    .and_then(|range| range.rsplit_once('/')?.1.parse().ok());
                let size = size.ok_or_else(|| {
                    Self::strange(subject, "an answer to a Range without a Content-Range")
                })?;
                Ok(Some(Info {
                    size,
                    etag: Self::state(subject, found.e_tag)?,
                }))
            }
            Err(FailedRequest {
                said: Said::Range, ..
            }) => Err(Failure::last(StoreError::Short {
                subject: subject.clone(),
                end: 1,
            })),
            Err(FailedRequest {
                said: Said::Missing,
                ..
            }) => Ok(None),
            Err(answer) => Err(self.failure(subject, answer)),
        }
    }

    async fn check_bucket(&self, subject: &Subject) -> Result<(), Failure> {
        if self.seen.load(Relaxed) {
            return Ok(());
        }
        match self
            .ask(0, |client| client.head_bucket().bucket(&self.bucket).send())
            .await
        {
            Ok(_) => {}
            // S3 hides a bucket's contents from us, not that it exists.
            Err(FailedRequest {
                said: Said::Forbidden,
                ..
            }) => self.seen.store(true, Relaxed),
            Err(FailedRequest {
                said: Said::Missing,
                ..
            }) => {
                return Err(Failure::last(StoreError::Bucket {
                    subject: subject.clone(),
                }));
            }
            Err(answer) => return Err(self.failure(subject, answer)),
        }
        Ok(())
    }
}
