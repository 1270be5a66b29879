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
    /// Parts of their names. Each must be in the name of a test that has none of the others.
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

/// Each of two races is counted by its rounds. A publisher that ends early is counted by the steps
/// at which it was killed and at which its disk failed. An upload in parts that the store refuses
/// counts once.
pub(super) fn publishers(_: &Counts) -> Row {
    let row = Row::new(
        30,
        "a publisher killed, or its disk failing, at every step; two publishers race",
    );
    let named = &[
        "publishing::of_two",
        "publishing::interrupted::a_publisher",
        "publishing::interrupted::a_first",
        "publishing::parts::a_publisher",
        "publishing::parts::an_upload",
    ];
    run(
        row,
        &[Tests {
            program: "e2e",
            named,
            more: &[],
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
        "takeover::a_second",
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

pub(super) fn network_policies(_: &Counts) -> Row {
    let row = Row::new(
        44,
        "NetworkPolicies in force: what shops, visitors, metrics and strangers reach",
    );
    run(
        row,
        &[Tests {
            program: "platform",
            named: &["reach::a_shops_php"],
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
        count(&mut row, tests.named, &outcome);
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

/// Counts what the tests told that they tried; if none told anything, each test is a try. A name
/// without a test of its own is a failure: otherwise nobody notices that a test was renamed.
fn count(row: &mut Row, named: &[&str], outcome: &Outcome) {
    let (begins, text) = (
        prefix(row.number),
        [outcome.stdout.as_str(), &outcome.stderr].concat(),
    );
    let (mut passed, mut tests, mut ran) = (0, 0, Vec::new());
    for (name, verdict) in verdicts(&outcome.stdout) {
        tests += 1;
        ran.push(name);
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
    let last = outcome.stderr.lines().last().unwrap_or_default();
    for missing in without_tests(named, &ran) {
        row.count(
            || format!("tests named {missing}"),
            Err(format!(
                "none ran, and all ended with {:?}: {last}",
                outcome.ended
            )),
        );
    }
    if outcome.code() != Some(0) && passed == tests {
        row.count(
            || "its tests".to_owned(),
            Err(format!(
                "{tests} ran, and ended with {:?}: {last}",
                outcome.ended
            )),
        );
    }
}

/// The names that are part of no test that ran, or only of tests that another name is part of.
fn without_tests<'a>(named: &[&'a str], ran: &[&str]) -> Vec<&'a str> {
    let names_of = |test: &str| -> Vec<&'a str> {
        named
            .iter()
            .copied()
            .filter(|name| test.contains(*name))
            .collect()
    };
    named
        .iter()
        .copied()
        .filter(|name| !ran.iter().any(|&test| names_of(test) == [*name]))
        .collect()
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

#[cfg(test)]
mod counting {
    use super::{Outcome, Row, count, prefix};
    use crate::process::Ended;
    use std::time::Duration;

    /// The row of two tests that passed and told of five tries, run by these names.
    fn row(named: &[&str]) -> Row {
        let mut row = Row::new(30, "a fault");
        let outcome = Outcome {
            ended: Ended::Code(0),
            stdout: "test races::of_two ... ok\ntest killed::a_first ... ok\n".to_owned(),
            stderr: format!("{}5 of 5\n", prefix(30)),
            elapsed: Duration::ZERO,
        };
        count(&mut row, named, &outcome);
        row
    }

    #[test]
    fn what_tests_tell_is_counted() {
        let row = row(&["races::of_two", "killed::a_first"]);
        assert_eq!((row.survived, row.tried), (5, 5), "{row:?}");
    }

    #[test]
    fn a_name_without_a_test_of_its_own_fails() {
        for named in [
            ["races::", "races::a_first"],
            ["killed::", "killed::a_first"],
        ] {
            let row = row(&named);
            assert!(row.survived < row.tried, "{row:?}");
        }
    }
}
