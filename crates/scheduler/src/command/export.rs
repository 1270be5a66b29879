//! `export`: Shop resources as the list that `import` takes.

use super::{CommandError, show};
use crate::{file::Fleet, list};
use std::path::PathBuf;

/// What `export` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the list has no column for (modules, values, campaigns, windows) is left out: keep the resources themselves, too.

Examples:
  kubectl get shops -o json | longshore-scheduler export -
  longshore-scheduler export shops.yaml > shops.csv")]
pub(crate) struct Export {
    /// Files of Shop resources; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Export) -> Result<(), CommandError> {
    let fleet = Fleet::read(&arguments.files)?;
    show(&list::csv(fleet.shops.values()).map_err(CommandError::Output)?)
}
