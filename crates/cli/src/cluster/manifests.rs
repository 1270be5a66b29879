//! `manifests`: what a cluster needs once.

use super::install;
use super::{CommandError, show};
use registry::{Form, text, write};
use std::path::PathBuf;

/// What `manifests` is told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  longshore manifests --image registry.example/longshore-scheduler@sha256:… | kubectl apply --server-side -f -"
)]
pub(crate) struct Manifests {
    /// Image of the scheduler
    #[arg(long, default_value = install::IMAGE)]
    image: String,
    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    /// Write one file for each part into this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Manifests) -> Result<(), CommandError> {
    let parts = install::parts(&arguments.image);
    let Some(directory) = &arguments.out else {
        let objects = parts.into_iter().flat_map(|(_, objects)| objects).map(|object| object.value());
        return show(&text(arguments.output, objects).map_err(CommandError::Output)?);
    };
    for (name, objects) in parts {
        let name = format!("{name}.{}", arguments.output.extension());
        let failed = |source| CommandError::Write { path: directory.join(&name), source };
        let values = objects.iter().map(api::Object::value);
        write(directory, &name, &text(arguments.output, values).map_err(failed)?).map_err(failed)?;
    }
    Ok(())
}
