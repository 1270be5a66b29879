//! `longshore root`: what a release root holds, for who is in a pod, or has its disk.

mod retry;
mod why;

use crate::{CommandError, Context};

/// The verbs of `root`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum RootCommand {
    /// Explain what runs in a release root, since when, and why not something newer
    Why(why::Why),
    /// Let a release be tried again that failed in a release root
    Retry(retry::Retry),
}

pub(crate) async fn run(command: RootCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        RootCommand::Why(arguments) => why::run(arguments, context).await,
        RootCommand::Retry(arguments) => retry::run(&arguments, context),
    }
}
