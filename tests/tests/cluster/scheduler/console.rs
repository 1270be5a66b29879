//! The console, as a person without scripts uses it: on a real API server, beside a real scheduler,
//! with the rights of a service account.

mod browser;
mod faults;
mod login;
mod record;
mod work;

use super::{LONG, Scheduler, release, shops};
use browser::Browser;
use e2e::{
    cluster::{Cluster, eventually},
    peers::required,
    process::{Running, binary},
};
use record::{audited, logged, named, writes, written};
use serde_json::{Value, json};
use std::path::Path;

/// Shops of the registry.
const SHOPS: usize = 60;
/// Who manages shops, and who looks on.
const PEOPLE: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: viewer, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: console-viewer}
rules:
  - {apiGroups: [longshore.dev], resources: ['*'], verbs: [get, list, watch]}
  - {apiGroups: [''], resources: [configmaps, pods], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: console-viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: console-viewer}
subjects: [{kind: ServiceAccount, name: viewer, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: console-manager}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: manager, namespace: default}]
";

/// The console of a person, and that person's browser.
struct Console<'a> {
    running: Running,
    address: String,
    browser: Browser<'a>,
}

impl<'a> Console<'a> {
    fn start(scheduler: &'a Scheduler<'a>, person: &str) -> Self {
        let cluster = scheduler.cluster;
        let token = cluster.ask(&["create", "token", person, "--duration", "1h"]);
        let view = ["config", "view", "--raw", "--minify", "--output", "json"];
        let mut config: Value = serde_json::from_str(&cluster.ask(&view)).unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        let kubeconfig = scheduler.scratch.path().join(person);
        cluster
            .program("tee")
            .arg(&kubeconfig)
            .input(config.to_string())
            .run()
            .expect(0);
        let program = binary("longshore-console").display().to_string();
        let mut running = cluster
            .program(&program)
            .args(["--port", "0"])
            .env("KUBECONFIG", &kubeconfig)
            .deadline(LONG)
            .start();
        let line = running.first_line();
        let address = line.strip_prefix("Open ").unwrap().trim().to_owned();
        let jar = scheduler.scratch.path().join(format!("{person}.jar"));
        let mut browser = Browser::open(cluster, &address, jar);
        eventually("the registry is read", LONG, || {
            browser.reload();
            (browser.code == 200).then_some(())
        });
        Self {
            running,
            address,
            browser,
        }
    }

    /// Opens a page again until it says this.
    #[track_caller]
    fn sees_at(&mut self, path: &str, text: &str) {
        path.clone_into(&mut self.browser.path);
        self.sees(text);
    }

    /// Loads the page again until it says this.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let browser = &mut self.browser;
        eventually(&format!("{} says {text:?}", browser.path), LONG, || {
            browser.reload();
            browser.page.contains(text).then_some(())
        });
    }
}

fn told(cluster: &Cluster, shop: &str) -> Value {
    cluster.get(&["shop", shop])["status"]["release"]["sequence"].clone()
}

/// From the shop's page to a rollout: the plan, and the start. Then back: the rollout, and the
/// word.
fn a_shop_is_updated_and_taken_back(console: &mut Console<'_>, cluster: &Cluster) {
    let browser = &mut console.browser;
    browser.visit("/shops/c000");
    browser.clicks = 0;
    browser.click("Update to 43");
    assert!(
        browser.page.contains("ConfigMap release in shop-c000"),
        "{}",
        browser.page
    );
    let download = "leaves the database as it is. Each pod downloads 5.4 MB.";
    assert!(browser.page.contains(download), "{}", browser.page);
    browser.submit("Start", &[("why", "new checkout")]);
    assert_eq!((browser.clicks, browser.code), (2, 200), "{}", browser.page);
    assert_eq!(browser.path, "/rollouts/shops-acme-43-c000");
    assert!(browser.page.contains("c000 moves to shops-acme-43."));
    console.sees("1 of 1 shops run it");
    assert_eq!(told(cluster, "c000"), 43);
    assert_eq!(told(cluster, "c001"), 42);
    console.sees(">Promote</button>");
    console.browser.submit("Promote", &[]);
    console.sees(">Completed</span>");

    let browser = &mut console.browser;
    browser.visit("/shops/c000");
    browser.clicks = 0;
    browser.click("Go back to 42");
    browser.submit("Go back", &[("why", "prices are wrong")]);
    assert_eq!((browser.clicks, browser.code), (2, 200), "{}", browser.page);
    console.sees(">Aborted</span>");
    assert_eq!(told(cluster, "c000"), 42);
    let browser = &mut console.browser;
    browser.visit("/audit?q=prices");
    let said = [
        "aborted",
        "system:serviceaccount:default:manager",
        "prices are wrong",
    ];
    assert!(
        said.iter().all(|word| browser.page.contains(word)),
        "{}",
        browser.page
    );
}

/// A field, its plan, and what the API server refuses; and two people at once.
fn a_shop_is_changed(console: &mut Console<'_>, cluster: &Cluster) {
    let most = || cluster.get(&["shop", "c001"])["spec"]["scale"]["max"].clone();
    let before = most();
    let browser = &mut console.browser;
    browser.visit("/shops/c001");
    browser.click("Scale and campaigns");
    browser.submit("Show the plan", &[("min", "7"), ("max", "3")]);
    assert!(
        browser.page.contains("min is at most max"),
        "{}",
        browser.page
    );
    assert!(browser.page.contains("value=\"7\""), "{}", browser.page);
    browser.submit("Show the plan", &[("min", "2"), ("max", "6")]);
    assert!(
        browser.page.contains("<code>spec.scale.max</code>"),
        "{}",
        browser.page
    );
    assert_eq!(most(), before);
    browser.submit("Apply", &[("why", "the sale")]);
    assert_eq!(browser.path, "/shops/c001", "{}", browser.page);
    assert_eq!(most(), 6);

    browser.visit("/shops/c002/edit/modules");
    browser.submit("Show the plan", &[("enable", "Acme_Loyalty")]);
    let other = r#"{"spec":{"modules":{"disable":["Acme_Other"]}}}"#;
    cluster.ask(&["patch", "shop", "c002", "--type=merge", "--patch", other]);
    browser.submit("Apply", &[]);
    assert_eq!(browser.code, 409, "{}", browser.page);
    assert!(browser.page.contains("was changed since it was shown"));
    let modules = &cluster.get(&["shop", "c002"])["spec"]["modules"];
    assert_eq!(modules, &json!({ "disable": ["Acme_Other"] }));
}

/// Chosen in the table, moved together.
fn many_are_rolled_out_together(console: &mut Console<'_>, cluster: &Cluster) {
    let browser = &mut console.browser;
    browser.visit("/shops?q=c01");
    assert!(browser.page.contains("10 of 60 shops"), "{}", browser.page);
    browser.visit("/rollouts/new?shop=c010&shop=c011");
    assert!(
        browser
            .page
            .contains("2 shops move: 2 from release 42 (each pod downloads 5.4 MB)."),
        "{}",
        browser.page
    );
    let waves = [
        ("waves", "100:1m"),
        ("why", "two first"),
        ("canaries", "c010"),
    ];
    browser.submit("Start", &waves);
    assert_eq!(browser.path, "/rollouts/shops-acme-43", "{}", browser.page);
    console.sees("canaries: c010");
    eventually("both moved, or the canary is watched", LONG, || {
        (told(cluster, "c010") == 43).then_some(())
    });
    assert_eq!(told(cluster, "c012"), 42);
    console.browser.reload();
    console.browser.submit("Pause", &[("why", "lunch")]);
    console.sees(">Paused</span>");
}

fn everything_is_halted(console: &mut Console<'_>, cluster: &Cluster) {
    let halt = [
        "get",
        "configmap",
        "longshore-halt",
        "--namespace",
        "longshore-system",
    ];
    let browser = &mut console.browser;
    browser.visit("/shops");
    browser.click("Halt");
    browser.submit("Halt everything", &[("why", "checkout fails")]);
    assert!(
        browser.page.contains("Halted: no shop is moved."),
        "{}",
        browser.page
    );
    let found = cluster.ask(&[&halt[..], &["--output", "json"]].concat());
    assert!(found.contains("checkout fails"), "{found}");
    browser.submit("Let rollouts go on", &[]);
    assert!(browser.page.contains("Rollouts go on."), "{}", browser.page);
    assert_ne!(cluster.kubectl(halt).run().code(), Some(0));
}

/// Who may not change anything is offered nothing, and is refused.
fn a_viewer_looks_on(scheduler: &Scheduler<'_>, cluster: &Cluster) {
    let mut console = Console::start(scheduler, "viewer");
    let browser = &mut console.browser;
    browser.visit("/shops/c003");
    assert_eq!(browser.code, 200);
    for text in [
        "Update to 43",
        "Scale and campaigns",
        "Modules",
        "Back up now",
        "Restore",
        "Run cron now",
    ] {
        assert!(!browser.offers(text), "{text}: {}", browser.page);
    }
    browser.visit("/shops");
    assert!(!browser.offers("New shop"), "{}", browser.page);
    browser.visit("/new");
    assert!(browser.page.contains("You may not make shops."));
    assert!(!browser.offers("Show the plan"), "{}", browser.page);
    browser.visit("/halt");
    assert!(!browser.offers("Halt everything"), "{}", browser.page);
    assert!(browser.page.contains("You may not halt the cluster."));
    browser.visit("/shops/c003/edit/state");
    assert!(browser.page.contains("You may not change this shop."));
    assert!(!browser.offers("Show the plan"), "{}", browser.page);
    assert_eq!(cluster.get(&["shop", "c003"])["spec"]["state"], "Suspended");
    console
        .running
        .signal(rustix::process::Signal::TERM)
        .unwrap();
    assert_eq!(console.running.wait().code(), Some(0));
}

#[test]
fn a_person_updates_changes_halts_and_goes_back_in_a_browser() {
    let cluster = Cluster::alone();
    let before = writes(&cluster, "manager").len();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("c", SHOPS));
    scheduler.apply(PEOPLE);
    work::classes(&scheduler);
    let running = scheduler.start();
    scheduler.converged(SHOPS);
    eventually("shops run the release of the example", LONG, || {
        (told(&cluster, "c059") == 42).then_some(())
    });
    scheduler.apply(&release(43, "none"));
    work::a_download_is_told(&scheduler, &cluster);

    let mut console = Console::start(&scheduler, "manager");
    assert!(console.browser.page.contains("60 of 60 shops, page 1 of 2"));
    console.sees("(43 is newer)");
    a_shop_is_updated_and_taken_back(&mut console, &cluster);
    a_shop_is_changed(&mut console, &cluster);
    many_are_rolled_out_together(&mut console, &cluster);
    work::a_shop_is_made(&mut console, &cluster);
    work::a_list_is_imported(&mut console, &cluster);
    work::a_backup_is_put_back(&mut console, &cluster);
    work::cron_runs_now(&scheduler, &mut console, &cluster);
    everything_is_halted(&mut console, &cluster);
    a_viewer_looks_on(&scheduler, &cluster);

    console
        .running
        .signal(rustix::process::Signal::TERM)
        .unwrap();
    let outcome = console.running.wait();
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    assert_eq!(
        logged(&outcome.stderr),
        audited(&cluster, before, "manager"),
        "{}",
        outcome.stderr
    );
    drop(running);
}

#[test]
#[ignore = "needs Chromium: make test-console"]
fn a_browser_shows_each_page_as_a_person_wants_it() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("c", SHOPS));
    scheduler.apply(PEOPLE);
    let running = scheduler.start();
    scheduler.converged(SHOPS);
    scheduler.apply(&release(43, "none"));
    let words = [
        "rollout",
        "start",
        "shops-acme-43",
        "--name",
        "shown",
        "--canary",
        "c007",
    ];
    let why = ["--why", "new checkout", "--by", "anna"];
    scheduler
        .program(&[&words[..], &why].concat())
        .run()
        .expect(0);

    let mut console = Console::start(&scheduler, "manager");
    console.sees("(43 is newer)");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    let looked = cluster
        .program(&required("look-at-console").display().to_string())
        .arg(&console.address)
        .arg(&out)
        .args(PAGES)
        .deadline(LONG)
        .run()
        .expect(0);
    println!("{}in {}: screenshots", looked.stdout, out.display());
    drop(running);
}

/// Pages that are looked at.
const PAGES: [&str; 17] = [
    "/shops",
    "/shops?q=nobody",
    "/shops/c007",
    "/shops/c007/watched",
    "/shops/c008/move?release=shops-acme-43",
    "/shops/c007/edit/state",
    "/shops/c007/edit/domains",
    "/shops/c007/restore",
    "/new",
    "/import",
    "/fleet",
    "/releases",
    "/rollouts",
    "/rollouts/shown",
    "/rollouts/new?release=shops-acme-43",
    "/audit",
    "/halt",
];
