//! Agents: one that counts as ours do, and those of a shop whose code has taken the port.

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::{
    Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What an agent has counted in this run, by fingerprint and release.
#[derive(Default)]
pub struct Counted {
    pub run: String,
    cursor: u64,
    /// Counts, and the cursor at which they changed.
    groups: BTreeMap<(u64, u64), (u64, u64)>,
    /// Answers that are made, and lost on their way.
    pub lose: u32,
    pub asked: u32,
}

impl Counted {
    pub fn happens(&mut self, name: u64, sequence: u64, times: u64) {
        self.cursor += 1;
        let group = self.groups.entry((name, sequence)).or_default();
        *group = (group.0 + times, self.cursor);
    }

    pub fn restarts(&mut self, run: &str) {
        *self = Self {
            run: run.to_owned(),
            asked: self.asked,
            ..Self::default()
        };
    }

    fn page(&self, since: u64) -> Value {
        let now = Timestamp::now().to_string();
        let changed = self.groups.iter().filter(|(_, (_, at))| *at > since);
        let groups: Vec<_> = changed
            .map(|((name, sequence), (count, _))| {
                json!({
                    "fingerprint": format!("{name:016x}"), "source": "php", "severity": "fatal",
                    "class": "Error", "message": format!("Error number {name}"),
                    "sequence": sequence, "count": count, "first": now, "last": now,
                    "sample": "PHP Fatal error: Uncaught Error",
                })
            })
            .collect();
        json!({
            "version": 1, "run": self.run, "cursor": self.cursor, "dropped": 0, "groups": groups,
        })
    }
}

/// What was counted, shared with a server, while that is held.
pub struct Agent {
    pub counted: Arc<Mutex<Counted>>,
    _tasks: JoinSet<()>,
}

/// Ours, at an address of this machine and the port of all agents.
pub async fn agent(address: Ipv4Addr, port: u16) -> Agent {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let counted = Arc::new(Mutex::new(Counted {
        run: "r1".to_owned(),
        ..Counted::default()
    }));
    let (of, mut tasks) = (Arc::clone(&counted), JoinSet::new());
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let of = Arc::clone(&of);
            let service = service_fn(move |request: Request<Incoming>| {
                let since = request
                    .uri()
                    .query()
                    .and_then(|it| it.strip_prefix("since="))
                    .map(|since| since.parse().unwrap());
                // It counts no requests, as that of a pod for cron.
                let answer = since.map(|since| {
                    let mut counted = of.lock();
                    counted.asked += 1;
                    let page = counted.page(since).to_string();
                    let lost = counted.lose > 0;
                    counted.lose -= u32::from(lost);
                    (page, lost)
                });
                async move {
                    let Some((page, lost)) = answer else {
                        let mut none = Response::new(Full::new(Bytes::new()));
                        *none.status_mut() = StatusCode::NOT_FOUND;
                        return Ok(none);
                    };
                    if lost {
                        return Err(io::Error::other("the answer is lost"));
                    }
                    Ok(Response::new(Full::new(Bytes::from(page))))
                }
            });
            let io = TokioIo::new(stream);
            http1::Builder::new()
                .serve_connection(io, service)
                .await
                .ok();
        }
    });
    Agent {
        counted,
        _tasks: tasks,
    }
}

/// What a hostile one does with a connection.
#[derive(Clone, Copy)]
pub enum Hostile {
    Endless,
    Silent,
    Dripping,
    Closing,
    Html,
    Counts,
    Texts,
    Groups,
}

impl Hostile {
    pub const ALL: [Self; 8] = [
        Self::Endless,
        Self::Silent,
        Self::Dripping,
        Self::Closing,
        Self::Html,
        Self::Counts,
        Self::Texts,
        Self::Groups,
    ];

    async fn answer(self, stream: &mut TcpStream) -> io::Result<()> {
        stream.read_u8().await?;
        let group = |count: Value, message: &str| {
            let now = "2026-12-01T00:00:00Z";
            json!({
                "fingerprint": "00000000000000ff", "source": "php", "severity": "fatal",
                "class": "Lie", "message": message, "sequence": 1, "count": count, "first": now,
                "last": now, "sample": "",
            })
        };
        let page = |groups: Vec<Value>| {
            json!({ "version": 1, "run": "r", "cursor": 1, "dropped": 0, "groups": groups })
                .to_string()
        };
        let body = match self {
            Self::Endless => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")
                    .await?;
                loop {
                    stream.write_all(&[b' '; 4096]).await?;
                }
            }
            Self::Silent => return std::future::pending().await,
            Self::Dripping => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
                    .await?;
                loop {
                    stream.write_all(b" ").await?;
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
            Self::Closing => return Ok(()),
            Self::Html => "<html>".to_owned(),
            Self::Counts => page(vec![group(json!(u64::MAX), "m")]),
            Self::Texts => page(vec![group(json!(1), &"x".repeat(5000))]),
            Self::Groups => page(vec![group(json!(1), "m"); 300]),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await
    }
}

/// One that does this, while it is held.
pub async fn hostile(what: Hostile, address: Ipv4Addr, port: u16) -> JoinSet<()> {
    let listener = TcpListener::bind(SocketAddr::from((address, port)))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                // It ends when the other side has enough of it.
                what.answer(&mut stream).await.ok();
            });
        }
    });
    tasks
}
