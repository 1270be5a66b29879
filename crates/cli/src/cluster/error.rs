//! Why a command failed.

use client::ApiError;
use operations::OperationError;
use plan::Moved;
use registry::FleetError;
use release::Reason;
use render::{RenderError, check::Finding};
use std::{io, path::PathBuf};

/// Why a command failed. Each has a stable reason code, which decides the exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ClusterError {
    /// Files cannot be used.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] registry::FileError),
    /// Shops cannot be rendered.
    #[error("{} shops cannot be rendered\n  {}", .0.len(), lines(.0))]
    Render(Vec<RenderError>),
    /// A shop's class is not among the files.
    #[error("{}", .0.join("\n  "))]
    Missing(Vec<String>),
    /// Shops claim what others have.
    #[error("{} shops claim what other shops have\n  {}", .0.len(), some(.0))]
    Claimed(Vec<String>),
    /// Generated objects are wrong.
    #[error("{} generated objects are wrong, which is a bug of the renderer or of a class's overlay\n  {}", .0.len(), lines(.0))]
    Check(Vec<Finding>),
    /// The maps of the edge cannot be made.
    #[error("the maps of the edge cannot be made")]
    Edge(#[from] render::edge::EdgeError),
    /// A list cannot be imported.
    #[error("nothing was imported: {} problems\n  {}", .0.len(), .0.join("\n  "))]
    Import(Vec<String>),
    /// A table has no column for what shops have.
    #[error("nothing was exported, because a table has no columns for this; use --output yaml or json, or --lossy\n  {}", some(.0))]
    Lost(Vec<String>),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The API server did not do what it was asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The cluster does not know our resources.
    #[error(
        "the cluster has no Shops; install the definitions with `longshore crd | kubectl apply \
         --server-side -f -`, or say --only-files"
    )]
    Definitions(#[source] ApiError),
    /// The cluster is not as the plan saw it.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// A file is no plan.
    #[error("{} is not a plan that `plan --save` wrote", path.display())]
    Plan {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A guard holds the plan back.
    #[error("nothing was done\n  {}", .0.join("\n  "))]
    Guard(Vec<String>),
    /// A scheduler would undo it.
    #[error(
        "nothing was done: {0} keeps this cluster as its registry says, and would undo what is \
         only in files; say it without --only-files, so that the resources are stored as well, or \
         stop the scheduler"
    )]
    Led(String),
    /// The API server would refuse a part of the plan.
    #[error("nothing was done, because the API server would refuse {} objects\n  {}", .0.len(), some(.0))]
    Refused(Vec<String>),
    /// Shops stopped on the way.
    #[error(
        "{} shops could not be applied; {objects} objects were written\n {}",
        failed.len(),
        stopped(failed)
    )]
    Stopped {
        /// Objects that were written before and elsewhere.
        objects: usize,
        /// What stopped each shop.
        failed: Vec<(String, ApiError)>,
    },
    /// An argument asks for something that is not there, or cannot be.
    #[error("{0}")]
    Argument(String),
    /// What was asked of the cluster was not done.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A rollout has not ended in time.
    #[error("{0}")]
    Rollout(String),
    /// A rollout was completed without some of its shops.
    #[error("{0}")]
    RolloutPartly(String),
    /// A rollout stopped, or was aborted.
    #[error("{0}")]
    RolloutFailed(String),
    /// Some cells were not reached.
    #[error("{done} cells were reached, and {} were not\n  {}", failed.len(), stopped(failed))]
    Cells {
        /// Cells that were.
        done: usize,
        /// What kept each other one.
        failed: Vec<(String, ApiError)>,
    },
    /// The process cannot wait for the network.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("cannot write the result to standard output")]
    Output(#[source] io::Error),
}

/// Problems that are shown at most.
const SHOWN: usize = 20;

fn some(all: &[String]) -> String {
    let more = if all.len() > SHOWN {
        format!("\n  … and {} more", all.len() - SHOWN)
    } else {
        String::new()
    };
    all.iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n  ")
        + &more
}

fn stopped(failed: &[(String, ApiError)]) -> String {
    some(
        &failed
            .iter()
            .map(|(shop, error)| format!("{shop}: {}", runtime::Chain(error)))
            .collect::<Vec<_>>(),
    )
}

fn lines<T: ToString>(all: &[T]) -> String {
    all.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n  ")
}

impl ClusterError {
    /// The stable reason code.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            // What a person wrote, and corrects.
            Self::Fleet(_)
            | Self::Render(_)
            | Self::Missing(_)
            | Self::Import(_)
            | Self::Lost(_)
            | Self::Edge(_) => Reason::Registry,
            Self::File(_) | Self::Argument(_) | Self::Plan { .. } | Self::Led(_) => Reason::Config,
            Self::Claimed(_) => Reason::Claimed,
            Self::Operation(error) => error.reason(),
            Self::Rollout(_) => Reason::Rollout,
            Self::RolloutPartly(_) => Reason::RolloutPartly,
            Self::RolloutFailed(_) => Reason::RolloutFailed,
            Self::Definitions(_) => Reason::Definitions,
            Self::Guard(_) => Reason::Guard,
            Self::Refused(_) => Reason::ApiRefused,
            Self::Moved(_) => Reason::Moved,
            Self::Api(error) => error.reason(),
            Self::Stopped { failed, .. } | Self::Cells { failed, .. } => failed
                .first()
                .map_or(Reason::Bug, |(_, error)| error.reason()),
            Self::Check(_) | Self::Runtime(_) => Reason::Bug,
            Self::Write { .. } | Self::Output(_) => Reason::Disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_word() {
        let moved = Moved {
            count: 1,
            first: Vec::new(),
        };
        let refused = |code| ClusterError::Api(client::refused(code));
        for (error, code, exit) in [
            (ClusterError::Moved(moved), "moved", 75),
            (ClusterError::Guard(Vec::new()), "guard", 64),
            (ClusterError::Refused(Vec::new()), "api-refused", 64),
            (ClusterError::Missing(Vec::new()), "registry", 64),
            (refused(403), "api-forbidden", 64),
            (refused(422), "api-refused", 64),
            (refused(503), "api-server", 69),
        ] {
            assert_eq!(
                (error.reason().code(), error.reason().trouble().exit_code()),
                (code, exit),
                "{error:?}"
            );
        }
    }
}
