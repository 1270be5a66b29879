//! Backups of a shop's database and of its files.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

use crate::lifecycle::{LONG, PASSWORD};
use e2e::{
    cluster::{Cluster, built, eventually},
    platform::{
        BACKUPS, Class, Platform, RELEASES, Tenant,
        server::{Database, PORT},
    },
    process::Outcome,
    web,
};
use serde_json::json;
use std::{fs, os::unix::fs::chown, path::Path};

/// Whoever holds the pods' key can neither read nor delete a backup, and publishes nothing.
#[track_caller]
fn pods_add_backups_and_read_releases(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let release = format!("store/{RELEASES}/channels/shops/{}/release.json", shop.name);
    let found = platform
        .store
        .mc(&[
            "find",
            &format!("store/{BACKUPS}/{}", shop.name),
            "--name",
            "*.zst.0000",
        ])
        .run()
        .expect(0)
        .stdout;
    let backup = found
        .lines()
        .next()
        .unwrap_or_else(|| panic!("no backup: {found:?}"));
    let forged = platform.path("forged.json");
    fs::write(&forged, "{}").unwrap();
    let (forged, new) = (
        forged.display().to_string(),
        format!(
            "store/{RELEASES}/channels/shops/{}/releases/99.json",
            shop.name
        ),
    );
    let before = platform.store.mc(&["cat", &release]).run().expect(0).stdout;
    for forbidden in [
        vec!["cat", backup],
        vec!["rm", backup],
        vec!["rm", &release],
        vec!["cp", &forged, &release],
        vec!["cp", &forged, &new],
    ] {
        let outcome = platform.store.mc_of_pods(&forbidden).run();
        let denied = ["Access Denied", "Insufficient permissions"]
            .iter()
            .any(|words| outcome.stderr.contains(words));
        assert!(
            outcome.code() != Some(0) && denied,
            "{forbidden:?}: {outcome:#?}"
        );
    }
    platform.store.mc(&["stat", backup]).run().expect(0);
    assert!(
        platform.store.mc(&["stat", &new]).run().code() != Some(0),
        "{new} was written"
    );
    // The same client and key can do what pods do, so what failed was not the connection.
    assert_eq!(
        platform
            .store
            .mc_of_pods(&["cat", &release])
            .run()
            .expect(0)
            .stdout,
        before
    );
}

fn kubectl(shop: &Tenant<'_>, cluster: &Cluster, words: &[&str]) -> Outcome {
    let namespace = ["--namespace", &shop.namespace];
    cluster
        .kubectl(namespace.into_iter().chain(words.iter().copied()))
        .deadline(LONG)
        .run()
}

/// Restores as a person does. Gives whether that ended well, and what it said.
fn restore(platform: &Platform<'_>, words: &[&str]) -> (bool, String) {
    let binary = e2e::process::binary("longshore").display().to_string();
    let outcome = platform
        .cluster
        .program(&binary)
        .args(["shop"])
        .args(words)
        .args(["--secret", "owner"])
        .deadline(LONG)
        .run();
    (outcome.code() == Some(0), outcome.stdout + &outcome.stderr)
}

/// Refused while the shop is open; then the database is as it was, and what is missing is named.
#[track_caller]
fn the_data_comes_back(platform: &Platform<'_>, database: &Database, media: &Path) {
    let words = ["restore", "vault", "--confirm", "vault"];
    let (ended, log) = restore(platform, &words);
    assert!(
        !ended && log.contains("set its state to Maintenance first"),
        "{log}"
    );
    let closed = r#"{"spec":{"state":"Maintenance"}}"#;
    platform
        .cluster
        .ask(&["patch", "shop", "vault", "--type=merge", "--patch", closed]);
    // The scheduler takes it in, and cron ends.
    let (ended, log) = eventually("a restore that begins", LONG, || {
        let (ended, log) = restore(platform, &words);
        let early = [
            "has not applied the state",
            "still read or write its database",
        ];
        (!early.iter().any(|it| log.contains(it))).then_some((ended, log))
    });
    println!("{log}");
    assert!(
        !ended
            && log.contains("a.jpg is missing or not of 500 bytes")
            && log.contains("1 of 2 files"),
        "{log}"
    );
    let left = "restore: table later is not in the backup, and stays as it is";
    assert!(log.contains(left) && !log.contains("table orders"), "{log}");
    assert_eq!(
        database.ask("vault", "SELECT who FROM orders ORDER BY id"),
        "Ana\nGheorghiță\n"
    );
    fs::write(media.join("a.jpg"), "a.jpg".repeat(100)).unwrap();
    let (ended, log) = restore(platform, &["backups", "vault"]);
    assert!(ended, "{log}");
    let newest = log.lines().last().unwrap().to_owned();
    let (ended, log) = restore(platform, &[&words[..], &["--backup", &newest]].concat());
    assert!(ended && log.contains("2 of 2 files"), "{log}");
    println!("{log}");
}

#[test]
fn a_backup_is_written_and_brings_the_data_back() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let database = Database::start(&cluster);
    database.create("vault", PASSWORD);
    database.ask(
        "vault",
        "CREATE TABLE orders (id INT PRIMARY KEY, who VARCHAR(64)) CHARSET utf8mb4; INSERT INTO \
         orders VALUES (1, 'Ana'), (2, 'Gheorghiță')",
    );
    let image = built(&cluster, "longshore-backup");
    // Where a CSI driver mounts, or here the kubelet, no container of the shop may be privileged.
    let backup = Some(image.pinned().to_owned());
    platform.class(&Class {
        storage: "Csi",
        database: Some(PORT),
        backup,
        ..Class::php("vault")
    });
    let media = platform.shared().join("vault/media");
    fs::create_dir_all(&media).unwrap();
    for path in [media.parent().unwrap(), &media] {
        chown(path, Some(10_001), Some(10_001)).unwrap();
    }
    for name in ["a.jpg", "b with a space.jpg"] {
        fs::write(media.join(name), name.repeat(100)).unwrap();
    }
    let shop = platform.tenant("vault");
    web::write_sources(&shop.module("page"), "vault", "");
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    let services = json!({
        "database": { "ref": "db", "name": "vault" }, "media": { "ref": "disk", "path": "/vault" },
    });
    shop.open(
        "vault",
        &json!({
            "scale": { "min": 1, "max": 1 }, "services": services,
            "config": { "secretRef": { "name": "env" } },
        }),
    );
    shop.secret(
        "env",
        &json!({ "database-user": "vault", "database-password": PASSWORD }),
    );
    let pod = shop.served_by(1).remove(0);
    assert_eq!(
        shop.page(&pod, "/media/a.jpg").unwrap().body,
        "a.jpg".repeat(100)
    );
    let labels = cluster.get(&["namespace", &shop.namespace])["metadata"]["labels"].clone();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");

    let kubectl = |words: &[&str]| kubectl(&shop, &cluster, words);
    kubectl(&["create", "job", "now", "--from=cronjob/backup"]).expect(0);
    let done = kubectl(&[
        "wait",
        "--for=condition=Complete",
        "job/now",
        "--timeout=90s",
    ]);
    let log = kubectl(&["logs", "job/now"]);
    assert!(done.code() == Some(0), "{done:#?}{log:#?}");
    println!("{}", log.stdout);
    let listed = platform
        .store
        .mc(&["ls", "--recursive", &format!("store/{BACKUPS}/vault")])
        .run()
        .expect(0)
        .stdout;
    for name in ["database.sql.zst", "media.tsv.zst", "complete"] {
        assert!(listed.contains(name), "{listed}");
    }
    let object = cluster
        .get(&["cronjob", "backup", "--namespace", &shop.namespace])
        .to_string();
    assert!(!object.contains(PASSWORD));
    pods_add_backups_and_read_releases(&platform, &shop);

    database.ask(
        "vault",
        "DROP TABLE orders; CREATE TABLE later (id INT PRIMARY KEY)",
    );
    fs::remove_file(media.join("a.jpg")).unwrap();
    shop.secret("owner", &json!({
        "access-key-id": platform.store.owner().0, "secret-access-key": platform.store.owner().1,
    }));
    the_data_comes_back(&platform, &database, &media);
}
