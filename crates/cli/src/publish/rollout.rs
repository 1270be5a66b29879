//! `publish --rollout`: the release enters a cluster, and moves its shops, by `longshore rollout
//! start`.
//!
//! That is a process of its own: what it prints is no part of our result, and it ends with a code
//! of its own.

use super::rollout_error::RolloutError;
use crate::{release_command::resource_of, remote::StoredRelease};
use api::Downloads;
use clap::Args;
use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    process::{Command, Stdio},
};

/// What a rollout is told.
#[derive(Debug, Args)]
pub(crate) struct RolloutArguments {
    /// Start a rollout of the release in the cluster of the kubeconfig, and wait for its end
    #[arg(long, conflicts_with = "dry_run")]
    pub rollout: bool,
    /// The reason, for the rollout's record
    #[arg(long, requires = "rollout", value_name = "TEXT")]
    why: Option<String>,
    /// A wave of the rollout: percent of all shops, or shops with commas between them, and how
    /// long they are watched, such as 100:10m (repeat for each)
    #[arg(long = "wave", requires = "rollout", value_name = "PERCENT|SHOPS:SOAK")]
    waves: Vec<String>,
    /// Further arguments of `longshore rollout start`, such as --context or --within
    #[arg(last = true, requires = "rollout", value_name = "ARGUMENT")]
    more: Vec<OsString>,
}

impl RolloutArguments {
    /// Starts the rollout, and waits for its end.
    ///
    /// # Errors
    ///
    /// If the process cannot be run, or fails.
    pub(crate) fn run(
        &self,
        found: &StoredRelease,
        downloads: Option<&Downloads>,
    ) -> Result<(), RolloutError> {
        let why = self.why.clone().unwrap_or_else(|| {
            format!(
                "sequence {} of {}",
                found.release.sequence, found.release.channel
            )
        });
        let mut command = Command::new(env::current_exe().map_err(RolloutError::Start)?);
        command.args(["rollout", "start", "-", "--wait", "--why", &why]);
        for wave in &self.waves {
            command.args(["--wave", wave]);
        }
        command
            .args(&self.more)
            .stdin(Stdio::piped())
            .stdout(io::stderr());
        let mut child = command.spawn().map_err(RolloutError::Start)?;
        if let Some(mut input) = child.stdin.take() {
            // One that ended before it read all says why by its exit code.
            input
                .write_all(format!("{:#}\n", resource_of(found, downloads)).as_bytes())
                .ok();
        }
        let status = child.wait().map_err(RolloutError::Start)?;
        if status.success() {
            Ok(())
        } else {
            Err(RolloutError::Failed {
                code: status.code(),
            })
        }
    }
}
