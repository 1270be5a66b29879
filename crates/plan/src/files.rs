//! A plan against a directory that was rendered before: no cluster is asked.

use super::{Action, Change, Plan, difference, tidy};
use api::{Identity, Object};
use registry::{Document, FileError, read};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Objects by identity, as a directory or a file has them.
///
/// # Errors
///
/// If the API server does not do it.
pub fn rendered(path: &Path) -> Result<BTreeMap<Identity, Value>, FileError> {
    let mut found = BTreeMap::new();
    for file in files(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })? {
        for Document { value, .. } in read(&file)? {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let identity = Identity {
                api_version: text(&value["apiVersion"]).unwrap_or_default().into(),
                kind: text(&value["kind"]).unwrap_or_default().into(),
                namespace: text(&value["metadata"]["namespace"]),
                name: text(&value["metadata"]["name"]).unwrap_or_default(),
            };
            found.insert(identity, value);
        }
    }
    Ok(found)
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wanted = |file: &PathBuf| {
        file.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        })
    };
    let mut files = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.retain(wanted);
    files.sort();
    Ok(files)
}

/// What would change, shop by shop, against objects that were rendered before.
#[must_use]
pub fn plan(
    desired: &BTreeMap<String, Vec<Object>>,
    mut before: BTreeMap<Identity, Value>,
) -> Plan {
    let mut plan = Plan {
        looked_at: desired.len(),
        ..Plan::default()
    };
    for (shop, objects) in desired {
        let changes: Vec<_> = objects
            .iter()
            .filter_map(|object| change(object, before.remove(object.identity())))
            .collect();
        if !changes.is_empty() {
            plan.shops.insert(shop.clone(), changes);
        }
    }
    for (identity, value) in before {
        let shop = value["metadata"]["labels"][client::SHOP]
            .as_str()
            .unwrap_or("(no shop)")
            .to_owned();
        let change = Change {
            object: identity,
            action: Action::Delete,
            seen: None,
            desired: None,
            fields: Vec::new(),
            refused: None,
        };
        plan.shops.entry(shop).or_default().push(change);
    }
    plan
}

fn change(object: &Object, before: Option<Value>) -> Option<Change> {
    let change = |action, fields| Change {
        object: object.identity().clone(),
        action,
        seen: None,
        desired: Some(object.digest()),
        fields,
        refused: None,
    };
    let Some(before) = before else {
        return Some(change(Action::Create, Vec::new()));
    };
    let fields = difference(&tidy(before), &tidy(object.value()));
    (!fields.is_empty()).then(|| change(Action::Change, fields))
}
