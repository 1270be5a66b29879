//! The commands: each module holds its arguments, its help, and what it does.

mod apply;
mod connection;
mod crd;
mod error;
mod export;
mod halt;
mod history;
mod import;
mod manifests;
mod plan;
mod reference;
mod render;
mod rollout;
mod run;
mod shop;
mod trial;
mod why;

pub(crate) use error::CommandError;

use clap::{Parser, error::ErrorKind};
use release::{Reason, Trouble};
use runtime::{Report, caught, telemetry::Format};
use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};

/// Turns shops into Kubernetes workloads, shows what would change, and rolls releases out in waves.
#[derive(Debug, Parser)]
#[command(
    name = "longshore-scheduler",
    version,
    max_term_width = 120,
    after_help = "\
From nothing to a fleet:
  longshore-scheduler crd | kubectl apply --server-side -f -
  longshore-scheduler manifests | kubectl apply --server-side -f -
  longshore-scheduler import shops.csv --class magento2-standard > shops.yaml
  longshore-scheduler render classes.yaml releases.yaml shops.yaml --check --out rendered
What each field of a shop means: `kubectl explain shop.spec`, or docs/crds.md.
Exit codes: 0 ok; 64 configuration; 65 malformed data; 69 API server; 70 bug; 74 local disk; 75 try again; of a rollout that is waited for: 80
completed, and shops failed within its budget; 81 stopped or aborted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the CustomResourceDefinitions
    Crd(crd::Crd),
    /// Print what a cluster needs once: the scheduler itself, priorities, monitoring
    Manifests(manifests::Manifests),
    /// Print every object of the shops in files
    Render(render::Render),
    /// Turn a list of shops into Shop resources
    Import(import::Import),
    /// Turn Shop resources into a list
    Export(export::Export),
    /// Show what would change
    Plan(plan::PlanArguments),
    /// Do what `plan` shows
    Apply(apply::Apply),
    /// Keep the cluster as its registry says
    Run(run::Run),
    /// Explain why a shop is as it is
    Why(why::Why),
    /// Start, watch and steer rollouts
    Rollout(rollout::Arguments),
    /// Make a shop, or clean its caches
    Shop(shop::Arguments),
    /// Run a shop's rendered pod on this machine, as a kubelet would
    Try(Box<trial::Try>),
    /// Pull the andon cord: no shop is moved any more
    Halt(halt::Halt),
    /// Print the reference page of the resources, or of the metrics
    #[command(hide = true)]
    Reference {
        /// The metrics of `run`
        #[arg(long)]
        metrics: bool,
    },
}

/// Runs the tool with these arguments, the program's name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let report = Report::new("longshore-scheduler", Format::Text, runtime::TERMINATION_LOG);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match caught(|| command(cli.command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report.failure(&error, error.reason()),
        Err(panicked) => report.failure(&panicked, Reason::Bug),
    }
}

fn command(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Crd(arguments) => crd::run(&arguments),
        Command::Manifests(arguments) => manifests::run(&arguments),
        Command::Render(arguments) => render::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Rollout(arguments) => rollout::run(&arguments),
        Command::Shop(arguments) => shop::run(&arguments),
        Command::Try(arguments) => trial::run(&arguments),
        Command::Halt(arguments) => halt::run(&arguments),
        Command::Reference { metrics } => show(&if metrics { crate::run::metrics::reference() } else { reference::page() }),
    }
}

/// Writes to standard output. A reader that went away (`| head`) is not an error.
fn show(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(CommandError::Output),
    }
}

/// Help and version are results; anything else that clap says is a mistake in the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    // The terminal that went away before the help was written needs no second message.
    error.print().ok();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Trouble::Configuration.exit_code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no description", command.get_name());
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "{} {} has no help", command.get_name(), argument.get_id());
            }
        }
    }
}
