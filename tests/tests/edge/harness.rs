//! HAProxy as its image starts it, pods that say what they were asked, and visitors.

use api::edge::EdgeShop;
use e2e::{
    peers::required,
    process::{Outcome, Program, Running},
};
use edge::{
    agent::{
        endpoints::{Pod, State},
        files::Files,
        haproxy::HaProxy,
        keeper::{Keeper, Round},
        lines::Target,
        model::Model,
        prepare::{Trust, prepare},
        snapshot::Place,
    },
    certificate::Pem,
};
use rcgen::{CertificateParams, KeyPair};
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a test waits for something that takes a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The directory of HAProxy's configuration, as the image has it.
fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/edge")
}

/// An edge.
pub(crate) struct Edge {
    pub(crate) model: Model,
    pub(crate) keeper: Keeper,
    pub(crate) http: u16,
    pub(crate) https: u16,
    haproxy: Option<Running>,
    directory: TempDir,
    trust: Trust,
    room: u32,
    runtime: tokio::runtime::Runtime,
}

impl Edge {
    /// One with room for so many shops, that trusts nobody.
    pub(crate) fn new(room: u32) -> Self {
        Self::that_trusts(room, Trust::default())
    }

    pub(crate) fn that_trusts(room: u32, trust: Trust) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keeper = keeper(directory.path(), &trust, room);
        Self {
            model: Model::default(),
            keeper,
            http: free_port(),
            https: free_port(),
            haproxy: None,
            directory,
            trust,
            room,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// Starts HAProxy as its container does: from files.
    pub(crate) fn start(&mut self) {
        // Nobody answers yet, and the files are there afterwards.
        self.try_round().unwrap_err();
        self.start_haproxy();
        self.round();
    }

    pub(crate) fn start_haproxy(&mut self) {
        let run = self.directory.path();
        let program = Program::new(&required("haproxy"))
            .args(["-W", "-db", "-S"])
            .arg(run.join("master.sock"))
            .arg("-f")
            .arg(images().join("haproxy.cfg"))
            .arg("-f")
            .arg(run.join("slots.cfg"))
            .env("EDGE_RUN", run)
            .env("EDGE_PAGES", images().join("pages"))
            .env("EDGE_CONNECTIONS", "2000")
            .env("EDGE_HTTP", format!("127.0.0.1:{}", self.http))
            .env("EDGE_HTTPS", format!("127.0.0.1:{}", self.https))
            .env("EDGE_QUIC", format!("quic4@127.0.0.1:{}", self.https))
            .env(
                "EDGE_METRICS",
                format!("unix@{}", run.join("metrics.sock").display()),
            )
            .env("EDGE_RATE", "100000")
            .env("EDGE_ALT_SVC", "h3=\":443\"; ma=86400")
            .deadline(Duration::from_mins(10));
        self.haproxy = Some(program.start());
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.https)).is_err() {
            assert!(start.elapsed() < PATIENCE, "HAProxy does not listen");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills HAProxy, all of it, and gives what it wrote.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.haproxy.take().unwrap().kill_after(Duration::ZERO)
    }

    /// Another agent takes the place of the one that was.
    pub(crate) fn restart_agent(&mut self) {
        self.keeper = keeper(self.directory.path(), &self.trust, self.room);
    }

    /// Makes HAProxy as the model says.
    pub(crate) fn round(&mut self) -> Round {
        let round = self.try_round().unwrap();
        assert!(round.equal, "{round:?}");
        round
    }

    pub(crate) fn try_round(&mut self) -> Result<Round, edge::agent::keeper::KeeperError> {
        let Self {
            runtime,
            keeper,
            model,
            ..
        } = self;
        runtime.block_on(keeper.round(model))
    }

    /// The process that serves.
    pub(crate) fn worker(&self) -> u32 {
        let haproxy = HaProxy::new(self.directory.path().to_owned());
        self.runtime.block_on(haproxy.worker()).unwrap().pid
    }

    /// A host of a shop, with a certificate of its own.
    pub(crate) fn host(&mut self, host: &str, target: Target) {
        let shard = self.model.shards.entry("edge-00".to_owned()).or_default();
        shard.hosts.insert(host.to_owned(), target);
        let issued = self.model.issued.entry("certificates-00".to_owned());
        issued
            .or_default()
            .insert(host.to_owned(), certificate(host));
    }

    /// A shop with pods.
    pub(crate) fn shop(&mut self, shop: &str, workers: u32, pods: &[(&str, SocketAddr)]) {
        let shard = self.model.shards.entry("edge-01".to_owned()).or_default();
        let settings = EdgeShop {
            weight: 100,
            workers,
            hsts_seconds: 0,
        };
        shard.shops.insert(shop.to_owned(), settings);
        self.pods(
            shop,
            pods.iter().map(|(name, at)| (*name, *at, State::Ready)),
        );
    }

    /// The pods of a shop, as they are from now on.
    pub(crate) fn pods<'a>(
        &mut self,
        shop: &str,
        pods: impl IntoIterator<Item = (&'a str, SocketAddr, State)>,
    ) {
        let pods = pods.into_iter().map(|(name, address, state)| {
            let pod = Pod {
                address,
                zone: None,
                state,
            };
            (name.to_owned(), pod)
        });
        self.model.slice(shop, "web-abcde", pods.collect());
    }

    /// What curl says of a page of a host: its version of HTTP and its status; then its headers and
    /// its body.
    pub(crate) fn get(&self, host: &str, path: &str, options: &[&str]) -> Answer {
        let outcome = Program::new(&required("curl-h3"))
            .args(["--silent", "--insecure", "--include", "--max-time", "10"])
            .args(["--resolve", &format!("{host}:{}:127.0.0.1", self.https)])
            .args(options)
            .arg(format!("https://{host}:{}{path}", self.https))
            .run();
        Answer::of(&outcome)
    }

    /// The same on the other port.
    pub(crate) fn get_plainly(&self, host: &str, path: &str, options: &[&str]) -> Answer {
        let outcome = Program::new(&required("curl-h3"))
            .args(["--silent", "--include", "--max-time", "10", "--path-as-is"])
            .args(["--header", &format!("host: {host}")])
            .args(options)
            .arg(format!("http://127.0.0.1:{}{path}", self.http))
            .run();
        Answer::of(&outcome)
    }
}

fn keeper(directory: &Path, trust: &Trust, room: u32) -> Keeper {
    let mut files = Files::new(directory.to_owned()).unwrap();
    prepare(&mut files, trust).unwrap();
    let place = Place {
        zone: None,
        replicas: 1,
    };
    Keeper::new(files, place, room)
}

/// A self-signed certificate of a host.
pub(crate) fn certificate(host: &str) -> Pem {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    Pem::new(key.serialize_pem() + &certificate.pem())
}

/// An answer, as curl prints it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `HTTP/2 200` of the first line.
    pub(crate) status: String,
    pub(crate) text: String,
}

impl Answer {
    fn of(outcome: &Outcome) -> Self {
        let text = outcome.stdout.replace('\r', "");
        let status = text
            .lines()
            .next()
            .unwrap_or(&outcome.stderr)
            .trim()
            .to_owned();
        let status = status.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Self { status, text }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\n\n").next()?;
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A pod: it answers each request with its own name and what it was asked. It is no php-fpm, and
/// says so: what is tested is in front of it.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
}

impl Backend {
    pub(crate) fn new(name: &str) -> Self {
        Self::slow(name, Duration::ZERO)
    }

    /// One that takes its time.
    pub(crate) fn slow(name: &str, time: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let (name, count) = (name.to_owned(), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (name, count) = (name.clone(), Arc::clone(&count));
                thread::spawn(move || answer(stream, &name, time, &count));
            }
        });
        Self { address, requests }
    }
}

fn answer(mut stream: TcpStream, name: &str, time: Duration, count: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut part) {
                Ok(read @ 1..) => bytes.extend_from_slice(&part[..read]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes.drain(..end);
        count.fetch_add(1, Relaxed);
        thread::sleep(time);
        let body = format!("pod: {name}\n{}", head.replace('\r', ""));
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
