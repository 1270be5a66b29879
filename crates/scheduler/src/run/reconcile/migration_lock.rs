//! Whose turn it is to change a shop's database. The Lease `migration` in its namespace says so:
//! the scheduler takes it before the Job is made and gives it back when the Job is done, and a
//! person who holds it keeps the Job waiting.

use crate::run::Controller;
use api::{Identity, Shop, namespace};
use cell::{
    Progress, State,
    migration::{Due, MigrationLock},
};
use client::ApiError;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use render::{MIGRATION_DEADLINE, MIGRATION_LEASE, assign};
use serde_json::{Value, json};

/// What our name in a Lease begins with. The rest is the Job: any process of ours goes on with it.
const OURS: &str = "longshore-scheduler/";

/// New shops of one database server that are migrated at the same time, and a few more, as
/// reconciles go on beside each other.
const NEW_AT_ONCE: usize = 4;

/// For a new shop, how many others of its database server are migrated at this moment. Rollouts
/// count for themselves; a fleet that is imported belongs to none.
pub(super) fn crowd(shop: &Shop, state: &State) -> usize {
    let server = |shop: &Shop| {
        shop.spec
            .services
            .database
            .as_ref()
            .map(|database| database.server.clone())
    };
    let Some(ours) = server(shop).filter(|_| assign::new(shop)) else {
        return 0;
    };
    let runs = state
        .migrations
        .iter()
        .filter(|(_, jobs)| jobs.values().any(|progress| *progress == Progress::Runs));
    let others = runs
        .filter(|(name, _)| shop.metadata.name.as_ref() != Some(*name))
        .filter_map(|(name, _)| state.fleet.shops.get(name));
    others
        .filter(|other| server(other).as_ref() == Some(&ours))
        .count()
}

/// Takes the Lease if a migration is due that has not begun, and looks whether cron has ended.
/// `crowd` are new shops of the same database server that are migrated at this moment.
pub(super) async fn take(
    controller: &Controller,
    name: &str,
    due: Option<Due>,
    crowd: usize,
    now: Timestamp,
) -> Result<MigrationLock, ApiError> {
    let Some(Due {
        sequence,
        begun: false,
    }) = due
    else {
        return Ok(MigrationLock::Ours);
    };
    if crowd >= NEW_AT_ONCE {
        return Ok(MigrationLock::Crowded(crowd));
    }
    let identity = lease(name);
    let Some(found) = controller.connections.reader(name).get(&identity).await? else {
        return Ok(MigrationLock::Nobody);
    };
    if let Some(other) = holder(&found["spec"], now).filter(|holder| !holder.starts_with(OURS)) {
        return Ok(MigrationLock::Theirs(other.to_owned()));
    }
    let ours = format!("{OURS}release-{sequence}");
    if found["spec"]["holderIdentity"] == ours.as_str() {
        return Ok(if cron(controller, name).await? {
            MigrationLock::Cron
        } else {
            MigrationLock::Ours
        });
    }
    let spec = json!({
        "holderIdentity": ours,
        "acquireTime": micro(now),
        "renewTime": micro(now),
        "leaseDurationSeconds": MIGRATION_DEADLINE,
        "leaseTransitions": found["spec"]["leaseTransitions"].as_i64().unwrap_or(0) + 1,
    });
    // If somebody was faster, the next reconcile sees who.
    let taken = controller
        .connections
        .writer(name)
        .merge_if(&identity, &version(&found), json!({ "spec": spec }))
        .await?;
    Ok(match taken {
        false => MigrationLock::Nobody,
        true if cron(controller, name).await? => MigrationLock::Cron,
        true => MigrationLock::Ours,
    })
}

/// Pods that may still write; one that was evicted stays as `Failed`, and its processes are gone.
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Whether cron may still write: its Deployment wants pods or has some, or one takes its time to
/// end, which a Deployment does not count.
async fn cron(controller: &Controller, name: &str) -> Result<bool, ApiError> {
    if controller.lock().crons.contains(name) {
        return Ok(true);
    }
    let namespace = namespace(name);
    let cluster = controller.connections.reader(name);
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default()
        .labels("app.kubernetes.io/component=cron")
        .fields(ALIVE)
        .limit(1);
    let listed = cluster
        .call(&format!("list pods of {namespace}"), || {
            pods.list_metadata(&params)
        })
        .await?;
    Ok(!listed.items.is_empty())
}

/// Gives the Lease back, if it is ours. Called before the end of the migration is recorded, so
/// that a crash between repeats it.
pub(super) async fn give_back(controller: &Controller, name: &str) -> Result<(), ApiError> {
    let identity = lease(name);
    let Some(found) = controller.connections.reader(name).get(&identity).await? else {
        return Ok(());
    };
    if found["spec"]["holderIdentity"]
        .as_str()
        .is_some_and(|holder| holder.starts_with(OURS))
    {
        let spec = json!({ "holderIdentity": null, "renewTime": null, "acquireTime": null, "leaseDurationSeconds": null });
        controller
            .connections
            .writer(name)
            .merge_if(&identity, &version(&found), json!({ "spec": spec }))
            .await?;
    }
    Ok(())
}

fn lease(shop: &str) -> Identity {
    Identity {
        api_version: "coordination.k8s.io/v1".into(),
        kind: "Lease".into(),
        namespace: Some(namespace(shop)),
        name: MIGRATION_LEASE.to_owned(),
    }
}

fn version(found: &Value) -> String {
    found["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Leases count in microseconds, with all six digits.
fn micro(now: Timestamp) -> String {
    format!("{now:.6}")
}

/// Who holds a Lease. Without a duration it is held until its holder is removed, which is what a
/// person with kubectl writes.
fn holder(spec: &Value, now: Timestamp) -> Option<&str> {
    let holder = spec["holderIdentity"]
        .as_str()
        .filter(|holder| !holder.is_empty())?;
    let renewed = spec["renewTime"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    let ends = renewed.zip(spec["leaseDurationSeconds"].as_i64());
    let over = ends.is_some_and(|(renewed, seconds)| {
        now.duration_since(renewed) > SignedDuration::from_secs(seconds)
    });
    (!over).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_shops_of_one_server_come_a_few_at_a_time() {
        let mut state = State::default();
        let shop = |name: &str, server: &str, status: serde_json::Value| {
            let services = json!({"database": {"ref": server, "name": name}});
            let spec = json!({"class": "c", "channel": "x", "domains": [], "services": services});
            let mut shop = Shop::new(name, serde_json::from_value(spec).unwrap());
            shop.status = serde_json::from_value(status).unwrap();
            shop
        };
        for (name, server, progress) in [
            ("a", "db1", Progress::Runs),
            ("b", "db1", Progress::Done),
            ("c", "db2", Progress::Runs),
        ] {
            state
                .fleet
                .shops
                .insert(name.to_owned(), shop(name, server, json!({})));
            state
                .migrations
                .insert(name.to_owned(), [(42, progress)].into());
        }
        assert_eq!(crowd(&shop("new", "db1", json!({})), &state), 1);
        assert_eq!(crowd(&shop("a", "db1", json!({})), &state), 0, "itself");
        assert_eq!(
            crowd(&shop("old", "db1", json!({"migrated": 41})), &state),
            0,
            "its rollout counts"
        );
    }

    #[test]
    fn a_lease_is_held_until_it_ends_or_for_ever() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (spec, expected) in [
            (json!({}), None),
            (json!({ "holderIdentity": "" }), None),
            (json!({ "holderIdentity": "anna" }), Some("anna")),
            (
                json!({ "holderIdentity": "anna", "renewTime": "2026-11-23T11:00:00.000000Z" }),
                Some("anna"),
            ),
            (
                json!({ "holderIdentity": "anna", "renewTime": "2026-11-23T11:59:00.000000Z", "leaseDurationSeconds": 60 }),
                Some("anna"),
            ),
            (
                json!({ "holderIdentity": "anna", "renewTime": "2026-11-23T11:58:59.000000Z", "leaseDurationSeconds": 60 }),
                None,
            ),
        ] {
            assert_eq!(holder(&spec, now), expected, "{spec}");
        }
        assert_eq!(micro(now), "2026-11-23T12:00:00.000000Z");
    }
}
