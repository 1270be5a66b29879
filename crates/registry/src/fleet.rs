//! Everything that a set of files says, checked as the API server would.

use super::{Document, FileError, Rules, read};
use api::{Fleet, Release, ReleaseError, ResolvedRelease};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Why files are no fleet.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Documents are wrong, each with its place.
    #[error("{} of the files' documents cannot be used\n  {}", .0.len(), .0.join("\n  "))]
    Documents(Vec<String>),
}

/// Reads files, or directories of them.
///
/// # Errors
///
/// If a file cannot be read; otherwise every problem of every document, each with its file and
/// line.
pub fn read_fleet(paths: &[PathBuf]) -> Result<Fleet, FleetError> {
    let mut documents = Vec::new();
    for path in paths {
        documents.extend(read(path)?);
    }
    fleet(&documents)
}

/// Takes documents that were read.
///
/// # Errors
///
/// Every problem of every document, each with its file and line.
pub fn fleet(documents: &[Document]) -> Result<Fleet, FleetError> {
    let rules = Rules::new();
    let mut fleet = Fleet::default();
    let mut problems = Vec::new();
    for document in documents {
        add(&mut fleet, &rules, document).unwrap_or_else(|found| problems.extend(found));
    }
    if problems.is_empty() {
        Ok(fleet)
    } else {
        Err(FleetError::Documents(problems))
    }
}

fn add(fleet: &mut Fleet, rules: &Rules, document: &Document) -> Result<(), Vec<String>> {
    let text = |field: &str| document.value[field].as_str().unwrap_or_default();
    let (kind, name) = (
        text("kind"),
        document.value["metadata"]["name"]
            .as_str()
            .unwrap_or_default(),
    );
    let label = format!("{}: {kind} {name}", document.place());
    if text("apiVersion") != "longshore.dev/v1alpha1" {
        let found = text("apiVersion");
        return Err(vec![format!(
            "{label}: apiVersion={found:?}: expected longshore.dev/v1alpha1"
        )]);
    }
    let problems = rules.problems(kind, &document.value, None);
    if !problems.is_empty() {
        return Err(problems
            .into_iter()
            .map(|problem| format!("{label}: {problem}"))
            .collect());
    }
    let value = rules.defaulted(kind, &document.value);
    let twice = |taken: bool| {
        if taken {
            Err(vec![format!("{label}: is there twice")])
        } else {
            Ok(())
        }
    };
    match kind {
        "Shop" => twice(
            fleet
                .shops
                .insert(name.to_owned(), typed(&label, value)?)
                .is_some(),
        ),
        "ShopClass" => twice(
            fleet
                .classes
                .insert(name.to_owned(), typed(&label, value)?)
                .is_some(),
        ),
        "Rollout" => twice(
            fleet
                .rollouts
                .insert(name.to_owned(), typed(&label, value)?)
                .is_some(),
        ),
        _ => {
            let release: Release = typed(&label, value)?;
            let read = ResolvedRelease::read(&release).map_err(|error: ReleaseError| {
                vec![format!("{label}: {}", runtime::Chain(&error))]
            })?;
            let channel = fleet.releases.entry(read.channel.clone()).or_default();
            twice(channel.insert(read.sequence.get(), read).is_some())
        }
    }
}

fn typed<T: DeserializeOwned>(label: &str, value: serde_json::Value) -> Result<T, Vec<String>> {
    serde_json::from_value(value).map_err(|error| vec![format!("{label}: {error}")])
}
