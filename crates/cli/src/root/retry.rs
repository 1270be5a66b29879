//! `longshore root retry`: lets a release root try releases again that failed there.

use crate::{CommandError, Context};
use clap::Args;
use deploy::{ReleaseRoot, View};
use release::Sha256;
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Arguments of `retry`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  longshore root retry /srv/shop 012a287b…     the release whose manifest has this digest
  longshore root retry /srv/shop --all         every rejected one
What runs stays: the agent tries the release at its next look, and rejects it again if it fails
again. `longshore root why DIRECTORY` lists what is rejected. Without a shell in the pod, write the
digest into the file `retry` of LONGSHORE_CONTROL.")]
pub(crate) struct Retry {
    /// The release root
    directory: PathBuf,
    /// Digest of the manifest, or its first digits
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    manifest: Option<String>,
    /// Every rejected release
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Serialize)]
struct Allowed {
    allowed: Vec<Sha256>,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed.is_empty() {
            return writeln!(f, "no release is rejected here");
        }
        self.allowed
            .iter()
            .try_for_each(|manifest| writeln!(f, "sha256:{manifest} may be tried again"))
    }
}

/// Runs `longshore root retry`.
///
/// # Errors
///
/// If no rejected release starts with these digits, or more than one does; if the root is
/// busy.
pub(crate) fn run(arguments: &Retry, context: &Context) -> Result<(), CommandError> {
    // Opening a root makes what is missing; a name that was mistyped must not become one.
    View::read(&arguments.directory)?;
    let directory =
        std::path::absolute(&arguments.directory).map_err(|source| CommandError::Read {
            path: arguments.directory.clone(),
            source,
        })?;
    let mut root = ReleaseRoot::open(&directory)?;
    let rejected = root.state().rejected.keys().copied();
    let wanted = |manifest: &Sha256| {
        arguments
            .manifest
            .as_ref()
            .is_none_or(|digits| manifest.to_string().starts_with(digits.as_str()))
    };
    let allowed: Vec<_> = rejected.filter(wanted).collect();
    if let Some(digits) = arguments.manifest.as_ref().filter(|_| allowed.len() != 1) {
        let found = if allowed.is_empty() {
            "no rejected release"
        } else {
            "more than one rejected release"
        };
        return Err(CommandError::Usage(format!(
            "{found} of {} starts with {digits:?}",
            arguments.directory.display()
        )));
    }
    for manifest in &allowed {
        root.allow(manifest)?;
    }
    context.output.show(&Allowed { allowed })
}
