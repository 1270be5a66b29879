//! The layer around the S3 service: it counts requests and lets things go wrong.

use super::{
    backend::Unconditional,
    body::{Script, Scripted},
    control::Control,
    fault::{Board, Effect},
    memory::{Memory, Object},
    operation::Call,
    stats::{Open, Stats},
    wire::Fate,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderValue},
};
use jiff::{SignedDuration, Timestamp};
use s3s::{Body, HttpError, HttpResponse, service::S3Service};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// No answer: the connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub(super) struct NoAnswer;

/// Answers requests of all connections.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) service: S3Service,
    pub(super) memory: Arc<Memory>,
    pub(super) board: Arc<Board>,
    pub(super) stats: Arc<Stats>,
    pub(super) control: Control,
}

impl Layer {
    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        fate: Arc<Fate>,
    ) -> Result<Response<Scripted<Body>>, NoAnswer> {
        if request.uri().path().starts_with(Control::PREFIX) {
            let response = self.control.answer(request).await;
            return Ok(
                response.map(|body| Scripted::new(Body::from(body), Script::default(), fate, None))
            );
        }
        let call = Call::read(request.method(), request.uri(), request.headers());
        let open = self.stats.open(&call);
        let effects = self.board.effects(&call);
        for effect in &effects {
            self.stats.fault(effect.name());
        }
        for effect in &effects {
            if let Effect::Latency { ms } = effect {
                sleep(Duration::from_millis(*ms)).await;
            }
        }
        if let Some(refusal) = effects.iter().find_map(|effect| refusal(effect, &call)) {
            // An answer on an unread body would reset the connection, which is another fault.
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            return Ok(self.finish(refusal, Script::default(), fate, open));
        }
        if effects.contains(&Effect::Unconditional) {
            // The headers stay, because they are signed.
            request.extensions_mut().insert(Unconditional);
        }
        let uploads = call.operation.uploads();
        let response = if uploads && !effects.is_empty() {
            let script = Script::new(&effects, 0, || self.swap(&call));
            let request = request.map(|body| {
                Body::http_body_unsync(Scripted::new(body, script, Arc::clone(&fate), None))
            });
            self.call(request).await
        } else {
            self.call(request.map(Body::from)).await
        };
        let mut response = response.map_err(|_| NoAnswer)?;
        for effect in &effects {
            if let Effect::Clock { seconds } = effect {
                let date = (Timestamp::now() - SignedDuration::from_secs(i64::from(*seconds)))
                    .strftime("%a, %d %b %Y %H:%M:%S GMT")
                    .to_string();
                response.headers_mut().insert(
                    DATE,
                    HeaderValue::try_from(date).expect("a date is a header's value"),
                );
            }
        }
        if fate.is_broken() || effects.contains(&Effect::LostAnswer) {
            return Err(NoAnswer);
        }
        let script = if uploads {
            Script::default()
        } else {
            Script::new(&effects, start(response.headers()), || self.swap(&call))
        };
        Ok(self.finish(response, script, fate, open))
    }

    async fn call(&self, request: Request<Body>) -> Result<HttpResponse, HttpError> {
        self.service.call(request).await
    }

    fn finish(
        &self,
        mut response: HttpResponse,
        script: Script,
        fate: Arc<Fate>,
        open: Open,
    ) -> Response<Scripted<Body>> {
        self.stats.answered(response.status());
        if let Some(length) =
            number(response.headers().get(CONTENT_LENGTH)).filter(|_| script.excess() > 0)
        {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length + script.excess()));
        }
        response.map(|body| Scripted::new(body, script, fate, Some(open)))
    }

    /// Replaces the object of `call` by one of the same size with every bit changed.
    fn swap(&self, call: &Call) -> Box<dyn FnOnce() + Send> {
        let (memory, bucket, key) = (
            Arc::clone(&self.memory),
            call.bucket.clone(),
            call.key.clone(),
        );
        Box::new(move || {
            // An object that is gone meanwhile cannot be swapped, and its reader notices as well.
            drop(memory.write(&bucket, |bucket| {
                let current = bucket.object(&key)?;
                let mut bytes = BytesMut::from(&current.content.to_bytes()[..]);
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
                let object = Object::new(bytes.freeze().into(), current.content_type.clone());
                bucket.put(key, object, &super::memory::Condition::default())
            }));
        })
    }
}

/// The answer of an effect that takes the place of the operation.
fn refusal(effect: &Effect, call: &Call) -> Option<HttpResponse> {
    match effect {
        Effect::Status { status, code } => Some(error(
            StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
        )),
        Effect::Redirect { region } => {
            if call
                .signer
                .as_ref()
                .is_some_and(|signer| signer.region == *region)
            {
                return None;
            }
            let mut response = error(StatusCode::MOVED_PERMANENTLY, "PermanentRedirect");
            response
                .headers_mut()
                .insert("x-amz-bucket-region", HeaderValue::from_str(region).ok()?);
            Some(response)
        }
        _ => None,
    }
}

fn error(status: StatusCode, code: &str) -> HttpResponse {
    let text = format!(
        "<?xml version=\"1.0\" \
         encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>injected</Message><RequestId>0</\
         RequestId></Error>"
    );
    let mut response = HttpResponse::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Where in its object an answer begins.
fn start(headers: &HeaderMap) -> u64 {
    let range = headers
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    range
        .and_then(|range| {
            range
                .strip_prefix("bytes ")?
                .split('-')
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or_default()
}

fn number(value: Option<&HeaderValue>) -> Option<u64> {
    value?.to_str().ok()?.parse().ok()
}
