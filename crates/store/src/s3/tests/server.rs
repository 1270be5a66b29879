//! A server of one answer a connection.

use bytes::Bytes;
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

/// What the client asked.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Method, path and query.
    pub(super) line: String,
    /// The whole head in lower case.
    pub(super) head: String,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }
}

/// How a connection ends after the answer's last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Reset,
    Hang,
}

/// What the server answers.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    bytes: Vec<u8>,
    end: End,
}

impl Reply {
    /// An answer whose `Content-Length` is that of `body`.
    pub(super) fn new(status: &str, headers: &[&str], body: &str) -> Self {
        Self::announcing(body.len(), status, headers, body)
    }

    /// An answer that announces `length` bytes and sends those of `body`.
    pub(super) fn announcing(length: usize, status: &str, headers: &[&str], body: &str) -> Self {
        Self::raw(
            status,
            &[headers, &[&format!("Content-Length: {length}")]].concat(),
            body,
        )
    }

    pub(super) fn raw(status: &str, headers: &[&str], body: &str) -> Self {
        let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for header in headers {
            write!(text, "{header}\r\n").unwrap();
        }
        write!(text, "\r\n{body}").unwrap();
        Self {
            bytes: text.into_bytes(),
            end: End::Close,
        }
    }

    /// No answer at all.
    pub(super) fn none() -> Self {
        Self {
            bytes: Vec::new(),
            end: End::Close,
        }
    }

    /// An error with S3's document.
    pub(super) fn error(status: &str, code: &str) -> Self {
        Self::new(
            status,
            &["Content-Type: application/xml"],
            &format!("<Error><Code>{code}</Code><Message>no</Message></Error>"),
        )
    }

    /// The bytes of `all` from `from` on, as the answer to a range up to its end.
    pub(super) fn part(all: &str, from: usize, etag: &str) -> Self {
        Self::cut(all, from, all.len(), etag)
    }

    /// The same, of which nothing is sent from `until` on.
    pub(super) fn cut(all: &str, from: usize, until: usize, etag: &str) -> Self {
        let range = format!(
            "Content-Range: bytes {from}-{}/{}",
            all.len() - 1,
            all.len()
        );
        let etag = format!("ETag: \"{etag}\"");
        Self::announcing(
            all.len() - from,
            "206 Partial Content",
            &[&range, &etag],
            &all[from..until],
        )
    }

    pub(super) fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// The server, which ends when it is dropped.
pub(super) struct Server {
    pub(super) endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers each request as `reply` says of it and of how many came before it.
    pub(super) async fn start(
        reply: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, reply) = (Arc::clone(&requests), Arc::new(reply));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, Arc::clone(&log), Arc::clone(&reply)));
            }
        });
        Self {
            endpoint,
            requests,
            _tasks: tasks,
        }
    }

    /// Answers with one of `replies` after the other, and with the last for ever.
    pub(super) async fn script(replies: Vec<Reply>) -> Self {
        Self::start(move |_, before| replies[before.min(replies.len() - 1)].clone()).await
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn connection(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<Request>>>,
    reply: Arc<impl Fn(&Request, usize) -> Reply>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let reply = {
        let mut log = log.lock().unwrap();
        let reply = reply(&request, log.len());
        log.push(request);
        reply
    };
    if stream.write_all(&reply.bytes).await.is_err() {
        return;
    }
    match reply.end {
        End::Close => {}
        End::Reset => {
            // The client reads what came before it hears of the reset.
            sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger().unwrap();
        }
        End::Hang => std::future::pending().await,
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
        // Whoever speaks TLS to us is not answered.
        bytes[0].is_ascii_uppercase().then_some(())?;
    };
    let text = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let head = text.to_lowercase();
    if head.contains("expect: 100-continue") {
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .ok()?;
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + length {
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    }
    Some(Request {
        line: text.lines().next()?.to_owned(),
        head,
        body: bytes.split_off(end).into(),
    })
}
