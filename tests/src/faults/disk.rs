//! Classes 1 to 7: what happens to the process and to the disk.

use super::{
    Counts, Row,
    rig::{Rig, channel, ended, last_line, names, reason, sequence},
};
use crate::{
    process::{Program, Running},
    s3::{Effect, Fault},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

const COLD_AND_WARM: [bool; 2] = [false, true];

/// The names of the failpoints that a pull passes, in the order of the run.
///
/// # Panics
///
/// The pull fails without any fault.
#[must_use]
pub fn points(rig: &Rig, warm: bool) -> Vec<String> {
    let (pod, trace) = (rig.pod(warm), rig.shop.path("trace"));
    rig.shop.init(&pod).env("FAILPOINT_TRACE", &trace).run().expect(0);
    let names = fs::read_to_string(&trace).unwrap_or_default().lines().map(str::to_owned).collect();
    fs::remove_file(&trace).and_then(|()| fs::remove_dir_all(rig.shop.path(&pod))).expect("a scratch directory is writable");
    names
}

pub(super) fn killed_at_every_point(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(1, "kill -9 at every failpoint"));
    for warm in COLD_AND_WARM {
        let points = points(&rig, warm).len();
        for at in (1..=points).cycle().take(counts.points as usize * points) {
            let pod = rig.pod(warm);
            let outcome = rig.shop.init(&pod).env("FAILPOINT", format!("{at}:kill")).run();
            row.count(|| format!("point {at}, warm {warm}, {:?}", outcome.ended), rig.check(&pod));
        }
    }
    row
}

pub(super) fn killed_at_random_times(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(2, "kill -9 at random times"));
    let mut random = StdRng::seed_from_u64(counts.seed);
    let begin = Instant::now();
    let pod = rig.pod(true);
    rig.shop.init(&pod).run().expect(0);
    let whole = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    for _ in 0..counts.kills {
        let (warm, after) = (random.random(), Duration::from_micros(random.random_range(0..whole)));
        let pod = rig.pod(warm);
        let ended = rig.shop.init(&pod).start().kill_after(after).ended;
        row.count(|| format!("after {after:?}, warm {warm}, {ended:?}"), rig.check(&pod));
    }
    row
}

pub(super) fn every_call_fails_with_eio(_counts: &Counts) -> Row {
    every_call_fails(Row::new(3, "the Nth state-changing call fails with EIO, all N"), "eio")
}

fn every_call_fails(mut row: Row, error: &str) -> Row {
    let rig = Rig::new(0);
    for warm in COLD_AND_WARM {
        let points = points(&rig, warm);
        for (at, point) in points.iter().enumerate() {
            let pod = rig.pod(warm);
            let outcome = rig.shop.init(&pod).env("FAILPOINT", format!("{}:{error}", at + 1)).run();
            // Linking falls back to downloading, and the lock's note of who holds it may be missing: no error then.
            let told = match outcome.code() {
                Some(0) => Ok(()),
                Some(74) if last_line(&outcome).contains(pod.as_str()) => Ok(()),
                _ => Err(format!("{:?}: {}", outcome.ended, last_line(&outcome))),
            };
            row.count(|| format!("call {} ({point}), warm {warm}", at + 1), told.and_then(|()| rig.check(&pod)));
        }
    }
    row
}

pub(super) fn disk_full(_counts: &Counts) -> Row {
    let mut row = every_call_fails(Row::new(4, "ENOSPC at every call; a real disk without space or inodes"), "enospc");
    let rig = Rig::new(600_000);
    for limit in ["size=256k", "size=512k", "nr_inodes=8", "nr_inodes=20"] {
        let pod = rig.pod(false);
        let root = rig.shop.path(&pod);
        fs::create_dir(&root).expect("a scratch directory is writable");
        // The mount is this process's own and goes with it; what staging holds at the end is the last line.
        let script = "mount -t tmpfs -o \"$LIMIT\" none \"$LONGSHORE_ROOT\" && { \"$INIT\"; code=$?; \
                      find \"$LONGSHORE_ROOT/staging\" -mindepth 1 2>/dev/null | wc -l; exit $code; }";
        let program = Program::new("unshare").args(["-m", "sh", "-c", script]).env("LIMIT", limit);
        let program = program.env("INIT", crate::process::binary("longshore-init")).envs(rig.shop.pod_environment(&pod));
        let outcome = program.run();
        let mut result = ended(&outcome, 74, "disk");
        if result.is_ok() && outcome.stdout.trim() != "0" {
            result = Err(format!("{} entries are left in staging", outcome.stdout.trim()));
        }
        row.count(|| limit.to_owned(), result);
    }
    row
}

/// Puts what a crash could have left into a root.
type Leave = fn(&Path) -> io::Result<()>;

pub(super) fn leftovers(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(5, "leftover link, staging, half a tree, half-written state"));
    let leave: [(&str, Leave); 5] = [
        ("a staged tree", |root| {
            fs::create_dir_all(root.join("staging/0123/app")).and_then(|()| fs::write(root.join("staging/0123/app/a"), "x"))
        }),
        ("a temporary link", |root| symlink("releases/none", root.join("staging/link"))),
        ("half a state", |root| fs::write(root.join("staging/state"), "{\"schema\": 1, \"acc")),
        ("a tree without index", |root| fs::create_dir_all(root.join("releases/ffffffffffffffff/app"))),
        ("an index without tree", |root| fs::write(root.join("releases/ffffffffffffffff.index"), "x")),
    ];
    for warm in COLD_AND_WARM {
        for (what, make) in leave {
            let pod = rig.pod(warm);
            let root = rig.shop.path(&pod);
            fs::create_dir_all(root.join("staging")).and_then(|()| fs::create_dir_all(root.join("releases"))).expect("writable");
            let made = make(&root).map_err(|error| error.to_string());
            let swept = made.and_then(|()| {
                rig.shop.init(&pod).run().expect(0);
                let trees = names(&root.join("releases"));
                if trees.iter().any(|name| name.starts_with("ffff")) { Err(format!("not swept: {trees:?}")) } else { Ok(()) }
            });
            row.count(|| format!("{what}, warm {warm}"), swept.and_then(|()| rig.check(&pod)));
        }
    }
    row
}

pub(super) fn two_at_once(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(6, "two inits race on one root"));
    for _ in 0..counts.damages {
        rig.server.fault(Fault::new(Effect::Latency { ms: 20 }));
        let pod = rig.pod(true);
        let both = [rig.shop.init(&pod).start(), rig.shop.init(&pod).start()].map(Running::wait);
        let won = both.iter().filter(|outcome| outcome.code() == Some(0)).count();
        let busy = both.iter().filter(|outcome| outcome.code() == Some(75) && reason(outcome) == "busy").count();
        let result = if won >= 1 && won + busy == 2 { Ok(()) } else { Err(format!("{both:#?}")) };
        row.count(String::new, result.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn readers_during_switches(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(7, "readers while releases are switched"));
    let pod = rig.pod(true);
    rig.shop.init(&pod).run().expect(0);
    let (root, state) = (rig.shop.path(&pod), rig.shop.state(&pod));
    let digest = |which: &str| state[which]["manifest"].as_str().and_then(|text| text.parse().ok()).expect("two releases are there");
    let targets = [digest("previous"), digest("active")].map(|manifest| deploy::Target {
        manifest,
        sequence: sequence(2),
        channel: channel(),
        root_version: 1,
    });
    let done = AtomicBool::new(false);
    let problems: BTreeSet<String> = thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_until(&root, &done))).collect();
        let mut opened = deploy::ReleaseRoot::open(&root).expect("nobody else holds the root");
        for turn in 0..counts.switches {
            let switched = opened.activate(&targets[turn as usize % 2], jiff::Timestamp::now());
            row.count(|| format!("switch {turn}"), switched.map_err(|error| error.to_string()));
        }
        done.store(true, Ordering::Release);
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader does not panic")).collect()
    });
    if !problems.is_empty() {
        row.survived = 0;
        row.failures.extend(problems.into_iter().take(5));
    }
    row
}

/// Reads as a web server does: `current` is resolved once, and then every file of the request comes from there.
fn read_until(root: &Path, done: &AtomicBool) -> BTreeSet<String> {
    let mut problems = BTreeSet::new();
    while !done.load(Ordering::Acquire) {
        let seen = fs::read_link(root.join("current")).and_then(|tree| {
            let marker = |path: &str| fs::read_to_string(root.join(&tree).join(path));
            Ok((marker("marker.php")?, marker("app/code/module1/marker.php")?))
        });
        match seen {
            Ok((one, other)) if one == other => {}
            Ok((one, other)) => drop(problems.insert(format!("a mixed tree: {one} and {other}"))),
            Err(error) => drop(problems.insert(error.to_string())),
        }
    }
    problems
}
