//! Over real connections.

use super::*;
use crate::status::Mounts;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

struct Running {
    address: SocketAddr,
    board: Board,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn start() -> Running {
    let (board, stop) = (Board::for_tests(), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, mut tasks) = (listener.local_addr().unwrap(), JoinSet::new());
    let serving = Serving { board: board.clone(), policy: Policy { mounts: Mounts::Required, staleness: None } };
    tasks.spawn(listen::accept(listener, router(serving), stop.clone()));
    Running { address, board, stop, tasks }
}

impl Running {
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")).await
    }
}

#[tokio::test]
async fn each_path_answers_from_what_is_known() {
    let agent = start().await;
    assert!(agent.get("/livez").await.starts_with("HTTP/1.1 200 OK"));
    let ready = agent.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("[-] release: no release runs"), "{ready}");
    assert!(agent.get("/status").await.contains("\"channel\": \"shops/acme\""));
    let metrics = agent.get("/metrics").await;
    assert!(metrics.contains("application/openmetrics-text") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(agent.get("/nothing").await.starts_with("HTTP/1.1 404"));
    assert!(agent.ask("DELETE /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    agent.board.stopping();
    assert!(agent.get("/readyz").await.contains("asked to stop"));
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_with_what_was_expected() {
    let agent = start().await;
    let put = |body: &str| {
        format!("PUT /debug/log-level HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let refused = agent.ask(&put("loud")).await;
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("expected a level"), "{refused}");
    assert!(agent.ask(&put(&"x".repeat(2000))).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let agent = start().await;
    let mut stream = TcpStream::connect(agent.address).await.unwrap();
    // The end of it may meet a closed connection.
    stream.write_all(format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 << 10)).as_bytes()).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn who_sends_slowly_or_nothing_keeps_nobody_out() {
    let agent = start().await;
    let mut slow = TcpStream::connect(agent.address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHo").await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(agent.address).await.unwrap());
    }
    // Slots come free as headers do not come.
    let start = Instant::now();
    let answer = loop {
        let mut stream = TcpStream::connect(agent.address).await.unwrap();
        let request = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        if stream.write_all(request).await.is_ok() && stream.read_to_string(&mut answer).await.is_ok() && !answer.is_empty() {
            break answer;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "nobody gets in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(answer.starts_with("HTTP/1.1 200"));
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), slow.read_to_end(&mut rest)).await.expect("it is closed").ok();
}

#[tokio::test]
async fn the_end_waits_for_nobody() {
    let mut agent = start().await;
    let _open = TcpStream::connect(agent.address).await.unwrap();
    let start = Instant::now();
    agent.stop.cancel();
    agent.tasks.join_next().await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
}
