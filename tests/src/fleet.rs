//! Fleets for the scheduler: shops, releases and classes as objects, and agents that are played.

mod agents;
pub mod large;

pub use self::agents::Agents;

use serde_json::{Value, json};
use std::path::Path;

/// A file of the examples in `manifests/`.
///
/// # Panics
///
/// It is not there.
#[must_use]
pub fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests/examples/shops")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Puts the fields of `change` into `into`, as a merge patch does.
pub fn merge(into: &mut Value, change: &Value) {
    let Some(fields) = change.as_object() else {
        *into = change.clone();
        return;
    };
    for (name, field) in fields {
        if field.is_null() {
            into.as_object_mut().map(|all| all.remove(name));
        } else {
            merge(&mut into[name.as_str()], field);
        }
    }
}

/// A shop of a class, with one pod; further fields of its spec are merged in.
#[must_use]
pub fn shop(name: &str, class: &str, change: &Value) -> String {
    let mut shop = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": name },
        "spec": {
            "class": class, "channel": "shops/acme",
            "domains": [{ "host": format!("{name}.example"), "primary": true }],
            "config": { "secretRef": { "name": "env" } },
            "scale": { "min": 1, "max": 1 },
            "services": { "database": { "ref": "db", "name": name }, "media": { "ref": "nas", "path": format!("/{name}") } },
        },
    });
    merge(&mut shop["spec"], change);
    shop.to_string()
}

/// The manifest's digest of [`release()`].
#[must_use]
pub fn manifest(sequence: u64) -> String {
    format!("{sequence:064x}")
}

/// The example's release as another sequence of its channel. Nobody signed it, which is the pods'
/// business.
///
/// # Panics
///
/// The example is not as it was.
#[must_use]
pub fn release(sequence: u64, migration: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = example("release.yaml");
    let field = |name: &str| {
        let found = text
            .split(&format!("\"{name}\": \""))
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        found
            .unwrap_or_else(|| panic!("release.yaml has no {name}"))
            .to_owned()
    };
    let payload = STANDARD
        .decode(field("payload"))
        .expect("the example's payload is base64");
    let mut statement: Value =
        serde_json::from_slice(&payload).expect("the example's payload is JSON");
    statement["predicate"]["sequence"] = sequence.into();
    statement["predicate"]["migration"] = migration.into();
    statement["subject"][0]["digest"]["sha256"] = manifest(sequence).into();
    let envelope = json!({
        "payloadType": field("payloadType"), "payload": STANDARD.encode(statement.to_string()),
        "signatures": [{ "keyid": field("keyid"), "sig": field("sig") }],
    });
    json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Release", "metadata": { "name": format!("shops-acme-{sequence}") },
        "spec": { "channel": "shops/acme", "sequence": sequence, "envelope": envelope.to_string() },
    })
    .to_string()
}
