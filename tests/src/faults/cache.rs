//! Classes 31 to 33: a node's cache that is killed at, damaged or full.

use super::{
    Counts, Row, Start,
    kill::{died, points as passed_points},
    rig::{Rig, last_line, names},
};
use crate::{
    process::{Outcome, Program},
    shop::last_event,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Every pod that is started from now on uses the cache `name`, which is a path beside the pods.
pub(super) fn share(rig: &Rig, name: &str, limit: &str) -> PathBuf {
    let path = rig.shop.path(name);
    rig.set([
        ("LONGSHORE_CACHE", path.clone().into()),
        ("LONGSHORE_CACHE_LIMIT", limit.into()),
    ]);
    path
}

/// The names of the failpoints that pulls pass with a cache that is empty, one that has everything,
/// and one that is too small.
///
/// # Panics
///
/// A pull fails without any fault.
#[must_use]
pub fn points(rig: &Rig) -> Vec<String> {
    let mut found = Vec::new();
    for (cache, limit) in [
        ("pod-cache-points", "1GiB"),
        ("pod-cache-points", "1GiB"),
        ("pod-cache-small", "1KiB"),
    ] {
        share(rig, cache, limit);
        found.extend(passed_points(rig, Start::Cold));
    }
    rig.set([]);
    found
}

pub(super) fn figure(outcome: &Outcome, name: &str) -> u64 {
    last_event(outcome)[name].as_u64().unwrap_or_default()
}

pub(super) fn succeeded(outcome: &Outcome) -> Result<(), String> {
    if outcome.code() == Some(0) {
        Ok(())
    } else {
        Err(format!("{:?}: {}", outcome.ended, last_line(outcome)))
    }
}

/// Nothing half-written is left, and a new pod needs no byte of a blob.
pub(super) fn serves_all(rig: &Rig, cache: &Path) -> Result<(), String> {
    let left = names(&cache.join("v1/incoming"));
    if !left.is_empty() {
        return Err(format!("{left:?} is left in the cache"));
    }
    let pod = rig.pod(Start::Cold);
    rig.server.reset_stats();
    let outcome = rig.init(&pod).run();
    succeeded(&outcome)?;
    let (damaged, blobs) = (figure(&outcome, "cache_damaged"), blob_requests(rig));
    if damaged > 0 || blobs > 0 {
        return Err(format!(
            "{damaged} files of the cache were damaged, {blobs} blobs were asked for"
        ));
    }
    rig.check(&pod)
}

pub(super) fn blob_requests(rig: &Rig) -> u64 {
    rig.server
        .stats()
        .gets
        .iter()
        .filter(|(key, _)| key.contains("/blobs/"))
        .map(|(_, count)| count)
        .sum()
}

/// How many blobs were asked for, however many requests that took: each is for 8 MiB at most.
fn blobs_asked_for(rig: &Rig) -> u64 {
    let gets = rig.server.stats().gets;
    gets.keys().filter(|key| key.contains("/blobs/")).count() as u64
}

pub(super) fn every_point(counts: &Counts) -> Row {
    let mut row = Row::new(
        31,
        "kill -9, EIO and ENOSPC at every failpoint, with a node cache",
    );
    for rig in Rig::small_and_spooled(counts) {
        let template = share(&rig, "pod-cache-template", "1GiB");
        let filler = rig.pod(Start::Cold);
        rig.init(&filler).run().expect(0);
        // Empty, with everything, and with everything for a moment.
        for (warm, limit) in [(false, "1GiB"), (true, "1GiB"), (false, "1KiB")] {
            let fresh = || {
                let cache = share(&rig, "pod-cache", limit);
                drop(fs::remove_dir_all(&cache));
                if warm {
                    Program::new("cp")
                        .arg("-a")
                        .arg(&template)
                        .arg(&cache)
                        .run()
                        .expect(0);
                }
                cache
            };
            fresh();
            for (at, point) in passed_points(&rig, Start::Cold).iter().enumerate() {
                let ours = point.starts_with("deploy.cache");
                // What the cache does not concern, classes 1 and 3 try.
                let actions = if ours {
                    &["kill", "eio", "enospc"][..]
                } else {
                    &["kill"][..usize::from(counts.points > 1)]
                };
                for action in actions {
                    let cache = fresh();
                    row.count(
                        || {
                            format!(
                                "{action} at {} ({point}), warm {warm}, limit {limit}",
                                at + 1
                            )
                        },
                        at_point(&rig, at + 1, action, &cache),
                    );
                }
            }
        }
    }
    row
}

fn at_point(rig: &Rig, at: usize, action: &str, cache: &Path) -> Result<(), String> {
    let pod = rig.pod(Start::Cold);
    let (outcome, passed) = rig.steer(&pod, at, action);
    match action {
        "kill" => died(&outcome, passed.len() < at)?,
        // Threads race, so that another call may be at this place: class 3 tries those.
        _ if passed
            .get(at - 1)
            .is_some_and(|point| !point.starts_with("deploy.cache")) => {}
        _ => succeeded(&outcome).and_then(|()| rig.is_new(&pod))?,
    }
    rig.check(&pod)?;
    if names(&cache.join("v1/chunks")).is_empty() {
        return Ok(());
    }
    // What is left, the next pod that makes a tree sweeps, and the one after that needs no byte.
    let sweeper = rig.pod(Start::Cold);
    succeeded(&rig.init(&sweeper).run())?;
    let small = names(&cache.join("v1/chunks")).is_empty();
    if small {
        Ok(())
    } else {
        serves_all(rig, cache)
    }
}

/// Damages the file at the path, in one way.
type Damage = fn(&Path, &[u8], usize) -> std::io::Result<()>;

const DAMAGES: [(&str, Damage); 6] = [
    ("one bit", |path, good, at| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path, bytes)
    }),
    ("cut", |path, good, at| fs::write(path, &good[..at])),
    ("grown", |path, good, at| {
        fs::write(path, [good, &good[..=at]].concat())
    }),
    ("another's contents", |path, _, _| {
        fs::write(path, "another's")
    }),
    ("a link", |path, good, _| {
        let aside = path.with_file_name("aside");
        fs::write(&aside, good)
            .and_then(|()| fs::remove_file(path))
            .and_then(|()| symlink(aside, path))
    }),
    ("a directory", |path, _, _| {
        fs::remove_file(path).and_then(|()| fs::create_dir_all(path.join("deep")))
    }),
];

pub(super) fn damaged(counts: &Counts) -> Row {
    let mut row = Row::new(
        32,
        "each file of a node cache damaged, cut, grown, replaced by a link or a directory",
    );
    let mut random = StdRng::seed_from_u64(counts.seed);
    for rig in Rig::small_and_spooled(counts) {
        let cache = share(&rig, "pod-cache", "1GiB");
        let filler = rig.pod(Start::Cold);
        rig.init(&filler).run().expect(0);
        for shelf in ["chunks", "objects"] {
            for name in names(&cache.join("v1").join(shelf)) {
                let path = cache.join("v1").join(shelf).join(&name);
                let good = fs::read(&path).expect("the cache is readable");
                for (what, damage) in DAMAGES {
                    let at = random.random_range(0..good.len());
                    damage(&path, &good, at).expect("the cache is writable");
                    let pod = rig.pod(Start::Cold);
                    rig.server.reset_stats();
                    let outcome = rig.init(&pod).run();
                    let mut result = succeeded(&outcome).and_then(|()| rig.is_new(&pod));
                    let (noticed, fetched) =
                        (figure(&outcome, "cache_damaged"), blobs_asked_for(&rig));
                    let is_chunk = shelf == "chunks";
                    if noticed != u64::from(is_chunk) || fetched != u64::from(is_chunk) {
                        result = result.and(Err(format!(
                            "{noticed} damaged files were noticed, {fetched} blobs asked for"
                        )));
                    }
                    if fs::read(&path).ok().as_deref() != Some(&good[..]) && is_chunk {
                        result = result.and(Err("it was not fetched again".to_owned()));
                    }
                    drop(fs::remove_file(path.with_file_name("aside")));
                    row.count(
                        || format!("{what} at {at} of {shelf}/{name}"),
                        result.and_then(|()| rig.check(&pod)),
                    );
                }
            }
        }
    }
    row
}

pub(super) fn disk_full(counts: &Counts) -> Row {
    let mut row = Row::new(
        33,
        "a node cache on a full disk: its own, and the release's",
    );
    if Program::new("unshare").args(["-rm", "true"]).run().code() != Some(0) {
        row.tried = 1;
        row.survived = 1;
        row.note += "SKIPPED: this machine lets nobody make a mount namespace";
        return row;
    }
    let rig = Rig::new(1 << 20);
    let (mut full, mut refused) = (0, 0);
    let steps = if counts.points > 1 { 40 } else { 6 };
    for step in 0..steps {
        for (unit, limit) in [
            ("size", 4 + step * 3000 / steps),
            ("nr_inodes", 1 + step * 30 / steps),
        ] {
            let pod = rig.pod(Start::Cold);
            let outcome = on_a_small_disk(&rig, &pod, unit, limit, Use::Cache);
            full += u32::from(
                outcome.stderr.contains("nothing more is written")
                    || outcome.stderr.contains("is not used"),
            );
            let result = succeeded(&outcome).and_then(|()| rig.is_new(&pod));
            row.count(
                || format!("a cache with {limit} {unit}"),
                result.and_then(|()| rig.check(&pod)),
            );
        }
        // Where the release fits without a cache, it fits beside one.
        let limit = 1000 + step * 6000 / steps;
        let pods = [rig.pod(Start::Cold), rig.pod(Start::Cold)];
        let without = on_a_small_disk(&rig, &pods[0], "size", limit, Use::Root);
        let beside = Program::new("true").run();
        let with = if without.code() == Some(0) {
            share_small_disk(&rig, &pods[1], limit)
        } else {
            beside
        };
        refused += u32::from(with.stderr.contains("room for the release only"));
        let result = if without.code() == Some(0) {
            succeeded(&with).and_then(|()| rig.is_new(&pods[1]))
        } else {
            Ok(())
        };
        row.count(
            || format!("one disk of {limit} KiB for both"),
            result.and_then(|()| rig.check(&pods[1])),
        );
    }
    row.note =
        format!("{full} caches were too small, {refused} disks had room for the release only");
    if full == 0 || refused == 0 {
        row.count(
            || row_note(full, refused),
            Err("the sizes of the disks miss one of the cases".to_owned()),
        );
    }
    row
}

fn row_note(full: u32, refused: u32) -> String {
    format!("{full} too small, {refused} for the release only")
}

/// The cache is a tmpfs of its own of that size; or there is none, and the root is on that tmpfs.
fn on_a_small_disk(rig: &Rig, pod: &str, unit: &str, limit: usize, used: Use) -> Outcome {
    let script = r#"
        mount -t tmpfs -o "$UNIT=$LEFT$SUFFIX,mode=0700" none "$DISK"
        code=0; "$INIT" || code=$?
        if [ -n "$KEEP" ]; then cp -a "$DISK/root/." "$KEEP"; fi
        exit $code"#;
    small_disk(rig, pod, script, unit, limit, used)
}

fn share_small_disk(rig: &Rig, pod: &str, limit: usize) -> Outcome {
    let script = r#"
        mount -t tmpfs -o "$UNIT=$LEFT$SUFFIX,mode=0700" none "$DISK"
        code=0; "$INIT" || code=$?
        cp -a "$DISK/root/." "$KEEP"
        exit $code"#;
    small_disk(rig, pod, script, "size", limit, Use::Both)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Cache,
    Root,
    Both,
}

fn small_disk(rig: &Rig, pod: &str, script: &str, unit: &str, limit: usize, used: Use) -> Outcome {
    let disk = rig.shop.path(format!("{pod}.disk"));
    fs::create_dir(&disk).expect("a scratch directory is writable");
    let root = rig.shop.path(pod);
    let program = Program::new("unshare")
        .args(["-rm", "sh", "-euc", script])
        .envs(rig.shop.pod_environment(pod));
    let program = program
        .env("DISK", &disk)
        .env("UNIT", unit)
        .env("LEFT", limit.to_string());
    let program = program
        .env("SUFFIX", if unit == "size" { "k" } else { "" })
        .env("INIT", crate::process::binary("longshore-init"));
    let program = if used == Use::Cache {
        program.env("KEEP", "")
    } else {
        program
            .env("KEEP", &root)
            .env("LONGSHORE_ROOT", disk.join("root"))
    };
    match used {
        Use::Root => program,
        Use::Cache => program.env("LONGSHORE_CACHE", &disk),
        Use::Both => program.env("LONGSHORE_CACHE", disk.join("cache")),
    }
    .run()
}
