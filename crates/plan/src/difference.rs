//! How two versions of an object differ, field by field, in the words of its kind.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Where, such as `spec.template.spec.initContainers[pull].image`.
    pub path: String,
    /// What stands there; nothing if the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What would stand there; nothing if the field goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Every field in which `after` differs from `before`, in the order of their paths.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    if before != after {
        walk("", Some(before), Some(after), &mut fields);
    }
    fields
}

/// An object without what the API server adds by itself, and with nothing of a Secret but which
/// values differ.
#[must_use]
pub fn tidy(mut object: Value) -> Value {
    let secret = object["kind"] == "Secret";
    let Some(fields) = object.as_object_mut() else {
        return object;
    };
    fields.remove("status");
    if let Some(meta) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "managedFields",
            "resourceVersion",
            "generation",
            "uid",
            "creationTimestamp",
            "selfLink",
            "ownerReferences",
        ] {
            meta.remove(name);
        }
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(api::APPLIED);
            annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
            if annotations.is_empty() {
                meta.remove("annotations");
            }
        }
    }
    if secret {
        for part in ["data", "stringData"] {
            for value in fields
                .get_mut(part)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
            {
                *value = Value::String(format!(
                    "(secret, sha256 {:.12})",
                    release::Sha256::digest(value.to_string().as_bytes()).to_string()
                ));
            }
        }
    }
    object
}

/// Looks into two values that differ. What is equal is most of an object, and is told from the rest
/// before anything is made of its path.
fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, fields: &mut Vec<Field>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for name in names {
                let (before, after) = (before.get(name), after.get(name));
                if before != after {
                    walk(&below(path, name), before, after, fields);
                }
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            lists(path, before, after, fields);
        }
        (before, after) => fields.push(Field {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// Items with a name are compared with those of the same name, others with those at the same place.
fn lists(path: &str, before: &[Value], after: &[Value], fields: &mut Vec<Field>) {
    let Some(key) = key(&before.iter().chain(after)) else {
        for index in 0..before.len().max(after.len()) {
            let (before, after) = (before.get(index), after.get(index));
            if before != after {
                walk(&format!("{path}[{index}]"), before, after, fields);
            }
        }
        return;
    };
    let find =
        |items: &'_ [Value], wanted: &Value| items.iter().position(|item| item[key] == *wanted);
    let shown = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    for item in before {
        let after = find(after, &item[key]).map(|at| &after[at]);
        if after != Some(item) {
            let path = format!("{path}[{}]", shown(&item[key]));
            walk(&path, Some(item), after, fields);
        }
    }
    for item in after
        .iter()
        .filter(|item| find(before, &item[key]).is_none())
    {
        walk(
            &format!("{path}[{}]", shown(&item[key])),
            None,
            Some(item),
            fields,
        );
    }
    let order = |items: &[Value], others: &[Value]| -> Vec<String> {
        items
            .iter()
            .filter(|item| find(others, &item[key]).is_some())
            .map(|item| shown(&item[key]))
            .collect()
    };
    let (was, will) = (order(before, after), order(after, before));
    if was != will {
        // Containers that start in another order are another pod.
        let list = |names: Vec<String>| Some(Value::from(names));
        fields.push(Field {
            path: format!("{path}[order]"),
            before: list(was),
            after: list(will),
        });
    }
}

/// The field that tells the items of a list apart, if there is one.
fn key<'a>(items: &(impl Iterator<Item = &'a Value> + Clone)) -> Option<&'static str> {
    ["name", "host", "mountPath", "topologyKey", "type", "key"]
        .into_iter()
        .find(|key| {
            let mut count = 0;
            items.clone().all(|item| {
                count += 1;
                item.get(key).is_some_and(Value::is_string)
            }) && count > 0
                && unique(items.clone(), key)
        })
}

fn unique<'a>(items: impl Iterator<Item = &'a Value>, key: &str) -> bool {
    // Before and after together have each name twice at most.
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    items
        .filter_map(|item| item[key].as_str())
        .for_each(|name| *seen.entry(name).or_default() += 1);
    seen.values().all(|count| *count <= 2)
}

fn below(path: &str, name: &str) -> String {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    match (path.is_empty(), plain) {
        (true, _) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (false, false) => format!("{path}[{name:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        difference(before, after)
            .into_iter()
            .map(|field| field.path)
            .collect()
    }

    #[test]
    fn containers_are_found_by_their_names() {
        let pod = |image: &str| json!({"containers": [{"name": "nginx", "image": "n"}, {"name": "php", "image": image}]});
        let fields = difference(&pod("a"), &pod("b"));
        assert_eq!(
            fields,
            [Field {
                path: "containers[php].image".into(),
                before: Some("a".into()),
                after: Some("b".into())
            }]
        );
    }

    #[test]
    fn a_container_that_is_added_in_front_is_one_field() {
        let before = json!([{"name": "php"}]);
        assert_eq!(
            paths(
                &json!({ "c": before }),
                &json!({"c": [{"name": "new"}, {"name": "php"}]})
            ),
            ["c[new]"]
        );
    }

    #[test]
    fn another_order_is_a_difference() {
        let list = |a: &str, b: &str| json!([{ "name": a }, { "name": b }]);
        assert_eq!(paths(&list("a", "b"), &list("b", "a")), ["[order]"]);
    }

    #[test]
    fn keys_with_dots_are_quoted() {
        assert_eq!(
            paths(&json!({"labels": {}}), &json!({"labels": {"a.b/c": "d"}})),
            [r#"labels["a.b/c"]"#]
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = |text: &str| tidy(json!({"kind": "Secret", "data": {"password": text}}));
        let text = format!(
            "{:?}",
            difference(&secret("aHVudGVyMg=="), &secret("aHVudGVyMw=="))
        );
        assert!(
            text.contains("data.password") && !text.contains("aHVudGVy"),
            "{text}"
        );
    }

    #[test]
    fn what_the_api_server_adds_is_no_difference() {
        let bare = json!({"metadata": {"name": "x"}, "spec": {}});
        let stored = json!({"metadata": {"name": "x", "uid": "1", "resourceVersion": "2", "annotations": {"longshore.dev/applied": "0"}}, "spec": {}, "status": {}});
        assert_eq!(difference(&tidy(bare), &tidy(stored)), []);
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3_i32).prop_map(Value::from),
            "[ab]".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("name|a|b", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_trees_and_no_others_have_no_difference(a in tree(), b in tree()) {
            prop_assert!(difference(&a, &a).is_empty());
            prop_assert_eq!(difference(&a, &b).is_empty(), a == b);
        }
    }
}
