//! Shops as lists that `import` takes: a table, with what fits into its columns, or resources, with
//! everything.

use super::{COLUMNS, Given};
use api::{Shop, ShopState};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io};

/// The table of `shops`. What does not fit is left out; [`lost`] says what that is.
///
/// # Errors
///
/// If memory is short; nothing else can fail.
pub fn csv<'a>(shops: impl Iterator<Item = &'a Shop>) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for shop in shops {
        writer.write_record(row(shop))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The list of `shops` as one value of JSON.
///
/// # Errors
///
/// If memory is short; nothing else can fail.
pub fn json<'a>(shops: impl Iterator<Item = &'a Shop>) -> io::Result<String> {
    let items: Vec<Value> = shops.map(resource).collect();
    let list =
        json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "ShopList", "items": items });
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}

/// A shop as a person would write it: without its status, and what a cluster adds to its metadata.
#[must_use]
pub fn resource(shop: &Shop) -> Value {
    let meta = &shop.metadata;
    let mut metadata = json!({ "name": meta.name.as_deref().unwrap_or_default() });
    if let Some(labels) = &meta.labels {
        metadata["labels"] = json!(labels);
    }
    let annotations: BTreeMap<_, _> = meta
        .annotations
        .iter()
        .flatten()
        .filter(|(key, _)| !key.starts_with("kubectl.kubernetes.io/"))
        .collect();
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": metadata, "spec": shop.spec })
}

/// Fields of a shop that an import of its row in the table would leave out or change.
#[must_use]
pub fn lost(shop: &Shop) -> Vec<String> {
    let cells = row(shop);
    let cells: BTreeMap<&str, &str> = COLUMNS
        .iter()
        .copied()
        .zip(cells.iter().map(String::as_str))
        .filter(|(_, cell)| !cell.is_empty())
        .collect();
    let mut fields = Vec::new();
    let back = super::shop(
        &cells,
        &Given {
            class: None,
            channel: "",
        },
    )
    .ok()
    .and_then(|value| serde_json::from_value::<Shop>(value).ok());
    match back {
        Some(back) => compare("spec", &json!(shop.spec), &json!(back.spec), &mut fields),
        None => fields.push("spec".to_owned()),
    }
    let resource = resource(shop);
    fields.extend(
        ["labels", "annotations"]
            .into_iter()
            .filter(|it| resource["metadata"].get(it).is_some())
            .map(|it| format!("metadata.{it}")),
    );
    fields
}

fn compare(path: &str, had: &Value, has: &Value, fields: &mut Vec<String>) {
    match (had, has) {
        (Value::Object(had), Value::Object(has)) => {
            for (name, value) in had {
                compare(
                    &format!("{path}.{name}"),
                    value,
                    has.get(name).unwrap_or(&Value::Null),
                    fields,
                );
            }
            fields.extend(
                has.keys()
                    .filter(|name| !had.contains_key(*name))
                    .map(|name| format!("{path}.{name}")),
            );
        }
        _ if had == has => {}
        _ => fields.push(path.to_owned()),
    }
}

fn row(shop: &Shop) -> [String; COLUMNS.len()] {
    let (spec, services) = (&shop.spec, &shop.spec.services);
    let primary = spec.domains.iter().find(|domain| domain.primary);
    let aliases: Vec<&str> = spec
        .domains
        .iter()
        .filter(|domain| !domain.primary)
        .map(|domain| domain.host.as_str())
        .collect();
    let state = if spec.state == ShopState::Active {
        String::new()
    } else {
        format!("{:?}", spec.state)
    };
    let (database, cache, media) = (
        services.database.as_ref(),
        services.cache.as_ref(),
        services.media.as_ref(),
    );
    let (search, queue) = (services.search.as_ref(), services.queue.as_ref());
    [
        shop.metadata.name.clone().unwrap_or_default(),
        primary
            .map(|domain| domain.host.clone())
            .unwrap_or_default(),
        aliases.join(" "),
        spec.class.clone(),
        spec.channel.clone(),
        state,
        spec.scale.min.to_string(),
        spec.scale.max.to_string(),
        database.map(|it| it.server.clone()).unwrap_or_default(),
        database.map(|it| it.name.clone()).unwrap_or_default(),
        cache.map(|it| it.server.clone()).unwrap_or_default(),
        cache.map(|it| it.prefix.clone()).unwrap_or_default(),
        cache
            .and_then(|it| it.sessions)
            .map(|database| database.to_string())
            .unwrap_or_default(),
        media.map(|it| it.server.clone()).unwrap_or_default(),
        media.map(|it| it.path.clone()).unwrap_or_default(),
        media
            .and_then(|it| it.access_point.clone())
            .unwrap_or_default(),
        search.map(|it| it.server.clone()).unwrap_or_default(),
        search.map(|it| it.prefix.clone()).unwrap_or_default(),
        queue.map(|it| it.server.clone()).unwrap_or_default(),
        queue.map(|it| it.virtual_host.clone()).unwrap_or_default(),
        spec.config
            .secret_ref
            .as_ref()
            .map(|it| it.name.clone())
            .unwrap_or_default(),
        spec.backup.time_zone.clone(),
    ]
}
