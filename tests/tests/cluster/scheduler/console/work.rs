//! New shops, and what is done in their namespaces: a person makes one and sees what it lacks,
//! brings a list with bad rows, runs cron, and puts a backup back.

use super::{Console, LONG, Scheduler};
use crate::scheduler::played;
use e2e::cluster::{Cluster, eventually};
use serde_json::{Value, json};

/// A place for backups that nobody reads: what matters here is the Job.
const BACKUPS: &str = "registry.example/longshore/backup@sha256:\
                       e01806e439f86d89742c75210c68127fda7b8ce151364f96f9f55bff6fbd5ce6";

/// Classes whose pods are played, of an application and of Magento.
pub(super) fn classes(scheduler: &Scheduler<'_>) {
    let backup = json!({ "image": BACKUPS, "bucket": "s3://backups/prod" });
    scheduler.class("played", &json!({ "overlay": played(), "backup": backup }));
    let magento = json!({ "engine": "Magento2", "overlay": played(), "backup": backup });
    scheduler.class("magento", &magento);
}

pub(super) fn a_download_is_noted(cluster: &Cluster) {
    let note = r#"longshore.dev/download-bytes={"fresh":79500000,"from":{"42":5400000}}"#;
    cluster.ask(&["annotate", "release", "shops-acme-43", note]);
}

/// What `longshore release resource` notes on a Release, the command and the pages say.
pub(super) fn a_download_is_told(scheduler: &Scheduler<'_>, cluster: &Cluster) {
    a_download_is_noted(cluster);
    let words = ["rollout", "start", "shops-acme-43", "--dry-run"];
    let told = scheduler.program(&words).run().expect(0).stdout;
    assert_eq!(
        told,
        "sequence 43 of shops/acme leaves the database as it is\n\
         60 shops from sequence 42: each pod downloads 5.4 MB\n"
    );
    let found = cluster.get(&["rollouts"]);
    assert_eq!(found["items"], json!([]), "nothing is started");
}

fn exists(cluster: &Cluster, shop: &str) -> bool {
    cluster.kubectl(["get", "shop", shop]).run().code() == Some(0)
}

/// From the table to a shop that is served: three clicks, and the Secret that its page asks for.
pub(super) fn a_shop_is_made(console: &mut Console<'_>, cluster: &Cluster) {
    let browser = &mut console.browser;
    browser.visit("/new");
    let taken = [
        ("name", "new-<script>"),
        ("class", "played"),
        ("domains", "c000.example"),
        ("database", "db/c001"),
        ("media", "nas/c001/sub"),
    ];
    browser.submit("Show the plan", &taken);
    assert!(
        browser.page.contains("is not a channel") && !browser.page.contains("new-<script>"),
        "{}",
        browser.page
    );
    browser.submit(
        "Show the plan",
        &[("name", "new"), ("channel", "shops/acme")],
    );
    for said in [
        "host c000.example belongs to shop c000",
        "database c001 of 192.168.7.10:3306 belongs to shop c001",
        "which is in it or around it, belongs to shop c001",
    ] {
        assert!(browser.page.contains(said), "{said}: {}", browser.page);
    }
    assert!(!exists(cluster, "new"));

    browser.visit("/shops");
    browser.clicks = 0;
    browser.click("New shop");
    let good = [
        ("name", "new"),
        ("class", "played"),
        ("channel", "shops/acme"),
        ("domains", "www.new.example\nnew.example"),
        ("database", "db/new"),
        ("media", "nas/new"),
    ];
    browser.submit("Show the plan", &good);
    for said in [
        "Shop new <em>is created</em>",
        "Deployment web in shop-new <em>is created</em>",
        "<code>database-password</code>: missing",
    ] {
        assert!(browser.page.contains(said), "{said}: {}", browser.page);
    }
    assert!(!exists(cluster, "new"), "a plan stores nothing");
    browser.submit("Create the shop", &[("why", "a new customer")]);
    assert_eq!(
        (browser.clicks, browser.path.as_str()),
        (3, "/shops/new"),
        "{}",
        browser.page
    );
    console.sees("Secret shop-new/new-env lacks database-user, database-password");
    let secret = [
        "create",
        "secret",
        "generic",
        "new-env",
        "--namespace",
        "shop-new",
    ];
    let keys = [
        "--from-literal=database-user=new",
        "--from-literal=database-password=hunter2",
    ];
    eventually("the namespace of the new shop", LONG, || {
        let made = cluster.kubectl(secret.iter().chain(&keys).copied()).run();
        (made.code() == Some(0)).then_some(())
    });
    console.sees("served; pods: 2/2");
    let page = &console.browser.page;
    assert!(
        !page.contains("lacks") && !page.contains("hunter2"),
        "{page}"
    );
}

/// Each bad row is told, nothing is stored; then two at once.
pub(super) fn a_list_is_imported(console: &mut Console<'_>, cluster: &Cluster) {
    let browser = &mut console.browser;
    browser.visit("/shops");
    browser.clicks = 0;
    browser.click("Import a list");
    let header = "name,domain,class,channel,state,secret,database,media";
    let rest = "played,shops/acme,Suspended,env,db,nas";
    let bad = format!(
        "{header}\nlist-a,list-a.example,{rest}\nlist-b,LIST-B.example,{rest}\n\
         c000,other.example,{rest}\nlist-c,list-a.example,{rest}\n<script>,x.example,{rest}"
    );
    browser.submit("Show the plan", &[("list", &bad)]);
    for said in [
        "line:3: list-b: spec.domains[0].host: &#34;LIST-B.example&#34; is not a host name",
        "line:4: c000: shop c000 is there already",
        "line:5: list-c: host list-a.example belongs to shop list-a, of line 2",
        "line:6: &#60;script&#62;: ",
    ] {
        assert!(browser.page.contains(said), "{said}: {}", browser.page);
    }
    assert!(!exists(cluster, "list-a"));
    let good = format!("{header}\nlist-a,list-a.example,{rest}\nlist-b,list-b.example,{rest}");
    browser.submit("Show the plan", &[("list", &good)]);
    assert!(
        browser.page.contains("<h2>2 shops</h2>"),
        "{}",
        browser.page
    );
    browser.submit("Create the shops", &[("why", "the list")]);
    assert_eq!(browser.clicks, 4, "{}", browser.page);
    assert!(
        browser.page.contains("2 of 2 shops are created"),
        "{}",
        browser.page
    );
    assert!(exists(cluster, "list-a") && exists(cluster, "list-b"));
}

fn job(cluster: &Cluster, namespace: &str, path: &str) -> Value {
    let name = path.rsplit('/').next().unwrap();
    cluster.get(&["job", name, "--namespace", namespace])
}

/// Only a shop that is closed is restored, by whoever types its name.
pub(super) fn a_backup_is_put_back(console: &mut Console<'_>, cluster: &Cluster) {
    let browser = &mut console.browser;
    browser.visit("/shops/new");
    browser.click("Restore");
    assert!(
        browser.page.contains("Not now: shop new is Active") && !browser.offers("Restore"),
        "{}",
        browser.page
    );
    browser.click("State");
    browser.submit("Show the plan", &[("state", "Maintenance")]);
    browser.submit("Apply", &[("why", "prices are lost")]);
    eventually("the scheduler closed it, and cron has ended", LONG, || {
        browser.visit("/shops/new/restore");
        if !browser.offers("Restore") {
            return None;
        }
        let wrong = [("confirmed", "news"), ("backup", "2026-12-01T02-10-33Z")];
        browser.submit("Restore", &wrong);
        assert!(browser.page.contains("type new to overwrite its database"));
        browser.submit(
            "Restore",
            &[("confirmed", "new"), ("why", "prices are lost")],
        );
        let ends = browser.page.contains("still read or write its database");
        (!ends).then_some(())
    });
    let lacks = "Secret shop-new/backup-reader lacks access-key-id, secret-access-key";
    assert!(browser.page.contains(lacks), "{}", browser.page);
    let secret = [
        "create",
        "secret",
        "generic",
        "backup-reader",
        "--namespace",
        "shop-new",
    ];
    let keys = [
        "--from-literal=access-key-id=a",
        "--from-literal=secret-access-key=b",
    ];
    cluster.ask(&[&secret[..], &keys].concat());
    browser.submit("List the backups", &[]);
    assert!(
        browser.path.starts_with("/shops/new/jobs/restore-"),
        "{}",
        browser.page
    );
    let list = job(cluster, "shop-new", &browser.path);
    let command = |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["command"].clone();
    assert_eq!(command(&list), json!(["longshore-restore", "--list"]));
    // It reads, as a backup does: nothing overwrites what it lists.
    cluster.ask(&[
        "delete",
        "job",
        "--all",
        "--namespace",
        "shop-new",
        "--wait=true",
    ]);
    eventually("a restore that begins", LONG, || {
        browser.visit("/shops/new/restore");
        let fill = [
            ("confirmed", "new"),
            ("backup", "2026-12-01T02-10-33Z"),
            ("why", "prices are lost"),
        ];
        browser.submit("Restore", &fill);
        browser.path.contains("/jobs/").then_some(())
    });
    let restore = job(cluster, "shop-new", &browser.path);
    let expected = json!(["longshore-restore", "2026-12-01T02-10-33Z"]);
    assert_eq!(command(&restore), expected);
    assert!(browser.page.contains("It runs.") || browser.page.contains("It is done."));
}

/// Cron runs now while the scheduler lets it run, and not otherwise.
pub(super) fn cron_runs_now(
    scheduler: &Scheduler<'_>,
    console: &mut Console<'_>,
    cluster: &Cluster,
) {
    let services = json!({ "database": { "ref": "db", "name": "mage" }, "media": { "ref": "nas", "path": "/mage" } });
    let more = json!({ "services": services });
    scheduler.apply(&e2e::fleet::shop("mage", "magento", &more));
    console.sees_at("/shops/mage", "Run cron now");
    eventually("cron that waits for the first migration", LONG, || {
        let browser = &mut console.browser;
        browser.visit("/shops/mage");
        browser.submit("Run cron now", &[]);
        (browser.code == 400 && browser.page.contains("cron of shop mage is stopped")).then_some(())
    });
    let migrated = r#"{"status":{"migrated":42}}"#;
    let patch = [
        "patch",
        "shop",
        "mage",
        "--subresource=status",
        "--type=merge",
        "--patch",
        migrated,
    ];
    cluster.ask(&patch);
    let browser = &mut console.browser;
    eventually("cron that may run", LONG, || {
        browser.visit("/shops/mage");
        browser.clicks = 0;
        browser.submit("Run cron now", &[]);
        browser
            .path
            .starts_with("/shops/mage/jobs/cron-")
            .then_some(())
    });
    assert_eq!(browser.clicks, 1);
    let cron = job(cluster, "shop-mage", &browser.path);
    let command = cron["spec"]["template"]["spec"]["containers"][0]["command"][2].as_str();
    assert!(
        command.unwrap().ends_with("bin/magento cron:run"),
        "{command:?}"
    );
}
