//! `import`: a list of shops, from wherever a company keeps it, as Shop resources.

use super::{ClusterError, show};
use operations::import::{self, Rows};
use registry::{
    Form,
    list::{self, Given},
    text,
};
use std::path::{Path, PathBuf};

/// What `import` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A CSV file has a header. Columns: name, domain, and any of aliases (separated by spaces; each
redirects to domain), class, channel, state, min, max, database, database_name, cache, cache_prefix,
sessions, media, media_path, access_point, search, search_prefix, queue, virtual_host, secret,
time_zone. A JSON or YAML file is a list of objects with these fields, or of Shop resources.

Nothing is printed unless every line can be used; all problems are told at once, each with its line.
A list that may have been cut off (its last line has no end, it has fewer shops than --expect says)
is refused, as whoever compares it with a cluster would take the missing shops for deleted ones.

Examples:
  longshore import shops.csv --class magento2-standard > shops.yaml
  longshore import crm.json --channel 'shops/{name}' --expect 5000 \\
    | kubectl apply --server-side -f -")]
pub(crate) struct Import {
    /// CSV, JSON or YAML; - for CSV on standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Class of the shops for which the list names none
    #[arg(long)]
    class: Option<String>,
    /// Channel of shops for which the list names none; {name} stands for the shop's name
    #[arg(long, default_value = "shops/{name}")]
    channel: String,
    /// How many shops the list must have
    #[arg(long, value_name = "COUNT")]
    expect: Option<usize>,
    /// How resources are written
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

pub(super) fn run(arguments: &Import) -> Result<(), ClusterError> {
    let given = Given {
        class: arguments.class.as_deref(),
        channel: &arguments.channel,
    };
    let shops = read(&arguments.file, &given)?;
    let mut problems = Vec::new();
    if let Some(expected) = arguments.expect.filter(|expected| *expected != shops.len()) {
        problems.push(format!(
            "{}: has {} shops, and --expect says {expected}",
            arguments.file.display(),
            shops.len()
        ));
    }
    if shops.is_empty() {
        problems.push(format!("{}: has no shops", arguments.file.display()));
    }
    problems.extend(import::problems(&shops, &arguments.file));
    if !problems.is_empty() {
        return Err(ClusterError::Import(problems));
    }
    show(
        &text(arguments.output, shops.iter().map(|(_, shop)| shop))
            .map_err(ClusterError::Output)?,
    )
}

fn read(path: &Path, given: &Given<'_>) -> Result<Rows, ClusterError> {
    let structured = path.extension().is_some_and(|extension| {
        ["json", "yaml", "yml"]
            .iter()
            .any(|known| extension == *known)
    });
    let read = if structured {
        list::documents(&registry::read(path)?, given)
    } else {
        list::table(&registry::read_text(path)?, path, given)
    };
    read.map_err(ClusterError::Import)
}
