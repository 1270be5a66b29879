//! `publish --onto`: what was built of a release joins its modules, without their sources, and
//! without a byte of them going to the store again.

use e2e::shop::{Shop, json};
use std::fs;

/// What a build publishes: one module, with what pods have to share left to the release.
fn built(shop: &Shop, more: &str, text: &str) {
    fs::create_dir_all(shop.path("built/code")).unwrap();
    fs::write(shop.path("built/code/Proxy.php"), text).unwrap();
    let module = "[[module]]\nname = \"longshore/generated\"\nversion = \"1\"\nsource = \
                  \"built\"\ntarget = \"generated\"\n";
    let first = fs::read_to_string(shop.path("longshore.toml")).unwrap();
    let channel = first
        .lines()
        .find(|line| line.starts_with("channel"))
        .unwrap();
    fs::write(
        shop.path("built.toml"),
        format!("{channel}\n{more}\n{module}"),
    )
    .unwrap();
}

fn onto(shop: &Shop, sequence: u64) -> e2e::process::Outcome {
    let number = sequence.to_string();
    shop.longshore([
        "publish",
        "--spec",
        "built.toml",
        "--sign",
        "ci.key",
        "--output",
        "json",
        "--onto",
        &number,
    ])
}

#[test]
fn what_was_built_joins_the_release_in_force() {
    let shop = Shop::on_disk(2, 4);
    let first = shop.publish();
    built(&shop, "", "<?php class Proxy {}");
    // Its sources are elsewhere: the store has the modules.
    fs::remove_dir_all(shop.module(0)).unwrap();
    let joined = json(&onto(&shop, 1).expect(0));
    assert_eq!(
        (&joined["sequence"], &joined["modules"]),
        (&2.into(), &3.into()),
        "{joined:#}"
    );
    assert_eq!(
        joined["files"].as_u64().unwrap(),
        first["files"].as_u64().unwrap() + 1
    );
    assert!(joined["reusedBytes"].as_u64().unwrap() > 0, "{joined:#}");
    shop.longshore(["verify", "--deep"]).expect(0);
    // A pod stages it like any other.
    shop.init("pod").run().expect(0);
    let tree = shop.current("pod");
    assert!(
        tree.keys()
            .any(|path| path.ends_with("generated/code/Proxy.php")),
        "{:#?}",
        tree.keys()
    );

    // Built again, it takes the place of what was built before.
    built(&shop, "", "<?php class Proxy { public $second; }");
    let again = json(&onto(&shop, 2).expect(0));
    assert_eq!(
        (&again["sequence"], &again["modules"], &again["files"]),
        (&3.into(), &3.into(), &joined["files"])
    );
}

#[test]
fn it_takes_nothing_back_that_was_published_meanwhile_and_decides_nothing_of_the_release() {
    let shop = Shop::on_disk(1, 2);
    shop.publish();
    shop.edit(0, 1, 1.0);
    shop.publish();
    built(&shop, "", "<?php");
    let late = onto(&shop, 1).expect(75);
    assert!(late.stderr.contains("conflict"), "{late:#?}");
    built(&shop, "migration = \"additive\"", "<?php");
    let says = onto(&shop, 2).expect(64);
    assert!(
        says.stderr.contains("are those of the release"),
        "{says:#?}"
    );
    assert_eq!(
        json(&shop.longshore(["verify", "--output", "json"]).expect(0))["sequence"],
        2
    );
}

/// Two modules with one file are refused as at any publication.
#[test]
fn a_file_that_the_release_has_already_is_refused() {
    let shop = Shop::on_disk(1, 2);
    fs::write(shop.module(0).join("index.php"), "<?php").unwrap();
    shop.publish();
    built(&shop, "", "<?php");
    let spec = fs::read_to_string(shop.path("built.toml"))
        .unwrap()
        .replace("target = \"generated\"\n", "");
    fs::write(shop.path("built.toml"), spec).unwrap();
    fs::write(shop.path("built/index.php"), "<?php").unwrap();
    let refused = onto(&shop, 1);
    assert!(
        refused.code() != Some(0) && refused.stderr.contains("duplicate"),
        "{refused:#?}"
    );
}

/// The compiler of Magento 2 makes such names, and the release that it builds has none.
#[test]
fn names_that_differ_in_case_only_join_where_the_description_says_so() {
    let shop = Shop::on_disk(1, 2);
    shop.publish();
    for more in ["", "case_sensitive = true"] {
        built(&shop, more, "<?php");
        for name in ["TierPrice", "Tierprice"] {
            fs::create_dir_all(shop.path("built").join(name)).unwrap();
            fs::write(shop.path("built").join(name).join("Proxy.php"), "<?php").unwrap();
        }
        let outcome = onto(&shop, 1);
        if more.is_empty() {
            assert!(
                outcome.code() != Some(0) && outcome.stderr.contains("name-collision"),
                "{outcome:#?}"
            );
        } else {
            assert_eq!(json(&outcome.expect(0))["sequence"], 2);
        }
    }
}
