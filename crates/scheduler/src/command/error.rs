//! Why a command failed.

use crate::{check::Finding, file::FleetError, render::RenderError};
use release::Reason;
use std::{io, path::PathBuf};

/// Why a command failed. Each has a stable reason code, which decides the exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommandError {
    /// Files cannot be used.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] crate::file::FileError),
    /// Shops cannot be rendered.
    #[error("{} shops cannot be rendered\n  {}", .0.len(), lines(.0))]
    Render(Vec<RenderError>),
    /// A shop's class is not among the files.
    #[error("{}", .0.join("\n  "))]
    Missing(Vec<String>),
    /// Generated objects are wrong.
    #[error("{} generated objects are wrong, which is a bug of the renderer or of a class's overlay\n  {}", .0.len(), lines(.0))]
    Check(Vec<Finding>),
    /// A list cannot be imported.
    #[error("nothing was imported: {} problems\n  {}", .0.len(), .0.join("\n  "))]
    Import(Vec<String>),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write the result to standard output")]
    Output(#[source] io::Error),
}

fn lines<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

impl CommandError {
    /// The stable reason code.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            // What a person wrote, and corrects.
            Self::Fleet(_) | Self::File(_) | Self::Render(_) | Self::Missing(_) | Self::Import(_) => Reason::Config,
            Self::Check(_) => Reason::Bug,
            Self::Write { .. } | Self::Output(_) => Reason::Disk,
        }
    }
}
