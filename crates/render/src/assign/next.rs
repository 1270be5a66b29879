//! What a shop's status says once it is assigned another release, and which one it may fall back
//! to. Pure.

use super::{migrates, record};
use api::{Fleet, RejectedRelease, ResolvedRelease, Shop, ShopRelease, ShopStatus};
use jiff::Timestamp;
use release::Sequence;

/// Rejected releases that a shop's status remembers: what a person still looks for, and little
/// enough for every shop.
const REMEMBERED: usize = 8;

/// The part of a shop's status that says what it is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The release that the shop is assigned.
    pub release: ShopRelease,
    /// The one before it.
    pub previous: Option<ShopRelease>,
    /// Releases that its pods have rejected.
    pub rejected: Vec<RejectedRelease>,
}

/// The shop is assigned `release`. Where it was rejected before, it is tried once more: whoever
/// rolls it out wants that.
#[must_use]
pub fn forward(shop: &Shop, release: &ResolvedRelease, fleet: &Fleet, now: Timestamp) -> Next {
    let status = shop.status.clone().unwrap_or_default();
    let (rejected, retried) = without(&status, &release.manifest.to_string());
    // One that the shop never came to run is nothing to go back to.
    let ran = |old: &ShopRelease| {
        let refused = status.rejected.iter().any(|it| it.manifest == old.manifest);
        let found = find(shop, old, fleet);
        let waits = found.is_some_and(|found| {
            migrates(shop, found, fleet.classes.get(&shop.spec.class))
                && status
                    .migrated
                    .is_none_or(|migrated| migrated < old.sequence)
        });
        !refused && !waits
    };
    let previous = status.release.clone().filter(ran).or(status.previous);
    Next {
        release: ShopRelease {
            retried,
            ..record(release, now)
        },
        previous,
        rejected,
    }
}

/// The shop goes back to the release before, as the one of sequence `from` failed.
#[must_use]
pub fn back(status: &ShopStatus, from: Sequence, now: Timestamp) -> Option<Next> {
    let previous = status.previous.clone()?;
    let returned_from = Some(from.get().cast_signed());
    let release = ShopRelease {
        since: Some(now.to_string()),
        returned_from,
        retried: false,
        ..previous
    };
    Some(Next {
        release,
        previous: None,
        rejected: status.rejected.clone(),
    })
}

/// The shop is assigned what it is assigned, which its pods rejected, once more.
#[must_use]
pub fn again(status: &ShopStatus, now: Timestamp) -> Option<Next> {
    let release = ShopRelease {
        since: Some(now.to_string()),
        retried: true,
        ..status.release.clone()?
    };
    let (rejected, _) = without(status, &release.manifest);
    Some(Next {
        release,
        previous: status.previous.clone(),
        rejected,
    })
}

fn without(status: &ShopStatus, manifest: &str) -> (Vec<RejectedRelease>, bool) {
    let rejected: Vec<_> = status
        .rejected
        .iter()
        .filter(|it| it.manifest != manifest)
        .cloned()
        .collect();
    let fewer = rejected.len() < status.rejected.len();
    (rejected, fewer)
}

/// The list with one more; nothing if it is on it already.
#[must_use]
pub fn rejected(status: &ShopStatus, new: RejectedRelease) -> Option<Vec<RejectedRelease>> {
    if status.rejected.iter().any(|it| it.manifest == new.manifest) {
        return None;
    }
    let first = (status.rejected.len() + 1).saturating_sub(REMEMBERED);
    Some(
        status
            .rejected
            .iter()
            .skip(first)
            .cloned()
            .chain([new])
            .collect(),
    )
}

pub(super) fn find<'a>(
    shop: &Shop,
    wanted: &ShopRelease,
    fleet: &'a Fleet,
) -> Option<&'a ResolvedRelease> {
    let channel: release::ChannelName = shop.spec.channel.parse().ok()?;
    let found = fleet
        .releases
        .get(&channel)?
        .get(&wanted.sequence.unsigned_abs())?;
    (found.name == wanted.name).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::{super::Resolution, *};
    use api::ShopClass;
    use release::Migration;
    use serde_json::json;

    fn in_force(sequence: u64, migration: Migration) -> ResolvedRelease {
        ResolvedRelease {
            name: format!("r{sequence}"),
            channel: "shops/a".parse().unwrap(),
            sequence: sequence.try_into().unwrap(),
            manifest: release::Sha256::digest(&sequence.to_be_bytes()),
            migration,
            envelope: String::new(),
            downloads: None,
        }
    }

    fn fleet(migrations: &[Migration]) -> Fleet {
        let mut fleet = Fleet::default();
        let spec = json!({"engine": "Magento2", "images": {"longshore": "l", "shop": "s"}, "store": {"location": "s3://b/p", "region": "r", "trust": "t"}});
        fleet.classes.insert(
            "c".to_owned(),
            ShopClass::new("c", serde_json::from_value(spec).unwrap()),
        );
        let releases = fleet
            .releases
            .entry("shops/a".parse().unwrap())
            .or_default();
        releases.extend(
            (42..)
                .zip(migrations)
                .map(|(sequence, migration)| (sequence, in_force(sequence, *migration))),
        );
        fleet
    }

    fn shop(status: ShopStatus) -> Shop {
        let spec = json!({"class": "c", "channel": "shops/a", "domains": [], "services": {"database": {"ref": "d", "name": "n"}}});
        let mut shop = Shop::new("a", serde_json::from_value(spec).unwrap());
        shop.status = Some(status);
        shop
    }

    fn assigned(sequence: u64) -> ShopRelease {
        record(&in_force(sequence, Migration::None), now())
    }

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn refusal(sequence: u64) -> RejectedRelease {
        let (manifest, sequence) = (assigned(sequence).manifest, sequence.cast_signed());
        RejectedRelease {
            manifest,
            sequence,
            pod: "web-1".to_owned(),
            at: now().to_string(),
            why: "502".to_owned(),
        }
    }

    #[test]
    fn the_release_before_is_the_last_one_that_the_shop_could_run() {
        use Migration::{Additive, None as Nothing};
        for (migration, migrated, refused, expected) in [
            (Nothing, None, vec![], 43),
            (Additive, Some(43), vec![], 43),
            // Its migration never came to an end, or its pods refused it.
            (Additive, Some(42), vec![], 42),
            (Nothing, None, vec![refusal(43)], 42),
        ] {
            let fleet = fleet(&[Nothing, migration, Nothing]);
            let (worked, release, previous) = (
                Some("then".to_owned()),
                Some(assigned(43)),
                Some(assigned(42)),
            );
            let status = ShopStatus {
                worked,
                release,
                previous,
                migrated,
                rejected: refused,
                ..ShopStatus::default()
            };
            let next = forward(&shop(status), &in_force(44, Nothing), &fleet, now());
            assert_eq!(
                next.previous.map(|it| it.sequence),
                Some(expected),
                "{migration} {migrated:?}"
            );
            assert!(!next.release.retried);
        }
    }

    #[test]
    fn a_new_shop_has_its_database_made_ready_whatever_its_first_release_says() {
        let fleet = fleet(&[Migration::None]);
        let release = in_force(42, Migration::None);
        let migrates = |status: serde_json::Value| {
            migrates(
                &shop(serde_json::from_value(status).unwrap()),
                &release,
                fleet.classes.get("c"),
            )
        };
        assert!(migrates(json!({})));
        assert!(!migrates(json!({"migrated": 41})) && !migrates(json!({"worked": "then"})));
        // Of before anybody asked for pages.
        let ready = json!({"type": "Ready", "status": "True", "reason": "Serving", "message": "", "lastTransitionTime": now()});
        assert!(
            !migrates(json!({"pods": "1/2", "conditions": [ready]}))
                && migrates(json!({"pods": "0/0", "conditions": [ready]}))
        );
        let mut archived = shop(ShopStatus::default());
        archived.spec.state = api::ShopState::Suspended;
        assert!(
            !super::migrates(&archived, &release, fleet.classes.get("c")),
            "it has no pods, and so nothing to wait for"
        );
    }

    #[test]
    fn what_was_rejected_is_tried_again_by_who_is_told_it_once_more() {
        let fleet = fleet(&[Migration::None, Migration::None]);
        let (worked, rejected) = (Some("then".to_owned()), vec![refusal(43)]);
        let failed = ShopStatus {
            worked,
            release: Some(assigned(43)),
            previous: Some(assigned(42)),
            rejected,
            ..ShopStatus::default()
        };
        let back = back(&failed, 43.try_into().unwrap(), now()).unwrap();
        assert_eq!(
            (
                back.release.sequence,
                back.release.returned_from,
                back.rejected.len(),
                back.previous.clone()
            ),
            (42, Some(43), 1, None)
        );
        let returned = ShopStatus {
            release: Some(back.release),
            previous: None,
            rejected: back.rejected,
            ..failed.clone()
        };
        let next = forward(
            &shop(returned),
            &in_force(43, Migration::None),
            &fleet,
            now(),
        );
        assert_eq!(
            (
                next.release.sequence,
                next.release.retried,
                next.release.returned_from,
                next.rejected
            ),
            (43, true, None, vec![])
        );
        assert_eq!(next.previous.map(|it| it.sequence), Some(42));
        let stayed = again(&failed, now()).unwrap();
        assert_eq!(
            (
                stayed.release.sequence,
                stayed.release.retried,
                stayed.rejected,
                stayed.previous
            ),
            (43, true, vec![], failed.previous)
        );
    }

    #[test]
    fn the_list_is_short_and_says_each_once() {
        let mut status = ShopStatus::default();
        for sequence in 40..60 {
            status.rejected = rejected(&status, refusal(sequence)).unwrap();
            assert_eq!(rejected(&status, refusal(sequence)), None);
        }
        let sequences: Vec<_> = status.rejected.iter().map(|it| it.sequence).collect();
        assert_eq!(sequences, (52..60).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_starts_with_a_release_whose_database_is_gone() {
        let at = |sequence: u64| Sequence::try_from(sequence).ok();
        for (migration, migrated, expected) in [
            (Migration::Breaking, at(42), Some(42)),
            (Migration::Breaking, at(43), None),
            (Migration::Additive, at(43), Some(42)),
            (Migration::None, None, Some(42)),
        ] {
            let fleet = fleet(&[Migration::None, migration]);
            let shop = shop(ShopStatus {
                release: Some(assigned(43)),
                previous: Some(assigned(42)),
                ..ShopStatus::default()
            });
            let found = Resolution::new("a", &shop, &fleet)
                .fallback(migrated)
                .map(|found| found.sequence.get());
            assert_eq!(found, expected, "{migration} {migrated:?}");
        }
    }
}
