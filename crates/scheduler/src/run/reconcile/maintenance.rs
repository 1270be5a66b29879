//! When visitors are kept out of a shop: from before a breaking migration until every pod is seen
//! to run what it was made for.

use crate::run::{Controller, agents};
use api::{Migrating, Shop};
use cell::{Pods, migration::Due};
use release::Migration;
use render::assign::{self, Resolution};

/// Whether the migration of the release that a shop is assigned keeps visitors out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maintenance {
    /// It keeps nobody out.
    NotNeeded,
    /// It leaves the release before a database that it does not know.
    Breaking {
        /// Whether every pod runs the release, which opens the shop again.
        all_run: bool,
    },
}

impl Maintenance {
    pub(super) fn is_breaking(self) -> bool {
        self != Self::NotNeeded
    }

    /// Whether visitors are kept out. What was begun is on record in the shop's status, so that a
    /// process that starts goes on with it.
    pub(super) fn closes(self, shop: &Shop, due: Option<Due>, migrating: Migrating) -> bool {
        match self {
            Self::NotNeeded => false,
            Self::Breaking { all_run } => {
                migrating != Migrating::No || (due.is_none() && assign::begun(shop) && !all_run)
            }
        }
    }
}

/// Asks whether every pod of a shop that was closed runs the release.
///
/// Asking also touches the pods, whose kubelets then show nginx at once whether the shop is closed.
pub(super) async fn ask(
    controller: &Controller,
    found: &Resolution<'_>,
    pods: Option<Pods>,
) -> Maintenance {
    let breaking = found
        .release()
        .filter(|release| release.migration == Migration::Breaking && found.migrates());
    let Some(release) = breaking else {
        return Maintenance::NotNeeded;
    };
    if !assign::begun(found.shop) || !assign::served(found.shop) {
        return Maintenance::Breaking { all_run: true };
    }
    let ready = pods.is_some_and(
        |Pods {
             wanted,
             ready,
             updated,
             current,
         }| current && ready >= wanted && updated >= wanted,
    );
    if !controller.settings.agents {
        return Maintenance::Breaking { all_run: ready };
    }
    let (sequence, manifest) = (release.sequence.get(), release.manifest.to_string());
    // Agents that cannot be asked have said nothing.
    let report = agents::ask(controller, found.name, sequence, &manifest).await;
    Maintenance::Breaking {
        all_run: report.is_ok_and(|report| ready && report.all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Condition, ShopStatus, Truth};
    use serde_json::json;

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
        let closed = Maintenance::Breaking { all_run: false };
        let opens = Maintenance::Breaking { all_run: true };
        for (maintenance, reason, due, migrating, expected) in [
            // Before it, while somebody else holds the Lease: the shop stays open.
            (opens, "LeaseHeld", due, Migrating::No, false),
            (opens, "LeaseHeld", due, Migrating::Soon, true),
            (closed, "Migrating", due, Migrating::Now, true),
            // Somebody halted before the Job began.
            (closed, "Migrating", due, Migrating::No, false),
            // It is done, and pods are still on the release before; then they are not.
            (closed, "Migrating", None, Migrating::No, true),
            (closed, assign::SWITCHING, None, Migrating::No, true),
            (opens, assign::SWITCHING, None, Migrating::No, false),
            // Years later a process starts that has asked nobody yet.
            (closed, "Migrated", None, Migrating::No, false),
            (
                Maintenance::NotNeeded,
                "Migrating",
                due,
                Migrating::Now,
                false,
            ),
            (
                Maintenance::NotNeeded,
                "Migrating",
                None,
                Migrating::No,
                false,
            ),
        ] {
            let found = maintenance.closes(&shop(reason), due, migrating);
            assert_eq!(
                found, expected,
                "{maintenance:?} {reason} {due:?} {migrating:?}"
            );
        }
    }
}
