//! The cache of packed modules: only what changed is packed, the result is the same as without it,
//! and whatever happens to the cache costs time and nothing else.

use e2e::{
    process::{Ended, Outcome, Program, Running},
    shop::{Shop, json},
};
use rustix::process::Signal;
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

/// What can happen to an entry, with the warning's words for it.
type Harm = (&'static str, fn(&Path, &Path));

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_does_not_match_is_said_thrown_away_and_packed_again() {
    let shop = Shop::on_disk(MODULES, 20);
    packs(&shop, MODULES);
    let harms: [Harm; 13] = [
        ("damaged", |entry, _| flip(&entry.join("tarball"), |_| 0)),
        ("damaged", |entry, _| {
            flip(&entry.join("tarball"), |length| length / 2)
        }),
        ("damaged", |entry, _| {
            flip(&entry.join("tarball"), |length| length - 1)
        }),
        ("cannot be read", |entry, _| {
            File::options()
                .write(true)
                .open(entry.join("tarball"))
                .unwrap()
                .set_len(100)
                .unwrap()
        }),
        ("not what its record says", |entry, _| {
            let bytes = fs::read(entry.join("tarball")).unwrap();
            fs::write(entry.join("tarball"), [&bytes[..], b"more"].concat()).unwrap();
        }),
        ("damaged", |entry, other| {
            fs::copy(other.join("tarball"), entry.join("tarball")).unwrap();
        }),
        ("No such file", |entry, _| {
            fs::remove_file(entry.join("tarball")).unwrap()
        }),
        ("No such file", |entry, _| {
            fs::remove_file(entry.join("record")).unwrap()
        }),
        ("record is damaged", |entry, _| {
            flip(&entry.join("record"), |length| length / 2)
        }),
        ("record is cut short", |entry, _| {
            fs::write(entry.join("record"), "").unwrap()
        }),
        ("belongs to another", |entry, other| {
            fs::copy(other.join("record"), entry.join("record")).unwrap();
        }),
        ("belongs to another", |entry, other| {
            for name in ["record", "tarball"] {
                fs::copy(other.join(name), entry.join(name)).unwrap();
            }
        }),
        ("No such file", |entry, _| {
            fs::remove_dir_all(entry)
                .and_then(|()| fs::create_dir(entry))
                .unwrap()
        }),
    ];
    for (number, (words, harm)) in harms.into_iter().enumerate() {
        let found: Vec<_> = entries(&shop.path("cache")).into_iter().collect();
        harm(&found[0], &found[1]);
        let outcome = packs(&shop, 1);
        assert!(
            outcome.stderr.contains("is packed again") && outcome.stderr.contains(words),
            "harm {number}: {outcome:#?}"
        );
        assert!(!packs(&shop, 0).stderr.contains("warning"), "harm {number}");
    }
    shop.longshore(["verify", "--deep"]).expect(0);
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
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(shop.path("cache"), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(shop.path("cache"), Some(1234), None).unwrap();
        assert!(
            cached(&shop)
                .run()
                .expect(64)
                .stderr
                .contains("belongs to another user")
        );
    }
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
fn runs_that_share_a_cache_do_not_disturb_each_other() {
    let shop = Shop::on_disk(MODULES, 40);
    let reference = from_nothing(&shop);
    for limit in ["10GiB", "20kB", "0B"] {
        for round in 0..4 {
            let run = |number: usize| {
                let out = format!("out-{number}");
                let arguments = [
                    "pack",
                    "--out",
                    &out,
                    "--sequence",
                    "1",
                    "--level",
                    "1",
                    "--output",
                    "json",
                    "--cache-limit",
                    limit,
                ];
                shop.longshore_program(arguments)
                    .env("LONGSHORE_PACK_CACHE", shop.path("cache"))
                    .start()
            };
            let running: Vec<Running> = (0..4).map(run).collect();
            for outcome in running.into_iter().map(Running::wait) {
                let outcome = outcome.expect(0);
                assert_eq!(
                    json(&outcome)["manifest"],
                    reference,
                    "limit {limit}, round {round}"
                );
                assert!(
                    !outcome.stderr.contains("warning"),
                    "limit {limit}, round {round}: {outcome:#?}"
                );
            }
        }
        for number in 0..4 {
            fs::remove_dir_all(shop.path(format!("out-{number}"))).unwrap();
        }
        entries(&shop.path("cache"));
    }
}

/// The points that one publication of a change passes.
fn points(shop: &Shop) -> Vec<String> {
    shop.edit(0, 1000, 1.0);
    cached(shop)
        .env("FAILPOINT_TRACE", shop.path("trace"))
        .run()
        .expect(0);
    let points: Vec<_> = fs::read_to_string(shop.path("trace"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    for point in ["mkdir", "copy", "write", "rename", "touch"] {
        assert!(
            points.contains(&format!("cli.cache.{point}")),
            "build with the feature `failpoints`; passed were {points:?}"
        );
    }
    points
}

#[test]
fn a_run_that_dies_or_fails_at_any_point_harms_no_entry() {
    let shop = Shop::on_disk(MODULES, 3);
    cached(&shop).run().expect(0);
    for (at, point) in points(&shop).iter().enumerate() {
        for (action, seed) in [("kill", 2 * at as u64), ("eio", 2 * at as u64 + 1)] {
            shop.edit(0, seed, 1.0);
            let outcome = cached(&shop)
                .env("FAILPOINT", format!("{}:{action}", at + 1))
                .run();
            match action {
                "kill" => assert_eq!(
                    outcome.ended,
                    Ended::Signal(Signal::KILL.as_raw()),
                    "{point}"
                ),
                // To link what is kept and to keep what is new pass the same point, but the package
                // comes first.
                _ if point.starts_with("cli.cache.") => drop(outcome.expect(0)),
                _ => assert!(
                    matches!(outcome.code(), Some(0 | 74)),
                    "{point}: {outcome:#?}"
                ),
            }
            let again = cached(&shop).run().expect(0);
            assert!(
                !again.stderr.contains("warning"),
                "{point}, {action}: {again:#?}"
            );
            let again = json(&again);
            assert!(
                again["cachedModules"].as_u64().unwrap() + 1 >= MODULES as u64,
                "{point}, {action}: {again}"
            );
            assert_eq!(again["manifest"], from_nothing(&shop), "{point}, {action}");
        }
    }
    shop.longshore(["verify", "--deep"]).expect(0);
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
