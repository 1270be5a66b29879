use super::*;
use api::fixtures;
use client::scripted::{Exchange, Script, expect};

fn database(name: &str, prefix: Option<&str>) -> Value {
    let mut database = json!({ "ref": "db", "name": name });
    if let Some(prefix) = prefix {
        database["tablePrefix"] = prefix.into();
    }
    json!({ "services": { "database": database } })
}

fn fleet(state: &str, observed: i64) -> Fleet {
    let mut more = database("shop_acme", None);
    more["state"] = state.into();
    let mut shop = fixtures::shop("acme", more);
    shop.metadata.generation = Some(7);
    shop.status = Some(serde_json::from_value(json!({ "observedGeneration": observed })).unwrap());
    let server = json!([{ "name": "db", "host": "db.example", "port": 3306, "cidrs": [] }]);
    let class = fixtures::class("php", json!({ "backends": { "databases": server } }));
    let mut fleet = Fleet::default();
    fleet.shops.insert("acme".to_owned(), shop);
    fleet.classes.insert("php".to_owned(), class);
    fleet
}

const WANTED: Restore<'_> = Restore {
    shop: "acme",
    confirmed: "acme",
    backup: Some("2026-12-01T02-10-33Z"),
    secret: "reader",
};

fn secret(keys: &[&str]) -> Exchange {
    let data: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| ((*key).to_owned(), json!("eA==")))
        .collect();
    expect("GET /api/v1/namespaces/shop-acme/secrets/reader")
        .answers(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": data }))
}

fn pods(names: &[&str]) -> Exchange {
    let pod = |name: &&str| json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": { "name": name } });
    let items: Vec<_> = names.iter().map(pod).collect();
    expect("GET /api/v1/namespaces/shop-acme/pods").answers(
        json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": items }),
    )
}

#[tokio::test]
async fn it_is_refused_with_its_reason_before_anything_is_asked() {
    let script = Script::new([]);
    let cluster = script.cluster();
    let mut shared = fleet("Maintenance", 7);
    let other = fixtures::shop("vinyl", database("Shop_ACME", Some("v_")));
    shared.shops.insert("vinyl".to_owned(), other);
    let other = |wanted: Restore<'static>| (fleet("Maintenance", 7), wanted);
    for ((fleet, wanted), said, reason) in [
        (
            (fleet("Active", 7), WANTED),
            "set its state to Maintenance first",
            "shop-state",
        ),
        (
            (fleet("Archived", 7), WANTED),
            "shop acme is Archived",
            "shop-state",
        ),
        (
            (fleet("Maintenance", 6), WANTED),
            "has not applied the state Maintenance",
            "shop-state",
        ),
        (
            (shared, WANTED),
            "tables of vinyl are in the same database",
            "shop-state",
        ),
        (
            other(Restore {
                confirmed: "acm",
                ..WANTED
            }),
            "type acme to overwrite",
            "config",
        ),
        (
            other(Restore {
                backup: Some("../other/2026"),
                ..WANTED
            }),
            "is no backup",
            "config",
        ),
        (
            other(Restore {
                backup: Some("--list"),
                ..WANTED
            }),
            "is no backup",
            "config",
        ),
        (
            other(Restore {
                shop: "none",
                confirmed: "none",
                ..WANTED
            }),
            "not in the registry",
            "registry",
        ),
    ] {
        let error = restore(&cluster, &fleet, &wanted).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.reason().code(), reason, "{error}");
    }
    script.end();
}

#[tokio::test]
async fn it_waits_for_writers_and_needs_keys_that_read_backups() {
    let script = Script::new([pods(&["cron-7-x"]), pods(&[]), secret(&["access-key-id"])]);
    let cluster = script.cluster();
    for said in [
        "still read or write its database: cron-7-x",
        "lacks secret-access-key",
    ] {
        let error = restore(&cluster, &fleet("Maintenance", 7), &WANTED).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    script.end();
}

#[tokio::test]
async fn the_job_is_the_backups_with_another_program_and_identity() {
    let env = json!([
        { "name": "BACKUP_SHOP", "value": "acme" },
        { "name": "AWS_ROLE_ARN", "value": "arn:aws:iam::1:role/pods" },
        { "name": "AWS_ACCESS_KEY_ID", "valueFrom": { "secretKeyRef": { "name": "pods", "key": "access-key-id" } } },
    ]);
    let template = json!({ "metadata": { "labels": { "app.kubernetes.io/component": "backup" } },
        "spec": { "priorityClassName": "longshore-idle", "containers": [{ "name": "backup", "env": env }] } });
    let cron = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {}, "spec": { "jobTemplate": { "spec": { "backoffLimit": 2, "template": template } } } });
    let value = job(
        &cron,
        "shop-acme",
        "restore-1",
        "reader",
        "longshore-gold",
        &["longshore-restore", "t"],
    );
    let value = value.unwrap().value();
    assert_eq!(value["spec"]["backoffLimit"], 0);
    let pod = &value["spec"]["template"]["spec"];
    assert_eq!(pod["priorityClassName"], "longshore-gold");
    let container = &pod["containers"][0];
    assert_eq!(container["command"], json!(["longshore-restore", "t"]));
    let names: Vec<_> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(
        names,
        ["BACKUP_SHOP", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    );
    assert_eq!(
        container["env"][1]["valueFrom"]["secretKeyRef"]["name"],
        "reader"
    );
    assert!(job(&json!({}), "shop-acme", "r", "s", "p", &[]).is_err());
}
