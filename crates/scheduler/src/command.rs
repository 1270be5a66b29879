//! The command line of the controller.

use crate::run::{self, RunError, Settings};
use api::SYSTEM;
use clap::Parser;
use client::Cluster;
use jiff::SignedDuration;
use plan::guard::Limit;
use release::Reason;
use render::edge::PlatformHost;
use runtime::command_line::{self, StartError};
use std::{ffi::OsString, net::SocketAddr, process::ExitCode, time::Duration};

/// How long a call of the start is tried.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keeps a cluster as its registry of shops says, for ever.
#[derive(Debug, Parser)]
#[command(
    name = "longshore-scheduler",
    version,
    max_term_width = 120,
    after_help = "\
Only the process that holds the Lease writes; others watch, and take over within 15 seconds. A pass
over an unchanged fleet reads metadata and writes nothing. What people do with shops are commands of
`longshore`.

Examples:
  longshore-scheduler                            in a pod, as the Helm chart installs it
  longshore-scheduler --delete-at-most 40        after a person has read why a removal was held
Exit codes: 0 asked to stop; 64 configuration; 69 API server; 70 bug."
)]
struct Arguments {
    /// Namespace of the Lease and of the halt
    #[arg(long, default_value = SYSTEM)]
    namespace: String,
    /// Name of this process in the Lease; otherwise the pod's or the host's name, with a random
    /// suffix
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Shops that are written at the same time: more helps if the API server is far away, and slows
    /// others down if it is busy
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    at_once: u16,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9809")]
    listen: SocketAddr,
    /// How many shops may lose their workloads in an hour; otherwise 5, or 1 percent
    #[arg(long, value_name = "COUNT")]
    delete_at_most: Option<usize>,
    /// Seconds that a shop must have been missing in the registry before it is taken down
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600,
        value_parser = clap::value_parser!(i64).range(0..=604_800)
    )]
    delete_after: i64,
    /// What tells that a shop runs a release
    #[arg(long, value_enum, default_value_t)]
    evidence: ConfirmedBy,
    /// Name server for proofs of domains; otherwise those of /etc/resolv.conf
    #[arg(long, value_name = "ADDRESS")]
    dns: Option<SocketAddr>,
    /// A host of the platform, the namespace whose Service `web` answers there, and perhaps the
    /// Secret of its certificate: HOST=NAMESPACE or HOST=NAMESPACE/SECRET. No shop gets the host
    #[arg(long, value_name = "HOST")]
    platform_host: Vec<PlatformHost>,
    /// Which events are logged
    #[arg(long, default_value = "info", value_parser = command_line::filter)]
    log: String,
    /// Context of the kubeconfig; otherwise its current one, or the pod's service account
    #[arg(long)]
    context: Option<String>,
}

/// What tells that a shop runs a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum ConfirmedBy {
    /// Its pods are ready, and their agents say that they run it
    #[default]
    Agents,
    /// Its pods are ready
    Readiness,
}

/// Why the controller did not run, or ended.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// It ended.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Nothing began.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl CommandError {
    fn reason(&self) -> Reason {
        match self {
            Self::Run(error) => error.reason(),
            Self::Start(_) => Reason::Bug,
        }
    }
}

/// Runs the controller with these arguments, the program's name first, until a signal comes.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    command_line::run(
        "longshore-scheduler",
        arguments,
        |arguments| control(&arguments),
        CommandError::reason,
    )
}

fn control(arguments: &Arguments) -> Result<(), CommandError> {
    let random = || format!("longshore-scheduler-{:08x}", rand::random::<u32>());
    let settings = Settings {
        namespace: arguments.namespace.clone(),
        identity: arguments.identity.clone().unwrap_or_else(random),
        at_once: usize::from(arguments.at_once),
        listen: arguments.listen,
        limit: arguments
            .delete_at_most
            .map_or(Limit::Default, Limit::Explicit),
        grace: SignedDuration::from_secs(arguments.delete_after),
        agents: arguments.evidence == ConfirmedBy::Agents,
        dns: arguments.dns,
        platform_hosts: arguments.platform_host.clone(),
    };
    command_line::serve(&client::log_filter(&arguments.log), |stop| async move {
        let connect = Cluster::connect(arguments.context.as_deref(), PATIENCE);
        match stop.run_until_cancelled(connect).await {
            Some(cluster) => {
                let cluster = cluster.map_err(RunError::Api)?;
                Ok(run::run(cluster, settings, stop).await?)
            }
            None => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_teaches() {
        Arguments::command().debug_assert();
        for argument in Arguments::command()
            .get_arguments()
            .filter(|argument| argument.get_id() != "help")
        {
            assert!(
                argument.get_help().is_some(),
                "{} has no help",
                argument.get_id()
            );
        }
    }
}
