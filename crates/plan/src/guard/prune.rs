//! Which objects of a shop may go, once the shop no longer has them.

use api::{Deletion, Identity, ObjectMetaSummary};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long configuration that nothing asks for any more stays: longer than any rolling update
/// takes (its deadline is five minutes, times the pods of a large shop).
pub(super) const LATE: SignedDuration = SignedDuration::from_hours(6);
/// Configurations of one name that stay however old they are: those of the two earlier revisions
/// that a Deployment keeps.
pub(super) const REVISIONS: usize = 2;

/// What becomes of an object that the shop no longer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneDecision {
    /// It goes.
    Delete(Deletion),
    /// It stays, for this reason.
    Keep(Identity, &'static str),
}

/// Decides over all objects of a shop that are in the cluster and not in `desired`.
#[must_use]
pub fn prune(
    desired: &BTreeSet<&Identity>,
    live: &BTreeMap<Identity, ObjectMetaSummary>,
    now: Timestamp,
) -> Vec<PruneDecision> {
    let surplus: Vec<_> = live
        .iter()
        .filter(|(identity, _)| !desired.contains(identity))
        .collect();
    let spared = revisions(&surplus);
    let decision = |(identity, live): &(&Identity, &ObjectMetaSummary)| {
        let keep = |why| PruneDecision::Keep((*identity).clone(), why);
        match identity.kind.as_ref() {
            "Namespace" => keep("a namespace is never deleted: everything in it would go"),
            "PersistentVolume" | "PersistentVolumeClaim" => keep("data is never deleted"),
            "Job" => keep("a job ends by itself, and is removed a week later"),
            "NetworkPolicy" if desired.is_empty() => {
                keep("pods that end must stay apart as long as they do")
            }
            _ if live.deleting => keep("it is being deleted already"),
            "ConfigMap" | "Secret" if spared.contains(identity) => {
                keep("an earlier revision may be needed again")
            }
            "ConfigMap" | "Secret" if by_content(&identity.name).is_some() && !old(live, now) => {
                keep("pods that run may still use it")
            }
            _ => PruneDecision::Delete(Deletion {
                identity: (*identity).clone(),
                uid: live.uid.clone(),
            }),
        }
    };
    surplus.iter().map(decision).collect()
}

/// Whether an object that a shop no longer has stays for now, whatever the cluster says of it.
pub(crate) fn stays(identity: &Identity) -> bool {
    match &*identity.kind {
        "Namespace" | "PersistentVolume" | "PersistentVolumeClaim" | "Job" => true,
        "ConfigMap" | "Secret" => by_content(&identity.name).is_some(),
        _ => false,
    }
}

fn old(live: &ObjectMetaSummary, now: Timestamp) -> bool {
    live.created
        .is_some_and(|created| now.duration_since(created) >= LATE)
}

/// `env` of `env-0a1b2c3d`.
fn by_content(name: &str) -> Option<&str> {
    let (stem, hash) = name.rsplit_once('-')?;
    (hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(stem)
}

/// An object and when it was made.
type Aged<'a> = (Option<Timestamp>, &'a Identity);

/// The newest of each name.
fn revisions(surplus: &[(&Identity, &ObjectMetaSummary)]) -> BTreeSet<Identity> {
    let mut stems: BTreeMap<(&str, &str), Vec<Aged<'_>>> = BTreeMap::new();
    for (identity, live) in surplus {
        if let Some(stem) = by_content(&identity.name) {
            stems
                .entry((identity.kind.as_ref(), stem))
                .or_default()
                .push((live.created, identity));
        }
    }
    let newest = |mut all: Vec<Aged<'_>>| {
        all.sort_by(|a, b| b.cmp(a));
        all.into_iter()
            .take(REVISIONS)
            .map(|(_, identity)| identity.clone())
            .collect::<Vec<_>>()
    };
    stems.into_values().flat_map(newest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures::live;

    fn identity(kind: &'static str, name: &str) -> Identity {
        Identity {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: Some("shop-a".to_owned()),
            name: name.to_owned(),
        }
    }

    fn at(hour: i8) -> Timestamp {
        format!("2026-11-02T{hour:02}:00:00Z").parse().unwrap()
    }

    fn decide(objects: &[(&'static str, &str, i8)]) -> Vec<PruneDecision> {
        let live = objects
            .iter()
            .map(|(kind, name, hour)| (identity(kind, name), live(name, at(*hour))))
            .collect();
        prune(&BTreeSet::new(), &live, at(20))
    }

    fn deleted(decisions: &[PruneDecision]) -> Vec<&str> {
        let name = |decision: &'_ PruneDecision| match decision {
            PruneDecision::Delete(doomed) => Some(doomed.identity.name.clone()),
            PruneDecision::Keep(..) => None,
        };
        let names: Vec<_> = decisions.iter().filter_map(name).collect();
        names.into_iter().map(|name| &*name.leak()).collect()
    }

    #[test]
    fn namespaces_volumes_and_jobs_stay_whatever_happens() {
        let kinds = [
            "Namespace",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Job",
        ];
        let decisions = decide(&kinds.map(|kind| (kind, "x", 0)));
        assert_eq!(deleted(&decisions), Vec::<&str>::new());
        assert_eq!(decisions.len(), 4);
    }

    #[test]
    fn what_is_not_data_goes_with_the_uid_that_was_seen() {
        let decisions = decide(&[("Deployment", "cron", 0)]);
        assert_eq!(
            decisions,
            [PruneDecision::Delete(Deletion {
                identity: identity("Deployment", "cron"),
                uid: "uid-cron".to_owned()
            })]
        );
    }

    #[test]
    fn earlier_configurations_stay_for_two_revisions_and_six_hours() {
        let configurations = [
            ("ConfigMap", "env-00000001", 1),
            ("ConfigMap", "env-00000002", 2),
            ("ConfigMap", "env-00000003", 3),
            ("ConfigMap", "env-00000004", 4),
            ("ConfigMap", "php-00000001", 1),
        ];
        assert_eq!(
            deleted(&decide(&configurations)),
            ["env-00000001", "env-00000002"]
        );
        // All four were made less than six hours ago.
        let young = configurations.map(|(kind, name, hour)| (kind, name, hour + 14));
        assert_eq!(deleted(&decide(&young)), Vec::<&str>::new());
    }

    #[test]
    fn what_is_wanted_is_no_question() {
        let wanted = identity("Deployment", "web");
        let live = BTreeMap::from([(wanted.clone(), live("web", at(0)))]);
        assert_eq!(prune(&BTreeSet::from([&wanted]), &live, at(20)), []);
    }
}
