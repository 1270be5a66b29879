//! The socket of a running HAProxy.

use super::{
    command_text::{Command, LIST, commands},
    difference::Step,
    issuers,
    snapshot::{MAPS, SLOTS, Server, Serving, Snapshot},
};
use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

/// How long HAProxy may take for an answer. A list of 60,000 servers takes half a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer: more than 60,000 servers.
const ANSWER_LIMIT: u64 = 128 << 20;

/// What went wrong at the socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody listens, or it broke off.
    #[error("HAProxy's socket {path:?} does not answer")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error("HAProxy did not answer within {} seconds to: {command}", PATIENCE.as_secs())]
    Slow {
        /// What it was asked.
        command: String,
    },
    /// It says no.
    #[error("HAProxy answers {answer:?} to: {command}")]
    Refused {
        /// What it was asked.
        command: String,
        /// What it said.
        answer: String,
    },
}

/// Which HAProxy it is: a worker that is new knows only what the files said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The process.
    pub pid: u32,
    /// Share of its time without work, in percent.
    pub idle: u32,
}

/// Requests of a shop in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// Those that visitors make.
    pub asked: f64,
    /// Those of them that were let through.
    pub passed: f64,
    /// How long ago the last one came.
    pub age: Duration,
}

/// How long HAProxy remembers a shop without visitors, as its configuration says.
const REMEMBERED: Duration = Duration::from_mins(2);

/// A HAProxy, by its directory.
#[derive(Debug, Clone)]
pub struct HaProxy {
    directory: PathBuf,
}

impl HaProxy {
    /// The one whose files are in this directory.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn ask(&self, command: &str) -> Result<String, SocketError> {
        self.ask_at("haproxy.sock", command).await
    }

    async fn ask_at(&self, socket: &str, command: &str) -> Result<String, SocketError> {
        let path = self.directory.join(socket);
        // A connection for each, which HAProxy ends after its answer: in an open one, answers and
        // prompts could only be told apart by guessing.
        let asked = async {
            let mut stream = UnixStream::connect(&path).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(SocketError::Io { path, source }),
            Err(_elapsed) => Err(SocketError::Slow {
                command: first_line(command),
            }),
        }
    }

    /// Does a step.
    ///
    /// # Errors
    ///
    /// HAProxy does not.
    pub async fn perform(&self, step: &Step) -> Result<(), SocketError> {
        // With its chain: this HAProxy may have started before the chain was there.
        let pem = |file: &str| {
            let whole = issuers::read(&self.directory, file);
            whole.map_or_else(|_| String::new(), |(text, _)| text)
        };
        for command in commands(step, pem) {
            self.command(&command).await?;
        }
        Ok(())
    }

    async fn command(&self, command: &Command) -> Result<(), SocketError> {
        let answer = self.ask(&command.text).await?;
        if command.done(&answer) {
            return Ok(());
        }
        Err(SocketError::Refused {
            command: first_line(&command.text),
            answer: answer.trim().to_owned(),
        })
    }

    /// Who answers now.
    ///
    /// # Errors
    ///
    /// Nobody does.
    pub async fn worker(&self) -> Result<Worker, SocketError> {
        let answer = self.ask("show info").await?;
        let figure = |name: &str| {
            answer
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .and_then(|value| value.parse().ok())
        };
        match (figure("Pid"), figure("Idle_pct")) {
            (Some(pid), Some(idle)) => Ok(Worker { pid, idle }),
            _ => Err(SocketError::Refused {
                command: "show info".to_owned(),
                answer,
            }),
        }
    }

    /// How it is.
    ///
    /// # Errors
    ///
    /// It does not say.
    pub async fn read(&self) -> Result<Snapshot, SocketError> {
        let mut maps = BTreeMap::new();
        for map in MAPS {
            maps.insert(map, map_lines(&self.ask(&format!("show map {map}")).await?));
        }
        let stat = self.ask("show stat -1 4 -1").await?;
        let list = self.ask(&format!("show ssl crt-list {LIST}")).await?;
        let backends = self.ask("show backend").await?;
        let slots = backends
            .lines()
            .filter(|line| line.starts_with("slot-"))
            .count();
        Ok(Snapshot {
            slots: u32::try_from(slots).unwrap_or(u32::MAX),
            maps,
            servers: servers(&stat),
            certificates: certificates(&list),
        })
    }

    /// How much visitors ask for each shop, and how much of it is let through.
    ///
    /// # Errors
    ///
    /// It does not say.
    pub async fn asked(&self) -> Result<BTreeMap<String, Asked>, SocketError> {
        Ok(asked(&self.ask("show table shops").await?))
    }

    /// Ends the requests that a pod of a shop still has.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn give_up(&self, shop: &str, pod: &str) -> Result<(), SocketError> {
        let slots = map_lines(&self.ask(&format!("show map {SLOTS}")).await?);
        if let Some(slot) = slots.get(shop) {
            self.ask(&format!("shutdown sessions server {slot}/{pod}"))
                .await?;
        }
        Ok(())
    }

    /// Has the master start a worker from the files that are there, beside which the old one
    /// finishes.
    ///
    /// # Errors
    ///
    /// It does not; the old worker goes on.
    pub async fn reload(&self) -> Result<(), SocketError> {
        let answer = self.ask_at("master.sock", "reload").await?;
        if answer.trim_start().starts_with("Success=1") {
            return Ok(());
        }
        Err(SocketError::Refused {
            command: "reload".to_owned(),
            answer: answer.trim().to_owned(),
        })
    }
}

fn first_line(command: &str) -> String {
    command.lines().next().unwrap_or_default().to_owned()
}

/// `0x7f…: key=shop-acme use=0 exp=9 shard=0 gpc0_rate(1000)=3 http_req_rate(1000)=5`, a line each.
fn asked(answer: &str) -> BTreeMap<String, Asked> {
    let line = |line: &str| {
        let field = |name: &str| {
            let mut words = line.split(' ');
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        // One that is in use has a visitor at this moment.
        let left = match field("use")? {
            "0" => Duration::from_millis(field("exp")?.parse().ok()?),
            _ => REMEMBERED,
        };
        let asked = Asked {
            age: REMEMBERED.saturating_sub(left),
            asked: field("http_req_rate(1000)")?.parse().ok()?,
            passed: field("gpc0_rate(1000)")?.parse().ok()?,
        };
        Some((field("key")?.to_owned(), asked))
    };
    answer.lines().filter_map(line).collect()
}

/// `0x7f… key value`, a line each.
fn map_lines(answer: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (key, value) = line.split_once(' ')?.1.split_once(' ')?;
        Some((key.to_owned(), value.to_owned()))
    };
    answer.lines().filter_map(line).collect()
}

/// The CSV of `show stat`, whose first line names the columns.
fn servers(answer: &str) -> BTreeMap<(String, String), Server> {
    let mut lines = answer.lines();
    let names: Vec<_> = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("# ")
        .split(',')
        .collect();
    let column = |name: &str| names.iter().position(|it| *it == name);
    let columns = ["pxname", "svname", "addr", "slim", "uweight", "status"].map(column);
    let [
        Some(slot),
        Some(name),
        Some(address),
        Some(limit),
        Some(weight),
        Some(status),
    ] = columns
    else {
        return BTreeMap::new();
    };
    let server = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let field = |at: usize| fields.get(at).copied();
        let server = Server {
            address: field(address)?.parse().ok()?,
            connections: field(limit)?.parse().unwrap_or_default(),
            weight: field(weight)?.parse().ok()?,
            serving: match field(status)? {
                text if text.starts_with("MAINT") => Serving::No,
                text if text.starts_with("DRAIN") => Serving::Draining,
                _ => Serving::Yes,
            },
        };
        Some(((field(slot)?.to_owned(), field(name)?.to_owned()), server))
    };
    lines.filter_map(server).collect()
}

/// `file host`, a line each; the first one, for unknown hosts, has no host.
fn certificates(answer: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (file, host) = line.split_once(' ')?;
        (!file.starts_with('#')).then(|| (file.to_owned(), host.trim().to_owned()))
    };
    answer.lines().filter_map(line).collect()
}
