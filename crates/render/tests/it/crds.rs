//! The definitions as committed, their bounds, and their rules, each with a resource that it
//! refuses.

mod rules;

use crate::{
    committed::{compare, top},
    made::RULES,
};
use api::definitions;
use registry::{Form, read, text};
use serde_json::{Value, json};

#[test]
fn the_definitions_are_as_committed() {
    for definition in definitions() {
        compare(
            &format!(
                "manifests/chart/files/crds/{}.yaml",
                definition.spec.names.plural
            ),
            &text(Form::Yaml, [&definition]).unwrap(),
        );
    }
}

#[test]
fn every_text_list_and_map_is_bounded() {
    fn walk(path: &str, schema: &Value, unbounded: &mut Vec<String>) {
        let bounded = match schema["type"].as_str() {
            Some("string") => schema["maxLength"].is_u64() || schema["enum"].is_array(),
            Some("array") => schema["maxItems"].is_u64(),
            Some("object") if schema["additionalProperties"].is_object() => {
                schema["maxProperties"].is_u64()
            }
            Some("integer") => {
                path.starts_with("status")
                    || path.contains("Generation")
                    || schema["minimum"].is_number()
            }
            Some("object" | "boolean") => true,
            _ => false,
        };
        if !bounded {
            unbounded.push(path.to_owned());
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), inner, unbounded);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&format!("{path}[]"), &schema[inner], unbounded);
            }
        }
    }
    let mut unbounded = Vec::new();
    for definition in definitions() {
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        for part in ["spec", "status"] {
            let schema = &schema["openAPIV3Schema"]["properties"][part];
            if schema.is_object() {
                walk(
                    &format!("{part} of {}", definition.spec.names.kind),
                    schema,
                    &mut unbounded,
                );
            }
        }
    }
    assert_eq!(unbounded, [] as [&str; 0]);
}

#[test]
fn every_field_is_explained() {
    fn walk(path: &str, schema: &Value) {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let text = inner["description"].as_str().unwrap_or_default();
            assert!(
                text.len() > 3 && text.ends_with(['.', ')']),
                "{path}: {text:?}"
            );
            assert!(
                !text.contains('\n') && !text.contains('['),
                "{path}: {text:?}"
            );
            walk(&path, inner);
            walk(&path, &inner["items"]);
        }
    }
    for definition in definitions() {
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        for part in ["spec", "status"] {
            walk(
                &definition.spec.names.kind,
                &schema["openAPIV3Schema"]["properties"][part],
            );
        }
    }
}

fn example(file: &str) -> Value {
    read(&top().join("manifests/examples/shops").join(file))
        .unwrap()
        .remove(0)
        .value
}

/// What is wrong with the example `file` after a change.
fn problems(file: &str, pointer: &str, value: Value) -> Vec<String> {
    let mut resource = example(file);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = resource
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        other => other[field] = value,
    }
    RULES.problems(
        resource["kind"].as_str().unwrap(),
        &resource,
        Some(&example(file)),
    )
}

#[test]
fn the_examples_break_no_rule() {
    for file in [
        "release.yaml",
        "aws/class.yaml",
        "aws/shop.yaml",
        "azure/class.yaml",
        "azure/shop.yaml",
        "gcp/class.yaml",
        "magento1/class.yaml",
        "magento1/shop.yaml",
        "plain/class.yaml",
    ] {
        let resource = example(file);
        assert_eq!(
            RULES.problems(resource["kind"].as_str().unwrap(), &resource, None),
            [] as [&str; 0],
            "{file}"
        );
    }
}

#[test]
fn canaries_are_among_the_shops_that_are_moved() {
    let problems = |shops: Value| {
        let spec = json!({ "release": "r", "waves": [{ "percent": 100 }], "canaries": ["a"], "shops": shops });
        let rollout = json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r" }, "spec": spec });
        RULES.problems("Rollout", &rollout, None)
    };
    assert_eq!(
        (problems(json!([])).len(), problems(json!(["b", "a"])).len()),
        (0, 0)
    );
    assert!(problems(json!(["b"]))[0].contains("canaries are among the shops that are moved"));
}

#[test]
fn times_that_come_are_taken() {
    for cron in [
        "0 8 27 11 *",
        "*/5 * * * *",
        "0 0 29 2 *",
        "0 0 31 1,3 *",
        "30 22 * * MON-FRI",
        "0 6 1-7/2 * 1",
        "0 0 31 2 1",
        "0 0 L * *",
    ] {
        assert_eq!(
            problems("aws/shop.yaml", "/spec/scale/schedule/0/cron", json!(cron)),
            [] as [&str; 0],
            "{cron}"
        );
        assert!(api::schedule::cron(cron).is_ok(), "{cron}");
    }
}

#[test]
fn a_rollouts_waves_grow_to_all_shops() {
    let of = |waves: Value| {
        let rollout = json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r" },
            "spec": { "release": "shops-acme-42", "waves": waves },
        });
        RULES.problems("Rollout", &rollout, None)
    };
    let rollout = |waves: &[u32]| {
        of(waves
            .iter()
            .map(|percent| json!({ "percent": percent }))
            .collect())
    };
    assert_eq!(rollout(&[1, 10, 100]), [] as [&str; 0]);
    assert!(rollout(&[10, 1, 100])[0].contains("above that of the wave before"));
    assert!(rollout(&[10, 10, 100])[0].contains("above that of the wave before"));
    assert!(rollout(&[1, 10])[0].contains("the last wave is of 100 percent"));
    assert!(!rollout(&[]).is_empty());
    let (listed, last) = (
        json!({ "shops": ["vinyl", "casa"] }),
        json!({ "percent": 100 }),
    );
    assert_eq!(
        of(json!([{ "percent": 1 }, listed, { "percent": 10 }, last])),
        [] as [&str; 0]
    );
    assert!(of(json!([last, listed]))[0].contains("the last wave is of 100 percent"));
    for neither in [
        json!({}),
        json!({ "shops": [] }),
        json!({ "percent": 5, "shops": ["vinyl"] }),
    ] {
        assert!(
            of(json!([neither, last]))[0].contains("a wave has a percent, or lists shops"),
            "{neither}"
        );
    }
}

#[test]
fn defaults_are_filled_in_as_the_api_server_would() {
    let shop = RULES.defaulted("Shop", &example("plain/shop.yaml"));
    assert_eq!(
        (&shop["spec"]["state"], &shop["spec"]["deletionPolicy"]),
        (&json!("Active"), &json!("Retain"))
    );
    assert_eq!(shop["spec"]["scale"]["target"]["cpuPercent"], 65);
    assert_eq!(shop["spec"]["backup"]["timeZone"], "Etc/UTC");
}

#[test]
fn no_refusal_is_a_regular_expression() {
    fn patterns(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("pattern")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                for inner in fields.values() {
                    patterns(inner, found);
                }
            }
            Value::Array(items) => {
                for inner in items {
                    patterns(inner, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for definition in definitions() {
        patterns(&serde_json::to_value(definition).unwrap(), &mut found);
    }
    assert!(found.len() > 50);
    for pattern in found {
        let words = api::words(&pattern);
        assert!(
            words != "another text" && !words.contains('^'),
            "{pattern}: {words}"
        );
    }
}
