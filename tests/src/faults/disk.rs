//! Classes 3 to 5: the disk refuses, is full, or holds what a crash left.

use super::{
    Counts, Row, Start,
    kill::points,
    rig::{Rig, ended, last_line, names},
};
use crate::process::{Outcome, Program};
use std::{fs, io, os::unix::fs::symlink, path::Path};

/// Where an error is no error: a file that cannot be linked is downloaded, and the lock's note of
/// who holds it is for people.
const HARMLESS: [&str; 4] = [
    "deploy.reuse.link",
    "deploy.lock.write",
    "deploy.seen.write",
    "deploy.seen.rename",
];

pub(super) fn every_call_fails_with_eio(counts: &Counts) -> Row {
    let mut row = Row::new(3, "the Nth state-changing call fails with EIO, all N");
    every_call_fails(&mut row, counts, "eio", 1);
    row
}

fn every_call_fails(row: &mut Row, counts: &Counts, error: &str, step: usize) {
    let mut harmless = 0;
    for rig in Rig::small_and_spooled(counts) {
        for start in Start::ALL {
            for at in (1..=points(&rig, start).len()).step_by(step) {
                let pod = rig.pod(start);
                let (outcome, passed) = rig.steer(&pod, at, error);
                let told = told(&rig, &pod, &outcome, &passed, at);
                harmless += u32::from(outcome.code() == Some(0));
                let point = passed.get(at - 1).cloned().unwrap_or_default();
                row.count(
                    || format!("{error} in call {at} ({point}), {start}"),
                    told.and_then(|()| rig.check(&pod)),
                );
            }
        }
    }
    row.note = format!(
        "in {harmless} of these it was no error, as it was a link to an old file, the lock's \
         note, an old tree's removal or what is remembered of the release object"
    );
}

/// Code 74 and the path; or none, where the call may fail, and then the new release runs.
fn told(
    rig: &Rig,
    pod: &str,
    outcome: &Outcome,
    passed: &[String],
    at: usize,
) -> Result<(), String> {
    if outcome.code() != Some(0) {
        ended(outcome, 74, "disk")?;
        let root = rig.shop.path(pod);
        let line = last_line(outcome);
        return if line.contains(&*root.to_string_lossy()) {
            Ok(())
        } else {
            Err(format!("no path is named: {line}"))
        };
    }
    // What follows the switch and its fsync only removes an old tree, and the next pull would.
    let switched = passed
        .iter()
        .rposition(|point| point == "deploy.path.rename")
        .map_or(usize::MAX, |index| index + 2);
    match passed.get(at - 1) {
        Some(point) if !HARMLESS.contains(&point.as_str()) && at <= switched => {
            Err(format!("{point} failed, and nobody noticed"))
        }
        _ => rig.is_new(pod),
    }
}

pub(super) fn disk_full(counts: &Counts) -> Row {
    let mut row = Row::new(
        4,
        "ENOSPC at every call; a real disk without space or inodes",
    );
    every_call_fails(
        &mut row,
        counts,
        "enospc",
        if counts.points > 1 { 1 } else { 5 },
    );
    if Program::new("unshare").args(["-rm", "true"]).run().code() != Some(0) {
        row.note += "; real disks SKIPPED: this machine lets nobody make a mount namespace";
        return row;
    }
    // Files of one byte take a block each, more than is asked for beforehand: so the writes
    // themselves meet the end of the disk.
    let rig = Rig::with(|module| {
        (0..60).try_for_each(|number| fs::write(module.join(format!("crumb{number}")), "x"))
    });
    let (mut beforehand, mut writing, mut fit) = (0, 0, 0);
    for start in Start::ALL {
        for (unit, limit) in limits(counts) {
            let pod = rig.pod(start);
            let outcome = on_a_small_disk(&rig, &pod, unit, limit);
            let result = match outcome.code() {
                Some(0) => rig.is_new(&pod),
                _ => ended(&outcome, 74, "disk").and_then(|()| given_back(&outcome)),
            };
            match outcome.code() {
                Some(0) => fit += 1,
                _ if last_line(&outcome).contains("the release needs about") => beforehand += 1,
                _ => writing += 1,
            }
            row.count(
                || format!("{limit} {unit} left, {start}"),
                result.and_then(|()| rig.check(&pod)),
            );
        }
    }
    let small = format!(
        "small disks: {beforehand} pulls were refused beforehand, {writing} while they wrote, \
         {fit} fitted"
    );
    if beforehand * writing * fit == 0 {
        row.count(
            || small.clone(),
            Err("the sizes of the disks miss one of the three".to_owned()),
        );
    }
    row.note = [row.note, small].join("; ");
    row
}

/// What the disk has left: KiB, or inodes. A pull needs some 400 KiB and 100 inodes.
fn limits(counts: &Counts) -> Vec<(&'static str, usize)> {
    let steps = if counts.points > 1 { 60 } else { 8 };
    (0..steps)
        .flat_map(|step| {
            [
                ("size", 4 + step * 560 / steps),
                ("nr_inodes", 1 + step * 150 / steps),
            ]
        })
        .collect()
}

/// Runs a pod's init on a tmpfs of its own with so much left, and copies what is then there to the
/// pod's root.
///
/// Standard output has what is used, in KiB and in inodes, before and after, and the entries of
/// staging.
fn on_a_small_disk(rig: &Rig, pod: &str, unit: &str, left: usize) -> Outcome {
    let disk = rig.shop.path(format!("{pod}.disk"));
    let root = rig.shop.path(pod);
    let script = r#"
        mount -t tmpfs -o size=64m,nr_inodes=10000 none "$LONGSHORE_ROOT"
        if [ -d "$POD" ]; then cp -a "$POD/." "$LONGSHORE_ROOT"; rm -r "$POD"; fi
        used() { df --block-size=1K --output=used,iused "$LONGSHORE_ROOT" | tail -n 1; }
        set -- $(used)
        case $UNIT in size) mount -o remount,size=$(($1 + LEFT))k "$LONGSHORE_ROOT" ;; *) mount -o remount,nr_inodes=$(($2 + LEFT)) "$LONGSHORE_ROOT" ;; esac
        code=0; "$INIT" || code=$?
        echo $1 $2 $(used) $(find "$LONGSHORE_ROOT/staging" -mindepth 1 2>/dev/null | wc -l)
        cp -a "$LONGSHORE_ROOT/." "$POD"
        exit $code"#;
    let prepared = fs::create_dir(&disk);
    prepared.expect("a scratch directory is writable");
    let program = Program::new("unshare")
        .args(["-rm", "sh", "-euc", script])
        .envs(rig.shop.pod_environment(pod));
    let program = program
        .env("LONGSHORE_ROOT", &disk)
        .env("POD", &root)
        .env("UNIT", unit)
        .env("LEFT", left.to_string());
    program
        .env("INIT", crate::process::binary("longshore-init"))
        .run()
}

/// A failed pull may leave the root's own directories and the lock, at most 8 inodes and a few
/// blocks, and nothing staged.
fn given_back(outcome: &Outcome) -> Result<(), String> {
    let numbers: Vec<u64> = outcome
        .stdout
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        [kib, inodes, kib_after, inodes_after, 0]
            if kib_after <= kib + 32 && inodes_after <= inodes + 8 =>
        {
            Ok(())
        }
        _ => Err(format!(
            "used KiB and inodes before and after, and staged entries: {}",
            outcome.stdout.trim()
        )),
    }
}

/// Puts what a crash could have left into a root. Names, targets and lengths differ in each round.
type Leave = fn(&Path, u32) -> io::Result<()>;

pub(super) fn leftovers(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(5, "leftover link, staging, half a tree, half-written state"),
    );
    let leave: [(&str, Leave); 7] = [
        ("a staged tree", |root, round| {
            let app = root.join(format!("staging/{round:04x}/app"));
            fs::create_dir_all(&app).and_then(|()| fs::write(app.join("a"), "x"))
        }),
        ("a temporary link", |root, round| {
            symlink(format!("releases/none{round}"), root.join("staging/link"))
        }),
        ("a temporary link out of the root", |root, round| {
            let up = "../".repeat(2 + round as usize);
            symlink(format!("{up}src"), root.join("staging/link"))
        }),
        ("half a state", |root, round| {
            let half = "{\"schema\": 1, \"acc";
            let length = half.len() - round as usize % half.len();
            fs::write(root.join("staging/state"), &half[..length])
        }),
        ("a tree without index", |root, round| {
            fs::create_dir_all(root.join(format!("releases/ffff{round:012x}/app")))
        }),
        ("an index without tree", |root, round| {
            fs::write(root.join(format!("releases/ffff{round:012x}.index")), "x")
        }),
        ("a lock of somebody who is gone", |root, round| {
            fs::write(root.join("lock"), format!("{}\n", 1 + round))
        }),
    ];
    let rounds = 0..counts.rounds(14);
    for (round, start) in rounds.flat_map(|round| Start::ALL.map(|start| (round, start))) {
        for (what, make) in leave {
            let pod = rig.pod(start);
            let root = rig.shop.path(&pod);
            fs::create_dir_all(root.join("staging"))
                .and_then(|()| fs::create_dir_all(root.join("releases")))
                .expect("writable");
            let made = make(&root, round).map_err(|error| error.to_string());
            let swept = made.and_then(|()| {
                rig.shop.init(&pod).run().expect(0);
                let trees = names(&root.join("releases"));
                if trees.iter().any(|name| name.starts_with("ffff")) {
                    Err(format!("not swept: {trees:?}"))
                } else {
                    Ok(())
                }
            });
            row.count(
                || format!("{what}, {start}, round {round}"),
                swept.and_then(|()| rig.check(&pod)),
            );
        }
    }
    row
}
