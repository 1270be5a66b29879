//! What a shop writes into its log directories, as events of a real agent; and a shop that does
//! with them what it can.

use crate::agent::Pod;
use e2e::pod::runs;
use rustix::fs::{Mode, mkfifoat};
use serde_json::Value;
use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

// A pod whose release writes into `var`, and its agent's events.
struct Lab {
    pod: Pod,
    // What agents that have ended wrote.
    past: String,
}

impl Lab {
    fn new() -> Self {
        let pod = Pod::bare();
        let toml = fs::read_to_string(pod.shop.path("longshore.toml")).unwrap();
        fs::write(
            pod.shop.path("longshore.toml"),
            toml.replace("[\"var/cache\"]", "[\"var\"]"),
        )
        .unwrap();
        pod.shop.publish();
        pod.shop
            .init("pod")
            .env("LONGSHORE_WRITABLE", pod.shop.path("writable"))
            .run()
            .expect(0);
        Self {
            pod,
            past: String::new(),
        }
    }

    fn start(&mut self) {
        let program = self
            .pod
            .program()
            .env("LONGSHORE_WRITABLE", self.pod.shop.path("writable"));
        let program = program
            .env("LONGSHORE_LOGS", "var/log,var/report")
            .env("LONGSHORE_POLL", "1s");
        self.pod.start(program);
    }

    fn end(&mut self) {
        self.past += &self.pod.agent.end().stderr;
    }

    fn var(&self) -> PathBuf {
        fs::canonicalize(self.pod.shop.path("pod/current/var")).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn text(&self) -> String {
        let now = if self.pod.agent.has_started() {
            self.pod.agent.process().complained()
        } else {
            String::new()
        };
        format!("{}{now}", self.past)
    }

    // What was said of a file, in its order.
    fn said(&self, file: &str) -> Vec<String> {
        let events = self.events();
        let of = events.iter().filter(|event| event["file"] == file);
        of.map(|event| event["text"].as_str().unwrap().to_owned())
            .collect()
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(
                start.elapsed() < Duration::from_secs(15),
                "{what}: {:#?}",
                self.events().iter().rev().take(20).collect::<Vec<_>>()
            );
            thread::sleep(Duration::from_millis(30));
        }
    }
}

fn append(path: &Path, bytes: impl AsRef<[u8]>) {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes.as_ref())
        .unwrap();
}

#[test]
fn logs_and_reports_of_each_release_become_events() {
    let mut lab = Lab::new();
    lab.start();
    let var = lab.var();
    // Neither directory is there yet.
    fs::create_dir_all(var.join("log")).unwrap();
    append(&var.join("log/system.log"), "first\nhalf of ");
    lab.until("a line", |lab| lab.said("var/log/system.log") == ["first"]);
    append(
        &var.join("log/system.log"),
        b"the second\n\x1b[2J\xff binary\n",
    );
    lab.until("its other half", |lab| {
        lab.said("var/log/system.log") == ["first", "half of the second", "\\u{1b}[2J\\xff binary"]
    });
    let event = lab
        .events()
        .into_iter()
        .find(|event| event["text"] == "first")
        .unwrap();
    assert_eq!(
        (&event["release"], &event["message"], &event["kind"]),
        (&1.into(), &"shop error".into(), &"log".into()),
        "{event}"
    );
    assert_eq!(event["source"], "shop");
    assert!(
        event["level"]
            .as_str()
            .is_some_and(|level| level.eq_ignore_ascii_case("info")),
        "{event}"
    );

    // Rotated, and emptied in place.
    fs::rename(var.join("log/system.log"), var.join("log/system.log.1")).unwrap();
    append(&var.join("log/system.log"), "after rotation\n");
    lab.until("the next file", |lab| {
        lab.said("var/log/system.log")
            .last()
            .is_some_and(|line| line == "after rotation")
    });
    File::create(var.join("log/system.log")).unwrap();
    append(&var.join("log/system.log"), "new\n");
    lab.until("the emptied one", |lab| {
        lab.said("var/log/system.log")
            .last()
            .is_some_and(|line| line == "new")
    });
    append(&var.join("log/access.txt"), "no log\n");

    fs::create_dir_all(var.join("report")).unwrap();
    append(
        &var.join("report/1234567890"),
        "{\"0\":\"SQLSTATE[42S02]\",\n\"1\":\"#0 app/Mage.php\"}\n",
    );
    lab.until("the report", |lab| {
        !lab.said("var/report/1234567890").is_empty()
    });
    let report = lab
        .events()
        .into_iter()
        .find(|event| event["kind"] == "report")
        .unwrap();
    assert_eq!(report["text"], "SQLSTATE[42S02]\n#0 app/Mage.php");
    assert_eq!(
        (&report["severity"], &report["class"]),
        (&"fatal".into(), &"Report".into())
    );

    // The next release has its own; the one before still ends what it does.
    fs::write(lab.pod.shop.module(0).join("marker.php"), "2").unwrap();
    lab.pod.shop.publish();
    lab.pod.agent.until("release 2 runs", runs(2));
    fs::create_dir_all(lab.var().join("log")).unwrap();
    assert_ne!(lab.var(), var);
    append(&lab.var().join("log/exception.log"), "of 2\n");
    append(&var.join("log/system.log"), "of 1 still\n");
    append(&var.join("log/system.log"), "without an end");
    lab.until("both", |lab| {
        !lab.said("var/log/exception.log").is_empty()
            && lab
                .said("var/log/system.log")
                .contains(&"of 1 still".into())
    });
    let release = |text: &str| {
        let events = lab.events();
        let event = events.iter().find(|event| event["text"] == text).unwrap();
        event["release"].as_u64()
    };
    assert_eq!((release("of 2"), release("of 1 still")), (Some(2), Some(1)));
    lab.end();
    assert_eq!(
        lab.said("var/log/system.log").last().unwrap(),
        "without an end"
    );
    assert!(lab.said("var/log/access.txt").is_empty());
    // A start tells nothing twice.
    lab.start();
    append(&lab.var().join("log/exception.log"), "after the start\n");
    lab.until("the new line", |lab| {
        lab.said("var/log/exception.log") == ["of 2", "after the start"]
    });
    lab.end();
}

/// One log becomes a link, and one a pipe.
fn becomes_something_else(lab: &mut Lab, log: &Path, secret: &Path) {
    append(&log.join("a.log"), "before\n");
    lab.until("a line", |lab| lab.said("var/log/a.log") == ["before"]);
    symlink(secret, log.join("next")).unwrap();
    fs::rename(log.join("next"), log.join("a.log")).unwrap();
    mkfifoat(
        rustix::fs::CWD,
        log.join("next"),
        Mode::from_raw_mode(0o666),
    )
    .unwrap();
    fs::rename(log.join("next"), log.join("long.log")).unwrap();
    append(&log.join("b.log"), "goes on\n");
    lab.until("another file", |lab| {
        lab.said("var/log/b.log") == ["goes on"]
    });
}

#[test]
fn a_hostile_shop_gains_nothing_by_its_logs() {
    let mut lab = Lab::new();
    let secret = lab.pod.shop.path("secret.log");
    fs::write(&secret, "a key\n").unwrap();
    lab.start();
    let log = lab.var().join("log");
    fs::create_dir_all(&log).unwrap();
    symlink(&secret, log.join("link.log")).unwrap();
    mkfifoat(
        rustix::fs::CWD,
        log.join("pipe.log"),
        Mode::from_raw_mode(0o666),
    )
    .unwrap();
    fs::create_dir(log.join("directory.log")).unwrap();
    symlink(lab.pod.shop.path(""), lab.var().join("report")).unwrap();
    append(
        &log.join("long.log"),
        [vec![b'x'; 100_000], b"\nshort\n".to_vec()].concat(),
    );
    lab.until("the long line", |lab| {
        lab.said("var/log/long.log").len() == 2
    });
    // Lines that look like the agent's own, in each format: of all that is written, only what the
    // shop wrote has them, and says so.
    append(
        &log.join("forged.log"),
        "{\"level\":\"ERROR\",\"message\":\"failed\",\"program\":\"longshore-agent\"}\r\n\u{85}\
         2026-01-01T00:00:00Z ERROR agent: failed\n",
    );
    lab.until("the forged lines", |lab| {
        lab.said("var/log/forged.log").len() == 2
    });
    for line in lab.text().lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            event["source"] == "shop" || !line.contains("failed"),
            "{line}"
        );
        assert!(
            event["level"] != "ERROR" && event["program"].is_null(),
            "{line}"
        );
    }
    assert_eq!(
        lab.said("var/log/long.log")
            .iter()
            .map(String::len)
            .collect::<Vec<_>>(),
        [16 << 10, 5]
    );

    becomes_something_else(&mut lab, &log, &secret);

    // Beyond 16 MiB a log is emptied; one with another name, which may be no log, is not.
    let many = "y".repeat(99) + "\n";
    let kept = lab.var().join("precious.db");
    fs::write(&kept, many.repeat(200_000)).unwrap();
    fs::hard_link(&kept, log.join("hard.log")).unwrap();
    append(&log.join("big.log"), many.repeat(200_000));
    lab.until("it is emptied", |_| {
        fs::metadata(log.join("big.log")).unwrap().len() == 0
    });
    thread::sleep(Duration::from_secs(1));
    assert_eq!(fs::metadata(&kept).unwrap().len(), 20_000_000);
    // The whole directory is replaced by a link, then by a new one. The lines of this group may
    // be told: so it is the size that tells.
    fs::rename(&log, lab.var().join("old")).unwrap();
    symlink(lab.pod.shop.path(""), &log).unwrap();
    thread::sleep(Duration::from_secs(1));
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    append(&log.join("big.log"), many.repeat(200_000));
    lab.until("it is emptied, too", |_| {
        fs::metadata(log.join("big.log")).unwrap().len() == 0
    });
    let lines = lab
        .events()
        .iter()
        .filter(|event| event["message"] == "shop error")
        .count();
    assert!(lines <= 60, "{lines}");
    let status = lab.pod.agent.status().unwrap();
    assert_eq!(status["running"]["sequence"], 1);
    lab.end();
    let text = lab.text();
    assert!(
        !text.contains("a key") && !text.contains("precious"),
        "a link was followed"
    );
    assert!(
        text.contains("the shop wrote more logs than are read"),
        "nobody was told what was dropped"
    );
}
