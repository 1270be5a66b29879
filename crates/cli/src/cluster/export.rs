//! `export`: Shop resources as a list that `import` takes.

use super::{ClusterError, show};
use registry::{Form, list};
use std::path::PathBuf;

/// What `export` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
JSON and YAML hold everything that a person wrote. A table has no column for modules, values,
campaigns, windows, store codes and others: if a shop has any of these, the command refuses it and
names the fields, unless --lossy leaves them out.

Examples:
  kubectl get shops -o json | longshore export - --output yaml > shops.yaml
  longshore export shops.yaml --lossy > shops.csv")]
pub(crate) struct Export {
    /// Files of Shop resources, or directories of them; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the list is written
    #[arg(long, value_enum, default_value_t)]
    output: ListForm,
    /// Leave out what a table has no column for
    #[arg(long)]
    lossy: bool,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum ListForm {
    /// A table.
    #[default]
    Csv,
    /// One list of resources.
    Json,
    /// Documents.
    Yaml,
}

pub(super) fn run(arguments: &Export) -> Result<(), ClusterError> {
    let fleet = registry::read_fleet(&arguments.files)?;
    let shops = fleet.shops.values();
    let text = match arguments.output {
        ListForm::Json => list::json(shops),
        ListForm::Yaml => registry::text(Form::Yaml, shops.map(list::resource)),
        ListForm::Csv => {
            let lost = fleet
                .shops
                .iter()
                .map(|(name, shop)| (name, list::lost(shop)))
                .filter(|(_, fields)| !fields.is_empty());
            let lost: Vec<_> = lost
                .map(|(name, fields)| format!("{name}: {}", fields.join(", ")))
                .collect();
            if !lost.is_empty() && !arguments.lossy {
                return Err(ClusterError::Lost(lost));
            }
            list::csv(shops)
        }
    };
    show(&text.map_err(ClusterError::Output)?)
}
