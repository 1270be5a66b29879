//! The plan of a fleet by the registry alone, for whoever may not write what shops are made of: what
//! the scheduler would render otherwise than before. Nobody is asked, so nobody has refused it yet.

use super::{
    Action, Change, Plan, difference,
    dry_run::{Question, objects},
    sampling, tidy,
};
use api::{Identity, Object, claims::Claims};
use std::collections::BTreeMap;

/// Kinds that the scheduler never deletes.
const KEPT: [&str; 4] = [
    "Namespace",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Job",
];

/// Makes the plan.
#[must_use]
pub fn foreseen(question: &Question<'_>) -> Plan {
    let mut plan = Plan::default();
    let claims = Claims::of(question.before);
    let before = Question {
        fleet: question.before,
        claims: &claims,
        ..*question
    };
    let wanted = |shop: &&String| question.shops.is_empty() || question.shops.contains(*shop);
    for name in question.fleet.shops.keys().filter(wanted) {
        plan.looked_at += 1;
        let was = question.before.shops.get(name);
        // One that could not be rendered has what it had, and nobody knows here what that is.
        let was = objects(&before, name, was).unwrap_or_default();
        match objects(question, name, question.fleet.shops.get(name)) {
            Ok(then) => {
                let changes = changes(&was, &then);
                if !changes.is_empty() {
                    plan.shops.insert(name.clone(), changes);
                }
            }
            Err(why) => {
                plan.failed.insert(name.clone(), why);
            }
        }
    }
    plan
}

fn changes(was: &[Object], then: &[Object]) -> Vec<Change> {
    let mut before: BTreeMap<&Identity, &Object> = was
        .iter()
        .map(|object| (object.identity(), object))
        .collect();
    let mut changes = Vec::new();
    for object in then {
        let change = match before.remove(object.identity()) {
            None => sampling::written(object, None),
            Some(was) => Change {
                action: Action::Change,
                fields: difference(&tidy(was.value()), &tidy(object.value())),
                ..sampling::written(object, None)
            },
        };
        if change.action == Action::Create || !change.fields.is_empty() {
            changes.push(change);
        }
    }
    let gone = before
        .into_keys()
        .filter(|identity| !KEPT.contains(&&*identity.kind));
    changes.extend(gone.map(|identity| sampling::deletion(identity, &BTreeMap::new())));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(kind: &str, name: &str, data: &Value) -> Object {
        let value = json!({
            "apiVersion": "v1", "kind": kind, "data": data,
            "metadata": { "name": name, "namespace": "shop-acme" },
        });
        Object::dynamic(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_is_rendered_otherwise_changes_and_data_stays() {
        let was = [
            object("ConfigMap", "same", &json!({ "a": "1" })),
            object("ConfigMap", "web", &json!({ "a": "1" })),
            object("Service", "old", &json!({})),
            object("PersistentVolumeClaim", "media", &json!({})),
        ];
        let then = [
            object("ConfigMap", "same", &json!({ "a": "1" })),
            object("ConfigMap", "web", &json!({ "a": "2" })),
            object("Service", "new", &json!({})),
        ];
        let found: Vec<_> = changes(&was, &then)
            .into_iter()
            .map(|change| (change.object.name.clone(), change.action, change.fields))
            .collect();
        let field = super::super::Field {
            path: "data.a".to_owned(),
            before: Some(json!("1")),
            after: Some(json!("2")),
        };
        assert_eq!(
            found,
            [
                ("web".to_owned(), Action::Change, vec![field]),
                ("new".to_owned(), Action::Create, Vec::new()),
                ("old".to_owned(), Action::Delete, Vec::new()),
            ]
        );
    }
}
