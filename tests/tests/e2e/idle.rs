//! What an agent costs that has nothing to do, in the shape of a pod: two mounts, a file and a
//! channel.

use crate::agent::Pod;
use e2e::pod::Namespace;
use std::{fs, path::PathBuf, thread, time::Duration};

const MOUNTS: &str = r#"
[[mount]]
name = "media"
kind = "bind"
path = "$POD/mnt/media"
source = "$POD/server/media"

[[mount]]
name = "import"
kind = "bind"
path = "$POD/mnt/import"
source = "$POD/server/import"
"#;

#[test]
fn an_idle_agent_hardly_wakes_and_holds_little() {
    let mut pod = Pod::new();
    let namespace = Namespace::new();
    for directory in ["node/server/media", "node/server/import", "node/mnt"] {
        fs::create_dir_all(pod.shop.path(directory)).unwrap();
    }
    fs::write(
        pod.shop.path("mounts.toml"),
        MOUNTS.replace("$POD", pod.shop.path("node").to_str().unwrap()),
    )
    .unwrap();
    let program = namespace
        .ours("longshore-agent")
        .envs(pod.shop.pod_environment("pod"));
    let program = program
        .env("LONGSHORE_MOUNTS", pod.shop.path("mounts.toml"))
        .env("LONGSHORE_RELEASE", pod.shop.path("release"));
    // No look falls into the time that is measured.
    pod.start(
        program
            .env("LONGSHORE_SOURCES", "both")
            .env("LONGSHORE_POLL", "1h"),
    );
    pod.agent.until("both are mounted", |status| {
        (0..2).all(|number| status["mounts"][number]["state"] == "healthy")
    });
    pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    let process = PathBuf::from(format!("/proc/{}", pod.agent.process().pid()));
    let field = |path: PathBuf, name: &str| -> u64 {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    // Of all threads: how often one of them went to sleep.
    let wakeups = || -> u64 {
        let threads = fs::read_dir(process.join("task")).unwrap();
        threads
            .map(|thread| {
                field(
                    thread.unwrap().path().join("status"),
                    "voluntary_ctxt_switches:",
                )
            })
            .sum()
    };
    thread::sleep(Duration::from_secs(2));
    // Twice as long as the time between two looks at a mount, each of which takes a process of its
    // own.
    let before = wakeups();
    thread::sleep(Duration::from_secs(20));
    let (woken, own) = (
        wakeups() - before,
        field(process.join("status"), "RssAnon:"),
    );
    println!("{woken} wakeups in 20 s, {own} KiB of its own");
    // Measured: 32, which are looks at the mounts, the sign of life and the guard's turn, the
    // latter two every 5 s; and 3.6 MiB. On a busy machine threads wait for each other more often.
    assert!(woken < 96, "{woken} wakeups in 20 s");
    assert!(own < 5632, "{own} KiB");
    pod.agent.end();
}
