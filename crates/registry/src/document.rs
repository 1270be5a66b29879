//! Documents of a file: where each begins, and what it holds.

use serde_json::Value;
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Bytes of one file at most: 64 MiB, some 30,000 shops.
const FILE_LIMIT: u64 = 64 << 20;

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file, or `-`.
    pub path: PathBuf,
    /// The line where it begins, from 1.
    pub line: usize,
    /// What it holds.
    pub value: Value,
}

impl Document {
    /// Where it is, for an error message.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line)
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{} holds no resource; a directory is read for its files that end in .json, .yaml or .yml", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// A document is neither YAML nor JSON.
    #[error("{}:{line}: {problem}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// The line of the mistake, or where its document begins.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Reads all documents of a file, of the files of a directory that end in .json, .yaml or .yml, as
/// kubectl does, or of standard input where `path` is `-`.
///
/// # Errors
///
/// If a file cannot be read, has over 64 MiB or no document, or a document is neither YAML nor
/// JSON.
pub fn read(path: &Path) -> Result<Vec<Document>, FileError> {
    if !path.is_dir() {
        return one(path);
    }
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let entries = fs::read_dir(path)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(failed)?;
    let resource = |path: &PathBuf| {
        path.extension()
            .is_some_and(|it| ["json", "yaml", "yml"].iter().any(|known| it == *known))
            && path.is_file()
    };
    let mut files: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(resource)
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(FileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(files
        .iter()
        .map(|file| one(file))
        .collect::<Result<Vec<_>, _>>()?
        .concat())
}

/// A file without a document was cut off, or is not the one that was meant.
fn one(path: &Path) -> Result<Vec<Document>, FileError> {
    let documents = parse(path, &read_text(path)?)?;
    if documents.is_empty() {
        Err(FileError::Empty {
            path: path.to_owned(),
        })
    } else {
        Ok(documents)
    }
}

/// Reads the text of a file, or of standard input where `path` is `-`.
///
/// # Errors
///
/// If the file cannot be read, has over 64 MiB, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    all_of(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })
}

fn all_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(FILE_LIMIT + 1)
            .read_to_string(&mut text)?;
    } else {
        File::open(path)?
            .take(FILE_LIMIT + 1)
            .read_to_string(&mut text)?;
    }
    if text.len() as u64 > FILE_LIMIT {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "over 64 MiB"))
    } else {
        Ok(text)
    }
}

/// The documents of `text`, which came from `path`; a `List` is the documents in it.
///
/// # Errors
///
/// If a document is neither YAML nor JSON.
fn parse(path: &Path, text: &str) -> Result<Vec<Document>, FileError> {
    let mut documents = Vec::new();
    for (line, part) in split(text) {
        let value: Value = serde_saphyr::from_str(part).map_err(|error| {
            let within = error
                .location()
                .map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
            FileError::Syntax {
                path: path.to_owned(),
                line: line + within.max(1) - 1,
                problem: first_line(&error.to_string()),
            }
        })?;
        let items = match &value {
            Value::Null => continue,
            Value::Object(fields)
                if fields
                    .get("kind")
                    .and_then(Value::as_str)
                    .is_some_and(|kind| kind.ends_with("List")) =>
            {
                fields
                    .get("items")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default()
            }
            Value::Array(items) => items.clone(),
            _ => vec![value],
        };
        documents.extend(items.into_iter().map(|value| Document {
            path: path.to_owned(),
            line,
            value,
        }));
    }
    Ok(documents)
}

/// The documents of a stream, each with the line of its first character. A line that begins with
/// `---` ends the one before: no scalar can have one.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut first, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            parts.push((first, &text[start..at]));
            (start, first) = (at + line.len(), number + 2);
        }
        at += line.len();
    }
    parts.push((first, &text[start..]));
    parts.retain(|(_, part)| {
        part.lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    parts
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_know_where_they_begin() {
        let text = "# a comment alone\n---\nkind: A\n---\n\n---\nkind: B\nx: [1, 2]\n";
        let found: Vec<_> = parse(Path::new("f"), text)
            .unwrap()
            .into_iter()
            .map(|it| (it.line, it.value["kind"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(found, [(3, "A".to_owned()), (7, "B".to_owned())]);
    }

    #[test]
    fn a_mistake_names_its_line() {
        let error = parse(Path::new("f.yaml"), "kind: A\n---\nkind: B\nx: [1,\n")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("f.yaml:"), "{error}");
    }

    #[test]
    fn json_and_lists_are_documents_too() {
        let text = r#"{"kind": "ShopList", "items": [{"kind": "Shop"}, {"kind": "Shop"}]}"#;
        assert_eq!(parse(Path::new("f"), text).unwrap().len(), 2);
    }
}
