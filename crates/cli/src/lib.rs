//! The tool that CI and operators use: keys, packing, signing, publishing, verifying and explaining releases.
//!
//! Each module named after a command holds its arguments, its `--help`, what it does and how its result looks.
//! [`compose`] and [`publish::next`](publish) are the decisions, without IO; [`remote`] reads a channel the way a pod does.

mod compose;
mod context;
mod diff;
mod error;
mod files;
mod fsck;
mod gc;
mod init;
mod key;
mod mark;
mod names;
mod pack_cache;
mod packing;
mod progress;
mod publish;
mod pull;
mod release_command;
mod remote;
mod retry;
mod screen;
mod sign;
mod spec;
mod staged;
mod trust;
mod verify;
mod why;

pub(crate) use context::Context;
pub(crate) use error::CommandError;
pub(crate) use progress::{Bar, Progress};
pub(crate) use screen::Output;

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use jiff::Timestamp;
use release::{Reason, Trouble};
use runtime::{Report, caught, telemetry::Format};
use std::{ffi::OsString, process::ExitCode, sync::Arc};

/// Puts signed shop releases where pods find them, and explains what runs.
#[derive(Debug, Parser)]
#[command(
    name = "longshore",
    version,
    max_term_width = 120,
    after_help = "\
A first release, from nothing:
  longshore init --engine magento2 --channel shops/acme
  longshore key generate ci
  longshore trust new --key ci.pub --threshold 1 --sign ci.key --out 1.root.json
  longshore publish --store s3://releases/prod --sign ci.key --trust 1.root.json
  longshore pull --store s3://releases/prod --channel shops/acme --trust 1.root.json shop
Credentials, region and endpoint of S3 come from the usual AWS variables and files; set AWS_ENDPOINT_URL_S3 for MinIO and
others. `longshore COMMAND --help` has examples for each command.
Exit codes: 0 ok; 64 configuration; 65 untrusted or malformed data; 69 store; 70 bug; 74 local disk; 75 try again."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How the result is written
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make signing keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Make, rotate and show trust roots: which keys may sign, and how many must
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Write longshore.toml for a tree of a known application
    Init(init::Init),
    /// Pack what changed, upload, sign, move the channel
    Publish(Box<publish::Publish>),
    /// Pack into a directory, without network
    Pack(Box<sign::Pack>),
    /// Sign a release object in a file
    Sign(sign::Sign),
    /// Check that a fresh pod would take a release
    Verify(Box<verify::Verify>),
    /// Show, list, sign elsewhere, roll back, export
    #[command(subcommand)]
    Release(Box<release_command::ReleaseCommand>),
    /// Do what longshore-init does, on a laptop
    Pull(Box<pull::PullCommand>),
    /// Explain what runs in a release root, since when, and why not something newer
    Why(Box<why::Why>),
    /// Let a release be tried again that failed in a release root
    Retry(retry::Retry),
    /// Show what differs between two releases
    Diff(diff::Diff),
    /// Find, and with --delete remove, what no kept release needs
    Gc(gc::Gc),
    /// Look after a whole store
    #[command(subcommand)]
    Store(Box<fsck::StoreCommand>),
    /// Print a completion script for your shell
    #[command(after_help = "Example:\n  longshore completions bash > /etc/bash_completion.d/longshore")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Runs the tool with these arguments, the program's name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let report = Report::new("longshore", Format::Text, runtime::TERMINATION_LOG);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = Context { output: cli.output, progress: Arc::new(Progress::new(cli.output == Output::Json)), now: Timestamp::now() };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report.failure(&error, Reason::Bug),
    };
    match caught(|| runtime.block_on(command(cli.command, &context))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report.failure(&error, error.reason()),
        Err(panicked) => report.failure(&panicked, Reason::Bug),
    }
}

async fn command(command: Command, context: &Context) -> Result<(), CommandError> {
    match command {
        Command::Key(arguments) => key::run(&arguments, context),
        Command::Trust(arguments) => trust::run(&arguments, context),
        Command::Init(arguments) => init::run(&arguments, context),
        Command::Publish(arguments) => publish::run(*arguments, context).await,
        Command::Pack(arguments) => sign::pack(*arguments, context).await,
        Command::Sign(arguments) => sign::sign(&arguments, context),
        Command::Verify(arguments) => verify::run(*arguments, context).await,
        Command::Release(arguments) => release_command::run(*arguments, context).await,
        Command::Pull(arguments) => pull::run(*arguments, context).await,
        Command::Why(arguments) => why::run(*arguments, context).await,
        Command::Retry(arguments) => retry::run(&arguments, context),
        Command::Diff(arguments) => diff::run(arguments, context).await,
        Command::Gc(arguments) => gc::run(arguments, context).await,
        Command::Store(command) => fsck::run(*command, context).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "longshore", &mut script);
            screen::write_out(&script)
        }
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

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no description", command.get_name());
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help" && argument.get_id() != "version") {
                assert!(argument.get_help().is_some(), "{} {} has no help", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
