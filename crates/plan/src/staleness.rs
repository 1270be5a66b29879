//! Whether a plan still holds: `apply` does what `plan` showed, or nothing.

use super::{Action, Change, Plan};
use api::Identity;
use release::Sha256;
use std::collections::BTreeMap;

/// How the cluster differs from what a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan no longer holds: {count} objects are not as it saw them\n {}",
    first.join("\n ")
)]
pub struct Moved {
    /// Objects that differ.
    pub count: usize,
    /// The first of them, in sentences.
    pub first: Vec<String>,
}

/// Objects named in an error message at most.
const SHOWN: usize = 10;

/// Compares a plan that was shown with one that was made now.
///
/// # Errors
///
/// If they would not do the same to the same objects.
pub fn moved(shown: &Plan, now: &Plan) -> Result<(), Moved> {
    let (before, after) = (index(shown), index(now));
    let mut differences = Vec::new();
    for (identity, change) in &before {
        match after.get(identity) {
            None => differences.push(format!("{identity}: needs nothing any more")),
            Some(other) if basis(change) != basis(other) => {
                differences.push(format!("{identity}: {}", why(change, other)));
            }
            Some(_) => {}
        }
    }
    differences.extend(
        after
            .keys()
            .filter(|identity| !before.contains_key(*identity))
            .map(|it| format!("{it}: was not in the plan")),
    );
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(SHOWN);
    Err(Moved {
        count,
        first: differences,
    })
}

fn index(plan: &Plan) -> BTreeMap<&Identity, &Change> {
    plan.changes()
        .map(|change| (&change.object, change))
        .collect()
}

fn basis(change: &Change) -> (Action, Option<&super::ObjectVersion>, Option<Sha256>) {
    (change.action, change.seen.as_ref(), change.desired)
}

fn why(shown: &Change, now: &Change) -> String {
    if shown.desired != now.desired {
        return "something else is asked for".to_owned();
    }
    match (&shown.seen, &now.seen) {
        (None, Some(_)) => "somebody made it meanwhile".to_owned(),
        (Some(_), None) => "somebody deleted it meanwhile".to_owned(),
        (Some(a), Some(b)) if a.uid != b.uid => "it is another object of the same name".to_owned(),
        (Some(a), Some(b)) if a != b => format!("it was {}, and is {}", a.version, b.version),
        _ => format!("{:?} became {:?}", shown.action, now.action).to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Field, ObjectVersion};
    use super::*;

    fn change(name: &str, version: &str) -> Change {
        Change {
            object: Identity {
                api_version: "v1".into(),
                kind: "Service".into(),
                namespace: Some("shop-a".into()),
                name: name.into(),
            },
            action: Action::Change,
            seen: Some(ObjectVersion {
                uid: "u".into(),
                version: version.into(),
            }),
            desired: Some(Sha256::digest(b"x")),
            fields: Vec::new(),
            refused: None,
        }
    }

    fn plan(changes: Vec<Change>) -> Plan {
        Plan {
            shops: BTreeMap::from([("a".to_owned(), changes)]),
            ..Plan::default()
        }
    }

    #[test]
    fn the_same_world_is_no_move_whatever_was_shown_of_it() {
        let mut other = change("web", "version 1");
        other.fields.push(Field {
            path: "x".into(),
            before: None,
            after: None,
        });
        assert_eq!(
            moved(&plan(vec![change("web", "version 1")]), &plan(vec![other])),
            Ok(())
        );
    }

    #[test]
    fn every_difference_is_a_move_and_is_told() {
        let shown = plan(vec![change("web", "version 1")]);
        let mut asked = change("web", "version 1");
        asked.desired = Some(Sha256::digest(b"y"));
        for (now, words) in [
            (
                plan(vec![change("web", "version 2")]),
                "it was version 1, and is version 2",
            ),
            (plan(vec![]), "needs nothing any more"),
            (plan(vec![asked]), "something else is asked for"),
            (
                plan(vec![change("web", "version 1"), change("new", "version 1")]),
                "was not in the plan",
            ),
        ] {
            let told = moved(&shown, &now).unwrap_err().to_string();
            assert!(
                told.contains(words) && told.starts_with("the plan no longer holds: 1 objects"),
                "{told}"
            );
        }
    }
}
