//! What trees lead to outside of the release root: what the shop writes, and its configuration,
//! under the real init and agent.

use crate::agent::Pod;
use e2e::{
    pod::runs,
    process::Program,
    shop::{self, Shop},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

const CONFIG: &str = "app/etc/local.xml";

fn describe(shop: &Shop) {
    let toml = fs::read_to_string(shop.path("longshore.toml")).unwrap();
    let toml = toml.replace(
        "shared = [\"media\"]",
        "shared = [\"app/etc/local.xml\", \"media\", \"var/export\", \"var/import\"]",
    );
    let toml = toml.replace(
        "[\"var/cache\"]",
        "[\"var\", { path = \"sessions\", keep = true }]",
    );
    fs::write(shop.path("longshore.toml"), toml).unwrap();
    for (path, text) in [
        (
            "app/templates.json",
            "{\"app/etc/local.xml\": \"local.xml\"}",
        ),
        (
            "app/local.xml",
            "<prefix>acme_@release@_</prefix><key><![CDATA[@secret:crypt-key@]]></key>",
        ),
        ("secret/crypt-key", "hunter2\n"),
        ("mnt/var/export/before.csv", "orders"),
    ] {
        fs::create_dir_all(shop.path(path).parent().unwrap()).unwrap();
        fs::write(shop.path(path), text).unwrap();
    }
}

// With the places of the rendered pods.
fn placed(shop: &Shop, program: Program) -> Program {
    program.envs([
        ("LONGSHORE_STORAGE", shop.path("mnt")),
        ("LONGSHORE_WRITABLE", shop.path("writable")),
        ("LONGSHORE_TEMPLATES", shop.path("app")),
        ("LONGSHORE_SECRETS", shop.path("secret")),
        ("LONGSHORE_CONFIGURED", shop.path("configured")),
    ])
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

// The tree that is current, and its short name.
fn running(shop: &Shop) -> (PathBuf, String) {
    let tree = fs::canonicalize(shop.path("pod/current")).unwrap();
    let short = tree.file_name().unwrap().to_str().unwrap().to_owned();
    (tree, short)
}

#[track_caller]
fn is_configured(tree: &Path) {
    let short = tree.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(tree.join(CONFIG)).unwrap();
    assert_eq!(
        text,
        format!("<prefix>acme_{short}_</prefix><key><![CDATA[hunter2]]></key>")
    );
}

#[test]
fn each_release_has_its_own_writable_directories_and_configuration() {
    let mut pod = Pod::bare();
    describe(&pod.shop);
    let release = |pod: &Pod, name: &str| {
        fs::create_dir_all(pod.shop.module(0).join("var/log")).unwrap();
        fs::write(pod.shop.module(0).join("var/.htaccess"), "deny").unwrap();
        fs::write(pod.shop.module(0).join("marker.php"), name).unwrap();
        pod.shop.publish()["sequence"].as_u64().unwrap()
    };
    release(&pod, "1");
    placed(&pod.shop, pod.shop.init("pod")).run().expect(0);
    let (first, _) = running(&pod.shop);
    is_configured(&first);
    for (path, text) in [
        ("var/cache/page", "of 1"),
        ("sessions/sess_1", "a cart"),
        ("var/export/new.csv", "more orders"),
    ] {
        fs::create_dir_all(first.join(path).parent().unwrap()).unwrap();
        fs::write(first.join(path), text).unwrap();
    }
    // What the shop writes is not in the tree, which its containers cannot write.
    assert!(first.join("var").is_symlink() && !pod.shop.path("pod/kept").exists());
    assert_eq!(
        names(&pod.shop.path("mnt/var/export")),
        BTreeSet::from(["before.csv".into(), "new.csv".into()])
    );

    let program = placed(&pod.shop, pod.program()).env("LONGSHORE_POLL", "1s");
    pod.start(program);
    let second = release(&pod, "2");
    pod.agent.until("release 2 runs", runs(second));
    let (tree, _) = running(&pod.shop);
    is_configured(&tree);
    is_configured(&first);
    assert!(tree.join("var/.htaccess").exists() && !tree.join("var/cache").exists());
    assert_eq!(
        fs::read_to_string(tree.join("sessions/sess_1")).unwrap(),
        "a cart"
    );
    assert_eq!(
        fs::read_to_string(tree.join("var/export/new.csv")).unwrap(),
        "more orders"
    );
    fs::create_dir(tree.join("var/cache")).unwrap();
    fs::write(tree.join("var/cache/page"), "of 2").unwrap();

    // Back: the first release finds its own.
    fs::write(pod.shop.module(0).join("marker.php"), "1").unwrap();
    let third = release(&pod, "1");
    pod.agent.until("release 1 runs again", runs(third));
    assert_eq!(running(&pod.shop).0, first);
    assert_eq!(
        fs::read_to_string(first.join("var/cache/page")).unwrap(),
        "of 1"
    );

    // A hostile shop: links and endless depth in what is removed next, of which nothing is
    // followed.
    let outside = pod.shop.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("photo"), "x").unwrap();
    for place in [&tree, &first] {
        symlink(&outside, place.join("var/link")).unwrap();
        let deep = place.join("var").join("d/".repeat(300));
        fs::create_dir_all(&deep).unwrap();
        symlink(&outside, deep.join("link")).unwrap();
    }
    let (fourth, fifth) = (release(&pod, "4"), release(&pod, "5"));
    assert!(fourth < fifth);
    pod.agent.until("release 5 runs", runs(fifth));
    let sixth = release(&pod, "6");
    pod.agent.until("release 6 runs", runs(sixth));
    let trees: BTreeSet<_> = names(&pod.shop.path("pod/releases"))
        .into_iter()
        .filter(|name| !name.contains('.'))
        .collect();
    assert_eq!(trees.len(), 2);
    assert_eq!(names(&pod.shop.path("configured")), trees);
    let mut writable = names(&pod.shop.path("writable"));
    assert!(writable.remove("kept"));
    assert_eq!(writable, trees);
    assert_eq!(names(&outside), BTreeSet::from(["photo".into()]));
    assert_eq!(
        fs::read_to_string(running(&pod.shop).0.join("sessions/sess_1")).unwrap(),
        "a cart"
    );
    // Whoever removes all of the pod's disk leaves the shared directories.
    pod.agent.end();
    for directory in ["pod", "writable", "configured"] {
        fs::remove_dir_all(pod.shop.path(directory)).unwrap();
    }
    assert_eq!(names(&pod.shop.path("mnt/var/export")).len(), 2);
}

#[test]
fn volumes_that_were_lost_are_filled_again_for_each_tree() {
    let shop = Shop::on_disk(1, 3);
    describe(&shop);
    fs::create_dir_all(shop.module(0).join("var")).unwrap();
    fs::write(shop.module(0).join("var/.htaccess"), "deny").unwrap();
    let mut trees = Vec::new();
    for name in ["1", "2"] {
        fs::write(shop.module(0).join("marker.php"), name).unwrap();
        shop.publish();
        placed(&shop, shop.init("pod")).run().expect(0);
        trees.push(running(&shop).0);
    }
    fs::write(trees[1].join("sessions/sess_1"), "a cart").unwrap();
    // A node that was started again: memory is lost, and the store is away. Then a pod whose disk
    // is another, but for the trees.
    for lost in [&["configured"][..], &["configured", "writable"]] {
        for lost in lost {
            fs::remove_dir_all(shop.path(lost)).unwrap();
        }
        assert!(!trees[0].join(CONFIG).exists());
        placed(&shop, shop.init("pod")).run().expect(0);
        for tree in &trees {
            is_configured(tree);
            assert_eq!(
                fs::read_to_string(tree.join("var/.htaccess")).unwrap(),
                "deny"
            );
            assert!(tree.join("var/export").is_symlink() && tree.join("sessions").is_dir());
        }
        assert_eq!(trees[1].join("sessions/sess_1").exists(), lost.len() == 1);
    }
    // What is of no tree goes, whoever put it there.
    for stray in [
        "writable/0000000000000000/var",
        "configured/0000000000000000",
    ] {
        fs::create_dir_all(shop.path(stray)).unwrap();
    }
    placed(&shop, shop.init("pod")).run().expect(0);
    assert_eq!(
        (
            names(&shop.path("writable")).len(),
            names(&shop.path("configured")).len()
        ),
        (3, 2)
    );
}

#[test]
fn a_missing_secret_is_named_by_init_and_by_the_agent() {
    let mut pod = Pod::bare();
    describe(&pod.shop);
    pod.shop.publish();
    fs::rename(
        pod.shop.path("secret/crypt-key"),
        pod.shop.path("secret/other"),
    )
    .unwrap();
    let outcome = placed(&pod.shop, pod.shop.init("pod")).run().expect(64);
    let event = shop::last_event(&outcome);
    assert_eq!(event["reason"], "secret", "{event}");
    assert!(
        event
            .to_string()
            .contains("the shop's Secret has no key crypt-key, which app/etc/local.xml needs"),
        "{event}"
    );
    assert!(!pod.shop.path("pod/current").exists());

    fs::rename(
        pod.shop.path("secret/other"),
        pod.shop.path("secret/crypt-key"),
    )
    .unwrap();
    placed(&pod.shop, pod.shop.init("pod")).run().expect(0);
    let program = placed(&pod.shop, pod.program()).env("LONGSHORE_POLL", "1s");
    pod.start(program);
    // A template that needs more than the Secret has, as a class that is ahead of it.
    fs::write(pod.shop.path("app/local.xml"), "@secret:amqp-password@").unwrap();
    pod.shop.edit(0, 7, 1.0);
    pod.shop.publish();
    let status = pod.agent.until("it is told", |status| {
        status["lastError"]["reason"] == "secret"
    });
    assert!(
        status["lastError"]
            .to_string()
            .contains("no key amqp-password"),
        "{status}"
    );
    assert_eq!(status["running"]["sequence"], 1);
    fs::write(pod.shop.path("secret/amqp-password"), "x").unwrap();
    pod.agent.until("release 2 runs", runs(2));
    let outcome = pod.agent.end();
    for told in [&outcome.stderr, &status.to_string(), &event.to_string()] {
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn places_that_cannot_be_are_refused() {
    let shop = Shop::on_disk(1, 3);
    describe(&shop);
    shop.publish();
    let inside = placed(&shop, shop.init("pod"))
        .env("LONGSHORE_WRITABLE", shop.path("pod/writable"))
        .run()
        .expect(64);
    assert!(
        inside.stderr.contains("are within one another") && inside.stderr.contains("workspace"),
        "{inside:#?}"
    );
    let alone = shop
        .init("pod")
        .env("LONGSHORE_TEMPLATES", shop.path("app"))
        .run()
        .expect(64);
    assert!(
        alone.stderr.contains("LONGSHORE_CONFIGURED is not set"),
        "{alone:#?}"
    );
}
