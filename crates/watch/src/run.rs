//! The program: its parts, and why it ends.

use crate::settings::Settings;
use client::Cluster;
use release::Reason;
use runtime::TaskError;
use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf};
use tokio_util::sync::CancellationToken;

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The file with further roots cannot be used.
    #[error("the file {} with roots of certificates cannot be used: {why}", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be had.
    #[error("TLS cannot be had: {0}")]
    Tls(String),
    /// No name server is known.
    #[error(transparent)]
    Dns(#[from] dns::NoResolver),
    /// The address of the API cannot be had.
    #[error("cannot listen on {listen}, as --listen says")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A part ended.
    #[error("a part of the program ended")]
    Task(#[from] TaskError<Infallible>),
}

impl WatchError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Authority { .. } | Self::Dns(_) | Self::Listen { .. } => Reason::Config,
            Self::Tls(_) | Self::Task(_) => Reason::Bug,
        }
    }
}

/// Watches until `stop`.
///
/// # Errors
///
/// Where a setting is not usable, or a part ended that should not.
pub async fn run(
    _cluster: Cluster,
    _settings: Settings,
    stop: CancellationToken,
) -> Result<(), WatchError> {
    stop.cancelled().await;
    Ok(())
}
