//! What a publisher is told at once, and not by pods later: a clock that is ahead, keys among the
//! sources, words of the description that mean nothing; and what `store fsck` finds and mends.

use e2e::{
    process::Outcome,
    s3::{Effect, Fault, Faults, Options, Server},
    shop::{Shop, json},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("warning: "))
        .collect()
}

fn publish(shop: &Shop) -> Outcome {
    shop.longshore(["publish", "--sign", "ci.key"])
}

#[test]
fn a_publisher_whose_clock_is_ahead_of_the_stores_hears_of_it_before_anything_is_published() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 1, 3);
    let late = |seconds| {
        server.set_faults(Faults {
            faults: vec![Fault::new(Effect::Clock { seconds })],
            ..Faults::default()
        });
        publish(&shop)
    };
    let refused = late(400).expect(75);
    let says = "clock is 6m 40s ahead of the store's, and pods refuse a release that was made \
                more than 5m after their own time [reason: clock]";
    // An answer takes its time, and a second may have begun.
    assert!(
        ["40s", "41s", "42s", "43s"]
            .iter()
            .any(|s| refused.stderr.contains(&says.replace("40s", s))),
        "{}",
        refused.stderr
    );
    server.set_faults(Faults::default());
    shop.longshore(["release", "show"]).expect(64);

    let told = late(200).expect(0);
    assert!(
        warnings(&told)
            .iter()
            .any(|text| text.contains("clock is 3m 2") && text.contains("from 5m on")),
        "{}",
        told.stderr
    );
    shop.edit(0, 1, 1.0);
    assert_eq!(warnings(&late(0).expect(0)), Vec::<&str>::new());
}

#[test]
fn a_store_that_ignores_conditions_is_told_at_the_first_release_and_not_again() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 1, 3);
    server.fault(Fault::new(Effect::Unconditional));
    // It is a warning: whoever publishes alone loses nothing.
    let outcome = publish(&shop).expect(0);
    let told = warnings(&outcome);
    assert_eq!(told.len(), 2, "{outcome:#?}");
    for (header, text) in ["If-None-Match", "If-Match"].iter().zip(told) {
        let says = format!("this store ignores conditional writes ({header}): two publishers");
        assert!(text.starts_with(&says), "{text}");
    }
    shop.edit(0, 1, 1.0);
    assert_eq!(
        warnings(&publish(&shop).expect(0)),
        Vec::<&str>::new(),
        "the second release"
    );
    shop.longshore(["verify", "--deep"]).expect(0);
}

#[test]
fn keys_among_the_sources_and_patterns_and_scripts_that_are_not_there_are_told() {
    let shop = Shop::on_disk(1, 3);
    let toml = fs::read_to_string(shop.path("longshore.toml")).unwrap();
    let describe = |more: &str, top: &str| {
        let (head, module) = toml.split_once("[[module]]").unwrap();
        fs::write(
            shop.path("longshore.toml"),
            format!("{head}{top}\n[[module]]{module}{more}\n"),
        )
        .unwrap();
    };
    assert_eq!(warnings(&publish(&shop).expect(0)), Vec::<&str>::new());

    // The key that signs, under whatever name; and where it is excluded.
    fs::hard_link(shop.path("ci.key"), shop.module(0).join("notes.txt")).unwrap();
    let refused = publish(&shop).expect(64);
    assert!(
        refused.stderr.contains(
            "notes.txt is the private key that signs, and module vendor/module0 would ship it to \
             every pod"
        ),
        "{refused:#?}"
    );
    describe("exclude = [\"notes.txt\"]", "");
    assert_eq!(warnings(&publish(&shop).expect(0)), Vec::<&str>::new());

    // Another's, by its name and its first line; and no key, by the same name.
    describe("exclude = [\"notes.txt\"]", "");
    fs::create_dir(shop.module(0).join("etc")).unwrap();
    fs::copy(shop.path("ci.key"), shop.module(0).join("etc/tls.pem")).unwrap();
    fs::write(
        shop.module(0).join("etc/public.pem"),
        "-----BEGIN CERTIFICATE-----\n",
    )
    .unwrap();
    let told = publish(&shop).expect(0);
    assert_eq!(
        warnings(&told),
        [
            "module vendor/module0 ships etc/tls.pem, which looks like a private key, to every \
             pod; exclude it unless it is meant to"
        ]
    );

    describe(
        "exclude = [\"notes.txt\", \"etc/*.pem\", \"tests/**\", \"*.orig\"]",
        "[php]\nversion = \"8.2\"\nwarm = [\"index.php\", \"pub/idnex.php\"]",
    );
    fs::write(shop.module(0).join("index.php"), "<?php").unwrap();
    let told = publish(&shop).expect(0);
    assert_eq!(
        warnings(&told),
        [
            "module vendor/module0: nothing in src/module0 matches exclude \"tests/**\", \
             \"*.orig\""
                .to_owned(),
            "php.warm names pub/idnex.php, which no module has".to_owned()
        ]
    );
}

/// Blobs of a store of files, by their names, with their bytes.
fn blobs(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![store.join("blobs")];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.insert(
                    path.strip_prefix(store).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

fn fsck(shop: &Shop, more: &[&str]) -> Outcome {
    let words = ["store", "fsck", "--output", "json"]
        .into_iter()
        .chain(more.iter().copied());
    shop.longshore(words)
}

/// What is wrong with which key, and whether it was mended.
type Problems = BTreeMap<PathBuf, (String, bool)>;

fn problems(outcome: &Outcome) -> Problems {
    let found = json(outcome)["findings"].as_array().unwrap().clone();
    let row = |it: &Value| {
        assert_eq!(
            it["releases"][0]
                .as_str()
                .map(|key| key.ends_with("release.json") || key.ends_with("1.json")),
            Some(true),
            "{it}"
        );
        (
            it["key"].as_str().unwrap().into(),
            (
                it["problem"].as_str().unwrap().to_owned(),
                it["mended"] == true,
            ),
        )
    };
    found.iter().map(row).collect()
}

fn of(rows: &[(&PathBuf, &str, bool)]) -> Problems {
    rows.iter()
        .map(|(key, problem, mended)| ((*key).clone(), ((*problem).to_owned(), *mended)))
        .collect()
}

#[test]
fn fsck_finds_what_is_missing_and_damaged_and_mends_it_from_where_it_is_whole() {
    let shop = Shop::on_disk(4, 5);
    shop.publish();
    let store = shop.path("store");
    let whole = blobs(&store);
    let fsck = |more: &[&str]| fsck(&shop, more);
    assert!(problems(&fsck(&["--deep"]).expect(0)).is_empty());

    // The manifest stays: without it, nobody knows which tarballs a release needs.
    let manifest = whole
        .iter()
        .find(|(_, bytes)| bytes.starts_with(b"{"))
        .unwrap()
        .0
        .clone();
    let tarballs: Vec<_> = whole
        .keys()
        .filter(|key| **key != manifest)
        .cloned()
        .collect();
    let [gone, short, flipped, _] = &tarballs[..] else {
        panic!("{tarballs:?}")
    };
    // Two replicas: in each, something of what is wrong here is wrong, too.
    let [first, second] = ["first", "second"].map(|name| {
        for (key, bytes) in &whole {
            let path = shop.path(name).join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        shop.path(name)
    });
    let flip = |store: &Path| {
        let mut bytes = whole[flipped].clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(store.join(flipped), bytes).unwrap();
    };
    let break_it = || {
        fs::remove_file(store.join(gone)).unwrap();
        fs::write(store.join(short), &whole[short][1..]).unwrap();
        flip(&store);
    };
    flip(&first);
    fs::remove_file(second.join(gone)).unwrap();
    break_it();
    let [missing, size, digest] = ["missing", "size", "digest"];
    // By sizes, and by what they hold.
    assert_eq!(
        problems(&fsck(&[]).expect(69)),
        of(&[(gone, missing, false), (short, size, false)])
    );
    assert_eq!(
        problems(&fsck(&["--deep"]).expect(69)),
        of(&[
            (gone, missing, false),
            (short, size, false),
            (flipped, digest, false)
        ])
    );
    // What is damaged there, too, is not taken.
    let [from_first, from_second] =
        [&first, &second].map(|path| format!("file://{}", path.display()));
    assert_eq!(
        problems(&fsck(&["--deep", "--from", &from_first]).expect(69)),
        of(&[
            (gone, missing, true),
            (short, size, true),
            (flipped, digest, false)
        ])
    );
    assert_eq!(
        problems(&fsck(&["--deep", "--from", &from_first, "--from", &from_second]).expect(0)),
        of(&[(flipped, digest, true)])
    );
    assert_eq!(blobs(&store), whole);
    // Both at once, and the manifest, too, which is looked at first.
    break_it();
    fs::remove_file(store.join(&manifest)).unwrap();
    let mended =
        problems(&fsck(&["--deep", "--from", &from_first, "--from", &from_second]).expect(0));
    assert_eq!(
        mended,
        of(&[
            (gone, missing, true),
            (short, size, true),
            (flipped, digest, true),
            (&manifest, missing, true)
        ])
    );
    assert_eq!(blobs(&store), whole);
    // Without anybody who has the manifest, that is all that can be said.
    fs::remove_file(store.join(&manifest)).unwrap();
    assert_eq!(
        problems(&fsck(&["--deep"]).expect(69)),
        of(&[(&manifest, missing, false)])
    );
}
