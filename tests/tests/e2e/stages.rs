//! The stages of `.ci/run`: what they print, and how a run ends when one of them fails.

use e2e::process::{Outcome, Program};
use std::{fs, path::Path};

/// A script that calls the functions of `.ci/stages.sh`. `$scratch` is a directory of its own.
fn run(script: &str) -> (Outcome, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let stages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/stages.sh");
    let script = format!("set -euo pipefail\nsource {}\n{script}", stages.display());
    let outcome = Program::new("bash")
        .args(["-c", &script])
        .env("CARGO_TARGET_DIR", scratch.path())
        .env("scratch", scratch.path())
        .run();
    (outcome, scratch)
}

/// The rows of the table without their times.
fn table(printed: &str) -> Vec<(String, String)> {
    let rows = printed
        .lines()
        .skip_while(|line| !line.starts_with("stage  "));
    let rows = rows.skip(1).take_while(|line| !line.starts_with("all  "));
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        (words[0].to_owned(), words[3..].join(" "))
    })
    .collect()
}

fn row(stage: &str, result: &str) -> (String, String) {
    (stage.to_owned(), result.to_owned())
}

#[test]
fn logs_do_not_interleave_and_the_table_comes_last() {
    let (outcome, scratch) = run(
        "beside slow sh -c 'echo slow begins; sleep 2; echo slow ends'
         stage quick sh -c 'echo quick begins; sleep 1; echo quick ends >&2'
         wait_for slow",
    );
    let printed = outcome.expect(0).stdout;
    assert_eq!(
        table(&printed),
        [row("slow", "passed"), row("quick", "passed")]
    );
    let said: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("quick ") || line.starts_with("slow "))
        .take(4)
        .collect();
    let whole = ["quick begins", "quick ends", "slow begins", "slow ends"];
    assert_eq!(said, whole);
    assert_eq!(
        fs::read_to_string(scratch.path().join("ci/slow")).unwrap(),
        "slow begins\nslow ends\n"
    );
}

#[test]
fn a_stage_that_fails_ends_the_run_with_its_log_and_stops_what_runs_beside() {
    let (outcome, scratch) = run(
        "tidy() { trap 'touch \"$scratch/tidied\"' EXIT; sleep 50; touch \"$scratch/late\"; }
         beside waits tidy
         stage fine true
         stage bad sh -c 'echo the reason; exit 3'
         stage never touch \"$scratch/late\"",
    );
    let printed = outcome.expect(1).stdout;
    assert_eq!(
        table(&printed),
        [
            row("waits", "stopped"),
            row("fine", "passed"),
            row("bad", "failed with code 3")
        ]
    );
    assert!(printed.ends_with("its log:\nthe reason\n"), "{printed}");
    assert!(scratch.path().join("tidied").exists() && !scratch.path().join("late").exists());
}

#[test]
fn a_stage_beside_that_fails_ends_the_run_at_once() {
    let (outcome, scratch) = run("beside bad sh -c 'echo the reason; exit 4'
         stage waits sh -c 'sleep 50 & sleep 50; touch \"$scratch/late\"'
         stage never touch \"$scratch/late\"");
    let printed = outcome.expect(1).stdout;
    assert_eq!(
        table(&printed),
        [row("bad", "failed with code 4"), row("waits", "stopped")]
    );
    assert!(printed.ends_with("its log:\nthe reason\n"), "{printed}");
    assert!(!scratch.path().join("late").exists());
}

#[test]
fn a_function_that_fails_in_the_middle_fails_its_stage() {
    let (outcome, scratch) = run("broken() { false; touch \"$scratch/late\"; }
         stage broken broken");
    outcome.expect(1);
    assert!(!scratch.path().join("late").exists());
}
