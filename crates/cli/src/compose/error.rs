//! Why modules make no release.

use crate::compose::SHIPPED_BYTES;
use crate::compose::SHIPPED_ENTRIES;
use crate::names::Alike;
use release::{ModuleName, Nesting, Reason, RelativePath, TreeError};
use std::fmt;

/// Two modules want what only one can have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    /// Both own one file, and neither says that it overrides the other.
    #[error(
        "{path} is in module {first} and in module {second}; let one of them say `overrides = \
         [\"…\"]`, or exclude it from one"
    )]
    TwoOwners {
        /// The path in the release tree.
        path: RelativePath,
        /// One owner.
        first: ModuleName,
        /// The other.
        second: ModuleName,
    },
    /// A file or link stands where another module has a directory.
    #[error("{path} is a directory in module {directory} and a file or a link in module {other}")]
    FileAgainstDirectory {
        /// The path in the release tree.
        path: RelativePath,
        /// Who has the directory.
        directory: ModuleName,
        /// Who has the other.
        other: ModuleName,
    },
    /// A pod could not stage the tree.
    #[error("{error}{}", of.beside())]
    Tree {
        /// Which entry, and why.
        error: TreeError,
        /// Whose the entry is.
        of: Of,
    },
    /// The description asks for what no pod can make.
    #[error(transparent)]
    Asked(#[from] Nesting),
    /// Modules ship more into writable directories than a pod copies.
    #[error(
        "modules ship {entries} files of {bytes} bytes into writable directories, which a pod \
         copies at the start of each release: at most {SHIPPED_ENTRIES} of {SHIPPED_BYTES} bytes"
    )]
    TooMuch {
        /// How many.
        entries: u64,
        /// How large.
        bytes: u64,
    },
    /// Two paths are one to a file system that ignores case or Unicode form.
    #[error("{first}{of_first} and {second}{of_second} differ only in {}", describe(*alike))]
    Collision {
        /// One path in the release tree.
        first: RelativePath,
        /// Whose it is.
        of_first: Of,
        /// The other.
        second: RelativePath,
        /// Whose that is.
        of_second: Of,
        /// How they are one.
        alike: Alike,
    },
    /// The target and the path below it are too long together.
    #[error("module {module} does not fit below its target")]
    Path {
        /// Which module.
        module: ModuleName,
        /// Which rule.
        source: release::PathError,
    },
}

impl ComposeError {
    /// The stable reason code.
    #[must_use]
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::TwoOwners { .. } | Self::FileAgainstDirectory { .. } => Reason::Duplicate,
            Self::Tree { error, .. } => error.reason(),
            Self::Asked(_) => Reason::Config,
            Self::TooMuch { .. } => Reason::TooLarge,
            Self::Collision { .. } => Reason::NameCollision,
            Self::Path { source, .. } => source.reason(),
        }
    }
}

/// Whose a path is: a module's, or nobody's where the description alone names it.
#[derive(Debug, Clone)]
pub(crate) struct Of(pub(super) Option<ModuleName>);

impl Of {
    /// At the end of a sentence.
    fn beside(&self) -> String {
        self.0
            .as_ref()
            .map_or_else(String::new, |module| format!(" (module {module})"))
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_ref()
            .map_or(Ok(()), |module| write!(f, " of module {module}"))
    }
}

pub(super) const fn describe(alike: Alike) -> &'static str {
    match alike {
        Alike::Case => {
            "case: rename one of them, or say `case_sensitive = true`, with which only disks that \
             tell them apart take the release"
        }
        Alike::Form => "case or Unicode form",
    }
}
