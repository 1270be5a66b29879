//! The commands that speak of shops and clusters: each module holds its arguments, its help, and
//! what it does.

mod apply;
mod connection;
mod crd;
mod error;
mod errors;
mod export;
mod halt;
mod import;
mod plan;
mod reference;
mod render;
mod rollout;
mod shop;
mod slow;
mod trial;
mod uptime;
mod why;

pub(crate) use error::ClusterError;

use operations::{Done, Who};
use std::io::{self, Write as _};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the CustomResourceDefinitions
    Crd(crd::Crd),
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
    /// Explain the state of a shop, and say what to do
    Why(why::Why),
    /// Show the errors of a shop, and say what you think of them
    Errors(errors::Errors),
    /// Show how fast a shop answers, by release, and what is slow in it
    Slow(slow::Slow),
    /// Show whether a shop's domains answer, and when they did not
    Uptime(uptime::Uptime),
    /// Start, watch and steer rollouts
    Rollout(rollout::Arguments),
    /// Make a shop, or clean its caches
    Shop(shop::Arguments),
    /// Run a shop's rendered pod on this machine, as a kubelet would
    Try(Box<trial::Try>),
    /// Stop every rollout: no shop moves any more
    Halt(halt::Halt),
    /// Print the reference page of the resources
    #[command(hide = true)]
    Reference,
}

pub(crate) fn run(command: Command) -> Result<(), ClusterError> {
    match command {
        Command::Crd(arguments) => crd::run(&arguments),
        Command::Render(arguments) => render::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Errors(arguments) => errors::run(&arguments),
        Command::Uptime(arguments) => uptime::run(&arguments),
        Command::Slow(arguments) => slow::run(&arguments),
        Command::Rollout(arguments) => rollout::run(&arguments),
        Command::Shop(arguments) => shop::run(&arguments),
        Command::Try(arguments) => trial::run(&arguments),
        Command::Halt(arguments) => halt::run(&arguments),
        Command::Reference => show(&reference::page()),
    }
}

/// Writes to standard output. A reader that went away (`| head`) is not an error.
fn show(text: &str) -> Result<(), ClusterError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(ClusterError::Output),
    }
}

/// Who acts, and why.
#[derive(Debug, Clone, clap::Args)]
struct By {
    /// For whom, for the record; the account that asks stands behind it in any case
    #[arg(long)]
    by: Option<String>,
    /// The reason, for the record
    #[arg(long, default_value = "")]
    why: String,
}

impl By {
    async fn who(&self, cluster: &client::Cluster) -> Result<Who, client::ApiError> {
        Who::asks(cluster, self.by.as_deref(), &self.why).await
    }
}

/// Tells what was done, and on standard error what did not work beside it.
fn tell(done: &Done) -> Result<(), ClusterError> {
    warn(&done.warnings);
    show(&format!("{}\n", done.said))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        // A terminal that went away has nobody to be told.
        writeln!(io::stderr(), "{warning}").ok();
    }
}
