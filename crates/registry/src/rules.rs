//! The API server's own checks, made on files: schema, defaults and rules, with every problem at
//! once.

use api::{definitions, words};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{CompiledSchema, Validator, apply_defaults, compile_schema};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

/// What the four definitions ask of a resource.
#[derive(Debug)]
pub struct Rules {
    kinds: BTreeMap<String, Kind>,
    validator: Validator,
}

struct Kind {
    schema: Value,
    rules: CompiledSchema,
    patterns: BTreeMap<String, Regex>,
}

impl Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind").finish_non_exhaustive()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    /// Compiles the definitions.
    #[must_use]
    pub fn new() -> Self {
        let kinds = definitions()
            .into_iter()
            .filter_map(|crd| Some((crd.spec.names.kind.clone(), Kind::new(&crd)?)))
            .collect();
        Self {
            kinds,
            validator: Validator::new(),
        }
    }

    /// The kinds that are known.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// Fills in defaults, as the API server would; what is not one of our kinds is left alone.
    #[must_use]
    pub fn defaulted(&self, kind: &str, resource: &Value) -> Value {
        self.kinds.get(kind).map_or_else(
            || resource.clone(),
            |kind| apply_defaults(&kind.schema, resource),
        )
    }

    /// Everything that is wrong with a resource, one line each. `old` is what stands in its place,
    /// if anything.
    #[must_use]
    pub fn problems(&self, kind: &str, resource: &Value, old: Option<&Value>) -> Vec<String> {
        let Some(known) = self.kinds.get(kind) else {
            return vec![format!("kind={kind:?} is not one of ours")];
        };
        let mut look = Checker {
            patterns: &known.patterns,
            problems: Vec::new(),
        };
        look.at("", &known.schema, resource);
        // A rule may take for granted what the schema says.
        if look.problems.is_empty()
            && let Err(errors) = self
                .validator
                .validate_compiled(&known.rules, resource, old)
        {
            look.problems
                .extend(errors.into_vec().iter().map(ToString::to_string));
        }
        look.problems
    }
}

impl Kind {
    fn new(crd: &CustomResourceDefinition) -> Option<Self> {
        let schema = crd
            .spec
            .versions
            .first()?
            .schema
            .as_ref()?
            .open_api_v3_schema
            .as_ref()?;
        let schema = serde_json::to_value(schema).ok()?;
        let mut patterns = BTreeMap::new();
        collect(&schema, &mut patterns);
        Some(Self {
            rules: compile_schema(&schema),
            schema,
            patterns,
        })
    }
}

fn collect(schema: &Value, patterns: &mut BTreeMap<String, Regex>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(pattern)) = fields.get("pattern")
                && let Ok(regex) = Regex::new(pattern)
            {
                patterns.insert(pattern.clone(), regex);
            }
            fields.values().for_each(|inner| collect(inner, patterns));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, patterns)),
        _ => {}
    }
}

struct Checker<'a> {
    patterns: &'a BTreeMap<String, Regex>,
    problems: Vec<String>,
}

impl Checker<'_> {
    fn say(&mut self, path: &str, problem: impl AsRef<str>) {
        let path = if path.is_empty() {
            "the resource"
        } else {
            path
        };
        self.problems.push(format!("{path}: {}", problem.as_ref()));
    }

    fn at(&mut self, path: &str, schema: &Value, value: &Value) {
        match (schema["type"].as_str(), value) {
            (Some("object"), Value::Object(fields)) => self.object(path, schema, fields),
            (Some("array"), Value::Array(items)) => self.array(path, schema, items),
            (Some("string"), Value::String(text)) => self.string(path, schema, text),
            (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.number(path, schema, value);
            }
            (Some("number"), Value::Number(_)) => self.number(path, schema, value),
            (Some("boolean"), Value::Bool(_)) | (None, _) => {}
            (Some(kind), found) => self.say(
                path,
                format!("expected {}, found {}", article(kind), shown(found)),
            ),
        }
    }

    fn object(&mut self, path: &str, schema: &Value, fields: &serde_json::Map<String, Value>) {
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !fields.contains_key(name) {
                self.say(&below(path, name), "missing");
            }
        }
        if let Some(most) = schema["maxProperties"]
            .as_u64()
            .filter(|most| fields.len() as u64 > *most)
        {
            self.say(
                path,
                format!("has {} entries, over the limit of {most}", fields.len()),
            );
        }
        let properties = schema["properties"].as_object();
        for (name, value) in fields {
            let here = below(path, name);
            if let Some(inner) = properties.and_then(|properties| properties.get(name)) {
                // The API server drops a null if it is not asked for.
                if !value.is_null() {
                    self.at(&here, inner, value);
                }
            } else if schema["additionalProperties"].is_object() {
                self.at(
                    &format!("{path}[{name:?}]"),
                    &schema["additionalProperties"],
                    value,
                );
            } else if let Some(properties) = properties
                && !(path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str()))
            {
                let nearest = properties.keys().max_by(|a, b| {
                    strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b))
                });
                let hint = nearest
                    .map(|nearest| format!("; did you mean {nearest}?"))
                    .unwrap_or_default();
                self.say(&here, format!("not a field{hint}"));
            }
        }
    }

    fn array(&mut self, path: &str, schema: &Value, items: &[Value]) {
        let count = items.len() as u64;
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
            self.say(path, format!("has {count} items, over the limit of {most}"));
        }
        if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
            self.say(path, format!("has {count} items, and needs {least}"));
        }
        for (index, item) in items.iter().enumerate() {
            self.at(&format!("{path}[{index}]"), &schema["items"], item);
        }
        self.distinct(path, schema, items);
    }

    /// A list that is a map or a set has each key once.
    fn distinct(&mut self, path: &str, schema: &Value, items: &[Value]) {
        let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let set = schema["x-kubernetes-list-type"] == "set";
        if keys.is_empty() && !set {
            return;
        }
        let mut seen = BTreeSet::new();
        for item in items {
            let key = if set {
                item.to_string()
            } else {
                keys.iter()
                    .map(|key| item[*key].to_string())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            if !seen.insert(key.clone()) {
                self.say(path, format!("{key} is there twice"));
            }
        }
    }

    fn string(&mut self, path: &str, schema: &Value, text: &str) {
        let length = text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.say(
                path,
                format!("has {length} characters, over the limit of {most}"),
            );
        }
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.say(path, format!("has {length} characters, and needs {least}"));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.iter().any(|one| one == text)
        {
            let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            self.say(
                path,
                format!("{text:?} is not one of {}", allowed.join(", ")),
            );
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && self
                .patterns
                .get(pattern)
                .is_some_and(|regex| !regex.is_match(text))
        {
            self.say(path, format!("{text:?} is not {}", words(pattern)));
        }
        if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            self.say(
                path,
                format!("{text:?} is not a time such as 2026-11-26T00:00:00Z"),
            );
        }
    }

    fn number(&mut self, path: &str, schema: &Value, value: &Value) {
        let Some(number) = value.as_f64() else { return };
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.say(path, format!("{value} is over {most}"));
        }
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.say(path, format!("{value} is under {least}"));
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn article(kind: &str) -> String {
    let an = kind.starts_with(['a', 'i', 'o']);
    format!("{} {kind}", if an { "an" } else { "a" })
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 {
        text.chars().take(60).chain(['…']).collect()
    } else {
        text
    }
}
