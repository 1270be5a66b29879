//! Lists of shops: CSV tables and structured lists, and the Shop resources that they stand for.

mod export;

pub use export::{csv, json, lost, resource};

use crate::Document;
use api::{Shop, claims::Claims};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// What is given for all shops of a list.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Class of the shops for which the list names none.
    pub class: Option<&'a str>,
    /// Channel of shops for which the list names none; `{name}` stands for the shop's name.
    pub channel: &'a str,
}

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 22] = [
    "name",
    "domain",
    "aliases",
    "class",
    "channel",
    "state",
    "min",
    "max",
    "database",
    "database_name",
    "cache",
    "cache_prefix",
    "sessions",
    "media",
    "media_path",
    "access_point",
    "search",
    "search_prefix",
    "queue",
    "virtual_host",
    "secret",
    "time_zone",
];

/// Reads a CSV table with a header; each shop comes with its line.
///
/// # Errors
///
/// Every problem of the table, each with its line: a header that is not known, rows that are
/// shorter or longer than it, and an end in the middle of a line.
pub fn table(
    text: &str,
    path: &Path,
    given: &Given<'_>,
) -> Result<Vec<(usize, Value)>, Vec<String>> {
    let mut problems = Vec::new();
    let at = |line: usize| format!("{}:{line}", path.display());
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(format!(
            "{}: the last line has no end: the list may have been cut off",
            at(text.lines().count())
        ));
    }
    // Within a cell a quote is doubled, so that their number is even.
    if !text.matches('"').count().is_multiple_of(2) {
        problems.push(format!(
            "{}: a quote is never closed: the list may have been cut off",
            at(text.lines().count())
        ));
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_ascii_lowercase).collect(),
        Err(error) => return Err(vec![format!("{}: {error}", at(1))]),
    };
    if let ([only], Some((_, separator))) = (
        &header[..],
        [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")]
            .into_iter()
            .find(|(one, _)| header[0].contains(*one)),
    ) {
        return Err(vec![format!(
            "{}: {only:?} is one cell: cells are separated by {separator}; save the table with \
             commas as its separator",
            at(1)
        )]);
    }
    for (index, column) in header.iter().enumerate() {
        if !COLUMNS.contains(&column.as_str()) {
            let nearest = COLUMNS.iter().max_by(|a, b| {
                strsim::jaro_winkler(column, a).total_cmp(&strsim::jaro_winkler(column, b))
            });
            problems.push(format!(
                "{}: {column:?} is no column; did you mean {}?",
                at(1),
                nearest.unwrap_or(&"name")
            ));
        }
        if header[..index].contains(column) {
            problems.push(format!("{}: column {column:?} is there twice", at(1)));
        }
    }
    for needed in ["name", "domain"] {
        if !header.iter().any(|column| column == needed) {
            problems.push(format!("{}: column {needed:?} is missing", at(1)));
        }
    }
    let mut shops = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                problems.push(format!(
                    "{}: {error}",
                    at(usize::try_from(line).unwrap_or(0))
                ));
                continue;
            }
        };
        let line = record
            .position()
            .map_or(0, |position| usize::try_from(position.line()).unwrap_or(0));
        if record.len() != header.len() {
            problems.push(format!(
                "{}: has {} cells, and the header {}",
                at(line),
                record.len(),
                header.len()
            ));
            continue;
        }
        let row: BTreeMap<&str, &str> = header
            .iter()
            .map(String::as_str)
            .zip(record.iter())
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        match shop(&row, given) {
            Ok(shop) => shops.push((line, shop)),
            Err(found) => problems.extend(
                found
                    .into_iter()
                    .map(|problem| format!("{}: {problem}", at(line))),
            ),
        }
    }
    if problems.is_empty() {
        Ok(shops)
    } else {
        Err(problems)
    }
}

/// Takes documents that are rows, or Shops already.
///
/// # Errors
///
/// Every problem, each with its place.
pub fn documents(
    documents: &[Document],
    given: &Given<'_>,
) -> Result<Vec<(usize, Value)>, Vec<String>> {
    let (mut shops, mut problems) = (Vec::new(), Vec::new());
    for (index, document) in documents.iter().enumerate() {
        let place = format!("{}: item {}", document.place(), index + 1);
        if document.value["kind"] == "Shop" {
            shops.push((document.line, document.value.clone()));
            continue;
        }
        let Some(fields) = document.value.as_object() else {
            problems.push(format!("{place}: is no object"));
            continue;
        };
        let cells: BTreeMap<&str, String> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), cell(value)))
            .collect();
        for unknown in cells.keys().filter(|name| !COLUMNS.contains(name)) {
            problems.push(format!("{place}: {unknown:?} is not a field"));
        }
        let row = cells
            .iter()
            .map(|(name, cell)| (*name, cell.as_str()))
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        match shop(&row, given) {
            Ok(shop) => shops.push((document.line, shop)),
            Err(found) => problems.extend(
                found
                    .into_iter()
                    .map(|problem| format!("{place}: {problem}")),
            ),
        }
    }
    if problems.is_empty() {
        Ok(shops)
    } else {
        Err(problems)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn shop(row: &BTreeMap<&str, &str>, given: &Given<'_>) -> Result<Value, Vec<String>> {
    let mut problems = Vec::new();
    let cell = |column: &str| row.get(column).copied();
    let (name, domain) = (
        cell("name").unwrap_or_default(),
        cell("domain").unwrap_or_default(),
    );
    if name.is_empty() {
        problems.push("name is missing".to_owned());
    }
    if domain.is_empty() {
        problems.push("domain is missing".to_owned());
    }
    let aliases = cell("aliases").unwrap_or_default();
    if aliases.contains([',', ';']) {
        problems.push(format!("aliases={aliases:?}: separate hosts by spaces"));
    }
    let class = cell("class").or(given.class);
    if class.is_none() {
        problems.push("class is missing, and --class is not given".to_owned());
    }
    let mut number = |column: &'static str| -> Option<u64> {
        let text = cell(column)?;
        let number = text.parse().ok();
        if number.is_none() {
            problems.push(format!("{column}={text:?}: expected a whole number"));
        }
        number
    };
    let (min, max, sessions) = (number("min"), number("max"), number("sessions"));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut domains = vec![json!({ "host": domain, "primary": true })];
    domains.extend(
        aliases
            .split_whitespace()
            .map(|alias| json!({ "host": alias, "redirectTo": domain })),
    );
    let mut spec = Map::from_iter([
        ("class".to_owned(), json!(class)),
        (
            "channel".to_owned(),
            json!(
                cell("channel")
                    .map_or_else(|| given.channel.replace("{name}", name), str::to_owned)
            ),
        ),
        ("domains".to_owned(), Value::Array(domains)),
        ("services".to_owned(), services(&cell, name, sessions)),
    ]);
    if let Some(state) = cell("state") {
        spec.insert("state".to_owned(), json!(state));
    }
    if let Some(secret) = cell("secret") {
        spec.insert(
            "config".to_owned(),
            json!({ "secretRef": { "name": secret } }),
        );
    }
    if min.is_some() || max.is_some() {
        let min = min.or(max).unwrap_or(2);
        spec.insert(
            "scale".to_owned(),
            json!({ "min": min, "max": max.unwrap_or(min) }),
        );
    }
    if let Some(zone) = cell("time_zone") {
        spec.insert("backup".to_owned(), json!({ "timeZone": zone }));
    }
    Ok(
        json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": name }, "spec": spec }),
    )
}

fn services<'a>(
    cell: &impl Fn(&str) -> Option<&'a str>,
    name: &str,
    sessions: Option<u64>,
) -> Value {
    let mut services = Map::new();
    if let Some(server) = cell("database") {
        let database = cell("database_name")
            .map_or_else(|| format!("shop_{}", name.replace('-', "_")), str::to_owned);
        services.insert(
            "database".to_owned(),
            json!({ "ref": server, "name": database }),
        );
    }
    if let Some(server) = cell("cache") {
        let prefix = cell("cache_prefix")
            .map_or_else(|| format!("{}_", name.replace('-', "_")), str::to_owned);
        let mut cache = json!({ "ref": server, "prefix": prefix });
        if let Some(database) = sessions {
            cache["sessions"] = json!(database);
        }
        services.insert("cache".to_owned(), cache);
    }
    if let Some(server) = cell("media") {
        let mut media = json!({ "ref": server, "path": cell("media_path").map_or_else(|| format!("/shops/{name}"), str::to_owned) });
        if let Some(point) = cell("access_point") {
            media["accessPoint"] = json!(point);
        }
        services.insert("media".to_owned(), media);
    }
    if let Some(server) = cell("search") {
        let prefix = cell("search_prefix").unwrap_or(name);
        services.insert(
            "search".to_owned(),
            json!({ "ref": server, "prefix": prefix }),
        );
    }
    if let Some(server) = cell("queue") {
        let host = cell("virtual_host").unwrap_or(name);
        services.insert(
            "queue".to_owned(),
            json!({ "ref": server, "virtualHost": host }),
        );
    }
    Value::Object(services)
}

/// What two shops of a list claim, each in the place of the later one.
#[must_use]
pub fn collisions(shops: &[(usize, Shop)], path: &Path) -> Vec<String> {
    let mut claims = Claims::default();
    let name = |shop: &Shop| shop.metadata.name.clone().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (order, (_, shop)) in (0_i64..)
        .zip(shops)
        .filter(|(_, (_, shop))| seen.insert(name(shop)))
    {
        claims.see_since(&name(shop), shop, None, Timestamp::from_second(order).ok());
    }
    let line = |wanted: &str| {
        shops
            .iter()
            .find(|(_, shop)| name(shop) == wanted)
            .map_or(0, |(line, _)| *line)
    };
    let told = |(at, shop): &(usize, Shop)| {
        let label = format!("{}:{at}: {}", path.display(), name(shop));
        claims
            .refused(&name(shop))
            .into_iter()
            .map(move |found| (label.clone(), found))
            .collect::<Vec<_>>()
    };
    let mut once = BTreeSet::new();
    shops
        .iter()
        .filter(|(_, shop)| once.insert(name(shop)))
        .flat_map(told)
        .map(|(label, found)| {
            format!(
                "{label}: {found}, of line {}",
                line(found.shop.as_deref().unwrap_or_default())
            )
        })
        .collect()
}
