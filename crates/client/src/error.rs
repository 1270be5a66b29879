//! Why the API server did not do what it was asked.

use kube::{Error, core::Status};
use release::Reason;
use std::time::Duration;

/// Why a call of the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no kubeconfig, and this is no pod.
    #[error("no cluster is configured: set KUBECONFIG, or run in a pod with a service account")]
    Config(#[source] Box<Error>),
    /// It did not answer.
    #[error("{what}: the API server cannot be reached")]
    Unreachable {
        /// Which call.
        what: String,
        /// Why.
        source: Box<Error>,
    },
    /// It did not answer in time.
    #[error("{what}: no answer within {} s", within.as_secs())]
    Slow {
        /// Which call.
        what: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// Another manager owns fields.
    #[error("{what}: {}; agree with its owner, or take the fields with --take-over", owners.join("; "))]
    Owned {
        /// Which call.
        what: String,
        /// Which managers own which fields, a sentence each.
        owners: Vec<String>,
    },
    /// It refused.
    #[error("{what}: {}", said(status))]
    Refused {
        /// Which call.
        what: String,
        /// What it said.
        status: Box<Status>,
    },
    /// This process no longer holds its lease: another one may write.
    #[error("{what}: not written, because this process no longer leads")]
    Fenced {
        /// Which call.
        what: String,
    },
}

/// A sentence of the API server; one that lists every field is cut.
fn said(status: &Status) -> String {
    let text = if status.message.is_empty() {
        status.reason.as_str()
    } else {
        status.message.as_str()
    };
    let short: String = text.chars().take(1000).collect();
    format!("{short} (code {})", status.code)
}

impl ApiError {
    /// What kube says of the call `what`.
    #[must_use]
    pub fn new(what: &str, error: Error) -> Self {
        let what = what.to_owned();
        match error {
            Error::Api(status) if status.code == 409 && conflicts(&status).next().is_some() => {
                Self::Owned {
                    owners: conflicts(&status).collect(),
                    what,
                }
            }
            Error::Api(status) => Self::Refused { what, status },
            Error::InferConfig(_) | Error::InferKubeconfig(_) | Error::TlsRequired => {
                Self::Config(Box::new(error))
            }
            other => Self::Unreachable {
                what,
                source: Box::new(other),
            },
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.code),
            _ => None,
        }
    }

    /// Whether there is no such object, or no such kind.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether another manager owns fields.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        matches!(self, Self::Owned { .. })
    }

    /// Whether the same call may succeed in a moment.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } => true,
            // 409 without owners: somebody wrote between our read and our write. 403 while a
            // namespace's quota is being counted is said with 403 as well, but its reason tells it
            // from a missing permission.
            Self::Refused { status, .. } => {
                matches!(status.code, 409 | 410 | 429 | 500 | 502 | 503 | 504)
                    || (status.code == 403 && status.message.contains("quota"))
            }
            _ => false,
        }
    }

    /// How long the API server asks us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { status, .. } => {
                let seconds = status
                    .details
                    .as_ref()
                    .map_or(0, |details| details.retry_after_seconds);
                (seconds > 0).then(|| Duration::from_secs(u64::from(seconds.min(30))))
            }
            _ => None,
        }
    }

    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Config(_) => Reason::Config,
            Self::Unreachable { .. } | Self::Slow { .. } => Reason::ApiServer,
            Self::Owned { .. } => Reason::Owned,
            Self::Fenced { .. } => Reason::NotLeader,
            Self::Refused { status, .. } => match status.code {
                401 | 403 => Reason::ApiForbidden,
                409 | 410 => Reason::Conflict,
                429 | 500..=599 => Reason::ApiServer,
                _ => Reason::ApiRefused,
            },
        }
    }
}

/// Each field that another manager owns, with the manager's name: `spec.replicas belongs to
/// "kubectl-edit"`.
fn conflicts(status: &Status) -> impl Iterator<Item = String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
            format!(
                "{} belongs to {manager:?}",
                cause.field.trim_start_matches('.')
            )
        })
}

#[cfg(any(test, feature = "fixtures"))]
/// A refusal with this code, for tests.
#[must_use]
pub fn refused(code: u16) -> ApiError {
    ApiError::Refused {
        what: "test".to_owned(),
        status: Status {
            code,
            ..Status::default()
        }
        .boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};

    #[test]
    fn a_conflict_names_the_other_manager_and_the_field() {
        let cause = StatusCause {
            reason: "FieldManagerConflict".into(),
            message: r#"conflict with "kubectl-edit" using apps/v1"#.into(),
            field: ".spec.replicas".into(),
        };
        let details = StatusDetails {
            causes: vec![cause],
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            retry_after_seconds: 0,
        };
        let status = Status {
            code: 409,
            details: Some(details),
            ..Status::default()
        };
        let error = ApiError::new("apply Deployment shop-a/web", Error::Api(status.boxed()));
        assert!(error.is_owned() && !error.is_transient());
        assert_eq!(
            error.to_string(),
            r#"apply Deployment shop-a/web: spec.replicas belongs to "kubectl-edit"; agree with its owner, or take the fields with --take-over"#
        );
    }

    #[test]
    fn what_passes_by_itself_is_tried_again_and_nothing_else() {
        for (code, again) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (409, true),
            (410, true),
            (422, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            assert_eq!(refused(code).is_transient(), again, "{code}");
        }
    }
}
