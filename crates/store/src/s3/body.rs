//! Reading an object: a body that resumes by itself.

use super::{FailedRequest, Inner, Said};
use crate::{
    Body, Etag, Object, StoreError, Subject,
    retry::{Attempts, Class, Failure},
    stall::Meter,
};
use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use std::{ops::Range, sync::Arc};
use tokio::time::{Instant, timeout};

/// The bytes of an object from `at` to `end`, over as many connections as it takes.
#[derive(Debug)]
struct Reading {
    inner: Arc<Inner>,
    subject: Subject,
    key: String,
    at: u64,
    end: u64,
    /// The state in which the object must stay: the caller's, or that of the first answer.
    etag: Option<Etag>,
    attempts: Attempts,
    last: Option<StoreError>,
    stream: Option<Stream>,
}

/// One answer that is being read.
#[derive(Debug)]
struct Stream {
    bytes: ByteStream,
    meter: Meter,
    received: u64,
    slow: bool,
}

pub(super) async fn range(
    inner: &Arc<Inner>,
    subject: Subject,
    key: String,
    range: Range<u64>,
    etag: Option<Etag>,
) -> Result<Body, StoreError> {
    let mut reading = Reading::new(inner, subject, key, range, etag);
    // The first answer is waited for here, so that what is missing or forbidden is this call's
    // error.
    reading.connect().await?;
    Ok(reading.into_body())
}

pub(super) async fn whole(
    inner: &Arc<Inner>,
    subject: Subject,
    key: String,
    limit: u64,
    known: Option<&Etag>,
) -> Result<Option<Object>, StoreError> {
    let attempt = || async {
        let request = |client: aws_sdk_s3::Client| {
            let request = client.get_object().bucket(&inner.bucket).key(&key);
            request
                .set_if_none_match(known.map(|etag| etag.as_str().to_owned()))
                .send()
        };
        match inner.ask(0, request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(FailedRequest {
                said: Said::NotModified,
                ..
            }) => Ok(None),
            Err(answer) => Err(inner.failure(&subject, answer)),
        }
    };
    let Some(answer) = inner.retry.run(&subject, attempt).await? else {
        return Ok(None);
    };
    Inner::unencoded(&subject, answer.content_encoding.as_deref())
        .map_err(|failure| failure.error)?;
    let etag = Inner::state(&subject, answer.e_tag).map_err(|failure| failure.error)?;
    let Some(size) = answer
        .content_length
        .and_then(|size| u64::try_from(size).ok())
    else {
        return Err(Inner::strange(&subject, "an answer without a Content-Length").error);
    };
    if size > limit {
        return Err(StoreError::TooLarge { subject, limit });
    }
    let mut reading = Reading::new(inner, subject, key, 0..size, Some(etag.clone()));
    reading.stream = Some(reading.metered(answer.body));
    Ok(Some(Object {
        bytes: reading.into_body().collect().await?,
        etag,
    }))
}

impl Reading {
    fn new(
        inner: &Arc<Inner>,
        subject: Subject,
        key: String,
        range: Range<u64>,
        etag: Option<Etag>,
    ) -> Self {
        let (at, end) = (range.start, range.end);
        Self {
            inner: Arc::clone(inner),
            subject,
            key,
            at,
            end,
            etag,
            attempts: Attempts::default(),
            last: None,
            stream: None,
        }
    }

    fn into_body(self) -> Body {
        Body::new(stream::unfold(Some(self), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(reading))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    fn metered(&self, bytes: ByteStream) -> Stream {
        Stream {
            bytes,
            meter: Meter::new(self.inner.options.floor, self.inner.options.window),
            received: 0,
            slow: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.at < self.end {
            self.connect().await?;
            let met = match self.piece().await {
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => StoreError::Broken {
                    subject: self.subject.clone(),
                    at: self.at,
                    source: None,
                },
                Err(error) => error,
            };
            self.recover(met).await?;
        }
        self.inner.retry.succeeded(&mut self.attempts);
        Ok(None)
    }

    /// The next piece of the answer that is being read, or `None` if it ended early.
    async fn piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        let until = self.inner.retry.until();
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        if stream.slow {
            return Err(self.stalled());
        }
        let started = Instant::now();
        let patience = stream
            .meter
            .left()
            .min(until.saturating_duration_since(started));
        let came = timeout(patience, stream.bytes.next()).await;
        self.inner.stats.wait(started.elapsed());
        let piece = match came {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => return Ok(None),
            Ok(Some(Err(source))) => {
                return Err(StoreError::Broken {
                    subject: self.subject.clone(),
                    at: self.at,
                    source: Some(source.into()),
                });
            }
            Err(_elapsed) => return Err(self.stalled()),
        };
        stream.slow = stream.meter.waited(started.elapsed(), piece.len()).is_err();
        stream.received += piece.len() as u64;
        self.inner.stats.receive(piece.len());
        self.at += piece.len() as u64;
        let excess = self.at == self.end
            && matches!(stream.bytes.next().now_or_never(), Some(Some(Ok(more))) if !more.is_empty());
        if excess || self.at > self.end {
            return Err(StoreError::Replaced {
                subject: self.subject.clone(),
            });
        }
        Ok(Some(piece))
    }

    fn stalled(&self) -> StoreError {
        let (floor, window) = (self.inner.options.floor, self.inner.options.window);
        StoreError::Stalled {
            subject: self.subject.clone(),
            floor,
            window,
            at: self.at,
        }
    }

    /// Leaves the present answer after `met`, and waits before the next is asked for.
    async fn recover(&mut self, met: StoreError) -> Result<(), StoreError> {
        let received = self.stream.take().map_or(0, |stream| stream.received);
        // An answer that brought a second's worth of bytes was a success until then. One that
        // brings a few bytes each time is not.
        if received >= self.inner.options.floor {
            self.inner.retry.succeeded(&mut self.attempts);
        }
        let class = if matches!(met, StoreError::Replaced { .. }) {
            Class::Final
        } else {
            Class::Trouble
        };
        self.pause(Failure { error: met, class }).await
    }

    async fn pause(&mut self, failure: Failure) -> Result<(), StoreError> {
        self.last = Some(
            self.inner
                .retry
                .pause(&self.subject, &mut self.attempts, failure)
                .await?,
        );
        Ok(())
    }

    /// Asks for what is left, until there is an answer to read from.
    async fn connect(&mut self) -> Result<(), StoreError> {
        while self.stream.is_none() {
            let inner = Arc::clone(&self.inner);
            let request = |client: aws_sdk_s3::Client| {
                let request = client
                    .get_object()
                    .bucket(&inner.bucket)
                    .key(&self.key)
                    .range(format!("bytes={}-{}", self.at, self.end - 1));
                request
                    .set_if_match(self.etag.as_ref().map(|etag| etag.as_str().to_owned()))
                    .send()
            };
            let left = inner
                .retry
                .until()
                .saturating_duration_since(Instant::now());
            let failure = match timeout(left, inner.ask(0, request)).await {
                Ok(Ok(answer)) => match self.accept(answer) {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure,
                },
                Ok(Err(FailedRequest {
                    said: Said::Range, ..
                })) => Failure::last(self.short()),
                Ok(Err(answer)) => inner.failure(&self.subject, answer),
                Err(_elapsed) => return Err(inner.retry.too_late(&self.subject, self.last.take())),
            };
            self.pause(failure).await?;
        }
        Ok(())
    }

    /// Reads from `answer` from now on, if it is what was asked for.
    fn accept(&mut self, answer: GetObjectOutput) -> Result<(), Failure> {
        Inner::unencoded(&self.subject, answer.content_encoding.as_deref())?;
        let etag = Inner::state(&self.subject, answer.e_tag)?;
        if *self.etag.get_or_insert_with(|| etag.clone()) != etag {
            return Err(Failure::last(StoreError::Replaced {
                subject: self.subject.clone(),
            }));
        }
        let length = answer
            .content_length
            .and_then(|length| u64::try_from(length).ok());
        // Without a range the answer is the whole object, which serves where the whole was asked
        // for.
        let sent = answer
            .content_range
            .as_deref()
            .map_or_else(|| length.map(|length| 0..length), sent_range);
        match sent {
            Some(sent) if sent == (self.at..self.end) => {}
            Some(sent) if sent.start == self.at && sent.end < self.end => {
                return Err(Failure::last(self.short()));
            }
            _ => {
                return Err(Inner::strange(
                    &self.subject,
                    "other bytes than those of the Range that was asked for",
                ));
            }
        }
        self.stream = Some(self.metered(answer.body));
        Ok(())
    }

    fn short(&self) -> StoreError {
        StoreError::Short {
            subject: self.subject.clone(),
            end: self.end,
        }
    }
}

/// The range of `bytes 0-99/1234` (RFC 9110, section 14.4).
fn sent_range(header: &str) -> Option<Range<u64>> {
    let (first, last) = header
        .strip_prefix("bytes ")?
        .split_once('/')?
        .0
        .split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(sent_range("bytes 5-9/10"), Some(5..10));
        for bad in [
            "bytes */10",
            "5-9/10",
            "bytes 5-9",
            "bytes a-9/10",
            "bytes 5-18446744073709551615/*",
        ] {
            assert_eq!(sent_range(bad), None, "{bad}");
        }
    }
}
