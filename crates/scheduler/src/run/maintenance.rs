//! When visitors are kept out of a shop: from before a breaking migration until every pod is seen
//! to run what it was made for.

use super::{
    Controller, agents,
    migration::Due,
    state::{Pods, State},
};
use api::{Migrating, ResolvedRelease, Shop};
use release::Migration;
use render::assign;

/// The release that `shop` is assigned, where its migration leaves the one before a database that it
/// does not know.
pub(super) fn breaking<'a>(shop: &Shop, state: &'a State) -> Option<&'a ResolvedRelease> {
    let release = assign::assigned(shop, &state.fleet).ok().flatten()?;
    (release.migration == Migration::Breaking && assign::migrates(shop, release, &state.fleet))
        .then_some(release)
}

/// Whether visitors are kept out. What was begun is on record in the shop's status, so that a
/// process that starts goes on with it.
pub(super) fn closed(
    shop: &Shop,
    state: &State,
    due: Option<Due>,
    migrating: Migrating,
    run_it: bool,
) -> bool {
    breaking(shop, state).is_some()
        && (migrating != Migrating::No || (due.is_none() && assign::begun(shop) && !run_it))
}

/// Whether every pod of a shop that was closed runs the release: what opens it again.
///
/// Asking also touches the pods, whose kubelets then show nginx at once whether the shop is closed.
pub(super) async fn run_it(controller: &Controller, name: &str) -> bool {
    let (sequence, manifest, pods) = {
        let state = controller.lock();
        let Some(shop) = state
            .fleet
            .shops
            .get(name)
            .filter(|shop| assign::begun(shop))
        else {
            return true;
        };
        let Some(release) = breaking(shop, &state).filter(|_| assign::served(shop)) else {
            return true;
        };
        (
            release.sequence.get(),
            release.manifest.to_string(),
            state.pods.get(name).copied(),
        )
    };
    let ready = pods.is_some_and(
        |Pods {
             wanted,
             ready,
             updated,
             current,
         }| current && ready >= wanted && updated >= wanted,
    );
    if !controller.settings.agents {
        return ready;
    }
    // Agents that cannot be asked have said nothing.
    agents::ask(controller, name, sequence, &manifest)
        .await
        .is_ok_and(|report| ready && report.all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Condition, ShopClass, ShopStatus, Truth};
    use serde_json::json;

    fn state(migration: Migration) -> State {
        let mut state = State::default();
        let spec = json!({"engine": "Magento2", "images": {"longshore": "l", "shop": "s"}, "store": {"location": "s3://b/p", "region": "r", "trust": "t"}});
        state.fleet.classes.insert(
            "c".to_owned(),
            ShopClass::new("c", serde_json::from_value(spec).unwrap()),
        );
        let channel: release::ChannelName = "shops/a".parse().unwrap();
        let release = ResolvedRelease {
            name: "r".to_owned(),
            channel: channel.clone(),
            sequence: 7.try_into().unwrap(),
            manifest: release::Sha256::of(b"m"),
            migration,
            envelope: String::new(),
        };
        state
            .fleet
            .releases
            .entry(channel)
            .or_default()
            .insert(7, release);
        state
    }

    fn shop(reason: &str) -> Shop {
        let services = json!({"database": {"ref": "d", "name": "n"}});
        let spec = json!({"class": "c", "channel": "shops/a", "domains": [], "services": services});
        let mut shop = Shop::new("a", serde_json::from_value(spec).unwrap());
        let condition = Condition {
            kind: "DatabaseCurrent".to_owned(),
            status: Truth::False,
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: jiff::Timestamp::UNIX_EPOCH,
        };
        shop.status = Some(ShopStatus {
            conditions: vec![condition],
            ..ShopStatus::default()
        });
        shop
    }

    #[test]
    fn a_breaking_migration_closes_the_shop_until_its_pods_run_the_release() {
        let due = Some(Due {
            sequence: 7.try_into().unwrap(),
            begun: false,
        });
        for (migration, reason, due, migrating, run_it, expected) in [
            // Before it, while somebody else holds the Lease: the shop stays open.
            (
                Migration::Breaking,
                "LeaseHeld",
                due,
                Migrating::No,
                true,
                false,
            ),
            (
                Migration::Breaking,
                "LeaseHeld",
                due,
                Migrating::Soon,
                true,
                true,
            ),
            (
                Migration::Breaking,
                "Migrating",
                due,
                Migrating::Now,
                false,
                true,
            ),
            // Somebody halted before the Job began.
            (
                Migration::Breaking,
                "Migrating",
                due,
                Migrating::No,
                false,
                false,
            ),
            // It is done, and pods are still on the release before; then they are not.
            (
                Migration::Breaking,
                "Migrating",
                None,
                Migrating::No,
                false,
                true,
            ),
            (
                Migration::Breaking,
                assign::SWITCHING,
                None,
                Migrating::No,
                false,
                true,
            ),
            (
                Migration::Breaking,
                assign::SWITCHING,
                None,
                Migrating::No,
                true,
                false,
            ),
            // Years later a process starts that has asked nobody yet.
            (
                Migration::Breaking,
                "Migrated",
                None,
                Migrating::No,
                false,
                false,
            ),
            (
                Migration::Additive,
                "Migrating",
                due,
                Migrating::Now,
                false,
                false,
            ),
            (
                Migration::Additive,
                "Migrating",
                None,
                Migrating::No,
                false,
                false,
            ),
        ] {
            let found = closed(&shop(reason), &state(migration), due, migrating, run_it);
            assert_eq!(
                found, expected,
                "{migration:?} {reason} {due:?} {migrating:?} {run_it}"
            );
        }
    }
}
