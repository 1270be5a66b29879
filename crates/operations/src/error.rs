//! Why something was not done.

use client::ApiError;
use release::Reason;

/// Why something was not done. Each has a stable reason code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// It asks for something that is not there, or cannot be.
    #[error("{0}")]
    Argument(String),
    /// A shop, or something of it, is not in the registry.
    #[error("{0}")]
    Missing(String),
    /// The shop is in a state in which it cannot be done.
    #[error("{0}")]
    State(String),
    /// A Job failed, or did not end.
    #[error("{0}")]
    Job(String),
    /// `longshore-watch` did not say it.
    #[error("{0}")]
    Watch(String),
    /// Somebody changed it since it was shown.
    #[error("{0}")]
    Moved(String),
    /// The API server did not do it.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl OperationError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Argument(_) => Reason::Config,
            Self::Missing(_) => Reason::Registry,
            Self::State(_) => Reason::ShopState,
            Self::Job(_) => Reason::Job,
            Self::Watch(_) => Reason::Watch,
            Self::Moved(_) => Reason::Moved,
            Self::Api(error) => error.reason(),
        }
    }
}
