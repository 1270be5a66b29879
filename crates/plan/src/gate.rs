//! The digest gate: decides which objects have to be written at all.

use crate::guard::{PruneDecision, prune};
use api::{Identity, Object, ObjectMetaSummary, Step};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The steps that bring a shop's objects from `live` to `desired`: first the desired objects, in
/// their order, then the deletions. It leaves an object alone if its digest is on record and its
/// [drift token](ObjectMetaSummary::drift_token) is the one that `known` remembers from our last
/// write.
#[must_use]
pub fn gate<'a>(
    desired: &'a [Object],
    live: &BTreeMap<Identity, ObjectMetaSummary>,
    known: impl Fn(&Identity) -> Option<i64>,
    now: Timestamp,
) -> Vec<Step<'a>> {
    let wanted: BTreeSet<_> = desired.iter().map(Object::identity).collect();
    let step = |object: &'a Object| {
        let Some(live) = live.get(object.identity()) else {
            return Some(Step::Create(object));
        };
        // The API server refuses another template for a Job, and a refusal keeps what comes after
        // it from being written. A Job that is there began with what was asked for then.
        if object.identity().kind == "Job" {
            return None;
        }
        let drifted = known(object.identity())
            .is_some_and(|ours| live.drift_token(&object.identity().kind) != Some(ours));
        (live.applied != Some(object.digest()) || drifted).then_some(Step::Write(object))
    };
    let mut steps: Vec<_> = desired.iter().filter_map(step).collect();
    let goes = prune(&wanted, live, now)
        .into_iter()
        .filter_map(|decision| match decision {
            PruneDecision::Delete(doomed) => Some(Step::Delete(doomed)),
            PruneDecision::Keep(..) => None,
        });
    steps.extend(goes);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures::live;
    use k8s_openapi::api::{batch::v1::Job, core::v1::ServiceAccount};
    use kube::core::ObjectMeta;

    fn object(name: &str) -> Object {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("shop-a".to_owned()),
            ..ObjectMeta::default()
        };
        Object::new(&ServiceAccount {
            metadata,
            ..ServiceAccount::default()
        })
    }

    fn stored(object: &Object, generation: Option<i64>) -> (Identity, ObjectMetaSummary) {
        let live = ObjectMetaSummary {
            applied: Some(object.digest()),
            generation,
            ..live(&object.identity().name, Timestamp::UNIX_EPOCH)
        };
        (object.identity().clone(), live)
    }

    #[test]
    fn what_is_there_as_asked_for_is_left_alone() {
        let objects = [object("a"), object("b")];
        let live = objects.iter().map(|object| stored(object, None)).collect();
        assert_eq!(gate(&objects, &live, |_| None, Timestamp::UNIX_EPOCH), []);
    }

    #[test]
    fn what_is_missing_is_made_and_what_differs_is_written() {
        let objects = [object("a"), object("b")];
        let mut live = BTreeMap::from([stored(&objects[1], None)]);
        for live in live.values_mut() {
            live.applied = None;
        }
        assert_eq!(
            gate(&objects, &live, |_| None, Timestamp::UNIX_EPOCH),
            [Step::Create(&objects[0]), Step::Write(&objects[1])]
        );
    }

    #[test]
    fn what_somebody_else_changed_is_written_again() {
        let objects = [object("a")];
        let live = BTreeMap::from([stored(&objects[0], Some(3))]);
        assert_eq!(
            gate(&objects, &live, |_| Some(2), Timestamp::UNIX_EPOCH),
            [Step::Write(&objects[0])]
        );
        assert_eq!(
            gate(&objects, &live, |_| Some(3), Timestamp::UNIX_EPOCH),
            []
        );
        // No object has this drift token, so it is written whatever its kind.
        let quiet = BTreeMap::from([stored(&objects[0], None)]);
        assert_eq!(
            gate(&objects, &quiet, |_| Some(1), Timestamp::UNIX_EPOCH),
            []
        );
        assert_eq!(
            gate(&objects, &quiet, |_| Some(-1), Timestamp::UNIX_EPOCH),
            [Step::Write(&objects[0])]
        );
        // After a start there is no record of it, and the slow audit finds it.
        assert_eq!(gate(&objects, &live, |_| None, Timestamp::UNIX_EPOCH), []);
    }

    #[test]
    fn a_job_that_is_there_keeps_nothing_from_being_written() {
        let metadata = ObjectMeta {
            name: Some("release-1".to_owned()),
            namespace: Some("shop-a".to_owned()),
            ..ObjectMeta::default()
        };
        let job = Object::new(&Job {
            metadata,
            ..Job::default()
        });
        let objects = [job, object("a")];
        let mut live: BTreeMap<_, _> = objects.iter().map(|object| stored(object, None)).collect();
        for live in live.values_mut() {
            live.applied = None;
        }
        assert_eq!(
            gate(&objects, &live, |_| Some(-1), Timestamp::UNIX_EPOCH),
            [Step::Write(&objects[1])]
        );
        live.remove(objects[0].identity());
        assert_eq!(
            gate(&objects, &live, |_| None, Timestamp::UNIX_EPOCH)[0],
            Step::Create(&objects[0])
        );
    }

    #[test]
    fn what_goes_goes_last() {
        let objects = [object("z")];
        let gone = object("a");
        let steps = gate(
            &objects,
            &BTreeMap::from([stored(&gone, None)]),
            |_| None,
            Timestamp::UNIX_EPOCH,
        );
        assert!(
            matches!(&steps[..], [Step::Create(_), Step::Delete(doomed)] if doomed.identity == *gone.identity()),
            "{steps:?}"
        );
    }
}
