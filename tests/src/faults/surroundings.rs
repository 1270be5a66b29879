//! Class 42: what the shop needs is away while a release arrives: its database, its cache, whatever
//! makes each page fail, of the release that runs, too.

use super::{
    Counts, Row,
    agent::{Page, is_whole, sequence, shop},
};
use crate::{
    pod::{Agent, runs},
    process::Program,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{fs, thread, time::Duration};

/// How long a release may take that waits, with the pauses between two tries.
const BACK: Duration = Duration::from_mins(1);

pub(super) fn away(counts: &Counts) -> Row {
    let mut row = Row::new(
        42,
        "the database, or another neighbour, is away while a release arrives, or leaves while it \
         is on trial",
    );
    let (shop, mut random) = (shop(), StdRng::seed_from_u64(counts.seed));
    let away = shop.path("away");
    let page = Page::failing(vec![away.clone()]).expect("loopback has a free port");
    let program = Program::ours("longshore-agent")
        .envs(shop.pod_environment("pod"))
        .env("LONGSHORE_POLL", "1s");
    let program = program
        .env("LONGSHORE_PROBE", page.url())
        .env("LONGSHORE_PROBE_TIMES", "3");
    let mut agent = Agent::default();
    agent.start(program);
    let mut on_trial = 0;
    for round in 0..counts.pods.min(30) {
        let before = round % 2 == 0;
        if before {
            fs::write(&away, "").expect("a scratch directory is writable");
        }
        shop.edit(0, random.random(), 0.2);
        let next = sequence(&shop.publish());
        if !before {
            thread::sleep(Duration::from_millis(random.random_range(0..500)));
            on_trial += u32::from(!shop.state("pod")["trial"].is_null());
            fs::write(&away, "").expect("a scratch directory is writable");
        }
        // Either it was good before that, or it waits; it is never the release's fault.
        let held = agent.within(BACK, "it waits, or has passed", |status| {
            let newer = &status["newer"];
            newer["sequence"] == next && newer["why"] == "shop" && status["phase"] == "waiting"
                || runs(next)(status)
        });
        let held = held.and_then(|_| {
            match shop.state("pod")["rejected"]
                .as_object()
                .map_or(0, serde_json::Map::len)
            {
                0 => Ok(()),
                rejected => Err(format!("{rejected} releases were rejected for it")),
            }
        });
        fs::remove_file(&away).expect("a scratch directory is writable");
        let runs = held.and_then(|()| agent.within(BACK, "it runs once that is back", runs(next)));
        row.count(
            || format!("round {round}, away before it: {before}"),
            runs.and_then(|_| is_whole(&shop, "pod")),
        );
    }
    row.note = format!("{on_trial} of those that left met a release on trial");
    row
}
