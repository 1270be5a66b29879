//! What a person says to a rollout, by the commands that a person has.

use super::{LONG, Scheduler, release, shops};
use e2e::cluster::eventually;
use rustix::process::Signal;
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Shops of the rollout: one canary, five of the first wave, the rest.
const SHOPS: usize = 10;
/// Within which the cord stops everything.
const CORD: Duration = Duration::from_secs(10);
/// How long nothing must happen for it to count as standing still: a rollout is decided on every 2
/// s.
const STILL: Duration = Duration::from_secs(6);

struct Rollout<'a> {
    scheduler: &'a Scheduler<'a>,
    name: &'static str,
}

impl Rollout<'_> {
    fn say(&self, verb: &str) -> String {
        self.scheduler
            .program(&["rollout", verb, self.name])
            .run()
            .expect(0)
            .stdout
    }

    fn status(&self) -> Value {
        let said = self
            .scheduler
            .program(&["rollout", "status", self.name, "--output", "json"])
            .run()
            .expect(0)
            .stdout;
        serde_json::from_str::<Value>(&said).unwrap()["status"].clone()
    }

    #[track_caller]
    fn reaches(&self, phase: &str, wave: u64) {
        eventually(&format!("phase {phase} of wave {wave}"), LONG, || {
            let status = self.status();
            (status["phase"] == phase && status["wave"] == wave).then_some(())
        });
    }

    /// How many shops are told this sequence.
    fn told(&self, sequence: u64) -> usize {
        let shops = self.scheduler.cluster.get(&["shops"]);
        shops["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|shop| shop["status"]["release"]["sequence"] == sequence)
            .count()
    }
}

fn start<'a>(scheduler: &'a Scheduler<'a>, name: &'static str, soak: &str) -> Rollout<'a> {
    let waves = [format!("60:{soak}"), format!("100:{soak}")];
    let words = [
        "rollout",
        "start",
        "shops-acme-43",
        "--name",
        name,
        "--canary",
        "r003",
        "--why",
        "new checkout",
        "--by",
        "anna",
    ];
    let said = scheduler
        .program(&[&words[..], &["--wave", &waves[0], "--wave", &waves[1]]].concat())
        .run()
        .expect(0)
        .stdout;
    assert_eq!(
        said,
        format!("rollout {name} started: {SHOPS} shops to sequence 43 of shops/acme\n")
    );
    Rollout { scheduler, name }
}

/// The canary is watched for an hour, unless a person has seen enough. Gives how many shops were
/// moved.
fn a_canary_is_watched(first: &Rollout<'_>) -> usize {
    first.reaches("Soaking", 0);
    assert_eq!(first.told(43), 1);
    let shown = first
        .scheduler
        .program(&["rollout", "status"])
        .run()
        .expect(0)
        .stdout;
    assert!(
        shown.contains(
            "first  Soaking  release shops-acme-43  wave 0 of 2\n  10 shops: 1 done, 0 on their \
             way, 9 to go"
        ),
        "{shown}"
    );
    assert!(
        shown.contains("started by anna (admin): new checkout"),
        "{shown}"
    );
    assert_eq!(
        first.say("pause"),
        "rollout first paused: no further shop is moved\n"
    );
    first.reaches("Paused", 0);
    // Only what is watched can be promoted.
    let refused = first
        .scheduler
        .program(&["rollout", "promote", "first"])
        .run()
        .expect(64);
    assert!(
        refused
            .stderr
            .contains("rollout first is not being watched: Paused"),
        "{refused:#?}"
    );
    first.say("resume");
    first.reaches("Soaking", 0);
    assert_eq!(
        first.say("promote"),
        "rollout first: wave 0 is watched no longer\n"
    );
    first.reaches("Soaking", 1);
    let moved = first.told(43);
    assert!(
        (6..=7).contains(&moved),
        "60 percent, and the canary: {moved}"
    );
    moved
}

/// A halt: nothing moves, whatever else a person says.
fn halted(first: &Rollout<'_>, moved: usize) {
    first
        .scheduler
        .program(&["halt", "--why", "checkout fails", "--by", "anna"])
        .run()
        .expect(0);
    let pulled = Instant::now();
    first.reaches("Paused", 1);
    assert!(pulled.elapsed() < CORD, "{:?}", pulled.elapsed());
    first.say("abort");
    thread::sleep(STILL);
    assert_eq!(
        (first.told(43), first.status()["phase"].clone()),
        (moved, "Paused".into())
    );
    first.scheduler.program(&["halt", "--lift"]).run().expect(0);
}

/// Who said what is on record, and who started it, and why, stays as it was said.
fn on_record(first: &Rollout<'_>) {
    let history = first.status()["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| act["what"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    let all = [
        "paused",
        "resumed",
        "promoted from wave 0",
        "halted",
        "aborted",
        "let go on because the halt was lifted,",
    ];
    assert_eq!(history, all);
    let changed = r#"{"spec":{"started":{"by":"nobody","why":"nothing"}}}"#;
    let refused = first
        .scheduler
        .cluster
        .kubectl([
            "patch",
            "rollout",
            "first",
            "--type=merge",
            "--patch",
            changed,
        ])
        .run();
    assert!(
        refused
            .stderr
            .contains("who started a Rollout, and why, stays as it was said"),
        "{refused:#?}"
    );
}

/// CI brings the Release with its rollout, and waits for the end; a run that was cut off says the
/// same again.
fn ci_rolls_out(scheduler: &Scheduler<'_>) {
    for verb in ["started", "was started before"] {
        let words = [
            "rollout", "start", "-", "--wait", "--wave", "100:1s", "--why", "from CI", "--by", "ci",
        ];
        let said = scheduler
            .program(&words)
            .input(release(44, "none"))
            .run()
            .expect(0);
        assert_eq!(
            said.stdout,
            format!("rollout shops-acme-44 {verb}: {SHOPS} shops to sequence 44 of shops/acme\n"),
            "{said:#?}"
        );
        assert!(
            said.stderr
                .contains("rollout shops-acme-44 Completed: 10 of 10 shops done, 0 failed"),
            "{said:#?}"
        );
    }
}

#[test]
fn a_person_pauses_resumes_promotes_halts_and_aborts_a_rollout() {
    let cluster = e2e::cluster::Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("r", SHOPS));
    let running = scheduler.start();
    scheduler.converged(SHOPS);
    eventually(
        "shops that are told the release of the example",
        LONG,
        || {
            (Rollout {
                scheduler: &scheduler,
                name: "",
            }
            .told(42)
                == SHOPS)
                .then_some(())
        },
    );
    scheduler.apply(&release(43, "none"));
    let first = start(&scheduler, "first", "1h");
    let moved = a_canary_is_watched(&first);
    halted(&first, moved);
    on_record(&first);

    // Aborted: every shop is back.
    first.reaches("Aborted", 1);
    assert_eq!((first.told(42), first.told(43)), (SHOPS, 0));
    let refused = scheduler
        .program(&["rollout", "resume", "first"])
        .run()
        .expect(64);
    assert!(
        refused
            .stderr
            .contains("rollout first was aborted; start another one with --name"),
        "{refused:#?}"
    );

    // Another attempt goes through by itself.
    let second = start(&scheduler, "second", "1s");
    eventually("the rollout's end", LONG, || {
        (second.status()["phase"] == "Completed").then_some(())
    });
    assert_eq!(
        (second.told(43), second.status()["counts"]["done"].clone()),
        (SHOPS, SHOPS.into())
    );

    ci_rolls_out(&scheduler);
    assert_eq!(second.told(44), SHOPS);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}
