//! What a release does to the database.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a release does to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Migration {
    /// Nothing: old and new pods may run side by side.
    #[default]
    None,
    /// Adds only: old pods still work while and after it runs.
    Additive,
    /// Old pods break once it has run.
    Breaking,
}

/// The text is not the name of a migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not {expected}", expected = Migration::EXPECTED)]
pub struct MigrationError(String);

impl Migration {
    /// What a correct value looks like, for error messages.
    pub const EXPECTED: &'static str = "none, additive or breaking";

    /// The word of the formats.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Additive => "additive",
            Self::Breaking => "breaking",
        }
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Migration {
    type Err = MigrationError;

    fn from_str(text: &str) -> Result<Self, MigrationError> {
        let all = [Self::None, Self::Additive, Self::Breaking];
        all.into_iter()
            .find(|migration| migration.as_str() == text)
            .ok_or_else(|| MigrationError(text.chars().take(80).collect()))
    }
}

// Through a text, as serde would also take the object {"none": null} for a variant.
impl TryFrom<String> for Migration {
    type Error = MigrationError;

    fn try_from(text: String) -> Result<Self, MigrationError> {
        text.parse()
    }
}

impl From<Migration> for &'static str {
    fn from(migration: Migration) -> Self {
        migration.as_str()
    }
}
