//! What an answer of S3 means.

use crate::{
    Action, Cause, StoreError, Subject,
    retry::{Class, Failure},
};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::{error::Error, iter, time::Duration};

/// The longest time that we let a service name for its `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a request that gave no result met.
#[derive(Debug)]
pub(super) enum Said {
    NotModified,
    Missing,
    Bucket,
    Upload,
    Forbidden,
    Expired,
    Region(Option<String>),
    Clock,
    Condition,
    Conflict,
    Range,
    Throttle(Option<Duration>),
    Trouble,
    Archived,
    Refused,
    NoCredentials(Cause),
    Silence(Cause),
    Broken(Cause),
}

/// What a request that gave no result met, with the store's own word for it.
#[derive(Debug)]
pub(super) struct FailedRequest {
    pub(super) said: Said,
    pub(super) code: String,
}

impl FailedRequest {
    pub(super) fn new<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let (SdkError::ServiceError(service), Some(raw)) = (&error, error.raw_response()) {
            let header = |name| raw.headers().get(name);
            let (status, code) = (raw.status().as_u16(), service.err().code());
            let region = header("x-amz-bucket-region")
                .map(str::to_owned)
                .or_else(|| raw.body().bytes().and_then(region_in));
            let pause = header("retry-after")
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs);
            return Self {
                said: meaning(status, code, region, pause),
                code: word(status, code),
            };
        }
        let said = match error {
            SdkError::ResponseError(_) => Said::Broken(cause(error)),
            SdkError::ConstructionFailure(_) => {
                return Self {
                    code: chain(&error),
                    said: Said::Refused,
                };
            }
            _ if lacks_credentials(&error) => Said::NoCredentials(cause(error)),
            _ => Said::Silence(cause(error)),
        };
        Self {
            said,
            code: String::new(),
        }
    }

    /// The answer did not start within `time`.
    pub(super) fn silence(time: Duration) -> Self {
        Self {
            said: Said::Silence(format!("no answer started within {time:?}").into()),
            code: String::new(),
        }
    }

    /// What it means for the call `subject`, which was signed for the region `asked`.
    pub(super) fn failure(self, subject: &Subject, asked: &str) -> Failure {
        let (subject, code) = (subject.clone(), self.code);
        let (error, class) = match self.said {
            // A write misses nothing, but for `If-Match`, whose caller asks for it.
            Said::Missing if subject.action == Action::Write => {
                (StoreError::Refused { subject, code }, Class::Final)
            }
            Said::Missing => (StoreError::Missing { subject }, Class::Final),
            Said::Bucket => (StoreError::Bucket { subject }, Class::Final),
            Said::Forbidden => (StoreError::Forbidden { subject, code }, Class::Final),
            Said::Expired => (StoreError::Forbidden { subject, code }, Class::Refusal),
            Said::Region(actual) => (
                StoreError::Region {
                    subject,
                    asked: Some(asked.to_owned()),
                    actual,
                },
                Class::Final,
            ),
            Said::Clock => (StoreError::Clock { subject, code }, Class::Final),
            Said::Condition if subject.action == Action::Write => {
                (StoreError::Condition { subject }, Class::Final)
            }
            Said::Condition => (StoreError::Replaced { subject }, Class::Final),
            Said::Conflict => (StoreError::Condition { subject }, Class::Refusal),
            Said::Throttle(pause) => (
                StoreError::Unavailable { subject, code },
                Class::Throttle(pause),
            ),
            Said::Trouble => (StoreError::Unavailable { subject, code }, Class::Trouble),
            Said::Archived => (StoreError::Archived { subject, code }, Class::Final),
            Said::NotModified | Said::Range | Said::Upload | Said::Refused => {
                (StoreError::Refused { subject, code }, Class::Final)
            }
            Said::NoCredentials(source) => {
                (StoreError::NoCredentials { subject, source }, Class::Final)
            }
            Said::Silence(source) => (StoreError::Unreachable { subject, source }, Class::Silence),
            Said::Broken(source) => (
                StoreError::Broken {
                    subject,
                    at: 0,
                    source: Some(source),
                },
                Class::Trouble,
            ),
        };
        Failure { error, class }
    }
}

/// "Amazon S3 API Reference, Error responses, List of error codes". The code decides where there is
/// one: an answer to HEAD has none.
fn meaning(
    status: u16,
    code: Option<&str>,
    region: Option<String>,
    pause: Option<Duration>,
) -> Said {
    match (status, code.unwrap_or_default()) {
        (304, _) => Said::NotModified,
        // "Amazon S3 API Reference, GetObject": 403, though nobody lacks a right.
        (_, "InvalidObjectState") => Said::Archived,
        // What a store does not know it will not know at the next try either.
        (501, _) | (_, "NotImplemented") => Said::Refused,
        (_, "NoSuchBucket") => Said::Bucket,
        (_, "NoSuchUpload") => Said::Upload,
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => Said::Expired,
        (_, "RequestTimeTooSkewed") => Said::Clock,
        (301 | 307 | 308, _)
        | (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException",
        ) => Said::Region(region),
        // To HEAD, S3 says of a region that was signed wrongly only this.
        (400, "") if region.is_some() => Said::Region(region),
        (_, "InternalError" | "RequestTimeout") | (408 | 500 | 502 | 504, _) => Said::Trouble,
        (_, "SlowDown" | "ServiceUnavailable" | "Throttling" | "RequestLimitExceeded")
        | (429 | 503, _) => Said::Throttle(pause.map(|pause| pause.min(LONGEST_PAUSE))),
        (409, "ConditionalRequestConflict" | "OperationAborted") => Said::Conflict,
        (401 | 403, _) | (_, "InvalidToken") => Said::Forbidden,
        (404, _) => Said::Missing,
        (412, _) => Said::Condition,
        (416, _) => Said::Range,
        _ => Said::Refused,
    }
}

fn word(status: u16, code: Option<&str>) -> String {
    match code {
        Some(code) if status < 500 => code.to_owned(),
        Some(code) => format!("{status} {code}"),
        None => status.to_string(),
    }
}

/// The `<Region>` of an error document, which says the right one where a request was signed for
/// another.
fn region_in(body: &[u8]) -> Option<String> {
    let text = str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Region>")?;
    rest.split_once("</Region>")
        .map(|(region, _)| region.to_owned())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&cause| cause.source())
}

pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

// A provider that timed out or failed could not be asked; only one that found nothing, or nonsense,
// says that there is none.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            )
        )
    })
}

/// The cause below the SDK's own words ("dispatch failure"), which say nothing.
fn cause<E>(error: SdkError<E, HttpResponse>) -> Cause
where
    E: Error + Send + Sync + 'static,
{
    error
        .into_source()
        .unwrap_or_else(|error| error.to_string().into())
}

#[cfg(test)]
mod tests;
