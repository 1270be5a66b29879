//! Keeping a file: in one request up to 8 MiB, in parallel parts above.

use super::{FailedRequest, Inner, Said, hit, put};
use crate::{Condition, StoreError, Subject};
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::timeout};
use tracing::warn;

/// The size of a part: 8 MiB, the AWS CLI's default. S3's least is 5 MiB, for all but the last.
const PART: u64 = 8 << 20;
/// How many parts an upload may have ("Amazon S3 User Guide, multipart upload limits").
const MOST_PARTS: u64 = 10_000;
/// How many parts are in flight, and so in memory.
const IN_FLIGHT: usize = 4;
/// How long an abort may take after the deadline: its parts cost money until they are gone.
const ABORT: Duration = Duration::from_secs(5);

/// The file that is sent.
#[derive(Debug, Clone)]
struct Source {
    file: Arc<File>,
    path: Arc<Path>,
    size: u64,
}

/// One upload in parts.
struct Upload<'a> {
    inner: &'a Inner,
    subject: &'a Subject,
    key: &'a str,
    id: String,
}

pub(super) async fn put_file(
    inner: &Arc<Inner>,
    subject: &Subject,
    key: &str,
    path: &Path,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), StoreError> {
    let source = Source::open(path.into()).await?;
    if source.size <= PART {
        let bytes = source.read(0, source.size).await?;
        hit(subject, "store.put")?;
        put::put(inner, subject, key, bytes, &Condition::Always).await?;
        progress(source.size);
        return hit(subject, "store.put.done");
    }
    let upload = Upload::create(inner, subject, key).await?;
    let done = async {
        let parts = upload.parts(&source, progress).await?;
        upload.complete(parts, source.size).await
    };
    if let Err(error) = done.await {
        upload.abort().await;
        return Err(error);
    }
    hit(subject, "store.multipart.done")
}

/// The size of the parts of `size` bytes: whole MiB, so that there are not too many.
pub(super) fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20))
}

impl Source {
    async fn open(path: Arc<Path>) -> Result<Self, StoreError> {
        Self::blocking(Arc::clone(&path), move || {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            Ok(Self {
                file: Arc::new(file),
                path,
                size,
            })
        })
        .await
    }

    async fn read(&self, at: u64, length: u64) -> Result<Bytes, StoreError> {
        let file = Arc::clone(&self.file);
        Self::blocking(Arc::clone(&self.path), move || {
            let mut bytes =
                vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?];
            file.read_exact_at(&mut bytes, at)?;
            Ok(bytes.into())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        path: Arc<Path>,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = spawn_blocking(work)
            .await
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
        done.map_err(|source| StoreError::Disk {
            path: path.to_path_buf(),
            source,
        })
    }
}

impl<'a> Upload<'a> {
    async fn create(
        inner: &'a Inner,
        subject: &'a Subject,
        key: &'a str,
    ) -> Result<Self, StoreError> {
        hit(subject, "store.multipart.create")?;
        let attempt = || async {
            let asked = inner
                .ask(0, |client| {
                    client
                        .create_multipart_upload()
                        .bucket(&inner.bucket)
                        .key(key)
                        .send()
                })
                .await;
            let created = asked.map_err(|answer| inner.failure(subject, answer))?;
            created
                .upload_id
                .ok_or_else(|| Inner::strange(subject, "no upload id"))
        };
        let id = inner.retry.run(subject, attempt).await?;
        Ok(Self {
            inner,
            subject,
            key,
            id,
        })
    }

    async fn parts(
        &self,
        source: &Source,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<CompletedPart>, StoreError> {
        let size = part_size(source.size);
        let ranges =
            (1..).zip((0..source.size).step_by(usize::try_from(size).unwrap_or(usize::MAX)));
        let in_flight = IN_FLIGHT.min(self.inner.options.parallel.get());
        stream::iter(ranges)
            .map(|(number, at)| async move {
                let length = size.min(source.size - at);
                let part = self.part(number, source.read(at, length).await?).await?;
                progress(length);
                Ok(part)
            })
            // In order, as the completing request lists them; a part that is done early waits here
            // for those before it.
            .buffered(in_flight)
            .try_collect()
            .await
    }

    async fn part(&self, number: i32, bytes: Bytes) -> Result<CompletedPart, StoreError> {
        hit(self.subject, "store.multipart.part")?;
        let attempt = || async {
            let request = |client: aws_sdk_s3::Client| {
                let request = client
                    .upload_part()
                    .bucket(&self.inner.bucket)
                    .key(self.key)
                    .upload_id(&self.id);
                request
                    .part_number(number)
                    .body(ByteStream::from(bytes.clone()))
                    .send()
            };
            let asked = self.inner.ask(bytes.len() as u64, request).await;
            let sent = asked.map_err(|answer| self.failure(answer))?;
            let etag = sent
                .e_tag
                .ok_or_else(|| Inner::strange(self.subject, "no ETag"))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .e_tag(etag)
                .build())
        };
        self.inner.retry.run(self.subject, attempt).await
    }

    async fn complete(&self, parts: Vec<CompletedPart>, size: u64) -> Result<(), StoreError> {
        hit(self.subject, "store.multipart.complete")?;
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let attempt = || async {
            let request = |client: aws_sdk_s3::Client| {
                let request = client
                    .complete_multipart_upload()
                    .bucket(&self.inner.bucket)
                    .key(self.key)
                    .upload_id(&self.id);
                request.multipart_upload(parts.clone()).send()
            };
            match self.inner.ask(0, request).await {
                Ok(_) => Ok(()),
                // The upload is gone where an attempt before this one completed it and its answer
                // was lost.
                Err(
                    answer @ FailedRequest {
                        said: Said::Upload, ..
                    },
                ) => match self.inner.head(self.subject, self.key).await? {
                    Some(found) if found.size == size => Ok(()),
                    _ => Err(self.failure(answer)),
                },
                Err(answer) => Err(self.failure(answer)),
            }
        };
        self.inner.retry.run(self.subject, attempt).await
    }

    async fn abort(&self) {
        let done = async {
            hit(self.subject, "store.multipart.abort").map_err(|error| error.to_string())?;
            let request = |client: aws_sdk_s3::Client| {
                client
                    .abort_multipart_upload()
                    .bucket(&self.inner.bucket)
                    .key(self.key)
                    .upload_id(&self.id)
                    .send()
            };
            self.inner
                .ask(0, request)
                .await
                .map(drop)
                .map_err(|answer| self.failure(answer).error.to_string())
        };
        if let Err(error) = timeout(ABORT, done)
            .await
            .unwrap_or_else(|_elapsed| Err("no answer in time".to_owned()))
        {
            warn!(
                key = self.key,
                upload = self.id,
                error,
                "upload not aborted, its parts stay in the bucket"
            );
        }
    }

    fn failure(&self, answer: FailedRequest) -> crate::retry::Failure {
        self.inner.failure(self.subject, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_never_too_many() {
        let gib = 1 << 30;
        for (size, part) in [
            (PART + 1, PART),
            (78 * gib, PART),
            (80 * gib, 9 << 20),
            (5000 * gib, 512 << 20),
        ] {
            assert_eq!(part_size(size), part, "{size}");
            assert!(size.div_ceil(part_size(size)) <= MOST_PARTS);
        }
    }
}
