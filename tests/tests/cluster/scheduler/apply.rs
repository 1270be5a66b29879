//! `plan` and `apply` beside a scheduler: what was shown is done, and it stays.

use super::{Scheduler, condition, example, shop};
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

#[test]
fn what_apply_does_a_running_scheduler_keeps() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shop("a", "php-plain", &json!({ "state": "Suspended" })));
    let running = scheduler.start();
    scheduler.converged(1);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (class, plan) = (path("class.yaml"), path("plan.json"));
    let write = |weight: &str| {
        let text =
            example("plain/class.yaml").replace("priority: Idle", &format!("priority: {weight}"));
        cluster
            .program("tee")
            .arg(&class)
            .input(text)
            .run()
            .expect(0);
    };
    let priority = || {
        cluster.get(&["deployment", "web", "--namespace", "shop-a"])["spec"]["template"]["spec"]
            ["priorityClassName"]
            .clone()
    };
    write("Gold");

    shows(&scheduler, &class, &plan);
    assert_eq!(priority(), "longshore-idle");
    refuses_files_alone(&cluster, &scheduler, folder.path());

    // The world moves: what was reviewed is not done, unless somebody says so.
    cluster.ask(&[
        "patch",
        "shopclass",
        "php-plain",
        "--type=merge",
        "--patch",
        r#"{"spec":{"disk":{"temporary":"128Mi"}}}"#,
    ]);
    let moved = scheduler.program(&["apply", &class, "--plan", &plan]).run();
    assert!(
        moved.stderr.contains("the plan no longer holds")
            && moved.stderr.contains("[reason: moved]"),
        "{}",
        moved.stderr
    );
    assert_eq!(priority(), "longshore-idle");
    let told = scheduler
        .program(&[
            "apply",
            &class,
            "--plan",
            &plan,
            "--even-if-moved",
            "--take-over",
        ])
        .run()
        .expect(0)
        .stdout;
    assert!(told.starts_with("stored: 1 resource\napplied: "), "{told}");

    // Controller and apply agree: nothing is put back.
    assert_eq!(priority(), "longshore-gold");
    eventually("a look at the shop", Duration::from_mins(1), || {
        let found = cluster.get(&["shop", "a"]);
        (condition(&found, "Applied") == Some("True") && scheduler.metric("queue_shops") == Some(0))
            .then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        (
            priority(),
            cluster.get(&["shopclass", "php-plain"])["spec"]["priority"].clone()
        ),
        ("longshore-gold".into(), "Gold".into())
    );
    let again = scheduler.program(&["plan", &class]).run().expect(0).stdout;
    assert_eq!(
        again,
        "plan: 0 objects to create, 0 to change, 0 to adopt, 0 to delete; 1 shop unchanged\n"
    );
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

/// As text, as a diff and for programs; nothing is stored.
fn shows(scheduler: &Scheduler<'_>, class: &str, plan: &str) {
    let text = scheduler.program(&["plan", class]).run().expect(0).stdout;
    assert!(
        text.starts_with("registry\n  ~ ShopClass php-plain: spec.priority Idle → Gold\n"),
        "{text}"
    );
    assert!(
        text.contains("~ Deployment web: spec.template.spec.priorityClassName"),
        "{text}"
    );
    let diff = scheduler
        .program(&["plan", class, "--output", "diff"])
        .run()
        .expect(0)
        .stdout;
    assert!(
        diff.contains("@@ spec.priority @@\n-Idle\n+Gold\n")
            && diff.contains("+++ b/Deployment/shop-a/web\n"),
        "{diff}"
    );
    let shown = scheduler
        .program(&["plan", class, "--output", "json", "--save", plan])
        .run()
        .expect(0)
        .stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (
            &shown["resources"][0]["action"],
            &shown["shops"]["a"][0]["action"]
        ),
        (&"change".into(), &"change".into())
    );
}

/// Files alone, beside a scheduler that would undo it.
fn refuses_files_alone(cluster: &Cluster, scheduler: &Scheduler<'_>, folder: &Path) {
    let class = folder.join("class.yaml").display().to_string();
    let release = folder.join("release.yaml").display().to_string();
    cluster
        .program("tee")
        .arg(&release)
        .input(example("release.yaml"))
        .run()
        .expect(0);
    let shops = folder.join("shop.json").display().to_string();
    cluster
        .program("tee")
        .arg(&shops)
        .input(shop("a", "php-plain", &json!({ "state": "Suspended" })))
        .run()
        .expect(0);
    let refused = scheduler
        .program(&["apply", &class, &release, &shops, "--only-files"])
        .run();
    assert!(
        refused
            .stderr
            .contains("holds the Lease longshore-system/longshore-scheduler,"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("[reason: config]"),
        "{}",
        refused.stderr
    );
}
