//! Class 37: the agent dies while it switches on trial, or puts files back.

use super::{
    Counts, Row,
    agent::{CONVERGES, is_whole, sequence, shop},
    rig::{names, passed},
};
use crate::{
    pod::{Agent, runs},
    process::Program,
    shop::{CHANNEL, Shop},
    tree,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use release::key;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// Where one state gives way to another: every second kill is at one of them.
const DECISIVE: &[&str] = &[
    "deploy.tree.exchange",
    "deploy.tree.carry",
    "deploy.path.rename",
    "deploy.link.make",
    "deploy.filesystem.sync",
    "deploy.tree.remove",
];

/// Gives the pod the release that is in force, as the cluster does: noticed at once, and nothing
/// else is asked meanwhile.
fn offer(shop: &Shop) {
    let directory = shop.path("release");
    let head = shop
        .path("store")
        .join(key::channel_head(&CHANNEL.parse().expect("the channel")));
    fs::create_dir_all(&directory).expect("a scratch directory is writable");
    fs::copy(head, directory.join("next")).expect("a scratch directory is writable");
    fs::rename(directory.join("next"), directory.join("release.json"))
        .expect("a scratch directory is writable");
}

/// Waits for a status, or for the agent's death; whether it lives.
fn lives_to(
    agent: &mut Agent,
    what: &str,
    is_so: impl Fn(&serde_json::Value) -> bool,
) -> Result<bool, String> {
    let start = Instant::now();
    while agent.is_running() {
        if agent.status().is_some_and(|status| is_so(&status)) {
            return Ok(true);
        }
        if start.elapsed() > CONVERGES {
            return Err(format!(
                "{what}: not within {CONVERGES:?}: {:#?}",
                agent.status()
            ));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(false)
}

/// A switch, then a file that somebody changes; gives the sequence that was published.
fn exercise(shop: &Shop, agent: &mut Agent, seed: u64) -> Result<u64, String> {
    shop.edit(0, seed, 0.2);
    let newest = sequence(&shop.publish());
    offer(shop);
    if lives_to(agent, "the new release runs", runs(newest))? {
        fs::write(changed(shop), "somebody was here").expect("a scratch directory is writable");
        lives_to(agent, "a changed file is put back", |status| {
            status["tamper"]["repairedFiles"].as_u64() > Some(0)
        })?;
    }
    Ok(newest)
}

/// A file of the running tree.
fn changed(shop: &Shop) -> PathBuf {
    let files = tree::snapshot(&shop.module(0)).expect("the sources can be read");
    let tree = shop.path("pod/current");
    let file = files
        .keys()
        .map(|path| tree.join(path))
        .find(|path| path.is_file() && !path.is_symlink());
    file.expect("the shop has a file")
}

pub(super) fn at_its_failpoints(counts: &Counts) -> Row {
    let mut row = Row::new(
        37,
        "kill -9 of the agent at its failpoints, while it switches on trial and while it puts \
         files back",
    );
    let (shop, mut random) = (shop(), StdRng::seed_from_u64(counts.seed));
    let trace = shop.path("agent.trace");
    let program = || {
        let program = Program::ours("longshore-agent").envs(shop.pod_environment("pod"));
        program
            .env("LONGSHORE_RELEASE", shop.path("release"))
            .env("LONGSHORE_POLL", "60s")
    };
    offer(&shop);
    let mut agent = Agent::default();
    agent.start(program().env("FAILPOINT_TRACE", &trace));
    if let Err(problem) = exercise(&shop, &mut agent, random.random()) {
        row.count(|| "without any fault".to_owned(), Err(problem));
        return row;
    }
    drop(agent.kill());
    let points = passed(&trace);
    let decisive: Vec<_> = (1..)
        .zip(&points)
        .filter(|(_, name)| DECISIVE.contains(&name.as_str()))
        .map(|(at, _)| at)
        .collect();
    let mut died: BTreeMap<String, u32> = BTreeMap::new();
    for round in 0..counts.pods {
        let at = if round % 2 == 0 {
            decisive[random.random_range(0..decisive.len())]
        } else {
            random.random_range(1..=points.len())
        };
        agent.start(
            program()
                .env("FAILPOINT", format!("{at}:kill"))
                .env("FAILPOINT_TRACE", &trace),
        );
        let exercised = exercise(&shop, &mut agent, random.random());
        let by_itself = !agent.is_running();
        drop(agent.kill());
        let last = passed(&trace).pop().unwrap_or_default();
        *died
            .entry(if by_itself {
                last.clone()
            } else {
                "none".to_owned()
            })
            .or_default() += 1;
        agent.start(program());
        let converged = exercised.and_then(|newest| {
            agent.within(
                CONVERGES,
                "the new release runs, and was scanned",
                |status| {
                    runs(newest)(status)
                        && !status["tamper"]["lastScanAt"].is_null()
                        && status["tamper"]["unrepairedFiles"] == 0
                },
            )?;
            is_whole(&shop, "pod")
        });
        drop(agent.kill());
        let swept = converged.and_then(|()| match names(&shop.path("pod/staging")) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?} are left in staging")),
        });
        row.count(
            || format!("round {round}, point {at} of {}, {last}", points.len()),
            swept,
        );
    }
    row.note = died
        .iter()
        .map(|(name, times)| format!("{name} {times}"))
        .collect::<Vec<_>>()
        .join(", ");
    row
}
