//! Resources and objects as text: YAML documents for people, one JSON value a line for programs.

use serde::Serialize;
use std::{
    fs::DirBuilder,
    io::{self, Write as _},
    path::Path,
};

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Form {
    /// Documents with `---` between them.
    #[default]
    Yaml,
    /// One JSON value a line.
    Json,
}

impl Form {
    /// The end of a file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}

/// All `values`, one after the other.
///
/// # Errors
///
/// If a value cannot be written in this form.
pub fn text<T: Serialize>(form: Form, values: impl IntoIterator<Item = T>) -> io::Result<String> {
    let mut text = String::new();
    for value in values {
        match form {
            Form::Yaml => {
                text += "---\n";
                let yaml = serde_saphyr::to_string_with_options(&value, options())
                    .map_err(io::Error::other)?;
                text += yaml.trim_end();
            }
            Form::Json => text += &serde_json::to_string(&value)?,
        }
        text.push('\n');
    }
    Ok(text)
}

fn options() -> serde_saphyr::SerializerOptions {
    // As yamllint's defaults want lists: indented.
    serde_saphyr::ser_options! { compact_list_indent: false }
}

/// Replaces a file of `directory`, which is made where it is missing, in one step.
///
/// # Errors
///
/// If the disk refuses.
pub fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(directory)?;
    let mut file = tempfile::Builder::new()
        .permissions(permissions())
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(directory.join(name))
        .map(drop)
        .map_err(|error| error.error)
}

fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    // As the umask allows.
    std::fs::Permissions::from_mode(0o666)
}
