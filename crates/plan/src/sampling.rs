//! Shops whose changes are the same, as far as that can be told without asking: what was rendered
//! for a shop before is rendered again, and where its digests are those of the last write, the
//! fields that differ are the fields that would change. The API server then tries some
//! shops of each kind of change, and all of a kind of which one turns out otherwise.

use super::{Action, Basis, Change, difference, summary, tidy};
use api::Deletion;
use api::{Identity, Object};
use api::{ObjectMetaSummary, Step};
use release::Sha256;
use std::collections::BTreeMap;

/// Shops of one kind of change that are tried; of so few, all are.
pub const TRIES: usize = 100;

/// What would change in one shop, or `None` if only the API server can tell: an object that was
/// not written as it would have been rendered before, or that is new. A new ConfigMap is none of
/// those: there is nothing in it that could be refused.
pub(super) fn predicted(
    steps: &[Step<'_>],
    before: &[Object],
    live: &BTreeMap<Identity, ObjectMetaSummary>,
) -> Option<Vec<Change>> {
    let change = |step: &Step<'_>| match step {
        Step::Delete(Deletion { identity, .. }) => Some(deletion(identity, live)),
        Step::Create(object) => {
            (object.identity().kind == "ConfigMap").then(|| written(object, None))
        }
        Step::Write(object) => {
            let live = live.get(object.identity())?;
            let was = before
                .iter()
                .find(|before| before.identity() == object.identity())?;
            (live.applied == Some(was.digest())).then(|| {
                let fields = difference(&tidy(was.value()), &tidy(object.value()));
                let action = if fields.is_empty() {
                    Action::Adopt
                } else {
                    Action::Change
                };
                Change {
                    action,
                    fields,
                    ..written(object, Some(live))
                }
            })
        }
    };
    steps.iter().map(change).collect()
}

/// What tells one kind of change from another: the fields with their values, but for names and
/// hashes that only this shop has.
pub(super) fn kind(shop: &str, changes: &[Change]) -> Sha256 {
    let lines: Vec<_> = changes
        .iter()
        .flat_map(|change| summary::whole_lines(shop, change))
        .collect();
    Sha256::digest(lines.join("\n").as_bytes())
}

/// Whether what the API server says is what was foreseen.
pub(super) fn confirmed(foreseen: &[Change], tried: &[Change]) -> bool {
    let same = |(one, other): (&Change, &Change)| {
        one.object == other.object && one.action == other.action && one.fields == other.fields
    };
    foreseen.len() == tried.len()
        && foreseen
            .iter()
            .zip(tried)
            .all(|pair| pair.1.refused.is_none() && same(pair))
}

pub(super) fn deletion(
    identity: &Identity,
    live: &BTreeMap<Identity, ObjectMetaSummary>,
) -> Change {
    let seen = live
        .get(identity)
        .map(|live| Basis::of(&identity.kind, live));
    Change {
        object: identity.clone(),
        action: Action::Delete,
        seen,
        desired: None,
        fields: Vec::new(),
        refused: None,
    }
}

pub(super) fn written(object: &Object, live: Option<&ObjectMetaSummary>) -> Change {
    let identity = object.identity();
    Change {
        object: identity.clone(),
        action: if live.is_some() {
            Action::Change
        } else {
            Action::Create
        },
        seen: live.map(|live| Basis::of(&identity.kind, live)),
        desired: Some(object.digest()),
        fields: Vec::new(),
        refused: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures::live;
    use jiff::Timestamp;
    use serde_json::json;

    fn deployment(shop: &str, image: &str) -> Object {
        let value = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": format!("shop-{shop}") },
            "spec": { "template": { "image": image, "config": format!("env-{:08x}", shop.len()) } },
        });
        Object::dynamic(&serde_json::from_value(value).unwrap())
    }

    fn foreseen(
        shop: &str,
        recorded: &Object,
        before: &Object,
        after: &Object,
    ) -> Option<Vec<Change>> {
        let stored = ObjectMetaSummary {
            applied: Some(recorded.digest()),
            ..live(shop, Timestamp::UNIX_EPOCH)
        };
        let live = BTreeMap::from([(after.identity().clone(), stored)]);
        predicted(&[Step::Write(after)], std::slice::from_ref(before), &live)
    }

    #[test]
    fn what_was_written_as_rendered_changes_in_what_is_rendered_otherwise() {
        let of = |shop: &str| {
            let (before, after) = (deployment(shop, "a"), deployment(shop, "b"));
            foreseen(shop, &before, &before, &after).unwrap()
        };
        let (one, other) = (of("one"), of("another"));
        assert_eq!(
            (one[0].fields.len(), one[0].fields[0].path.as_str()),
            (1, "spec.template.image")
        );
        assert_eq!(kind("one", &one), kind("another", &other));
        let further = foreseen(
            "one",
            &deployment("one", "a"),
            &deployment("one", "a"),
            &deployment("one", "c"),
        )
        .unwrap();
        assert_ne!(kind("one", &one), kind("one", &further));
    }

    #[test]
    fn what_was_written_otherwise_or_is_new_is_for_the_api_server_to_say() {
        let (before, after) = (deployment("one", "a"), deployment("one", "b"));
        assert_eq!(
            foreseen("one", &deployment("one", "x"), &before, &after),
            None
        );
        assert_eq!(
            predicted(&[Step::Create(&after)], &[before], &BTreeMap::new()),
            None
        );
    }

    #[test]
    fn a_refusal_or_another_field_is_no_confirmation() {
        let (before, after) = (deployment("one", "a"), deployment("one", "b"));
        let expected = foreseen("one", &before, &before, &after).unwrap();
        assert!(confirmed(&expected, &expected.clone()));
        let mut refused = expected.clone();
        refused[0].refused = Some("denied".to_owned());
        let mut more = expected.clone();
        more[0].fields.push(super::super::Field {
            path: "spec.replicas".to_owned(),
            before: None,
            after: Some(2.into()),
        });
        assert!(!confirmed(&expected, &refused) && !confirmed(&expected, &more));
    }
}
