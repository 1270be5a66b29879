//! Shops whose changes are the same, as far as that can be told without asking: what was rendered
//! for a shop before is rendered again, and where its digests are those of the last write, the
//! fields that differ are the fields that would change. Of an object that is new, all of it counts.
//! The API server then tries some shops of each kind of change, and all of a kind of which one
//! turns out otherwise.

use super::{Action, Change, Field, ObjectVersion, difference, summary, tidy};
use api::Deletion;
use api::{Identity, Object};
use api::{ObjectMetaSummary, Step};
use release::Sha256;
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// Shops of one kind of change that are tried; of so few, all are.
pub const TRIES: usize = 100;

/// What is rendered otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) change: Change,
    /// The digest of what was rendered before, if there was anything.
    pub(super) was: Option<Sha256>,
    /// What a new object has in it, but for what only its shop has. There is nothing in a ConfigMap
    /// that could be refused.
    body: Option<Sha256>,
}

impl Expected {
    /// What becomes of an object that is rendered like this now, and was before.
    pub(super) fn new(shop: &str, was: Option<&Object>, object: &Object) -> Self {
        let change = change(was, object);
        let counts = was.is_none() && object.identity().kind != "ConfigMap";
        Self {
            change,
            was: was.map(Object::digest),
            body: counts.then(|| {
                let json = String::from_utf8_lossy(object.json());
                Sha256::digest(summary::general(shop, &json).as_bytes())
            }),
        }
    }

    /// An object that would go.
    pub(super) fn gone(change: Change) -> Self {
        Self {
            change,
            was: None,
            body: None,
        }
    }
}

fn change(was: Option<&Object>, object: &Object) -> Change {
    let Some(was) = was else {
        return written(object, None);
    };
    let fields = difference(&tidy(was.value()), &tidy(object.value()));
    Change {
        action: if fields.is_empty() {
            Action::Adopt
        } else {
            Action::Change
        },
        fields,
        ..written(object, None)
    }
}

/// What would change in one shop, or `None` if only the API server can tell: an object that was
/// not written as it would have been rendered before.
pub(super) fn predicted(
    shop: &str,
    steps: &[Step<'_>],
    before: &[Object],
    live: &BTreeMap<Identity, ObjectMetaSummary>,
) -> Option<Vec<Expected>> {
    let change = |step: &Step<'_>| match step {
        Step::Delete(Deletion { identity, .. }) => Some(Expected::gone(deletion(identity, live))),
        Step::Create(object) => Some(Expected::new(shop, None, object)),
        Step::Write(object) => {
            let live = live.get(object.identity())?;
            let was = before
                .iter()
                .find(|before| before.identity() == object.identity())?;
            let mut expected = Expected::new(shop, Some(was), object);
            expected.change.seen = Some(ObjectVersion::new(&object.identity().kind, live));
            (live.applied == expected.was).then_some(expected)
        }
    };
    steps.iter().map(change).collect()
}

/// What tells one kind of change from another: the fields with their values, but for names and
/// hashes that only this shop has.
pub(super) fn kind(shop: &str, expected: &[Expected]) -> Sha256 {
    let mut text = String::new();
    for one in expected {
        for line in summary::whole_lines(shop, &one.change) {
            text.extend([line.as_str(), "\n"]);
        }
        if let Some(body) = one.body {
            text.extend([body.to_string().as_str(), "\n"]);
        }
    }
    Sha256::digest(text.as_bytes())
}

/// The same of fields of one object of a shop.
#[must_use]
pub fn kind_of_fields(shop: &str, fields: &[Field]) -> Sha256 {
    let mut text = String::new();
    for field in fields {
        text.extend([summary::whole_line(shop, field).as_str(), "\n"]);
    }
    Sha256::digest(text.as_bytes())
}

/// Something, by the kind of change that it is.
pub type Kinds<T> = Vec<(Sha256, T)>;

/// What came of the samples of each kind. Shops that are planned in parts share it: what was tried
/// for one part is not tried again for the next.
#[derive(Debug, Clone, Default)]
pub struct Samples<T> {
    chosen: BTreeMap<Sha256, usize>,
    common: BTreeMap<Sha256, Option<T>>,
}

impl<T: PartialEq> Samples<T> {
    /// Those of each kind that are to be tried, until there were `tries` of it, and all others.
    pub fn choose<U>(&mut self, all: Kinds<U>, tries: usize) -> (Kinds<U>, Kinds<U>) {
        all.into_iter().partition(|(kind, _)| {
            let count = self.chosen.entry(*kind).or_default();
            *count += 1;
            *count <= tries
        })
    }

    /// Takes in what came of a sample; nothing if it turned out otherwise.
    pub fn learn(&mut self, kind: Sha256, came_of_it: Option<T>) {
        match self.common.entry(kind) {
            Entry::Vacant(first) => drop(first.insert(came_of_it)),
            Entry::Occupied(mut seen) if *seen.get() != came_of_it => drop(seen.insert(None)),
            Entry::Occupied(_) => {}
        }
    }

    /// What all samples of a kind have in common; nothing if they differ, if one of them turned
    /// out otherwise, or if there was none.
    #[must_use]
    pub fn common(&self, kind: Sha256) -> Option<&T> {
        self.common.get(&kind)?.as_ref()
    }
}

/// Fields that were foreseen and do not change, by their object: the API server fills in what was
/// there, as the one replica of a Deployment that says no number any more.
pub(super) type Omitted = BTreeSet<(usize, String)>;

/// What of the foreseen changes the API server does not make; nothing if it refuses one, or makes
/// another one.
pub(super) fn omitted(shop: &str, foreseen: &[Change], tried: &[Change]) -> Option<Omitted> {
    let mut omitted = Omitted::new();
    if foreseen.len() != tried.len() {
        return None;
    }
    for (index, (one, other)) in foreseen.iter().zip(tried).enumerate() {
        let known = other.fields.iter().all(|field| one.fields.contains(field));
        let adopts = (one.action, other.action) == (Action::Change, Action::Adopt);
        let same = one.object == other.object && (one.action == other.action || adopts);
        if other.refused.is_some() || !known || !same {
            return None;
        }
        let fields = one.fields.iter();
        let gone = fields.filter(|field| !other.fields.contains(field));
        omitted.extend(gone.map(|field| (index, summary::general(shop, &field.path))));
    }
    Some(omitted)
}

/// The foreseen changes without those fields.
pub(super) fn without(shop: &str, changes: &mut [Change], omitted: &Omitted) {
    for (index, change) in changes.iter_mut().enumerate() {
        let stays = |path: &str| !omitted.contains(&(index, summary::general(shop, path)));
        change.fields.retain(|field| stays(&field.path));
        if change.action == Action::Change && change.fields.is_empty() {
            change.action = Action::Adopt;
        }
    }
}

pub(super) fn deletion(
    identity: &Identity,
    live: &BTreeMap<Identity, ObjectMetaSummary>,
) -> Change {
    let seen = live
        .get(identity)
        .map(|live| ObjectVersion::new(&identity.kind, live));
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
        seen: live.map(|live| ObjectVersion::new(&identity.kind, live)),
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
    ) -> Option<Vec<Expected>> {
        let stored = ObjectMetaSummary {
            applied: Some(recorded.digest()),
            ..live(shop, Timestamp::UNIX_EPOCH)
        };
        let live = BTreeMap::from([(after.identity().clone(), stored)]);
        predicted(
            shop,
            &[Step::Write(after)],
            std::slice::from_ref(before),
            &live,
        )
    }

    #[test]
    fn what_was_written_as_rendered_changes_in_what_is_rendered_otherwise() {
        let of = |shop: &str| {
            let (before, after) = (deployment(shop, "a"), deployment(shop, "b"));
            foreseen(shop, &before, &before, &after).unwrap()
        };
        let (one, other) = (of("one"), of("another"));
        assert_eq!(
            (
                one[0].change.fields.len(),
                one[0].change.fields[0].path.as_str()
            ),
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
    fn what_was_written_otherwise_is_for_the_api_server_to_say() {
        let (before, after) = (deployment("one", "a"), deployment("one", "b"));
        assert_eq!(
            foreseen("one", &deployment("one", "x"), &before, &after),
            None
        );
    }

    #[test]
    fn new_objects_are_of_a_kind_if_they_are_the_same_but_for_names() {
        let kind_of = |shop: &str, image: &str| {
            let new = deployment(shop, image);
            let foreseen = predicted(shop, &[Step::Create(&new)], &[], &BTreeMap::new());
            kind(shop, &foreseen.unwrap())
        };
        assert_eq!(kind_of("one", "a"), kind_of("another", "a"));
        assert_ne!(kind_of("one", "a"), kind_of("one", "b"));
    }

    #[test]
    fn a_refusal_or_another_field_is_no_confirmation() {
        let (before, after) = (deployment("one", "a"), deployment("one", "b"));
        let expected = foreseen("one", &before, &before, &after).unwrap();
        let expected: Vec<_> = expected.into_iter().map(|one| one.change).collect();
        let of = |tried: &[Change]| omitted("one", &expected, tried);
        assert_eq!(of(&expected), Some(Omitted::new()));
        let mut refused = expected.clone();
        refused[0].refused = Some("denied".to_owned());
        let mut more = expected.clone();
        more[0].fields.push(Field {
            path: "spec.replicas".to_owned(),
            before: None,
            after: Some(2.into()),
        });
        assert_eq!((of(&refused), of(&more)), (None, None));
        // But of one that stays in all samples, it stays in all others.
        let mut others = more.clone();
        let stays = omitted("one", &more, &expected).unwrap();
        assert_eq!(stays.len(), 1);
        without("one", &mut others, &stays);
        assert_eq!(others, expected);
    }

    #[test]
    fn samples_that_differ_say_nothing_of_the_others() {
        let (one, two, three) = (
            Sha256::digest(b"1"),
            Sha256::digest(b"2"),
            Sha256::digest(b"3"),
        );
        let mut samples = Samples::default();
        for (kind, came_of_it) in [
            (one, Some(1)),
            (two, Some(1)),
            (two, Some(2)),
            (one, Some(1)),
        ] {
            samples.learn(kind, came_of_it);
        }
        let common =
            |samples: &Samples<u8>| [one, two, three].map(|it| samples.common(it).copied());
        assert_eq!(common(&samples), [Some(1), None, None]);
        samples.learn(one, None);
        assert_eq!(common(&samples), [None, None, None]);
    }

    #[test]
    fn what_one_part_tried_the_next_does_not() {
        let (one, two) = (Sha256::digest(b"1"), Sha256::digest(b"2"));
        let mut samples = Samples::<()>::default();
        let mut tried = |all: &[Sha256]| {
            let all = all.iter().map(|kind| (*kind, ())).collect();
            let (tried, rest) = samples.choose(all, 2);
            (tried.len(), rest.len())
        };
        assert_eq!(tried(&[one, one, one]), (2, 1));
        assert_eq!(tried(&[one, two, one]), (1, 2));
        assert_eq!(tried(&[two, two]), (1, 1));
    }
}
