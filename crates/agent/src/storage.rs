//! The shop's storage: has the mounts of the mounts file kept, and writes on the board how they
//! are.

use crate::{AgentError, TaskFailure, board::Board, identity::PodIdentity, watch::Wake};
use mounts::{
    FILE_LIMIT, MountHealth, MountsFile, Options, Program, Supervisor, Timing, What,
    tunnel::Credentials,
};
use runtime::variable;
use std::{ffi::OsString, fs::File, io::Read as _, path::Path, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The first argument of the disposable processes that mount, probe and unmount: they are this
/// program, too.
pub const CHILD: &str = "mount-step";
/// What the other tasks need at the very end, after the mounts are away.
const RESERVE: Duration = Duration::from_secs(2);

/// What stands for the pod's name in the mounts file.
const POD: &str = "$(POD)";

/// Reads the mounts file, in which `$(POD)` stands for `pod`.
///
/// # Errors
///
/// It cannot be read, or says something that cannot be followed.
pub fn read(path: &Path, pod: Option<&str>) -> Result<MountsFile, AgentError> {
    let mut text = String::new();
    // A byte more than it may have, so that the parser sees that it is too long.
    let read = File::open(path)
        .and_then(|file| file.take(FILE_LIMIT as u64 + 1).read_to_string(&mut text));
    read.map_err(|source| AgentError::File {
        variable: variable::MOUNTS.name,
        path: path.to_owned(),
        source,
    })?;
    if let Some(pod) = pod {
        text = text.replace(POD, pod);
    }
    MountsFile::parse(&text).map_err(|source| AgentError::Mounts {
        path: path.to_owned(),
        source,
    })
}

/// Where the pod's identity is asked for, if a mount wants it.
fn region_with_iam(file: &MountsFile) -> Option<String> {
    let clients = file.mounts.iter().filter_map(|mount| match &mount.what {
        What::Nfs4(nfs) => nfs.tls.as_ref()?.client.as_ref(),
        What::Bind { .. } | What::Adopt { .. } => None,
    });
    clients
        .filter(|client| client.iam)
        .map(|client| client.region.clone())
        .next()
}

/// The task that keeps the mounts.
#[derive(Debug)]
pub struct Storage {
    supervisor: Supervisor,
    health: watch::Receiver<Vec<MountHealth>>,
    board: Board,
    wake: Wake,
    patience: Duration,
}

impl Storage {
    /// Keeps the mounts of `file`; `wake` is called when one has become usable, which a switch may
    /// wait for. Of `grace`, a third and at most what [`Timing`] says is for unmounting, and the
    /// rest for whoever still works on the mounts.
    #[must_use]
    pub fn new(file: MountsFile, grace: Duration, board: Board, wake: Wake) -> Self {
        let timing = Timing::default();
        let unmount_within = timing.unmount_within.min(grace / 3);
        // The running program, also where a newer one has taken its path.
        let child = Program {
            path: "/proc/self/exe".into(),
            arguments: vec![OsString::from(CHILD)],
        };
        let credentials = region_with_iam(&file)
            .map(|region| Arc::new(PodIdentity::new(region)) as Arc<dyn Credentials>);
        let supervisor = Supervisor::new(
            file,
            Options {
                child,
                timing: Timing {
                    unmount_within,
                    ..timing
                },
                credentials,
            },
        );
        let health = supervisor.health();
        let _new = board.mounted(&health.borrow());
        Self {
            supervisor,
            health,
            board,
            wake,
            patience: grace.saturating_sub(unmount_within + RESERVE),
        }
    }

    /// Keeps the mounts until `stop`, and for as long as `in_use` is not cancelled after it; then
    /// unmounts.
    ///
    /// # Errors
    ///
    /// A tunnel cannot be prepared. A mount that fails is none: `/readyz` tells.
    pub async fn run(
        self,
        stop: CancellationToken,
        in_use: CancellationToken,
    ) -> Result<(), TaskFailure> {
        let Self {
            supervisor,
            mut health,
            board,
            wake,
            patience,
        } = self;
        let unmount = CancellationToken::new();
        let mut keeping = std::pin::pin!(supervisor.run(unmount.clone()));
        let mut over = std::pin::pin!(async {
            stop.cancelled().await;
            if timeout(patience, in_use.cancelled()).await.is_err() {
                warn!(
                    waited_seconds = patience.as_secs_f64(),
                    "unmounting, though a release is still worked on"
                );
            }
            unmount.cancel();
            std::future::pending::<()>().await;
        });
        loop {
            tokio::select! {
                ended = &mut keeping => return Ok(ended?),
                () = &mut over => {}
                changed = health.changed() => {
                    if changed.is_err() {
                        // The supervisor is about to end and say why.
                        return Ok(keeping.await?);
                    }
                    if board.mounted(&health.borrow_and_update()) {
                        wake.wake();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::Reason;

    #[test]
    fn a_file_that_cannot_be_followed_is_told_with_every_problem() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mounts.toml");
        assert!(
            read(&path, None)
                .unwrap_err()
                .to_string()
                .contains("which LONGSHORE_MOUNTS names")
        );
        std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(
            &mut std::fs::File::create(&path).unwrap(),
            b"[[mount]]\nname = \"media\"\nkind = \"nfs5\"\n",
        )
        .unwrap();
        let error = read(&path, None).unwrap_err();
        assert_eq!(error.reason(), Reason::Config);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("kind=\"nfs5\"") && source.contains("path is missing"),
            "{source}"
        );
    }

    #[test]
    fn pods_of_a_node_mount_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mounts.json");
        let text = br#"{"mount": [{"name": "shop", "kind": "bind", "path": "/mnt/pods/$(POD)", "source": "/srv/directory"}]}"#;
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text).unwrap();
        let file = read(&path, Some("4eb4994b-d298")).unwrap();
        assert_eq!(
            file.mounts[0].path.to_str(),
            Some("/mnt/pods/4eb4994b-d298")
        );
    }

    #[tokio::test]
    async fn without_mounts_it_waits_for_the_end() {
        let (board, stop, in_use) = (
            Board::for_tests(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let storage = Storage::new(
            MountsFile { mounts: Vec::new() },
            Duration::from_secs(25),
            board,
            Wake::default(),
        );
        let running = storage.run(stop.clone(), in_use.clone());
        tokio::pin!(running);
        assert!(
            timeout(Duration::from_millis(50), &mut running)
                .await
                .is_err()
        );
        stop.cancel();
        assert!(
            timeout(Duration::from_millis(50), &mut running)
                .await
                .is_err(),
            "a release is still worked on"
        );
        in_use.cancel();
        timeout(Duration::from_secs(20), running)
            .await
            .unwrap()
            .unwrap();
    }
}
