//! Class 14: the node's clock is wrong: behind, ahead, and set while an agent runs. Debian's
//! libfaketime gives a process another clock.

use super::{
    Counts, Row, Start,
    agent::{CONVERGES, is_whole, sequence},
    cache::succeeded,
    policy::refused,
    rig::{HEAD, NEW, Rig, ended},
};
use crate::{
    pod::{Agent, runs},
    process::Program,
    shop::Shop,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const HOUR: Duration = Duration::from_hours(1);
const DECADE: Duration = Duration::from_hours(24 * 3653);
/// A minute more than the hour for which a clock that was ahead may hold a right one up, in
/// seconds.
const BOUND: i64 = 3660;
const TEN_YEARS: i64 = 3653 * 24 * 3600;
/// A store with the release in force, beside the pods.
const STORE: &str = "pod-store";

/// The library, where Debian's package `libfaketime` is.
fn library() -> Option<PathBuf> {
    let places = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    places
        .iter()
        .map(|place| PathBuf::from(format!("/usr/lib/{place}/faketime/libfaketime.so.1")))
        .find(|path| path.is_file())
}

pub(super) fn wrong(counts: &Counts) -> Row {
    let mut row = Row::new(
        14,
        "the clock an hour or ten years behind or ahead, or set while the agent runs",
    );
    let rig = Rig::new(0);
    for round in 0..counts.damages.min(5) {
        for off in [HOUR, DECADE] {
            behind(&rig, &mut row, round, off);
        }
    }
    let Some(library) = library() else {
        "SKIPPED clocks that are ahead: libfaketime is not there (Debian: faketime)"
            .clone_into(&mut row.note);
        return row;
    };
    let ahead = Ahead {
        rig: &rig,
        library: &library,
    };
    for round in 0..counts.damages.min(5) {
        for start in Start::ALL {
            let pod = rig.pod(start);
            row.count(
                || format!("round {round}, an hour ahead, {start}"),
                ahead.by_an_hour(&pod).and_then(|()| rig.check(&pod)),
            );
            // Roots do not last that long, and there is no telling whether the clock is wrong.
            let pod = rig.pod(start);
            let result = rig.refused(&pod, &ahead.init(&pod, TEN_YEARS).run(), &["expired"]);
            row.count(
                || format!("round {round}, ten years ahead, {start}"),
                result.and_then(|()| rig.check(&pod)),
            );
            let pod = rig.pod(start);
            let result = rig.refused(&pod, &ahead.init(&pod, -TEN_YEARS).run(), &["clock"]);
            row.count(
                || format!("round {round}, ten years behind, {start}"),
                result.and_then(|()| rig.check(&pod)),
            );
            // S3 itself refuses a clock that is off by more than 15 minutes.
            for seconds in [BOUND, -BOUND, TEN_YEARS] {
                let pod = rig.pod(start);
                let outcome = with_clock(rig.init(&pod), &library)
                    .env("FAKETIME", format!("{seconds:+}"))
                    .run();
                let result = rig.refused(&pod, &outcome, &["clock"]);
                row.count(
                    || format!("round {round}, {seconds:+} s, S3, {start}"),
                    result.and_then(|()| rig.check(&pod)),
                );
            }
        }
    }
    while_it_runs(&mut row, counts, &library);
    row
}

/// As an init with a clock that is behind sees it: the times that it compares with are ahead.
fn behind(rig: &Rig, row: &mut Row, round: u32, off: Duration) {
    let head = rig.server.get(HEAD).unwrap_or_default();
    let pod = rig.pod(Start::Warm);
    let mut state = rig.shop.state(&pod);
    let at = state["accepted"]["at"].take();
    state["accepted"]["at"] = json!((jiff::Timestamp::now() + off).to_string());
    let path = rig.shop.path(&pod).join("state.json");
    fs::write(&path, state.to_string()).expect("a scratch directory is writable");
    let told = refused(rig, &pod, "clock");
    state["accepted"]["at"] = at;
    fs::write(&path, state.to_string()).expect("a scratch directory is writable");
    row.count(
        || format!("round {round}, {off:?} behind what was accepted"),
        told.and_then(|()| rig.check(&pod)),
    );

    let pod = rig.pod(Start::Warm);
    rig.force(|release| release.created += off);
    let told = refused(rig, &pod, "clock");
    rig.server.put(HEAD, head);
    row.count(
        || format!("round {round}, {off:?} behind the release"),
        told.and_then(|()| rig.check(&pod)),
    );
}

/// The program with a clock of its own; what it waits for passes as it does for others.
fn with_clock(program: Program, library: &Path) -> Program {
    program
        .env("LD_PRELOAD", library)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_NO_CACHE", "1")
}

/// Pods whose store is a directory, which has no clock of its own, and theirs is wrong.
struct Ahead<'a> {
    rig: &'a Rig,
    library: &'a Path,
}

impl Ahead<'_> {
    fn init(&self, pod: &str, seconds: i64) -> Program {
        let store = format!("file://{}", self.rig.shop.path(STORE).display());
        with_clock(self.rig.init(pod), self.library)
            .env("LONGSHORE_STORE", store)
            .env("FAKETIME", format!("{seconds:+}"))
    }

    /// Puts a release in force there, with one change.
    fn force(&self, change: impl FnOnce(&mut release::Release)) {
        let head = self.rig.server.get(HEAD).unwrap_or_default();
        self.rig.force(change);
        let forced = self.rig.server.get(HEAD).unwrap_or_default();
        self.rig.server.put(HEAD, head);
        self.put(&forced);
    }

    fn put(&self, head: &[u8]) {
        let path = self
            .rig
            .shop
            .path(STORE)
            .join(release::key::channel_head(&super::rig::channel()));
        fs::write(path, head).expect("a scratch directory is writable");
    }

    /// It takes the release, as nothing tells it better. What it remembers then holds a right clock
    /// up for an hour after the release was made, and not for longer; and a release whose time has
    /// passed does not run for it.
    fn by_an_hour(&self, pod: &str) -> Result<(), String> {
        drop(fs::remove_dir_all(self.rig.shop.path(STORE)));
        self.rig
            .shop
            .longshore(["release", "export", "--out", STORE])
            .expect(0);
        self.force(|release| release.expires = Some(release.created + HOUR / 2));
        self.rig
            .refused(pod, &self.init(pod, BOUND).run(), &["expired"])?;
        self.put(&self.rig.server.get(HEAD).unwrap_or_default());
        succeeded(&self.init(pod, BOUND).run()).and_then(|()| self.rig.is_new(pod))?;
        let at = self.rig.shop.state(pod)["accepted"]["at"]
            .as_str()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .ok_or("no time")?;
        if at > jiff::Timestamp::now() + HOUR {
            return Err(format!("accepted at {at}, more than an hour ahead"));
        }
        // The next release: the right clock waits, and says why; an hour later it goes on.
        self.force(|release| release.sequence = super::rig::sequence(NEW + 1));
        ended(&self.init(pod, 0).run(), 75, "clock").and_then(|()| self.rig.is_new(pod))?;
        succeeded(&self.init(pod, BOUND + 60).run())?;
        if self.rig.shop.state(pod)["accepted"]["sequence"] != NEW + 1 {
            return Err("an hour later it does not go on".to_owned());
        }
        // For what is checked next, whose store knows no such release.
        let root = self.rig.shop.path(pod);
        let taken = fs::remove_dir_all(&root).map_err(|error| error.to_string());
        if self.rig.is_warm(pod) {
            Program::new("cp")
                .arg("-a")
                .arg(self.rig.shop.path("template"))
                .arg(root)
                .run()
                .expect(0);
        }
        taken
    }
}

/// An agent whose clock somebody sets, ahead and back, while releases come.
fn while_it_runs(row: &mut Row, counts: &Counts, library: &Path) {
    let shop = super::agent::shop();
    let clock = shop.path("clock");
    let set = |seconds: i64| {
        let set = fs::write(shop.path("clock.next"), format!("{seconds:+}\n"))
            .and_then(|()| fs::rename(shop.path("clock.next"), &clock));
        set.expect("a scratch directory is writable");
    };
    set(0);
    let mut agent = Agent::default();
    let program = Program::ours("longshore-agent")
        .envs(shop.pod_environment("pod"))
        .env("LONGSHORE_POLL", "200ms");
    agent.start(with_clock(program, library).env("FAKETIME_TIMESTAMP_FILE", &clock));
    for round in 0..counts.pods.div_ceil(10).min(5) {
        // Behind: nothing is taken that was made later, and it says so.
        set(-BOUND * 24);
        let next = publish(&shop, round);
        let told = agent.within(CONVERGES, "it says that its clock is behind", says_clock);
        row.count(
            || format!("round {round}, set back by a day"),
            told.and_then(|_| is_old(&shop, next)),
        );
        set(0);
        row.count(
            || format!("round {round}, right again"),
            agent
                .within(CONVERGES, "it runs", runs(next))
                .and_then(|_| is_whole(&shop, "pod")),
        );
        // Ahead, and back: what it accepted meanwhile holds it up for an hour at most.
        set(BOUND);
        let ahead = publish(&shop, round);
        row.count(
            || format!("round {round}, set ahead"),
            agent
                .within(CONVERGES, "it runs", runs(ahead))
                .and_then(|_| is_whole(&shop, "pod")),
        );
        set(0);
        let next = publish(&shop, round);
        let told = agent.within(CONVERGES, "it says that its clock is behind", says_clock);
        row.count(
            || format!("round {round}, set back after that"),
            told.and_then(|_| is_old(&shop, next)),
        );
        set(BOUND + 60);
        let later = agent
            .within(CONVERGES, "it runs", runs(next))
            .and_then(|_| is_whole(&shop, "pod"));
        row.count(|| format!("round {round}, an hour later"), later);
        // The operator's way out, for the next round: nobody waits for an hour here.
        drop(agent.kill());
        drop(fs::remove_dir_all(shop.path("pod")));
        set(0);
        shop.init("pod").run().expect(0);
        let program = Program::ours("longshore-agent")
            .envs(shop.pod_environment("pod"))
            .env("LONGSHORE_POLL", "200ms");
        agent.start(with_clock(program, library).env("FAKETIME_TIMESTAMP_FILE", &clock));
    }
}

fn publish(shop: &Shop, round: u32) -> u64 {
    static EDITS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let edit = EDITS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    shop.edit(0, u64::from(round) << 8 | edit, 0.2);
    sequence(&shop.publish())
}

fn says_clock(status: &Value) -> bool {
    status["lastCheck"]["error"]["reason"] == "clock"
        || status["newer"]["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("clock"))
}

fn is_old(shop: &Shop, next: u64) -> Result<(), String> {
    let runs = shop.state("pod")["active"]["sequence"].as_u64();
    if runs.is_some_and(|runs| runs < next) {
        Ok(())
    } else {
        Err(format!("{runs:?} runs"))
    }
}
