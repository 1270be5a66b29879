//! Names and bytes within limits, no object twice, and one namespace.

use super::{Finding, checked_object::CheckedObject};
use api::name::{CRON_JOB_LIMIT, LABEL_LIMIT};
use serde_json::Value;
use std::collections::BTreeSet;

/// Bytes of an object at most: a quarter of a MiB. etcd takes 1.5 MiB a request, and every watcher
/// holds a copy.
pub(super) const OBJECT_LIMIT: usize = 256 << 10;

pub(super) fn check(object: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    let name = &object.identity().name;
    let limit = if object.kind() == "CronJob" {
        CRON_JOB_LIMIT
    } else {
        LABEL_LIMIT
    };
    if name.is_empty() || name.len() > limit {
        object.find(
            "name",
            format!(
                "its name has {} characters, expected 1 to {limit}",
                name.len()
            ),
            findings,
        );
    }
    let good = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    if !name.bytes().all(good) || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
        object.find(
            "name",
            "its name is not lower-case letters, digits, '-' and '.', or begins or ends with one \
             of the last two",
            findings,
        );
    }
    let bytes = object.object.json().len();
    if bytes > OBJECT_LIMIT {
        object.find(
            "bytes",
            format!("it has {bytes} bytes, over the limit of {OBJECT_LIMIT}"),
            findings,
        );
    }
    for (key, value) in object
        .value
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = value.as_str().unwrap_or_default();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if value.len() > LABEL_LIMIT || !value.bytes().all(good) {
            object.find(
                "label",
                format!("its label {key}={value:?} is no value of a label"),
                findings,
            );
        }
    }
}

/// What only all of them together show.
pub(super) fn together(objects: &[CheckedObject<'_>], findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    let namespaces: BTreeSet<&str> = objects
        .iter()
        .filter_map(|object| object.identity().namespace.as_deref())
        .collect();
    for object in objects {
        if !seen.insert(object.identity()) {
            object.find("twice", "it is there twice", findings);
        }
        if namespaces.len() > 1
            && object.identity().namespace.as_deref() != namespaces.first().copied()
            && object.identity().namespace.is_some()
        {
            object.find(
                "namespace",
                format!("one shop's objects are in several namespaces: {namespaces:?}"),
                findings,
            );
        }
    }
}
