//! The cache of packed modules: only what changed is packed, the result is the same as without it,
//! and whatever happens to the cache costs time and nothing else.

mod harm;

use e2e::{
    process::{Outcome, Program},
    shop::{Shop, json},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const MODULES: usize = 3;

fn cached(shop: &Shop) -> Program {
    shop.publisher()
        .env("LONGSHORE_PACK_CACHE", shop.path("cache"))
        .env("TMPDIR", shop.path(""))
}

/// The manifest of the sources as they are, packed without any cache.
#[track_caller]
fn from_nothing(shop: &Shop) -> Value {
    let arguments = [
        "pack",
        "--out",
        "reference",
        "--sequence",
        "1",
        "--level",
        "1",
        "--no-cache",
        "--output",
        "json",
    ];
    let packed = json(&shop.longshore(arguments).expect(0));
    assert_eq!(packed["cachedModules"], 0);
    packed["manifest"].clone()
}

/// The entries of a cache, by name; anything else in it is a mistake.
fn entries(cache: &Path) -> BTreeSet<PathBuf> {
    let entries: BTreeSet<_> = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        entries
            .iter()
            .all(|entry| entry.file_name().unwrap().len() == 64),
        "{entries:?}"
    );
    entries
}

#[track_caller]
fn packs(shop: &Shop, modules: usize) -> Outcome {
    let outcome = cached(shop).run().expect(0);
    let published = json(&outcome);
    assert_eq!(
        published["cachedModules"],
        MODULES - modules,
        "{outcome:#?}"
    );
    let steps = outcome
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let said: Vec<_> = steps
        .filter(|step| step["step"] == "packed")
        .map(|step| step["cached"] == true)
        .collect();
    assert_eq!(
        (said.len(), said.iter().filter(|cached| !**cached).count()),
        (MODULES, modules)
    );
    assert_eq!(
        published["manifest"],
        from_nothing(shop),
        "the same release as without a cache"
    );
    outcome
}

#[test]
fn only_what_changed_is_packed_and_the_result_is_as_without_a_cache() {
    let shop = Shop::on_disk(MODULES, 20);
    packs(&shop, MODULES);
    packs(&shop, 0);
    let file = shop.module(1).join("index.php");
    fs::write(&file, "<?php // one").unwrap();
    packs(&shop, 1);
    fs::write(&file, "<?php // two").unwrap();
    packs(&shop, 1);
    fs::write(&file, "<?php // one").unwrap();
    packs(&shop, 0);
    let later = File::options().write(true).open(&file).unwrap();
    later.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    packs(&shop, 0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    packs(&shop, 1);
    let renamed = shop.module(1).join("cron.php");
    fs::rename(&file, &renamed).unwrap();
    packs(&shop, 1);
    symlink("cron.php", &file).unwrap();
    packs(&shop, 1);
    fs::remove_file(&file).unwrap();
    packs(&shop, 0);
    let toml = fs::read_to_string(shop.path("longshore.toml")).unwrap();
    let source = "source = \"src/module1\"\n";
    fs::write(
        shop.path("longshore.toml"),
        toml.replace(source, &format!("{source}exclude = [\"cron.php\"]\n")),
    )
    .unwrap();
    // As at the beginning.
    packs(&shop, 0);
    fs::remove_file(&renamed).unwrap();
    packs(&shop, 0);
    // Not a matter of the tarball.
    fs::write(shop.path("longshore.toml"), toml.replace("1.2", "1.3")).unwrap();
    packs(&shop, 0);
    shop.longshore(["verify", "--deep"]).expect(0);
}

#[test]
fn another_level_is_another_tarball() {
    let shop = Shop::on_disk(MODULES, 5);
    packs(&shop, MODULES);
    let arguments = [
        "pack",
        "--out",
        "out",
        "--sequence",
        "1",
        "--level",
        "2",
        "--output",
        "json",
    ];
    let packed = shop
        .longshore_program(arguments)
        .env("LONGSHORE_PACK_CACHE", shop.path("cache"))
        .run()
        .expect(0);
    assert_eq!(json(&packed)["cachedModules"], 0);
    packs(&shop, 0);
}

#[test]
fn pack_takes_from_the_cache_what_others_may_read_and_nobody_shares() {
    let shop = Shop::on_disk(MODULES, 5);
    packs(&shop, MODULES);
    let arguments = [
        "pack",
        "--out",
        "out",
        "--sequence",
        "9",
        "--level",
        "1",
        "--output",
        "json",
    ];
    let packed = json(
        &shop
            .longshore_program(arguments)
            .env("LONGSHORE_PACK_CACHE", shop.path("cache"))
            .run()
            .expect(0),
    );
    assert_eq!(
        (&packed["cachedModules"], &packed["manifest"]),
        (&MODULES.into(), &from_nothing(&shop))
    );
    for blob in fs::read_dir(shop.path("out/blobs/sha256")).unwrap() {
        // In place, as an editor may do it: the cache has bytes of its own.
        fs::write(blob.unwrap().path(), "").unwrap();
    }
    packs(&shop, 0);
}

#[test]
fn a_cache_that_others_may_write_to_is_refused() {
    let shop = Shop::on_disk(1, 3);
    for mode in [0o777, 0o770, 0o1777] {
        fs::create_dir_all(shop.path("cache")).unwrap();
        fs::set_permissions(shop.path("cache"), fs::Permissions::from_mode(mode)).unwrap();
        let outcome = cached(&shop).run().expect(64);
        let last = outcome.stderr.lines().last().unwrap();
        assert!(
            last.contains("may be written by others") && last.contains("[reason: config]"),
            "{last}"
        );
    }
    cached(&shop).arg("--no-cache").run().expect(0);
}

#[test]
#[ignore = "needs root: make test-root"]
fn a_cache_of_another_user_is_refused() {
    let shop = Shop::on_disk(1, 3);
    fs::create_dir_all(shop.path("cache")).unwrap();
    fs::set_permissions(shop.path("cache"), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(shop.path("cache"), Some(1234), None).unwrap();
    let outcome = cached(&shop).run().expect(64);
    assert!(outcome.stderr.contains("belongs to another user"));
    cached(&shop).arg("--no-cache").run().expect(0);
}

#[test]
fn the_cache_is_among_a_persons_caches_and_theirs_alone() {
    let shop = Shop::on_disk(1, 3);
    let publish = |name: &str, value: PathBuf| {
        json(&shop.publisher().env(name, value).run().expect(0))["cachedModules"].clone()
    };
    assert_eq!(publish("HOME", shop.path("home")), 0);
    assert_eq!(publish("XDG_CACHE_HOME", shop.path("home/.cache")), 1);
    let mode = fs::metadata(shop.path("home/.cache/longshore/pack"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    // No cache is no reason not to publish.
    fs::write(shop.path("file"), "").unwrap();
    let outcome = shop
        .publisher()
        .env("HOME", shop.path("file"))
        .run()
        .expect(0);
    assert!(
        outcome
            .stderr
            .contains("there is no cache of packed modules"),
        "{outcome:#?}"
    );
}

#[test]
fn what_was_of_no_use_for_longest_goes_first() {
    let shop = Shop::on_disk(MODULES, 20);
    packs(&shop, MODULES);
    let cache = shop.path("cache");
    let bytes = |entry: &PathBuf| {
        ["record", "tarball"]
            .map(|name| fs::metadata(entry.join(name)).unwrap().len())
            .iter()
            .sum::<u64>()
    };
    let of_use = entries(&cache);
    shop.edit(1, 1, 1.0);
    packs(&shop, 1);
    let all = entries(&cache);
    assert_eq!(all.len(), MODULES + 1);
    let limit: u64 = all.iter().map(bytes).sum::<u64>() - 1;
    cached(&shop)
        .args(["--cache-limit", &format!("{limit}B")])
        .run()
        .expect(0);
    let left = entries(&cache);
    let gone: Vec<_> = all.difference(&left).collect();
    assert!(
        gone.len() == 1 && of_use.contains(gone[0]),
        "the tarball of before the edit"
    );
    packs(&shop, 0);
    cached(&shop).args(["--cache-limit", "0B"]).run().expect(0);
    assert_eq!(entries(&cache).len(), 0);
    packs(&shop, MODULES);
}

#[test]
fn what_a_killed_run_left_goes_after_a_day() {
    let shop = Shop::on_disk(1, 3);
    cached(&shop).run().expect(0);
    for (name, age) in [("tmp-old", 25), ("tmp-young", 23)] {
        let path = shop.path("cache").join(name);
        fs::create_dir_all(path.join("below")).unwrap();
        File::open(path)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_hours(age))
            .unwrap();
    }
    cached(&shop).run().expect(0);
    assert!(!shop.path("cache/tmp-old").exists() && shop.path("cache/tmp-young").exists());
}

#[test]
fn a_kept_module_that_the_store_lost_is_uploaded_again() {
    let shop = Shop::on_disk(MODULES, 20);
    packs(&shop, MODULES);
    fs::remove_dir_all(shop.path("store")).unwrap();
    fs::create_dir(shop.path("store")).unwrap();
    let published = json(&packs(&shop, 0));
    assert_eq!(
        (&published["reusedBytes"], &published["sequence"]),
        (&0.into(), &1.into())
    );
    shop.longshore(["verify", "--deep"]).expect(0);
}
