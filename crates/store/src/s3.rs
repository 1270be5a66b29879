//! An S3 bucket as a store.
//!
//! The SDK signs, sends and parses; its own retries are off. What an answer means is in `classify`,
//! whether to ask again in [`crate::retry`]. Conditions are S3's own: `If-Match`, `If-None-Match`.

mod body;
mod checksum;
mod classify;
mod clock;
mod connect;
mod head;
mod list;
mod multipart;
mod put;
mod settings;

use crate::{
    Action, Body, Condition, Etag, Holds, Info, Listed, Object, ObjectStore, Options, Stats,
    StoreError, Subject, key_of, prefix_of,
    retry::{Failure, Retry},
};
use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::IdentityCache,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use classify::{FailedRequest, Said};
use parking_lot::Mutex;
use release::RelativePath;
use std::{
    error::Error,
    future::Future,
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tracing::info;

/// The store of `s3://bucket/prefix`.
#[derive(Debug)]
pub(crate) struct S3Store(Arc<Inner>);

/// What its calls and its bodies share.
#[derive(Debug)]
struct Inner {
    /// The client in use, and how often its credentials were renewed.
    client: Mutex<(u64, Client)>,
    config: aws_sdk_s3::Config,
    bucket: String,
    /// What stands before every key: empty, or ending in a slash.
    prefix: String,
    name: Arc<str>,
    region: String,
    /// The proxy that requests go through.
    proxy: Option<String>,
    retry: Retry,
    options: Options,
    stats: Arc<Stats>,
    /// Whether the bucket is known to exist.
    seen: AtomicBool,
}

impl S3Store {
    pub(crate) async fn open(
        bucket: &str,
        prefix: Option<&RelativePath>,
        options: &Options,
    ) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(
            connect::connect(bucket, prefix, options).await?,
        )))
    }

    /// The subject of a call, and the key in the bucket.
    fn call(&self, action: Action, key: &str) -> Result<(Subject, String), StoreError> {
        let subject = self.0.subject(action, key);
        key_of(&subject)?;
        let key = format!("{}{key}", self.0.prefix);
        Ok((subject, key))
    }
}

impl Inner {
    fn subject(&self, action: Action, key: &str) -> Subject {
        Subject {
            action,
            key: key.to_owned(),
            store: Arc::clone(&self.name),
        }
    }

    fn client(&self) -> (u64, Client) {
        self.client.lock().clone()
    }

    /// Forgets the credentials that the store calls expired, unless another call did meanwhile.
    fn renew(&self, generation: u64) {
        let mut client = self.client.lock();
        if client.0 == generation {
            info!(store = %self.name, "credentials expired, asking for new ones");
            let config = self
                .config
                .to_builder()
                .identity_cache(IdentityCache::lazy().build())
                .build();
            *client = (generation + 1, Client::from_conf(config));
        }
    }

    /// Sends one request, which has `carried` bytes of an object, and says what its answer means.
    async fn ask<T, E, F>(
        &self,
        carried: u64,
        send: impl FnOnce(Client) -> F,
    ) -> Result<T, FailedRequest>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let (generation, client) = self.client();
        self.stats.request();
        self.stats.send(carried);
        let started = Instant::now();
        let limit =
            self.options.answer_timeout + Duration::from_secs(carried / self.options.floor.max(1));
        let answered = timeout(limit, send(client)).await;
        self.stats.wait(started.elapsed());
        match answered {
            Ok(Ok(done)) => {
                self.seen.store(true, Relaxed);
                Ok(done)
            }
            Ok(Err(error)) => {
                let answer = FailedRequest::new(error);
                if matches!(answer.said, Said::Expired) {
                    self.renew(generation);
                }
                Err(answer)
            }
            Err(_elapsed) => Err(FailedRequest::silence(limit)),
        }
    }

    fn failure(&self, subject: &Subject, answer: FailedRequest) -> Failure {
        let answer = match (answer, &self.proxy) {
            (
                FailedRequest {
                    said: Said::Silence(source),
                    code,
                },
                Some(proxy),
            ) => {
                let source = format!(
                    "by way of the proxy {proxy}: {}",
                    classify::chain(source.as_ref())
                )
                .into();
                FailedRequest {
                    said: Said::Silence(source),
                    code,
                }
            }
            (answer, _) => answer,
        };
        answer.failure(subject, &self.region)
    }

    /// The state that an answer names, which later requests can ask for.
    fn state(subject: &Subject, etag: Option<String>) -> Result<Etag, Failure> {
        match etag {
            None => Err(Self::strange(subject, "an answer without an ETag")),
            Some(weak) if weak.starts_with("W/") => {
                let what = "a weak ETag, with which no state of an object can be asked for: a \
                            proxy on the way changes what it passes on, or the store makes such";
                Err(Self::strange(subject, what))
            }
            Some(etag) => Ok(Etag::new(etag)),
        }
    }

    /// Refuses bytes that are not those that were kept.
    fn unencoded(subject: &Subject, encoding: Option<&str>) -> Result<(), Failure> {
        match encoding.map(str::trim) {
            None | Some("" | "identity" | "aws-chunked") => Ok(()),
            Some(encoding) => Err(Self::strange(
                subject,
                &format!(
                    "Content-Encoding {encoding}: a proxy on the way compresses, or the object \
                     was kept compressed"
                ),
            )),
        }
    }

    /// An answer that no S3 gives.
    fn strange(subject: &Subject, what: &str) -> Failure {
        Failure::last(StoreError::Refused {
            subject: subject.clone(),
            code: what.to_owned(),
        })
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn get(
        &self,
        key: &str,
        limit: u64,
        known: Option<&Etag>,
    ) -> Result<Option<Object>, StoreError> {
        let (subject, key) = self.call(Action::Read, key)?;
        body::whole(&self.0, subject, key, limit, known).await
    }

    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&Etag>,
    ) -> Result<Body, StoreError> {
        let (subject, key) = self.call(Action::Read, key)?;
        if range.is_empty() {
            return Ok(Body::new(futures_util::stream::empty()));
        }
        body::range(&self.0, subject, key, range, etag.cloned()).await
    }

    async fn head(&self, key: &str) -> Result<Option<Info>, StoreError> {
        let (subject, key) = self.call(Action::Look, key)?;
        self.0
            .retry
            .run(&subject, || self.0.head(&subject, &key))
            .await
    }

    async fn holds(&self, key: &str, path: &Path) -> Result<Holds, StoreError> {
        let (subject, key) = self.call(Action::Look, key)?;
        checksum::holds(&self.0, &subject, &key, path).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: Condition) -> Result<Etag, StoreError> {
        let (subject, key) = self.call(Action::Write, key)?;
        hit(&subject, "store.put")?;
        let etag = put::put(&self.0, &subject, &key, bytes, &condition).await?;
        hit(&subject, "store.put.done")?;
        Ok(etag)
    }

    async fn put_file(
        &self,
        key: &str,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError> {
        let (subject, key) = self.call(Action::Write, key)?;
        multipart::put_file(&self.0, &subject, &key, path, progress).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let subject = self.0.subject(Action::List, prefix);
        prefix_of(&subject)?;
        self.0.list(&subject, prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let (subject, key) = self.call(Action::Delete, key)?;
        let inner = &self.0;
        hit(&subject, "store.delete")?;
        let attempt = || async {
            let asked = inner
                .ask(0, |client| {
                    client
                        .delete_object()
                        .bucket(&inner.bucket)
                        .key(&key)
                        .send()
                })
                .await;
            match asked {
                Ok(_) => Ok(()),
                // Some implementations answer so where S3 says 204.
                Err(answer) if matches!(answer.said, Said::Missing) => Ok(()),
                Err(answer) => Err(inner.failure(&subject, answer)),
            }
        };
        inner.retry.run(&subject, attempt).await?;
        hit(&subject, "store.delete.done")
    }

    fn begin(&self) {
        self.0.retry.begin();
    }

    fn identity(&self) -> String {
        format!("{}, prefix {:?}", self.0.name, self.0.prefix)
    }

    fn stats(&self) -> &Stats {
        &self.0.stats
    }

    fn parallel(&self) -> NonZeroUsize {
        self.0.options.parallel
    }
}

fn hit(subject: &Subject, point: &'static str) -> Result<(), StoreError> {
    failpoint::hit(point).map_err(|source| StoreError::Disk {
        path: PathBuf::from(&subject.key),
        source,
    })
}

#[cfg(test)]
mod tests;
