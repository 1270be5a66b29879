//! The shape of the file, as serde knows it: names and types of fields, and what was wrong with
//! those of one mount.

use super::Kind;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) mount: Vec<Map<String, Value>>,
}

/// One mount; which fields a kind needs is checked afterwards.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMount {
    pub(super) name: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) path: Option<String>,
    pub(super) options: Option<Vec<String>>,
    pub(super) read_only: Option<bool>,
    pub(super) required: Option<bool>,
    pub(super) write_probe: Option<bool>,
    pub(super) directories: Option<Vec<RawDirectory>>,
    pub(super) subdirectory: Option<String>,
    // nfs4
    pub(super) file_system: Option<String>,
    pub(super) region: Option<String>,
    pub(super) address: Option<String>,
    pub(super) access_point: Option<String>,
    pub(super) iam: Option<bool>,
    pub(super) server: Option<String>,
    pub(super) export: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<bool>,
    pub(super) ca_file: Option<String>,
    pub(super) server_name: Option<String>,
    // bind, adopt
    pub(super) source: Option<String>,
    pub(super) fstype: Option<String>,
}

/// One directory of the shop.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDirectory {
    pub(super) path: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    #[serde(default)]
    pub(super) mode: Option<String>,
}

/// Reads `text`, JSON or TOML, into the shape of the file.
pub(super) fn read(text: &str) -> Result<RawFile, String> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("not JSON of the right shape: {error}"))
    } else {
        toml::from_str(text).map_err(|error| {
            format!(
                "not TOML of the right shape: {}",
                one_line(&error.to_string())
            )
        })
    }
}

/// Reads one mount, with a problem for each field that is unknown or of the wrong type: serde alone
/// would stop at the first one.
pub(super) fn mount(fields: Map<String, Value>, problems: &mut Vec<String>) -> RawMount {
    let mut good = Map::new();
    for (key, value) in fields {
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        match shaped::<RawMount>(alone) {
            Ok(_) => drop(good.insert(key, value)),
            Err(error) => problems.push(format!("{key}={value}: {}", nearest(&key, &error))),
        }
    }
    shaped(Value::Object(good)).unwrap_or_default()
}

fn shaped<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Serde lists all fields if one is unknown; a person wants the one that was meant.
fn nearest(key: &str, error: &str) -> String {
    let Some((_, listed)) = error
        .split_once("unknown field")
        .and_then(|(_, rest)| rest.split_once("expected"))
    else {
        return error.to_owned();
    };
    let fields = listed.split('`').skip(1).step_by(2);
    let best = fields
        .map(|field| (strsim::jaro_winkler(key, field), field))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, field)) if likeness > 0.8 => format!("not a field; did you mean {field}?"),
        _ => "not a field".to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
