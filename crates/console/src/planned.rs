//! A plan, as a page shows it.

use crate::text;
use operations::change::NOT_TRIED;
use plan::{Action, Change, Field, Groups, Plan};
use release::{Envelope, Release};
use serde_json::Value;

/// Characters of a value that are shown.
const SHOWN: usize = 400;

/// What would happen to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) title: String,
    pub(crate) verb: &'static str,
    pub(crate) fields: Vec<Line>,
    pub(crate) refused: Option<String>,
}

/// What would happen to one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) path: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The objects, the Shop first.
    pub(crate) objects: Vec<Object>,
    /// What a person should know before, in sentences.
    pub(crate) notes: Vec<String>,
    /// Why it cannot be done, in sentences.
    pub(crate) problems: Vec<String>,
    /// Who says so.
    pub(crate) source: &'static str,
}

/// Plans of many shops, part by part, as one page shows them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whole {
    /// Shops by what changes in each.
    pub(crate) groups: Groups,
    /// Why it cannot be done, in sentences.
    pub(crate) problems: Vec<String>,
    /// Who says so.
    pub(crate) source: &'static str,
}

impl Whole {
    /// Takes in the plan of one part.
    pub(crate) fn add(&mut self, plan: &Plan) {
        self.groups.add(plan);
        self.problems.extend(problems(plan));
        // That nobody tried one part is said of all.
        if self.source != NOT_TRIED {
            self.source = source(plan);
        }
    }
}

/// Who says what a plan says.
pub(crate) fn source(plan: &Plan) -> &'static str {
    if plan.held.iter().any(|held| held == NOT_TRIED) {
        NOT_TRIED
    } else {
        text::TRIED
    }
}

impl Planned {
    /// How a plan is shown.
    pub(crate) fn new(plan: &Plan) -> Self {
        let objects: Vec<_> = plan
            .changes()
            .filter(|change| change.action != Action::Adopt)
            .map(object)
            .collect();
        let mut notes = Vec::new();
        if plan.changes().any(replaces_pods) {
            notes.push(text::REPLACES_PODS.to_owned());
        }
        if plan.changes().any(|change| change.action == Action::Delete) {
            notes.push(text::DELETES.to_owned());
        }
        Self {
            objects,
            notes,
            problems: problems(plan),
            source: source(plan),
        }
    }

    /// Whether it can be carried out.
    pub(crate) fn is_possible(&self) -> bool {
        self.problems.is_empty() && !self.objects.is_empty()
    }
}

/// Why a plan cannot be carried out, in sentences.
pub(crate) fn problems(plan: &Plan) -> Vec<String> {
    let refused = plan.changes().filter_map(|change| change.refused.clone());
    // Shops that are not in the registry are only told.
    let held = plan.held.iter();
    let held = held.filter(|held| !held.contains("--prune") && *held != NOT_TRIED);
    let failed = plan.failed.values().cloned();
    failed.chain(refused).chain(held.cloned()).collect()
}

fn replaces_pods(change: &Change) -> bool {
    let template = |field: &Field| field.path.starts_with("spec.template");
    change.object.kind == "Deployment" && change.fields.iter().any(template)
}

fn object(change: &Change) -> Object {
    let identity = &change.object;
    let place = identity
        .namespace
        .as_ref()
        .map(|namespace| format!(" in {namespace}"))
        .unwrap_or_default();
    Object {
        title: format!("{} {}{place}", identity.kind, identity.name),
        verb: match change.action {
            Action::Create => text::IS_CREATED,
            Action::Change | Action::Adopt => text::CHANGES,
            Action::Delete => text::IS_DELETED,
        },
        fields: change.fields.iter().map(line).collect(),
        refused: change.refused.clone(),
    }
}

fn line(field: &Field) -> Line {
    Line {
        path: field.path.clone(),
        before: field.before.as_ref().map(shown),
        after: field.after.as_ref().map(shown),
    }
}

/// A release object as what it states, and everything else as it is written.
fn shown(value: &Value) -> String {
    if let Some(release) = value.as_str().and_then(stated) {
        return release;
    }
    let text = value.as_str().map_or_else(
        || serde_json::to_string_pretty(value).unwrap_or_default(),
        str::to_owned,
    );
    let short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        format!("{short} …")
    } else {
        short
    }
}

fn stated(text: &str) -> Option<String> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    let release = Release::unverified(&envelope).ok()?;
    Some(format!(
        "release {} of {}",
        release.sequence, release.channel
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Identity;
    use serde_json::json;

    fn change(kind: &'static str, action: Action, fields: Vec<Field>) -> Change {
        Change {
            object: Identity {
                api_version: "apps/v1".into(),
                kind: kind.into(),
                namespace: Some("shop-acme".to_owned()),
                name: "web".to_owned(),
            },
            action,
            seen: None,
            desired: None,
            fields,
            refused: None,
        }
    }

    fn field(path: &str, before: Option<Value>, after: Option<Value>) -> Field {
        Field {
            path: path.to_owned(),
            before,
            after,
        }
    }

    fn planned_changes(changes: Vec<Change>) -> Planned {
        Planned::new(&Plan {
            shops: [("acme".to_owned(), changes)].into(),
            ..Plan::default()
        })
    }

    #[test]
    fn a_person_is_told_that_pods_are_replaced() {
        let image = field(
            "spec.template.spec.containers[php].image",
            None,
            Some(json!("a")),
        );
        let replicas = field("spec.replicas", Some(json!(2)), Some(json!(3)));
        let planned = planned_changes(vec![change("Deployment", Action::Change, vec![image])]);
        assert!(
            planned.notes[0].contains("replaces the pods"),
            "{planned:?}"
        );
        let planned = planned_changes(vec![change("Deployment", Action::Change, vec![replicas])]);
        assert!(
            planned.notes.is_empty() && planned.is_possible(),
            "{planned:?}"
        );
        assert_eq!(planned.objects[0].title, "Deployment web in shop-acme");
        assert_eq!(planned.objects[0].fields[0].after.as_deref(), Some("3"));
    }

    #[test]
    fn a_long_value_is_cut() {
        let long = field("data.x", None, Some(json!("é".repeat(500))));
        let planned = planned_changes(vec![change("ConfigMap", Action::Change, vec![long])]);
        let shown = planned.objects[0].fields[0].after.as_ref().unwrap();
        assert_eq!(shown.chars().count(), SHOWN + 2);
    }

    #[test]
    fn what_is_refused_or_empty_cannot_be_done() {
        assert!(!planned_changes(Vec::new()).is_possible());
        let mut refused = change("Deployment", Action::Change, Vec::new());
        refused.refused = Some("quota".to_owned());
        assert_eq!(planned_changes(vec![refused]).problems, ["quota"]);
        // Our own record alone is no change that a person would see.
        assert!(
            planned_changes(vec![change("Deployment", Action::Adopt, Vec::new())])
                .objects
                .is_empty()
        );
    }

    #[test]
    fn a_release_object_is_shown_by_its_sequence() {
        let envelope = include_str!("../../../tests/golden/v1/release.json");
        let field = field("data[\"release.json\"]", None, Some(json!(envelope)));
        let planned = planned_changes(vec![change("ConfigMap", Action::Change, vec![field])]);
        let shown = planned.objects[0].fields[0].after.as_deref();
        assert_eq!(shown, Some("release 42 of shops/acme"));
    }
}
