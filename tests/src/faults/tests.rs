//! Classes that tests elsewhere try: by other crates, by kernels in user-mode Linux, on a cluster.
//! Each row runs the built tests and counts them, or the tries that these [tell](super::tell).

use super::{Counts, Row};
use crate::process::{Outcome, Program, binary};
use std::{fs, path::PathBuf, time::Duration};

/// Some wait for minutes, and two hundred shops on two cores do, too.
const LIFE: Duration = Duration::from_hours(1);

/// Tests of one program.
struct Tests {
    /// Its name, without what cargo adds.
    program: &'static str,
    /// Parts of their names.
    named: &'static [&'static str],
    /// What the program is told besides.
    more: &'static [&'static str],
}

pub(super) fn envelopes(_: &Counts) -> Row {
    let row = Row::new(
        19,
        "mutated envelopes, against an independent implementation",
    );
    run(
        row,
        &[Tests {
            program: "e2e",
            named: &["interop::envelopes::"],
            more: &[],
        }],
    )
}

pub(super) fn storage(_: &Counts) -> Row {
    let row = Row::new(
        25,
        "the NFS server is stopped, frozen, restarted; the tunnel is killed; SIGTERM meanwhile",
    );
    let named = &["outages::", "tls::", "ending::", "whole::"];
    run(
        row,
        &[Tests {
            program: "nfs",
            named,
            more: &["--ignored", "--test-threads=3"],
        }],
    )
}

pub(super) fn publishers(_: &Counts) -> Row {
    let row = Row::new(
        30,
        "a publisher killed, or its disk failing, at every step; two publishers race",
    );
    run(
        row,
        &[Tests {
            program: "e2e",
            named: &["publishing::a_", "publishing::of_two"],
            more: &["--skip=moto"],
        }],
    )
}

pub(super) fn api_server(_: &Counts) -> Row {
    let row = Row::new(
        27,
        "the API server killed, frozen, read-only, refusing by 429, its watches gone; the \
         scheduler killed",
    );
    let named = &[
        "faults::an_api",
        "faults::a_read_only",
        "faults::a_watch",
        "converge::two_hundred",
        "shards::a_second",
    ];
    run(
        row,
        &[Tests {
            program: "cluster",
            named,
            more: &[],
        }],
    )
}

pub(super) fn registry(_: &Counts) -> Row {
    let row = Row::new(28, "the registry is cut, or empty");
    run(
        row,
        &[Tests {
            program: "cluster",
            named: &["converge::a_registry"],
            more: &[],
        }],
    )
}

pub(super) fn broken_shops(_: &Counts) -> Row {
    let row = Row::new(29, "a hundred broken shops beside others");
    run(
        row,
        &[Tests {
            program: "cluster",
            named: &["guards::a_hundred"],
            more: &[],
        }],
    )
}

pub(super) fn eviction(_: &Counts) -> Row {
    let row = Row::new(40, "a tenant fills its disk, and its pod is evicted");
    run(
        row,
        &[Tests {
            program: "platform",
            named: &["eviction::"],
            more: &[],
        }],
    )
}

pub(super) fn definitions(_: &Counts) -> Row {
    let row = Row::new(
        45,
        "the definitions upgraded and downgraded, with shops in place",
    );
    run(
        row,
        &[Tests {
            program: "cluster",
            named: &["definitions::"],
            more: &[],
        }],
    )
}

pub(super) fn compaction(_: &Counts) -> Row {
    let row = Row::new(
        46,
        "etcd is compacted under a live scheduler, and its watches are gone",
    );
    run(
        row,
        &[Tests {
            program: "cluster",
            named: &["compaction::"],
            more: &[],
        }],
    )
}

pub(super) fn console(_: &Counts) -> Row {
    let row = Row::new(
        48,
        "the console killed or stopped, and the API server away, while it changes sixty Shops",
    );
    run(
        row,
        &[Tests {
            program: "cluster",
            named: &["console::faults::"],
            more: &[],
        }],
    )
}

/// How a line begins with which a test tells what it tried.
pub(super) fn prefix(number: u32) -> String {
    format!("fault class {number}: ")
}

fn run(mut row: Row, tests: &[Tests]) -> Row {
    for tests in tests {
        let Some(program) = tests.built() else {
            row.count(
                || tests.program.to_owned(),
                Err("its tests are not built: `cargo build --tests` comes first".to_owned()),
            );
            continue;
        };
        let outcome = Program::new(program)
            .args(tests.named)
            .args(tests.more)
            .envs(inherited())
            .deadline(LIFE)
            .run();
        count(&mut row, &outcome);
    }
    row
}

/// What says where the cluster is, and where programs are cached.
#[allow(
    clippy::disallowed_methods,
    reason = "the harness hands on what it was started with"
)]
fn inherited() -> impl Iterator<Item = (&'static str, String)> {
    let names = [
        "CLUSTER_DIR",
        "KUBECONFIG",
        "HOME",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
    ];
    names
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
}

/// Each test is a try, unless it told how many it made.
fn count(row: &mut Row, outcome: &Outcome) {
    let (begins, text) = (
        prefix(row.number),
        [outcome.stdout.as_str(), &outcome.stderr].concat(),
    );
    let (mut passed, mut tests) = (0, 0);
    for (name, verdict) in verdicts(&outcome.stdout) {
        tests += 1;
        passed += u32::from(verdict == "ok");
        if verdict != "ok" {
            row.count(
                || name.to_owned(),
                Err(format!(
                    "{verdict}: {}",
                    text.lines().rev().take(3).collect::<Vec<_>>().join(" ")
                )),
            );
        }
    }
    let told = text
        .lines()
        .filter_map(|line| line.split_once(&begins)?.1.split_once(" of "));
    let told: Vec<(u32, u32)> = told
        .filter_map(|(survived, tried)| Some((survived.parse().ok()?, tried.parse().ok()?)))
        .collect();
    if told.is_empty() {
        row.survived += passed;
        row.tried += passed;
    }
    for (survived, tried) in told {
        row.survived += survived;
        row.tried += tried;
    }
    row.note = format!("{passed} of {tests} tests passed");
    if tests == 0 || outcome.code() != Some(0) && passed == tests {
        let last = outcome.stderr.lines().last().unwrap_or_default();
        row.count(
            || "its tests".to_owned(),
            Err(format!(
                "{tests} ran, and ended with {:?}: {last}",
                outcome.ended
            )),
        );
    }
}

/// The tests that ran, and what became of them.
fn verdicts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some((name, verdict.trim()))
    })
}

impl Tests {
    /// The program as cargo built it last. A library's own tests may have the same name, so it must
    /// know the tests.
    fn built(&self) -> Option<PathBuf> {
        let directory = binary("longshore-agent").parent()?.join("deps");
        let begins = format!("{}-", self.program);
        let files = fs::read_dir(directory).ok()?.filter_map(Result::ok);
        let named = |name: &str| {
            name.strip_prefix(&begins)
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let mut built: Vec<_> = files
            .filter(|file| file.file_name().to_str().is_some_and(named))
            .collect();
        built.sort_by_key(|file| {
            std::cmp::Reverse(
                file.metadata()
                    .and_then(|metadata| metadata.modified())
                    .ok(),
            )
        });
        built.into_iter().map(|file| file.path()).find(|path| {
            let list = Program::new(path)
                .args(["--list", "--include-ignored"])
                .args(self.named)
                .run();
            list.stdout.lines().any(|line| line.ends_with(": test"))
        })
    }
}
