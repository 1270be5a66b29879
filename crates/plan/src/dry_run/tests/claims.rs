//! Two shops of one registry that claim the same: the plan refuses the newcomer, names the shop
//! that was there first, and goes on with that one.

use super::*;
use crate::Change;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

/// What of a new shop is tried.
fn namespace(shop: &str) -> Exchange {
    expect(&format!("PATCH /api/v1/namespaces/shop-{shop} dryRun=All")).stores()
}

/// The shop `zulu`, which was there first and has an Ingress, and the newcomer `acme`, whose class
/// has the same servers and makes an HTTPRoute. Its name is before the other's, and does not count.
fn two(field: &str, zulu: &Value, acme: &Value) -> Fleet {
    let mut fleet = fleet();
    let backends = json!({
        "databases": [{ "name": "db", "host": "db.internal", "cidrs": ["10.0.0.0/24"] }],
        "media": [{
            "name": "nas", "nfs": { "server": "nas.internal", "export": "/export" },
            "tenants": "Trusted", "cidrs": ["10.0.1.0/24"],
        }],
    });
    for (name, route) in [
        ("ingress", json!({ "className": "nginx" })),
        ("gateway", json!({ "name": "shops", "namespace": "edge" })),
    ] {
        let more = json!({
            "backends": backends, "route": { name: route }, "storage": { "shared": ["uploads"] },
        });
        fleet
            .classes
            .insert(name.into(), fixtures::class(name, more));
    }
    for (name, class, created, claimed) in [
        ("zulu", "ingress", "2026-01-01T00:00:00Z", zulu),
        ("acme", "gateway", "2026-11-01T00:00:00Z", acme),
    ] {
        let mut more = json!({
            "class": class, "channel": "shops/acme", "config": { "secretRef": { "name": "env" } },
        });
        more[field] = claimed.clone();
        let mut shop = fixtures::shop(name, more);
        let created: Timestamp = created.parse().expect("a time");
        shop.metadata.creation_timestamp = Some(Time(created));
        fleet.shops.insert(name.into(), shop);
    }
    fleet
}

/// Tables of one database whose names begin like this.
fn tables(prefix: &str) -> Value {
    let database = json!({ "ref": "db", "name": "shop", "tablePrefix": prefix });
    json!({ "database": database })
}

#[tokio::test]
async fn what_another_shop_has_refuses_the_newcomer_and_nobody_else() {
    let host = json!([{ "host": "www.acme.example", "primary": true }]);
    let database = json!({ "database": { "ref": "db", "name": "shop" } });
    let media = |path: &str| json!({ "media": { "ref": "nas", "path": path } });
    for (field, theirs, ours, says) in [
        // An Ingress and an HTTPRoute of one host: nothing in Kubernetes refuses that.
        (
            "domains",
            &host,
            &host,
            "host www.acme.example belongs to shop zulu",
        ),
        (
            "services",
            &database,
            &database,
            "database shop of db.internal:3306 belongs to shop zulu",
        ),
        // Whoever empties the tables a_* empties those of a_b_, too.
        (
            "services",
            &tables("a_"),
            &tables("a_b_"),
            "tables a_b_* of database shop of db.internal:3306: tables a_* of database shop of \
             db.internal:3306, with which it would be mixed up, belongs to shop zulu",
        ),
        (
            "services",
            &media("/shops"),
            &media("/shops/acme"),
            "directory nas.internal:/export/shops/acme: directory nas.internal:/export/shops, \
             which is in it or around it, belongs to shop zulu",
        ),
    ] {
        let fleet = two(field, theirs, ours);
        let script = Script::new([namespace("zulu")]).with_empty_lists();
        let plan = planned(&script, &fleet, None).await.expect("a plan");
        let why = format!("shop acme: {says}");
        let refused: BTreeMap<_, _> = [("acme".to_owned(), why)].into();
        assert_eq!(plan.failed, refused);
        assert_eq!(plan.looked_at, 2);
        assert_eq!(plan.shops.keys().collect::<Vec<_>>(), ["zulu"], "{says}");
        let made = |change: &Change| change.action == Action::Create && change.refused.is_none();
        assert!(plan.shops["zulu"].iter().all(made), "{plan:?}");
    }
}

#[tokio::test]
async fn two_shops_share_a_database_if_neither_prefix_begins_with_the_other() {
    let fleet = two("services", &tables("a_"), &tables("b_"));
    let script = Script::new([namespace("acme"), namespace("zulu")])
        .with_empty_lists()
        .in_any_order();
    let plan = planned(&script, &fleet, None).await.expect("a plan");
    assert!(plan.failed.is_empty(), "{plan:?}");
    assert_eq!(plan.shops.keys().collect::<Vec<_>>(), ["acme", "zulu"]);
}
