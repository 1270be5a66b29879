//! What happens to the cache meanwhile: damage, other runs, and the end of a run at any point.

use super::{MODULES, cached, entries, from_nothing, packs};
use e2e::{
    process::{Ended, Running},
    shop::{Shop, json},
};
use rustix::process::Signal;
use std::{
    fs::{self, File},
    path::Path,
};
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
            flip(&entry.join("tarball"), |length| length / 2);
        }),
        ("damaged", |entry, _| {
            flip(&entry.join("tarball"), |length| length - 1);
        }),
        ("cannot be read", |entry, _| {
            File::options()
                .write(true)
                .open(entry.join("tarball"))
                .unwrap()
                .set_len(100)
                .unwrap();
        }),
        ("not what its record says", |entry, _| {
            let bytes = fs::read(entry.join("tarball")).unwrap();
            fs::write(entry.join("tarball"), [&bytes[..], b"more"].concat()).unwrap();
        }),
        ("damaged", |entry, other| {
            fs::copy(other.join("tarball"), entry.join("tarball")).unwrap();
        }),
        ("No such file", |entry, _| {
            fs::remove_file(entry.join("tarball")).unwrap();
        }),
        ("No such file", |entry, _| {
            fs::remove_file(entry.join("record")).unwrap();
        }),
        ("record is damaged", |entry, _| {
            flip(&entry.join("record"), |length| length / 2);
        }),
        ("record is cut short", |entry, _| {
            fs::write(entry.join("record"), "").unwrap();
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
                .unwrap();
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
