//! The server over real TCP: what each path answers, and what it survives.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]

use agent::{
    board::Board,
    errors::Errors,
    metrics::Metrics,
    serve::{Heartbeat, Heartbeats, ServeError, Server, State},
    status::{ReadinessPolicy, Running, Snapshot},
};
use jiff::Timestamp;
use mounts::{Health, Kind, MountHealth};
use release::{Sequence, Sha256};
use runtime::connections::{CONNECTIONS, DRAIN_TIMEOUT, HEADER_LIMIT, HEADER_TIMEOUT};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A busy machine's time for an answer. The answers themselves are promised within 100 ms.
const PATIENCE: Duration = Duration::from_secs(15);

struct Agent {
    address: SocketAddr,
    snapshot: watch::Sender<Arc<Snapshot>>,
    heartbeat: Heartbeat,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn state(snapshot: watch::Receiver<Arc<Snapshot>>, heartbeats: Heartbeats) -> State {
    State {
        requests: None,
        snapshot,
        policy: ReadinessPolicy::default(),
        heartbeats,
        metrics: Arc::new(Metrics::new()),
        errors: Errors::new(
            None,
            Board::new("shops/acme".parse().unwrap(), Timestamp::now()),
        ),
    }
}

impl Agent {
    fn start() -> Self {
        let (snapshot, receiver) = watch::channel(Arc::new(Snapshot::new(
            "shops/acme".parse().unwrap(),
            Timestamp::now(),
        )));
        let mut heartbeats = Heartbeats::new();
        let heartbeat = heartbeats.task("watch", Duration::from_millis(200));
        let server =
            Server::bind("127.0.0.1:0".parse().unwrap(), state(receiver, heartbeats)).unwrap();
        let (address, stop, mut tasks) = (
            server.address().unwrap(),
            CancellationToken::new(),
            JoinSet::new(),
        );
        tasks.spawn(server.run(stop.clone()));
        Self {
            address,
            snapshot,
            heartbeat,
            stop,
            tasks,
        }
    }

    fn runs(&self, mounts: &[(&str, Health)]) {
        self.snapshot.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            let now = Timestamp::now();
            snapshot.running = Some(Running {
                sequence: Sequence::FIRST,
                manifest: Sha256::digest(b"x"),
                since: now,
                on_trial: false,
            });
            let mount = |&(name, state): &(&str, Health)| MountHealth {
                name: name.to_owned(),
                kind: Kind::Nfs4,
                path: "/shared".into(),
                required: true,
                state,
                since: now,
                detail: Some("line\nbreak".to_owned()),
            };
            snapshot.mounts = mounts.iter().map(mount).collect();
        });
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` as it is and returns all that comes until the server closes.
    async fn send(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read(&mut stream).await
    }

    async fn ask(&self, method: &str, path: &str, extra: &str) -> String {
        self.send(
            format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{extra}\r\n")
                .as_bytes(),
        )
        .await
    }

    async fn get(&self, path: &str) -> String {
        self.ask("GET", path, "").await
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut while we write ends in a reset; what came before it counts.
    let _ended = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes in time");
    String::from_utf8(bytes).unwrap()
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn readiness_follows_the_snapshot_and_says_why() {
    let agent = Agent::start();
    for path in ["/readyz", "/startupz"] {
        let answer = agent.get(path).await;
        assert_eq!(code(&answer), "503");
        assert!(
            answer.contains("FAIL release: no release of shops/acme runs yet\n"),
            "{answer}"
        );
    }
    agent.runs(&[("media", Health::Slow), ("var", Health::Hung)]);
    let answer = agent.get("/readyz").await;
    assert_eq!(code(&answer), "503");
    assert!(
        answer.contains("FAIL mount:var: hung since")
            && answer.contains("line break\n")
            && !answer.contains("media"),
        "{answer}"
    );
    agent.runs(&[("media", Health::Slow), ("var", Health::Healthy)]);
    let answer = agent.get("/readyz?verbose").await;
    assert_eq!(code(&answer), "200");
    assert!(
        answer.contains("ok   mount:media: slow") && answer.ends_with("\nok\n"),
        "{answer}"
    );
    let answer = agent
        .ask("GET", "/readyz", "accept: application/json\r\n")
        .await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["ok"], &body["checks"][2]["name"]),
        (&true.into(), &"mount:var".into())
    );
}

#[tokio::test]
async fn liveness_is_about_the_agents_own_tasks_alone() {
    let agent = Agent::start();
    agent.runs(&[("media", Health::Hung)]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = agent.get("/livez").await;
    assert!(
        code(&answer) == "503" && answer.contains("FAIL task:watch"),
        "{answer}"
    );
    agent.heartbeat.beat();
    assert_eq!(code(&agent.get("/livez").await), "200");
}

#[tokio::test]
async fn errors_are_a_page_that_a_cursor_asks_for() {
    let agent = Agent::start();
    for path in ["/errors", "/errors?since=7"] {
        let answer = agent.get(path).await;
        let (_, page) = answer.split_once("\r\n\r\n").unwrap();
        let page: serde_json::Value = serde_json::from_str(page).unwrap();
        assert_eq!(
            (&page["version"], &page["groups"], &page["cursor"]),
            (&1.into(), &serde_json::json!([]), &0.into()),
            "{page}"
        );
        assert_eq!(page["run"].as_str().unwrap().len(), 16);
    }
    assert!(
        agent
            .get("/errors?since=x")
            .await
            .starts_with("HTTP/1.1 400")
    );
}

#[tokio::test]
async fn status_and_metrics_show_the_snapshot() {
    let agent = Agent::start();
    agent.runs(&[("media", Health::Hung)]);
    let answer = agent.get("/status").await;
    let status: serde_json::Value =
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(status["channel"], "shops/acme");
    assert_eq!(
        (
            &status["running"]["sequence"],
            &status["mounts"][0]["state"]
        ),
        (&1.into(), &"hung".into())
    );
    assert_eq!(
        (&status["phase"], &status["shuttingDown"], &status["newer"]),
        (&"idle".into(), &false.into(), &serde_json::Value::Null)
    );
    let answer = agent.get("/metrics").await;
    assert!(
        answer.contains(runtime::OPEN_METRICS) && answer.ends_with("# EOF\n"),
        "{answer}"
    );
    assert!(
        answer.contains("longshore_mount_state{mount=\"media\",state=\"hung\"} 1.0\n"),
        "{answer}"
    );
    assert!(answer.contains("longshore_ready{} 0.0\n"), "{answer}");
}

#[tokio::test]
async fn methods_paths_and_sizes_are_answered_as_http_says() {
    let agent = Agent::start();
    let head = agent.ask("HEAD", "/metrics", "").await;
    assert!(code(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(code(&agent.get("/nothing").await), "404");
    assert_eq!(code(&agent.get("/status/../livez").await), "404");
    for method in ["POST", "DELETE", "BREW", "OPTIONS"] {
        let answer = agent.ask(method, "/status", "").await;
        assert!(
            code(&answer) == "405" && answer.to_lowercase().contains("allow: get,head"),
            "{method}: {answer}"
        );
    }
    assert_eq!(code(&agent.send(b"nonsense\r\n\r\n").await), "400");
    let long = format!("x: {}\r\n", "y".repeat(2 * HEADER_LIMIT));
    assert_eq!(code(&agent.ask("GET", "/livez", &long).await), "431");
    assert_eq!(
        code(&agent.ask("GET", "/livez", &"x: y\r\n".repeat(200)).await),
        "431"
    );
}

#[tokio::test]
async fn nobody_who_reaches_the_port_changes_what_is_logged() {
    let agent = Agent::start();
    for method in ["GET", "PUT", "POST"] {
        assert_eq!(
            code(
                &agent
                    .ask(method, "/debug/log-level", "content-length: 3\r\n\r\noff")
                    .await
            ),
            "404",
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_header_that_trickles_in_is_cut_and_so_is_an_idle_connection_and_a_body_is_not_waited_for()
 {
    let agent = Agent::start();
    let trickle = async |start: &'static [u8]| {
        let (mut input, mut output) = agent.connect().await.into_split();
        output.write_all(start).await.unwrap();
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while output.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let mut answer = Vec::new();
        let _ended = timeout(PATIENCE, input.read_to_end(&mut answer))
            .await
            .expect("cut in time");
        (begun.elapsed(), String::from_utf8(answer).unwrap())
    };
    let idle = async || {
        let (mut stream, begun) = (agent.connect().await, Instant::now());
        read(&mut stream).await;
        begun.elapsed()
    };
    let begun = b"GET /livez HTTP/1.1\r\nx: ";
    let ((header, _), (body, answer), idle) = tokio::join!(
        trickle(begun),
        trickle(b"GET /status HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\n"),
        idle()
    );
    for elapsed in [header, idle] {
        assert!(
            elapsed > HEADER_TIMEOUT / 2 && elapsed < PATIENCE,
            "{elapsed:?}"
        );
    }
    assert!(
        body < PATIENCE && code(&answer) == "200",
        "{body:?} {answer}"
    );
}

#[tokio::test]
async fn idle_connections_do_not_keep_a_probe_out() {
    let agent = Agent::start();
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = agent.connect().await;
        // Half of them send the beginning of a request.
        if number % 2 == 0 {
            stream.write_all(b"GET /livez HT").await.unwrap();
        }
        idle.push(stream);
    }
    agent.heartbeat.beat();
    let begun = Instant::now();
    assert_eq!(code(&agent.get("/livez").await), "200");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    // The first ones had to go: no more than the limit are open.
    for stream in idle.iter_mut().take(300 - CONNECTIONS) {
        read(stream).await;
    }
    assert!(
        begun.elapsed() < HEADER_TIMEOUT,
        "they were closed for the new ones, and not for their age"
    );
}

#[tokio::test]
async fn stopping_ends_idle_and_stuck_connections_within_the_bound() {
    let mut agent = Agent::start();
    let _idle = agent.connect().await;
    let mut stuck = agent.connect().await;
    stuck
        .write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n")
        .await
        .unwrap();
    agent.get("/livez").await;
    let begun = Instant::now();
    agent.stop.cancel();
    agent.tasks.join_next().await.unwrap().unwrap();
    assert!(
        begun.elapsed() < DRAIN_TIMEOUT + Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        TcpStream::connect(agent.address).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let agent = Agent::start();
    let state = state(agent.snapshot.subscribe(), Heartbeats::new());
    let error = Server::bind(agent.address, state).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {}, as LONGSHORE_LISTEN says",
            agent.address
        )
    );
    assert!(
        matches!(error, ServeError::Listen { .. }) && error.reason() == release::Reason::Config
    );
}
