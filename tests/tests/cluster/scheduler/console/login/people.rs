//! Two people in Chromium: one does everything that a page offers, and one looks on.

use super::{
    CONSOLE,
    place::Place,
    record::{audited, events, logged},
    with_shops_and_roles,
};
use crate::scheduler::{LONG, Scheduler, console::work};
use e2e::{
    cluster::{Cluster, eventually},
    fleet::shop,
    peers::required,
};
use serde_json::json;
use std::path::Path;

/// Shops of Magento whose cron may run, and the keys that read the backups of one.
fn of_magento(scheduler: &Scheduler<'_>) {
    work::classes(scheduler);
    for name in ["mage", "put-back"] {
        let services = json!({
            "database": { "ref": "db", "name": name },
            "media": { "ref": "nas", "path": format!("/{name}") },
        });
        scheduler.apply(&shop(name, "magento", &json!({ "services": services })));
    }
    let cluster = scheduler.cluster;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "backup-reader", "namespace": "shop-put-back" },
        "stringData": { "access-key-id": "a", "secret-access-key": "b" },
    });
    let apply = ["apply", "--server-side", "--filename", "-"];
    eventually("the namespace of a shop", LONG, || {
        let applied = cluster.kubectl(apply).input(secret.to_string()).run();
        (applied.code() == Some(0)).then_some(())
    });
    let patch = ["--subresource=status", "--type=merge", "--patch"];
    let migrated = json!({ "status": { "migrated": 42 } }).to_string();
    for name in ["mage", "put-back"] {
        cluster.ask(&[&["patch", "shop", name][..], &patch, &[&migrated]].concat());
    }
    eventually("cron may run", LONG, || {
        let pods = [
            "get",
            "deployment",
            "cron",
            "--output=jsonpath={.spec.replicas}",
        ];
        let asked = cluster
            .kubectl(pods)
            .args(["--namespace", "shop-mage"])
            .run();
        (asked.code() == Some(0) && asked.stdout != "0").then_some(())
    });
}

#[test]
#[ignore = "needs Chromium: make test-console"]
fn two_people_use_each_page_in_a_browser() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let running = with_shops_and_roles(&scheduler);
    of_magento(&scheduler);
    work::a_download_is_noted(&cluster);
    let before = events(&cluster).len();
    let mut place = Place::new(&scheduler);
    place.console();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("people");
    let used = cluster
        .program(&required("use-console").display().to_string())
        .arg(CONSOLE)
        .arg(&out)
        .deadline(LONG)
        .run()
        .expect(0);
    println!("{}in {}: screenshots", used.stdout, out.display());
    let log = place.stop();
    for person in ["oidc:clara", "oidc:boris"] {
        let said = logged(&log, person);
        assert_eq!(said, audited(&cluster, before, person), "{person}: {log}");
        assert_eq!(said.is_empty(), person == "oidc:boris");
    }
    drop(running);
}
