//! Commands that look at what is published: `root why`, `diff`, `gc` and `release export`.

use crate::commands::{asked, refused};
use e2e::{
    s3::{Operation, Options, Server},
    shop::{Shop, last_event},
    tree,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn why_says_what_runs_and_why_nothing_newer_does() {
    let shop = Shop::on_disk(1, 5);
    shop.publish();
    fs::create_dir(shop.path("pod")).unwrap();
    assert_eq!(
        asked(&shop, &["root", "why", "pod"])["running"],
        Value::Null
    );
    shop.init("pod").run().expect(0);
    shop.edit(0, 1, 1.0);
    shop.publisher()
        .args(["--expires-after", "1s"])
        .run()
        .expect(0);
    let why = asked(&shop, &["root", "why", "pod"]);
    assert_eq!(
        (
            &why["running"]["sequence"],
            &why["newer"]["sequence"],
            &why["newer"]["refused"]
        ),
        (&1.into(), &2.into(), &Value::Null)
    );
    assert!(
        why["verdict"]
            .as_str()
            .unwrap()
            .contains("the next pull activates it"),
        "{why}"
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let why = asked(&shop, &["root", "why", "pod"]);
    assert_eq!(
        (&why["newer"]["refused"], why["newer"]["hint"].is_string()),
        (&"expired".into(), true)
    );
    assert_eq!(
        asked(&shop, &["root", "why", "pod", "--floor", "3"])["newer"]["refused"],
        "rollback"
    );
}

#[test]
fn diff_names_the_changed_files_and_what_a_pod_downloads() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 3, 400);
    shop.publish();
    shop.init("pod").run().expect(0);
    let mut expected: BTreeSet<(String, String)> = shop
        .edit(1, 3, 0.01)
        .iter()
        .map(|path| ("changed".into(), place(1, path)))
        .collect();
    fs::write(shop.module(1).join("new.php"), "<?php // new").unwrap();
    let gone = tree::snapshot(&shop.module(2))
        .unwrap()
        .into_iter()
        .find(|(_, entry)| matches!(entry.kind, tree::Kind::File { .. }))
        .unwrap()
        .0;
    fs::remove_file(shop.module(2).join(&gone)).unwrap();
    expected.extend([
        ("added".into(), place(1, "new.php")),
        ("removed".into(), place(2, gone)),
    ]);
    shop.publish();

    let diff = asked(&shop, &["diff", "1", "2"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = diff["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (text(&file["change"]), text(&file["path"])));
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
    let modules: Vec<_> = diff["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| text(&module["module"]))
        .collect();
    assert_eq!(modules, ["vendor/module1", "vendor/module2"]);
    assert_eq!(
        asked(&shop, &["diff", "1", "2", "--modules-only"])["files"],
        Value::Array(Vec::new())
    );

    // Whoever plans a rollout in a cluster is told the same.
    let resource = shop.longshore(["release", "resource"]).expect(0).stdout;
    let resource: Value = serde_json::from_str(&resource).unwrap();
    let note = &resource["metadata"]["annotations"]["longshore.dev/download-bytes"];
    let note: Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
    let expected =
        serde_json::json!({ "fresh": diff["downloadFresh"], "from": { "1": diff["download"] } });
    assert_eq!(note, expected);

    // A pod reads the release object and the manifest besides.
    let manifest = text(&asked(&shop, &["release", "show"])["manifest"]);
    let besides = [
        "channels/shops/acme/release.json".to_owned(),
        format!("blobs/sha256/{manifest}"),
    ];
    let besides: usize = besides
        .iter()
        .map(|key| server.get(&format!("prod/{key}")).unwrap().len())
        .sum();
    for (pod, field) in [("pod", "download"), ("fresh", "downloadFresh")] {
        server.reset_stats();
        let pulled = last_event(&shop.init(pod).run().expect(0));
        let expected = diff[field].as_u64().unwrap() + besides as u64;
        assert_eq!(
            pulled["downloaded_bytes"], expected,
            "{pod}: {diff} {pulled}"
        );
        // On the wire are headers, too: some hundred bytes for each of a handful of answers.
        let sent = server.stats().bytes_sent;
        assert!(
            (expected..expected + 16_384).contains(&sent),
            "{pod}: {sent} bytes were sent, expected {expected} and headers"
        );
    }
}

/// Where a file of a module lands in the release.
fn place(module: usize, path: impl AsRef<Path>) -> String {
    format!("app/code/module{module}/{}", path.as_ref().display())
}

#[test]
fn gc_deletes_what_no_kept_release_needs_and_nothing_else() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 2, 10);
    for round in 0..4 {
        shop.edit(0, round, 1.0);
        shop.publish();
    }
    let all = server.keys();
    assert_eq!(
        asked(&shop, &["gc", "--keep", "2"])["unneeded"],
        Value::Array(Vec::new()),
        "all are younger than seven days"
    );
    // S3 dates objects by the second.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let arguments = ["gc", "--keep", "2", "--younger-than", "1s"];
    let found = asked(&shop, &arguments);
    assert_eq!(
        (
            &found["deleted"],
            found["unneeded"].as_array().unwrap().len()
        ),
        (&false.into(), 4),
        "two tarballs, two manifests: {found}"
    );
    assert_eq!(
        server.keys(),
        all,
        "without --delete it only says what would go"
    );
    assert_eq!(server.stats().count(Operation::DeleteObject), 0);
    let deleted = asked(&shop, &[&arguments[..], &["--delete"]].concat());
    assert_eq!(deleted["unneeded"], found["unneeded"]);
    let gone: BTreeSet<_> = found["unneeded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|blob| format!("prod/{}", blob["key"].as_str().unwrap()))
        .collect();
    assert_eq!(
        server.keys(),
        all.into_iter()
            .filter(|key| !gone.contains(key))
            .collect::<Vec<_>>()
    );

    assert_eq!(
        asked(&shop, &arguments)["unneeded"],
        Value::Array(Vec::new())
    );
    for kept in ["3", "4"] {
        shop.longshore(["verify", kept, "--deep"]).expect(0);
        shop.longshore(["pull", "--sequence", kept, kept]).expect(0);
    }
    refused(shop.longshore(["verify", "1"]), 69, "object-missing");
}

#[test]
fn an_exported_release_is_a_store_of_its_own() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 2, 10);
    shop.publish();
    shop.init("pod").run().expect(0);
    let exported = asked(&shop, &["release", "export", "--out", "copy"]);
    assert_eq!(
        (&exported["sequence"], &exported["blobs"]),
        (&1.into(), &3.into())
    );
    drop(server);
    let copy = format!("file://{}", shop.path("copy").display());
    let pulled = asked(&shop, &["pull", "--store", &copy, "laptop"]);
    assert_eq!(
        (&pulled["outcome"], &pulled["files"]),
        (&"fresh".into(), &20.into())
    );
    assert_eq!(shop.current("laptop"), shop.current("pod"));
    assert_eq!(
        asked(&shop, &["pull", "--store", &copy, "laptop"])["outcome"],
        "already-active"
    );
    shop.longshore(["verify", "--store", &copy, "--deep"])
        .expect(0);
}
