//! The command line.

use crate::{
    run::{self, ConsoleError},
    settings::{FileError, LoginArguments, Mode},
};
use api::SYSTEM;
use clap::Parser;
use client::{ApiError, Cluster};
use release::Reason;
use runtime::command_line::{self, StartError};
use std::{
    ffi::OsString,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

/// How long a call is tried that a page waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The shops of a cluster in your browser: look, plan, change, roll out, roll back, halt. On a
/// laptop it acts as the person that your kubeconfig names, with the rights of that person; in the
/// cluster, as whoever is logged in.
#[derive(Debug, Parser)]
#[command(
    name = "longshore-console",
    version,
    max_term_width = 120,
    after_help = "\
Examples:
  longshore-console                       prints an address to open in your browser
  longshore-console --context cell-1      the same for another cluster

On a laptop it listens on this machine alone. The address has a secret of this run: whoever has it
acts as you until you end the program. With LONGSHORE_CONSOLE_URL it is for many people, who log in:
docs/console.md.

Exit codes: 0 asked to stop; 64 configuration; 69 API server; 70 bug."
)]
struct Arguments {
    /// Context of the kubeconfig; otherwise its current one
    #[arg(long)]
    context: Option<String>,
    /// Port of 127.0.0.1; 0 is any that is free
    #[arg(long, default_value_t = 9812)]
    port: u16,
    /// Address of /livez, /readyz and /metrics; none: they are not served
    #[arg(long, env = "LONGSHORE_CONSOLE_HEALTH", value_name = "ADDRESS")]
    health: Option<SocketAddr>,
    /// Namespace of the scheduler
    #[arg(long, env = "LONGSHORE_CONSOLE_NAMESPACE", default_value = SYSTEM)]
    namespace: String,
    /// Which events are logged
    #[arg(
        long,
        env = "LONGSHORE_CONSOLE_LOG",
        default_value = "info",
        value_parser = command_line::filter
    )]
    log: String,
    #[command(flatten)]
    login: LoginArguments,
}

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The program ended.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The API server cannot be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A file of a setting cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nothing began.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl CommandError {
    fn reason(&self) -> Reason {
        match self {
            Self::Console(error) => error.reason(),
            Self::Api(error) => error.reason(),
            Self::File(_) => Reason::Config,
            Self::Start(_) => Reason::Bug,
        }
    }
}

/// Runs the program with these arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    command_line::run(
        "longshore-console",
        arguments,
        execute,
        CommandError::reason,
    )
}

fn execute(arguments: Arguments) -> Result<(), CommandError> {
    command_line::serve(&client::log_filter(&arguments.log), |stop| async move {
        let elsewhere = arguments.login.listen;
        let mode = arguments.login.mode()?;
        let listen = match mode {
            Mode::Laptop => SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
            Mode::Login(..) => elsewhere,
        };
        let connect = Cluster::connect(arguments.context.as_deref(), PATIENCE);
        let Some(cluster) = stop.run_until_cancelled(connect).await else {
            return Ok(());
        };
        let namespace = &arguments.namespace;
        let listen = (listen, arguments.health);
        let opened = |address: &str| {
            // Whoever started it without a terminal reads the log.
            writeln!(io::stdout(), "Open {address}").ok();
        };
        Ok(run::run(cluster?, listen, mode, namespace, stop, opened).await?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_teaches() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for argument in command.get_arguments().filter(|it| it.get_id() != "help") {
            assert!(
                argument.get_help().is_some(),
                "{} has no help",
                argument.get_id()
            );
        }
    }
}
