//! Class 45: a release root that another version of Longshore wrote, while its shop runs. What an
//! older one left is read, or made anew where that costs nothing; what a newer one left is read or
//! refused in words, with a way out.

use super::{
    Counts, Row, Start,
    rig::{HEAD, NEW, OLD, Rig, names},
};
use crate::{
    pod::{Agent, runs},
    process::Program,
};
use serde_json::{Value, json};
use std::{fs, io, path::Path, time::Duration};

/// What a version leaves.
struct Left {
    by: &'static str,
    write: fn(&Path) -> io::Result<()>,
    /// Whether this version reads it.
    read: bool,
}

/// How long it may take to look through a tree, and to make it anew, on a machine that does other
/// things, too.
const SEEN: Duration = Duration::from_mins(1);

const LEFT: [Left; 7] = [
    Left {
        by: "the first version: a state of three fields, indexes of version 1",
        write: first,
        read: true,
    },
    Left {
        by: "one between: indexes of version 2",
        write: |root| indexes(root, |line| line.replacen("index 3", "index 2", 1)),
        read: true,
    },
    Left {
        by: "a newer one: indexes of version 4",
        write: |root| indexes(root, |line| line.replacen("index 3", "index 4", 1)),
        read: true,
    },
    Left {
        by: "a newer one: what was seen, of schema 9",
        write: |root| fs::write(root.join("seen.json"), "{\"schema\":9}"),
        read: true,
    },
    Left {
        by: "a newer one: something beside trees",
        write: |root| fs::create_dir(root.join("staging/next")),
        read: true,
    },
    Left {
        by: "a newer one: a field of the state that is not known",
        write: |root| state(root, |state| state["canary"] = json!(true)),
        read: false,
    },
    Left {
        by: "a newer one: a state of schema 2",
        write: |root| state(root, |state| state["schema"] = json!(2)),
        read: false,
    },
];

fn state(root: &Path, change: impl FnOnce(&mut Value)) -> io::Result<()> {
    let mut state = serde_json::from_slice(&fs::read(root.join("state.json"))?)?;
    change(&mut state);
    fs::write(root.join("state.json"), state.to_string())
}

fn indexes(root: &Path, line: fn(&str) -> String) -> io::Result<()> {
    for name in names(&root.join("releases")).into_iter().filter(|name| {
        Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "index")
    }) {
        let path = root.join("releases").join(name);
        let text: Vec<_> = fs::read_to_string(&path)?
            .lines()
            .map(line)
            .filter(|line| !line.is_empty())
            .map(|line| line + "\n")
            .collect();
        fs::write(path, text.concat())?;
    }
    Ok(())
}

fn first(root: &Path) -> io::Result<()> {
    state(root, |state| {
        if let Some(fields) = state.as_object_mut() {
            fields.retain(|field, _| ["schema", "accepted", "active"].contains(&field.as_str()));
        }
    })?;
    drop(fs::remove_file(root.join("seen.json")));
    // Of a file its size and its path, of a link its path, and nothing of what the shop may write.
    indexes(root, |line| {
        let words: Vec<_> = line.split(' ').collect();
        match words[0] {
            "longshore-index" => format!("longshore-index 1 {}", words[2]),
            "outside" => String::new(),
            "f" => format!("f {} {}", words[1], words[3..].join(" ")),
            "l" => format!("l {}", words.last().unwrap_or(&"")),
            _ => line.to_owned(),
        }
    })
}

pub(super) fn of_a_root(counts: &Counts) -> Row {
    let mut row = Row::new(
        45,
        "Longshore upgraded and downgraded: a root as the oldest or a newer version left it, its \
         shop running",
    );
    let rig = Rig::new(0);
    for round in 0..counts.pods.div_ceil(10).min(3) {
        for left in &LEFT {
            for by_agent in [false, true] {
                let pod = rig.pod(Start::Warm);
                (left.write)(&rig.shop.path(&pod)).expect("a scratch directory is writable");
                let result = match (left.read, by_agent) {
                    (true, false) => Ok(()),
                    (true, true) => agent_adopts(&rig, &pod),
                    (false, _) => refused(&rig, &pod, by_agent),
                };
                row.count(
                    || format!("round {round}, {}, by the agent: {by_agent}", left.by),
                    result.and_then(|()| rig.check(&pod)),
                );
            }
        }
    }
    row
}

fn agent(rig: &Rig, pod: &str) -> Agent {
    let mut agent = Agent::default();
    agent.start(
        Program::ours("longshore-agent")
            .envs(rig.shop.pod_environment(pod))
            .env("LONGSHORE_POLL", "3s"),
    );
    agent
}

/// The shop goes on with the tree that it has, also while its index is made anew, and then takes
/// the next release.
fn agent_adopts(rig: &Rig, pod: &str) -> Result<(), String> {
    let newest = rig.server.get(HEAD).unwrap_or_default();
    rig.server.put(HEAD, rig.old_release.clone());
    let agent = agent(rig, pod);
    let marker = rig.shop.path(pod).join("current/marker.php");
    let adopted = agent.within(
        SEEN,
        "it runs what ran, and has looked through it",
        |status| {
            assert!(marker.is_file(), "the shop is gone for a moment");
            runs(OLD)(status)
                && !status["tamper"]["lastScanAt"].is_null()
                && status["tamper"]["unrepairedFiles"] == 0
        },
    );
    let same = adopted.and_then(|_| rig.is(pod, &rig.old));
    rig.server.put(HEAD, newest);
    same.and_then(|()| {
        agent
            .within(SEEN, "the next release runs", runs(NEW))
            .map(drop)
    })
}

/// It says so, changes nothing, and goes on when that is done which the hint says: the state goes,
/// and a floor is set.
fn refused(rig: &Rig, pod: &str, by_agent: bool) -> Result<(), String> {
    let path = rig.shop.path(pod).join("state.json");
    let written = fs::read(&path).map_err(|error| error.to_string())?;
    if by_agent {
        let agent = agent(rig, pod);
        agent.within(SEEN, "it says why", |status| {
            status.to_string().contains("\"reason\":\"state\"")
        })?;
    } else {
        rig.refused(pod, &rig.init(pod).run(), &["state"])?;
    }
    if fs::read(&path).ok() != Some(written) {
        return Err("it changed the state".to_owned());
    }
    rig.is(pod, &rig.old)?;
    fs::remove_file(path).map_err(|error| error.to_string())?;
    super::cache::succeeded(&rig.init(pod).env("LONGSHORE_FLOOR", OLD.to_string()).run())
        .and_then(|()| rig.is_new(pod))
}
