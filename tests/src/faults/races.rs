//! Classes 6 and 7: others are at the same root.

use super::{
    Counts, Row, Start,
    rig::{NEW, OLD, Rig, channel, reason, sequence},
};
use crate::{
    pod::{Agent, runs},
    process::{Program, Running},
    s3::{Effect, Fault},
};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

/// How long agents may take to the new release.
const CONVERGES: Duration = Duration::from_secs(30);
const READERS: usize = 3;

pub(super) fn two_at_once(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(
            6,
            "two inits, an init and an agent, or two agents race on one root",
        ),
    );
    let mut refused = 0;
    for number in 0..counts.damages {
        let start = Start::in_turn(number + 1);
        rig.server.fault(Fault::new(Effect::Latency { ms: 20 }));
        let pod = rig.pod(start);
        let both = [rig.shop.init(&pod).start(), rig.shop.init(&pod).start()].map(Running::wait);
        let won = both
            .iter()
            .filter(|outcome| outcome.code() == Some(0))
            .count();
        let busy = both
            .iter()
            .filter(|outcome| outcome.code() == Some(75) && reason(outcome) == "busy")
            .count();
        refused += busy;
        let result = if won >= 1 && won + busy == 2 {
            rig.is_new(&pod)
        } else {
            Err(format!("{both:#?}"))
        };
        row.count(
            || format!("race {number}, {start}"),
            result.and_then(|()| rig.check(&pod)),
        );
    }
    for number in 0..counts.pods {
        let (start, with_init) = (Start::in_turn(number + 1), number % 3 != 0);
        rig.server.fault(Fault::new(Effect::Latency { ms: 20 }));
        let pod = rig.pod(start);
        let result = agents_at_once(&rig, &pod, with_init).and_then(|()| rig.is_new(&pod));
        row.count(
            || format!("agents {number}, {start}, with an init: {with_init}"),
            result.and_then(|()| rig.check(&pod)),
        );
    }
    row.note =
        format!("{refused} inits met a busy root, the others started after the winner had ended");
    if refused == 0 {
        row.count(String::new, Err("no race took place".to_owned()));
    }
    row
}

/// An agent and an init, or two agents: whoever meets a busy root tries again, and all come to the
/// new release.
fn agents_at_once(rig: &Rig, pod: &str, with_init: bool) -> Result<(), String> {
    let program = || {
        Program::ours("longshore-agent")
            .envs(rig.shop.pod_environment(pod))
            .env("LONGSHORE_POLL", "200ms")
    };
    let mut agents = vec![Agent::default()];
    agents.extend((!with_init).then(Agent::default));
    for agent in &mut agents {
        agent.start(program());
    }
    let outcome = with_init.then(|| rig.shop.init(pod).start().wait());
    for agent in &agents {
        agent.within(CONVERGES, "the new release runs", runs(NEW))?;
    }
    for agent in &mut agents {
        drop(agent.end());
    }
    match outcome {
        Some(outcome) if outcome.code() != Some(0) && reason(&outcome) != "busy" => {
            Err(format!("{outcome:#?}"))
        }
        _ => Ok(()),
    }
}

pub(super) fn readers_during_switches(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(7, "readers while releases are switched"),
    );
    let pod = rig.pod(Start::Warm);
    rig.shop.init(&pod).run().expect(0);
    let (root, state) = (rig.shop.path(&pod), rig.shop.state(&pod));
    let target = |which: &str, number| deploy::Target {
        manifest: state[which]["manifest"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("two releases are there"),
        sequence: sequence(number),
        channel: channel(),
        root_version: 1,
        created: jiff::Timestamp::now(),
    };
    let targets = [target("previous", OLD), target("active", NEW)];
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let problems: BTreeSet<String> = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| read_until(&root, &done, &reads)))
            .collect();
        let mut opened = deploy::ReleaseRoot::open(&root).expect("nobody else holds the root");
        for turn in 0..counts.switches {
            let switched = opened
                .activate(&targets[turn as usize % 2], jiff::Timestamp::now())
                .map_err(|error| error.to_string());
            let pruned = switched.and_then(|()| opened.prune().map_err(|error| error.to_string()));
            row.count(|| format!("switch {turn}"), pruned.map(drop));
        }
        done.store(true, Ordering::Release);
        readers
            .into_iter()
            .flat_map(|reader| reader.join().expect("a reader does not panic"))
            .collect()
    });
    let reads = reads.into_inner();
    row.note = format!("{READERS} readers made {reads} requests meanwhile");
    if !problems.is_empty() || reads < u64::from(counts.switches) {
        row.survived = 0;
        row.failures
            .extend(problems.into_iter().take(5).chain([row.note.clone()]));
    }
    let last = rig.check_now(&pod).and_then(|()| rig.check(&pod));
    row.count(|| "after all of them".to_owned(), last);
    row
}

/// Reads as a web server does: `current` is resolved once, and then every file of the request comes
/// from there.
fn read_until(root: &Path, done: &AtomicBool, reads: &AtomicU64) -> BTreeSet<String> {
    let mut problems = BTreeSet::new();
    while !done.load(Ordering::Acquire) {
        let seen = fs::read_link(root.join("current")).and_then(|tree| {
            let marker = |path: &str| fs::read_to_string(root.join(&tree).join(path));
            Ok((
                marker("marker.php")?,
                marker("app/code/module1/marker.php")?,
            ))
        });
        reads.fetch_add(1, Ordering::Relaxed);
        match seen {
            Ok((one, other)) if one == other => {}
            Ok((one, other)) => drop(problems.insert(format!("a mixed tree: {one} and {other}"))),
            Err(error) => drop(problems.insert(error.to_string())),
        }
    }
    problems
}
