//! `longshore init`: a description for a tree of each engine, with which `longshore pack` works at
//! once.

use e2e::shop::{Shop, json};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

fn write(tree: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

// What every tree of Composer has: two packages, one for development, and a lock that knows them.
const COMPOSER: [(&str, &str); 6] = [
    (
        "composer.json",
        r#"{"name": "acme/shop", "require": {"php": "~8.1.0||~8.2.0"}}"#,
    ),
    (
        "composer.lock",
        r#"{"packages": [{"name": "symfony/string", "version": "v6.4.2"}, {"name": "magento/product-community-edition", "version": "2.4.8"}],
            "packages-dev": [{"name": "phpunit/phpunit", "version": "9.6"}], "platform": {"php": "~8.1.0||~8.2.0"}}"#,
    ),
    (
        "vendor/composer/installed.json",
        r#"{"packages": [{"name": "symfony/string", "version": "v6.4.2", "install-path": "../symfony/string"},
            {"name": "phpunit/phpunit", "version": "9.6", "install-path": "../phpunit/phpunit"},
            {"name": "magento/product-community-edition", "version": "2.4.8", "install-path": null}]}"#,
    ),
    ("vendor/autoload.php", "<?php\n"),
    ("vendor/symfony/string/String.php", "<?php // string\n"),
    ("vendor/phpunit/phpunit/phpunit", "<?php // tests\n"),
];

// The manifest of what `init` described and `pack` packed, and what `init` warned of.
fn packed(shop: &Shop, engine: &str) -> (Value, String) {
    let outcome = shop
        .longshore([
            "init",
            "--engine",
            engine,
            "--channel",
            "shops/acme",
            "--output",
            "json",
            "src",
        ])
        .expect(0);
    let written = json(&outcome);
    assert_eq!(written["channel"], "shops/acme");
    let warnings = written["warnings"].to_string();
    let arguments = [
        "pack",
        "--spec",
        "src/longshore.toml",
        "--out",
        "out",
        "--sequence",
        "1",
        "--output",
        "json",
    ];
    let done = json(&shop.longshore(arguments).expect(0));
    assert_eq!(
        (&done["files"], &done["bytes"]),
        (&written["files"], &written["bytes"]),
        "init counted what pack packs"
    );
    let manifest = shop
        .path("out/blobs/sha256")
        .join(done["manifest"].as_str().unwrap());
    (
        serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap(),
        warnings,
    )
}

fn modules(manifest: &Value) -> Vec<(&str, &str, &str)> {
    let text = |value: &'_ Value| -> &str {
        value
            .as_str()
            .map_or("", |text| Box::leak(text.to_owned().into_boxed_str()))
    };
    manifest["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(&it["name"]), text(&it["version"]), text(&it["target"])))
        .collect()
}

// Every file that a pod would get.
fn files(shop: &Shop) -> BTreeSet<String> {
    shop.longshore(["sign", "out/release.json", "--key", "ci.key"])
        .expect(0);
    shop.longshore(["publish", "--packed", "out"]).expect(0);
    shop.init("pod").run().expect(0);
    shop.current("pod")
        .keys()
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn magento1_is_described_and_packed() {
    let shop = Shop::on_disk(0, 0);
    let tree = shop.path("src");
    write(&tree, &COMPOSER);
    let mage = "<?php class Mage { /* {$info['major']} */ function v() { return ['major'     => \
                '20', 'minor' => '18', 'patch' => '0', 'stability' => '']; } }";
    write(
        &tree,
        &[
            ("app/Mage.php", mage),
            ("index.php", "<?php"),
            (".htaccess", "deny"),
            (".git/HEAD", "ref"),
            (".env", "PASSWORD=1"),
            ("dump.sql.gz", "x"),
            ("app/etc/local.xml", "<password/>"),
            ("app/etc/config.xml", "<config/>"),
            ("app/etc/modules/zzz_shop.xml", "<config/>"),
            (
                "app/code/community/Acme/Loyalty/etc/config.xml",
                "<config><modules><Acme_Loyalty><version>1.2.3</version>",
            ),
            ("app/code/community/Acme/Loyalty/Block.php", "<?php"),
            (
                "app/code/local/Acme/Plain/Block.php",
                "<?php // no module of its own",
            ),
            ("media/catalog/picture.jpg", "jpeg"),
            ("var/cache/mage--0/x", "x"),
            ("var/export/orders.csv", "x"),
            ("dev/tests/x.php", "<?php"),
        ],
    );
    let (manifest, warnings) = packed(&shop, "magento1");
    assert_eq!(
        modules(&manifest),
        [
            (
                "community/acme/loyalty",
                "1.2.3",
                "app/code/community/Acme/Loyalty"
            ),
            ("core", "20.18.0", ""),
            ("phpunit/phpunit", "9.6", "vendor/phpunit/phpunit"),
            ("symfony/string", "v6.4.2", "vendor/symfony/string"),
        ]
    );
    assert_eq!(
        manifest["shared"],
        serde_json::json!([
            "app/etc/local.xml",
            "app/etc/modules/zzz_shop.xml",
            "media",
            "var/export",
            "var/import"
        ])
    );
    assert_eq!(
        (&manifest["writable"], &manifest["php"]["version"]),
        (&serde_json::json!([{"path": "var"}]), &"8.2".into())
    );
    for says in [
        "app/etc/local.xml is left out",
        ".env is left out",
        "dump.sql.gz is left out",
        "1 packages for development",
    ] {
        assert!(warnings.contains(says), "{says}: {warnings}");
    }
    let files = files(&shop);
    for there in [
        "app/Mage.php",
        ".htaccess",
        "app/code/local/Acme/Plain/Block.php",
        "app/code/community/Acme/Loyalty/Block.php",
        "vendor/autoload.php",
    ] {
        assert!(files.contains(there), "{there}: {files:?}");
    }
    let gone = [
        "picture.jpg",
        "mage--0",
        "orders.csv",
        ".env",
        "dump.sql.gz",
        "dev/tests",
        ".git",
        "shipped",
        "longshore.toml",
    ];
    assert!(
        !files
            .iter()
            .any(|path| gone.iter().any(|name| path.contains(name))),
        "{files:?}"
    );
}

#[test]
fn magento2_is_described_and_packed() {
    let shop = Shop::on_disk(0, 0);
    let tree = shop.path("src");
    write(&tree, &COMPOSER);
    write(
        &tree,
        &[
            ("bin/magento", "#!/usr/bin/env php\n"),
            ("app/etc/env.php", "<?php return ['crypt' => 1];"),
            (
                "app/etc/config.php",
                "<?php return ['scopes' => [], 'modules' => []];",
            ),
            ("app/code/Acme/Loyalty/registration.php", "<?php"),
            (
                "app/code/Acme/Loyalty/etc/module.xml",
                "<module name=\"Acme_Loyalty\" setup_version=\"3.1\"/>",
            ),
            ("generated/metadata/global.php", "<?php"),
            (
                "generated/code/Magento/TierPrice/Factory.php",
                "<?php // one",
            ),
            (
                "generated/code/Magento/Tierprice/Factory.php",
                "<?php // other",
            ),
            ("pub/static/frontend/style.css", "a{}"),
            ("pub/static/_cache/merged/x.css", "a{}"),
            ("pub/media/picture.jpg", "jpeg"),
            ("var/log/system.log", "x"),
        ],
    );
    let (manifest, warnings) = packed(&shop, "magento2");
    let names: Vec<_> = modules(&manifest)
        .into_iter()
        .map(|(name, version, _)| (name, version))
        .collect();
    assert_eq!(
        names,
        [
            ("code/acme/loyalty", "3.1"),
            ("core", "2.4.8"),
            ("phpunit/phpunit", "9.6"),
            ("symfony/string", "v6.4.2")
        ]
    );
    assert_eq!(manifest["caseSensitive"], true);
    assert_eq!(manifest["writable"], serde_json::json!([{"path": "var"}]));
    for says in [
        "app/etc/env.php is left out",
        "pub/static/deployed_version.txt is missing",
    ] {
        assert!(warnings.contains(says), "{says}: {warnings}");
    }
    let files = files(&shop);
    assert!(
        files.contains("generated/code/Magento/Tierprice/Factory.php")
            && files.contains("pub/static/frontend/style.css"),
        "{files:?}"
    );
    assert!(
        !files
            .iter()
            .any(|path| ["picture.jpg", "merged", "system.log"]
                .iter()
                .any(|name| path.contains(name))),
        "{files:?}"
    );
}

#[test]
fn php_is_described_and_packed_and_nothing_is_replaced_unasked() {
    let shop = Shop::on_disk(0, 0);
    let tree = shop.path("src");
    write(&tree, &COMPOSER);
    write(
        &tree,
        &[
            ("public/index.php", "<?php"),
            (".env", "PASSWORD=1"),
            ("src/App.php", "<?php"),
        ],
    );
    let refused = shop
        .longshore(["init", "--engine", "magento2", "src"])
        .expect(64);
    assert!(
        refused
            .stderr
            .contains("is not a tree of magento2: it has none of bin/magento"),
        "{}",
        refused.stderr
    );
    let shown = shop
        .longshore([
            "init",
            "--engine",
            "php",
            "--channel",
            "shops/acme",
            "--dry-run",
            "src",
        ])
        .expect(0)
        .stdout;
    assert!(
        shown.contains("channel = \"shops/acme\"") && !tree.join("longshore.toml").exists(),
        "{shown}"
    );
    let (manifest, warnings) = packed(&shop, "php");
    assert_eq!(modules(&manifest).len(), 3);
    assert!(warnings.contains(".env is left out"), "{warnings}");
    assert_eq!(
        fs::read_to_string(tree.join("longshore.toml")).unwrap(),
        shown
    );
    fs::write(tree.join("longshore.toml"), "mine").unwrap();
    let refused = shop
        .longshore(["init", "--engine", "php", "src"])
        .expect(64);
    assert!(
        refused.stderr.contains("is there already; say --force"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        fs::read_to_string(tree.join("longshore.toml")).unwrap(),
        "mine"
    );
    shop.longshore([
        "init",
        "--engine",
        "php",
        "--channel",
        "shops/acme",
        "--force",
        "src",
    ])
    .expect(0);
    assert_eq!(
        fs::read_to_string(tree.join("longshore.toml")).unwrap(),
        shown
    );
}

#[test]
fn what_cannot_be_packed_is_said_at_once() {
    let shop = Shop::on_disk(0, 0);
    let tree = shop.path("src");
    write(&tree, &[("index.php", "<?php")]);
    std::os::unix::fs::symlink("/etc/passwd", tree.join("link")).unwrap();
    let written = json(
        &shop
            .longshore([
                "init",
                "--engine",
                "php",
                "--channel",
                "shops/acme",
                "--output",
                "json",
                "src",
            ])
            .expect(0),
    );
    assert!(
        written["warnings"]
            .to_string()
            .contains("link is a link that leads to an absolute path"),
        "{written}"
    );
    assert_eq!(written.get("files"), None);
}
