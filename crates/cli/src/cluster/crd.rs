//! `crd`: the CustomResourceDefinitions.

use super::{ClusterError, show};
use api::definitions;
use registry::{Form, text, write};
use std::path::PathBuf;

/// What `crd` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  longshore crd | kubectl apply --server-side -f -")]
pub(crate) struct Crd {
    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    /// Write one file for each into this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Crd) -> Result<(), ClusterError> {
    let Some(directory) = &arguments.out else {
        return show(&text(arguments.output, definitions()).map_err(ClusterError::Output)?);
    };
    for definition in definitions() {
        let name = format!(
            "{}.{}",
            definition.spec.names.plural,
            arguments.output.extension()
        );
        let failed = |source| ClusterError::Write {
            path: directory.join(&name),
            source,
        };
        write(
            directory,
            &name,
            &text(arguments.output, [&definition]).map_err(failed)?,
        )
        .map_err(failed)?;
    }
    Ok(())
}
