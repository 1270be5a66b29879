//! `longshore`, the one command of people and of CI: makes and publishes releases, and manages
//! shops and clusters.
//!
//! ```text
//!  releases   key, trust, init, publish, pack, sign, verify, release, pull, diff, gc, store, root
//!  clusters   cluster/: shop, rollout, halt, why, plan, apply, render, import, export, try, crd
//! ```
//!
//! Each module is named after a command and holds its arguments, its `--help`, its work and the
//! form of its result. [`compose`] and [`publish::next`](publish) decide, without IO; [`remote`]
//! reads a channel as a pod does.

mod cluster;
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
mod root;
mod screen;
mod sign;
mod spec;
mod staged;
mod trust;
mod verify;

pub(crate) use context::Context;
pub(crate) use error::CommandError;
pub(crate) use progress::{Bar, Progress};
pub(crate) use screen::Output;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand as _};
use jiff::Timestamp;
use release::Reason;
use runtime::{FailureReport, caught, command_line, telemetry::Format};
use std::{ffi::OsString, process::ExitCode, sync::Arc};

/// Publishes signed shop releases, and runs the shops of a cluster.
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
Credentials, region and endpoint of S3 come from the usual AWS variables and files; set
AWS_ENDPOINT_URL_S3 for MinIO and others. `longshore COMMAND --help` has examples for each command.
A cluster, from nothing:
  helm install longshore manifests/chart --namespace longshore-system --create-namespace \\
    --set scheduler.image.digest=sha256:…
  longshore import shops.csv --class magento2-standard | kubectl apply --server-side -f -
What each field of a shop means: `kubectl explain shop.spec`, or docs/crds.md. As
`kubectl-longshore` in PATH this is `kubectl longshore`.
Exit codes: 0 ok; 64 configuration; 65 untrusted or malformed data; 69 store or API server; 70 bug;
74 local disk; 75 try again; of a rollout that is waited for: 80 completed, and shops failed within
its budget; 81 stopped or aborted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
    /// Look into a release root: what runs, and what was rejected
    #[command(subcommand)]
    Root(Box<root::RootCommand>),
    /// Show what differs between two releases
    Diff(diff::Diff),
    /// Find, and with --delete remove, what no kept release needs
    Gc(gc::Gc),
    /// Check and repair a whole store
    #[command(subcommand)]
    Store(Box<fsck::StoreCommand>),
    #[command(flatten)]
    Cluster(cluster::Command),
    /// Print a completion script for your shell
    #[command(
        after_help = "Example:\n  longshore completions bash > /etc/bash_completion.d/longshore"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// The command line. `--output` is added here to the commands whose result is a value; those of
/// clusters have forms of their own.
fn command_line() -> clap::Command {
    let clusters = cluster::Command::augment_subcommands(clap::Command::new(""));
    let own = |name: &str| clusters.find_subcommand(name).is_some() || name == "completions";
    Cli::command().mut_subcommands(|command| {
        if own(command.get_name()) {
            command
        } else {
            with_output(command)
        }
    })
}

fn with_output(command: clap::Command) -> clap::Command {
    if command.has_subcommands() {
        return command.mut_subcommands(with_output);
    }
    command.arg(
        clap::Arg::new("output")
            .long("output")
            .help("How the result is written")
            .value_parser(clap::value_parser!(Output))
            .default_value("text"),
    )
}

/// What `--output` says of the command that was given.
fn output(matches: &ArgMatches) -> Output {
    match matches.subcommand() {
        Some((_, inner)) => output(inner),
        None => matches
            .try_get_one("output")
            .ok()
            .flatten()
            .copied()
            .unwrap_or_default(),
    }
}

/// Runs the tool with these arguments, the program's name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let report = FailureReport::new("longshore", Format::Text, runtime::TERMINATION_LOG);
    let parsed = command_line()
        .try_get_matches_from(arguments)
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, output(&matches))));
    let (command, output) = match parsed {
        Ok((cli, output)) => (cli.command, output),
        Err(error) => return command_line::usage(&error),
    };
    match caught(|| dispatch(command, output)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report.failure(&error, error.reason()),
        Err(panicked) => report.failure(&panicked, Reason::Bug),
    }
}

fn dispatch(command: Command, output: Output) -> Result<(), CommandError> {
    let context = Context {
        output,
        progress: Arc::new(Progress::new(output)),
        now: Timestamp::now(),
    };
    match command {
        // These wait for the network in runtimes of their own.
        Command::Cluster(command) => Ok(cluster::run(command)?),
        command => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(CommandError::Runtime)?
            .block_on(release(command, &context)),
    }
}

async fn release(command: Command, context: &Context) -> Result<(), CommandError> {
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
        Command::Root(command) => root::run(*command, context).await,
        Command::Diff(arguments) => diff::run(arguments, context).await,
        Command::Gc(arguments) => gc::run(arguments, context).await,
        Command::Store(command) => fsck::run(*command, context).await,
        Command::Cluster(command) => Ok(cluster::run(command)?),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command_line(), "longshore", &mut script);
            screen::write_out(&script)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }

    #[test]
    fn every_command_teaches() {
        fn check(command: &clap::Command) {
            assert!(
                command.get_about().is_some(),
                "{} has no description",
                command.get_name()
            );
            for argument in command
                .get_arguments()
                .filter(|argument| argument.get_id() != "help" && argument.get_id() != "version")
            {
                assert!(
                    argument.get_help().is_some(),
                    "{} {} has no help",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&command_line());
    }
}
