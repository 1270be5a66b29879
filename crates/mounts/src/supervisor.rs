//! All mounts of a file, kept until the end.

use crate::{
    file::{Mount, MountsFile, What},
    health::{Health, MountHealth},
    keeper::Keeper,
    report::{HealthReporter, Options},
    tunnel::{Credentials, OpenTunnels, Route, TunnelError},
};
use jiff::Timestamp;
use release::Reason;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};

/// Why mounts cannot be kept at all. A mount that fails is none of these: it is tried again, and
/// its health says why.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A tunnel cannot be prepared.
    #[error("mount {name:?} cannot be encrypted")]
    Tunnel {
        /// Which mount.
        name: String,
        /// Why.
        source: TunnelError,
    },
    /// A task panicked.
    #[error("a task that keeps a mount panicked")]
    Panicked(#[from] JoinError),
}

impl MountError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Tunnel { .. } => Reason::Config,
            Self::Panicked(_) => Reason::Bug,
        }
    }
}

/// Keeps all mounts of a file: one task, with one below it for each mount.
#[derive(Debug)]
pub struct Supervisor {
    file: MountsFile,
    options: Options,
    health: Arc<watch::Sender<Vec<MountHealth>>>,
}

impl Supervisor {
    /// A supervisor that has not started.
    #[must_use]
    pub fn new(file: MountsFile, options: Options) -> Self {
        let first = |mount: &Mount| MountHealth {
            name: mount.name.clone(),
            kind: mount.kind(),
            path: mount.path.clone(),
            required: mount.required,
            state: Health::Mounting,
            since: Timestamp::now(),
            detail: None,
        };
        let health = Arc::new(watch::Sender::new(file.mounts.iter().map(first).collect()));
        Self {
            file,
            options,
            health,
        }
    }

    /// How the mounts are, in the order of the file; keeps its last values after the supervisor
    /// ended.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Vec<MountHealth>> {
        self.health.subscribe()
    }

    /// Mounts, adopts, probes and mounts again until `stop` is cancelled; then unmounts what it
    /// keeps, within [`Timing::unmount_within`](crate::Timing::unmount_within), and returns. What
    /// others made (`adopt`) stays mounted.
    ///
    /// # Errors
    ///
    /// A tunnel cannot be prepared, which no retry would change. Not a mount that fails: it is
    /// tried for as long as it takes.
    pub async fn run(self, stop: CancellationToken) -> Result<(), MountError> {
        let Self {
            file,
            options,
            health,
        } = self;
        let mut routes = Vec::new();
        for mount in &file.mounts {
            routes.push(route(mount, options.credentials.clone()).await?);
        }
        let within = options.timing.unmount_within;
        let (mut keepers, open) = (JoinSet::new(), OpenTunnels::default());
        for (index, (mount, route)) in file.mounts.into_iter().zip(routes).enumerate() {
            let span = info_span!("mount", mount = %mount.name);
            let report = HealthReporter::new(index, Arc::clone(&health));
            let keeper = Keeper::new(mount, route, options.clone(), report, open.clone());
            keepers.spawn(keeper.run(stop.child_token()).instrument(span));
        }
        // Without mounts there is nothing to keep, and still an end to wait for.
        stop.cancelled().await;
        // A keeper gives its tunnel back, and it ends after all of them: the client may use it for
        // any mount of the same server.
        let mut tunnels = Vec::new();
        let all = async {
            while let Some(ended) = keepers.join_next().await {
                tunnels.push(ended?);
            }
            Ok(())
        };
        // A second more than the keepers take, who have the same deadline.
        timeout(within + Duration::from_secs(1), all)
            .await
            .unwrap_or_else(|_elapsed| {
                warn!("mounts stay, as unmounting them takes too long");
                Ok(())
            })
    }
}

/// Reads certificates and makes keys on a thread for such work.
async fn route(
    mount: &Mount,
    credentials: Option<Arc<dyn Credentials>>,
) -> Result<Option<Route>, MountError> {
    let What::Nfs4(nfs) = &mount.what else {
        return Ok(None);
    };
    let Some(tls) = &nfs.tls else { return Ok(None) };
    let (name, nfs, tls) = (mount.name.clone(), nfs.clone(), tls.clone());
    let made = spawn_blocking(move || Route::new(&name, &nfs, &tls, credentials)).await?;
    made.map(Some).map_err(|source| MountError::Tunnel {
        name: mount.name.clone(),
        source,
    })
}
