//! The program under test, in the pod's network, and what it says of its mounts.

use crate::{
    guest::{OUT, note, until},
    network::{from_pod, in_pod},
};
use e2e::{
    process,
    web::{self, Page},
};
use mounts::{Entry, MountTable};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Where it listens on loopback.
const PORT: u16 = 9808;
/// The mounts file.
const FILE: &str = "/run/mounts.toml";

/// A program that keeps mounts.
pub(crate) struct Agent {
    child: Child,
    /// The longest that it took to answer.
    slowest: Duration,
    /// The most children that it was seen with at once.
    pub(crate) most_children: usize,
}

/// How it says that a mount is.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Such as `healthy`.
    pub(crate) state: String,
    /// What is wrong.
    pub(crate) detail: String,
}

impl Agent {
    /// Starts it with these mounts.
    #[track_caller]
    pub(crate) fn start(mounts: &str) -> Self {
        Self::start_as(&[], mounts)
    }

    /// Starts it by another command, which has it as its last arguments.
    #[track_caller]
    pub(crate) fn start_as(command: &[&str], mounts: &str) -> Self {
        fs::write(FILE, mounts).unwrap();
        let mut words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        words.extend([
            process::binary("examples/keep").display().to_string(),
            FILE.to_owned(),
            format!("127.0.0.1:{PORT}"),
        ]);
        Self::launch(&words, &[])
    }

    /// Starts `longshore-agent` itself with these mounts and variables.
    #[track_caller]
    pub(crate) fn start_whole(variables: &[(String, OsString)], mounts: &str) -> Self {
        fs::write(FILE, mounts).unwrap();
        let own = [
            ("LONGSHORE_MOUNTS", FILE.to_owned()),
            ("LONGSHORE_LISTEN", format!("127.0.0.1:{PORT}")),
        ];
        let variables: Vec<_> = own
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .chain(variables.to_vec())
            .collect();
        Self::launch(
            &[process::binary("longshore-agent").display().to_string()],
            &variables,
        )
    }

    fn launch(words: &[String], variables: &[(String, OsString)]) -> Self {
        let log = |name: &str| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(Path::new(OUT).join(name))
                .unwrap()
        };
        let [enter, namespace] = in_pod();
        let mut program = Command::new(enter);
        program
            .arg(namespace)
            .args(words)
            .stdin(Stdio::null())
            .stdout(log("changes.log"))
            .stderr(log("agent.log"));
        let child = program
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .spawn()
            .unwrap();
        let mut agent = Self {
            child,
            slowest: Duration::ZERO,
            most_children: 0,
        };
        until(
            "the program under test answers",
            Duration::from_secs(20),
            || agent.answer(),
        );
        agent
    }

    /// What it answers at `path`.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Page {
        let begin = Instant::now();
        let page = from_pod(|| web::get(PORT, path)).unwrap();
        self.slowest = self.slowest.max(begin.elapsed());
        page
    }

    fn answer(&mut self) -> Option<Value> {
        assert!(
            self.child.try_wait().unwrap().is_none(),
            "the program under test ended by itself"
        );
        let begin = Instant::now();
        let page = from_pod(|| web::get(PORT, "/status")).ok()?;
        self.slowest = self.slowest.max(begin.elapsed());
        self.most_children = self.most_children.max(self.children().len());
        serde_json::from_str(&page.body).ok()
    }

    /// How a mount is.
    #[track_caller]
    pub(crate) fn sees(&mut self, name: &str) -> Seen {
        let answer = self.answer().expect("the program under test answers");
        let mounts = answer["mounts"].as_array().unwrap();
        let mount = mounts
            .iter()
            .find(|mount| mount["name"] == name)
            .unwrap_or_else(|| panic!("{name} is not one of {mounts:?}"));
        let text = |field: &str| mount[field].as_str().unwrap_or_default().to_owned();
        Seen {
            state: text("state"),
            detail: text("detail"),
        }
    }

    /// Waits until a mount is as expected; gives what else is said.
    #[track_caller]
    pub(crate) fn until(&mut self, name: &str, state: &str, within: Duration) -> Seen {
        let begin = Instant::now();
        loop {
            let seen = self.sees(name);
            if seen.state == state {
                note(format!(
                    "{name} is {state}, within {:.1?} {}",
                    begin.elapsed(),
                    seen.detail
                ));
                return seen;
            }
            assert!(
                begin.elapsed() < within,
                "{name} is not {state} within {within:?}, but {seen:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for as long, and asks all the time.
    pub(crate) fn watch(&mut self, span: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < span {
            self.answer().expect("the program under test answers");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The longest that it took to answer since this was asked.
    pub(crate) fn slowest(&mut self) -> Duration {
        std::mem::take(&mut self.slowest)
    }

    /// Its processes beside itself, that are not waited for.
    pub(crate) fn children(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let lists =
            tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
        lists
            .flat_map(|list| {
                list.split_whitespace()
                    .map(|pid| pid.parse().unwrap())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Every state that a mount was in since the first start, in order.
    pub(crate) fn history(&self, name: &str) -> Vec<String> {
        let lines = fs::read_to_string(Path::new(OUT).join("changes.log")).unwrap();
        let changes = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let states = changes
            .filter(|change| change["name"] == name)
            .map(|change| change["state"].as_str().unwrap().to_owned());
        let mut states: Vec<_> = states.collect();
        states.dedup();
        states
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it: no code of it runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        note("killed");
    }

    /// Sends SIGTERM, and waits for its end.
    #[track_caller]
    pub(crate) fn terminate(mut self, within: Duration) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let begin = Instant::now();
        let status = until("the program under test ends", within, || {
            self.child.try_wait().unwrap()
        });
        note(format!("ended {:.1?} after SIGTERM", begin.elapsed()));
        status
    }
}

/// What the kernel has mounted at `path`.
pub(crate) fn mounted(path: &str) -> Option<Entry> {
    table().at(Path::new(path)).cloned()
}

/// How many mounts of NFS there are, visible or not.
pub(crate) fn nfs_mounts() -> usize {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines()
        .filter(|line| line.contains(" - nfs4 "))
        .count()
}

fn table() -> MountTable {
    MountTable::parse(&fs::read("/proc/self/mountinfo").unwrap()).unwrap()
}
