//! What tests of several crates begin with: the least that is valid, and what a test says besides.

use crate::{ObjectMetaSummary, ResolvedRelease, Shop, ShopClass};
use jiff::Timestamp;
use release::{Migration, Sha256};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An object of the cluster that nobody has written yet.
#[must_use]
pub fn live(name: &str, created: Timestamp) -> ObjectMetaSummary {
    ObjectMetaSummary {
        uid: format!("uid-{name}"),
        version: "1".to_owned(),
        generation: None,
        applied: None,
        created: Some(created),
        deleting: false,
    }
}

/// A class of the engine Php; the fields of `more` are added to its spec, or take its fields'
/// place.
#[must_use]
pub fn class(name: &str, more: Value) -> ShopClass {
    let spec = json!({
        "engine": "Php",
        "images": { "longshore": "l@sha256:0", "shop": "s@sha256:0" },
        "store": { "location": "s3://releases/prod", "region": "eu", "trust": "{}" },
        "network": { "store": ["192.0.2.0/24"] },
    });
    ShopClass::new(name, with(spec, more))
}

/// A shop of the class `php` on the channel `shops/<name>`; `more` as for [`class`].
#[must_use]
pub fn shop(name: &str, more: Value) -> Shop {
    let spec = json!({
        "class": "php",
        "channel": format!("shops/{name}"),
        "domains": [{ "host": format!("{name}.example"), "primary": true }],
        "services": {},
    });
    Shop::new(name, with(spec, more))
}

/// A release of the channel `shops/acme`.
///
/// # Panics
///
/// If no release has this sequence.
#[must_use]
pub fn release(sequence: u64, migration: Migration) -> ResolvedRelease {
    ResolvedRelease {
        name: format!("shops-acme-{sequence}"),
        channel: "shops/acme".parse().expect("a channel"),
        sequence: sequence.try_into().expect("a sequence"),
        manifest: Sha256::digest(&sequence.to_be_bytes()),
        migration,
        envelope: String::new(),
        downloads: None,
    }
}

fn with<T: DeserializeOwned>(mut spec: Value, more: Value) -> T {
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    serde_json::from_value(spec).expect("a spec")
}
