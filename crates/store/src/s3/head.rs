//! Looking an object up.

use super::{Answer, Inner, Said};
use crate::{Etag, Info, StoreError, Subject, retry::Failure};
use std::sync::atomic::Ordering::Relaxed;

impl Inner {
    /// One attempt to learn size and state of `key`.
    ///
    /// An answer to HEAD has no body and so no error code. Where its status alone leaves open what is wrong, the first byte
    /// of the object is asked for instead, whose refusal says it; a 404 counts once the bucket is known to exist.
    pub(super) async fn head(&self, subject: &Subject, key: &str) -> Result<Option<Info>, Failure> {
        let asked = self.ask(0, |client| client.head_object().bucket(&self.bucket).key(key).send()).await;
        match asked {
            Ok(found) => {
                let info = found.content_length.and_then(|size| info(u64::try_from(size).ok()?, found.e_tag));
                info.map(Some).ok_or_else(|| Self::strange(subject, "no Content-Length or no ETag"))
            }
            Err(Answer { said: Said::Missing, .. }) => self.check_bucket(subject).await.map(|()| None),
            Err(Answer { said: Said::Forbidden | Said::Refused | Said::Region(None), .. }) => self.first_byte(subject, key).await,
            Err(answer) => Err(self.failure(subject, answer)),
        }
    }

    async fn first_byte(&self, subject: &Subject, key: &str) -> Result<Option<Info>, Failure> {
        let asked = self.ask(0, |client| client.get_object().bucket(&self.bucket).key(key).range("bytes=0-0").send()).await;
        match asked {
            Ok(found) => {
                let size = found.content_range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
                let info = size.and_then(|size| info(size, found.e_tag));
                info.map(Some).ok_or_else(|| Self::strange(subject, "no Content-Range or no ETag"))
            }
            Err(Answer { said: Said::Missing, .. }) => Ok(None),
            Err(answer) => Err(self.failure(subject, answer)),
        }
    }

    async fn check_bucket(&self, subject: &Subject) -> Result<(), Failure> {
        if self.seen.load(Relaxed) {
            return Ok(());
        }
        match self.ask(0, |client| client.head_bucket().bucket(&self.bucket).send()).await {
            Ok(_) => {}
            // S3 hides a bucket's contents from us, not that it exists.
            Err(Answer { said: Said::Forbidden, .. }) => self.seen.store(true, Relaxed),
            Err(Answer { said: Said::Missing, .. }) => return Err(Failure::last(StoreError::Bucket { subject: subject.clone() })),
            Err(answer) => return Err(self.failure(subject, answer)),
        }
        Ok(())
    }
}

fn info(size: u64, etag: Option<String>) -> Option<Info> {
    Some(Info { size, etag: Etag::new(etag?) })
}
