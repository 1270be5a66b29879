//! `longshore-agent` that is asked to end in the middle of something.

use crate::agent::Pod;
use e2e::{
    pod::runs,
    s3::{Effect, Fault, Faults, Operation},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long something may take to come that comes at once on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(30);

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether a process is over; it may still wait for its parent to take note.
fn is_over(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn while_the_store_stalls_it_ends_soon_and_the_next_start_sweeps_what_was_staged() {
    let mut pod = Pod::new();
    let program = |pod: &Pod| pod.program().env("LONGSHORE_POLL", "500ms");
    pod.start(program(&pod));
    // The manifest comes, and no module does.
    let reads = vec![Operation::GetObject];
    pod.server.fault(Fault {
        operations: reads,
        keys: "blobs/".into(),
        skip: 1,
        ..Fault::new(Effect::Stall { after: 0 })
    });
    let sequence = pod.release("2", "");
    pod.agent.until("it stages", |status| {
        status["phase"] == "staging" && status["newer"]["sequence"] == sequence
    });
    let staging = pod.root().join("staging");
    let staged = || fs::read_dir(&staging).map_or(0, Iterator::count);
    assert_ne!(staged(), 0, "something is staged");
    pod.agent.end();
    assert_eq!(
        fs::read_to_string(pod.root().join("current/asset.txt")).unwrap(),
        "1"
    );

    pod.server.set_faults(Faults::default());
    pod.start(program(&pod));
    pod.agent.until("the release runs", runs(sequence));
    assert_eq!(staged(), 0);
    pod.agent.end();
}

#[test]
fn during_a_hook_it_ends_soon_and_with_it_the_hook_and_what_that_had_started() {
    let mut pod = Pod::new();
    let (hook, pids) = (pod.shop.path("hook"), pod.shop.path("pids"));
    script(
        &hook,
        &format!(
            "sleep 1200 &\necho $$ $! >{0}.next && mv {0}.next {0}\nwait",
            pids.display()
        ),
    );
    let program = |pod: &Pod| {
        pod.program()
            .env("LONGSHORE_HOOK_BEFORE", &hook)
            .env("LONGSHORE_HOOK_TIMEOUT", "15m")
            .env("LONGSHORE_POLL", "1s")
    };
    pod.start(program(&pod));
    let sequence = pod.release("2", "");
    until("the hook runs", || pids.exists());
    assert_eq!(pod.agent.status().unwrap()["phase"], "warming");
    pod.agent.end();
    let pids = fs::read_to_string(&pids).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2);
    until("the hook and its child are gone", || {
        pids.split_whitespace().all(is_over)
    });
    assert_eq!(
        fs::read_to_string(pod.root().join("current/asset.txt")).unwrap(),
        "1"
    );

    script(&hook, "exit 0");
    pod.start(program(&pod));
    pod.agent.until("the release runs", runs(sequence));
    pod.agent.end();
}
