//! Why `publish --rollout` failed after it had published.

use release::Reason;
use std::io;

/// Why a rollout was not started, or did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RolloutError {
    /// The process cannot be started.
    #[error(
        "the release is published, and `longshore rollout start` cannot be run; the same command \
         again goes on with it"
    )]
    Start(#[source] io::Error),
    /// It failed, and has said why.
    #[error("the release is published, and `longshore rollout start` failed ({}); the same command again goes on with it", ended(*code))]
    Failed {
        /// Its exit code; nothing if a signal ended it.
        code: Option<i32>,
    },
}

fn ended(code: Option<i32>) -> String {
    code.map_or_else(
        || "a signal ended it".to_owned(),
        |code| format!("exit code {code}"),
    )
}

impl RolloutError {
    /// The stable reason, with which the exit code is the other process's.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::Failed { code: Some(64) } => Reason::Config,
            Self::Failed { code: Some(69) } => Reason::ApiServer,
            Self::Failed {
                code: Some(75) | None,
            } => Reason::Rollout,
            Self::Failed { code: Some(80) } => Reason::RolloutPartly,
            Self::Failed { code: Some(81) } => Reason::RolloutFailed,
            Self::Start(_) | Self::Failed { .. } => Reason::Bug,
        }
    }
}
