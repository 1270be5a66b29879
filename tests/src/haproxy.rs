//! HAProxy as its image starts it, pods that say what they were asked, and visitors.

#![allow(
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what a test or a benchmark cannot go on without fails there"
)]

mod answer;
mod backend;

pub use answer::Answer;
pub use backend::Backend;

use crate::{
    peers::required,
    process::{Outcome, Program, Running},
};
use api::edge::EdgeShop;
use edge::agent::{
    caps::Demand,
    endpoints::{Pod, State},
    files::Files,
    haproxy::{Asked, HaProxy},
    keeper::{Keeper, KeeperError, Round},
    lines::Target,
    model::Model,
    pem::Pem,
    prepare::{Trust, prepare},
    snapshot::Place,
};
use rcgen::{CertificateParams, KeyPair};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a test waits for something that takes a moment.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The directory of HAProxy's configuration, as the image has it.
fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/edge")
}

/// An edge.
#[derive(Debug)]
pub struct Edge {
    /// What the API server would have said.
    pub model: Model,
    /// What keeps HAProxy.
    pub keeper: Keeper,
    /// Its port for proofs and redirects.
    pub http: u16,
    /// Its port for everything else, also of UDP.
    pub https: u16,
    haproxy: Option<Running>,
    configuration: PathBuf,
    directory: TempDir,
    trust: Trust,
    room: u32,
    runtime: tokio::runtime::Runtime,
}

impl Edge {
    /// One with room for so many shops, that trusts nobody.
    #[must_use]
    pub fn new(room: u32) -> Self {
        Self::that_trusts(room, Trust::default())
    }

    /// The same that trusts somebody.
    #[must_use]
    pub fn that_trusts(room: u32, trust: Trust) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keeper = keeper(directory.path(), &trust, room);
        Self {
            model: Model::default(),
            keeper,
            http: free_port(),
            https: free_port(),
            haproxy: None,
            configuration: images().join("haproxy.cfg"),
            directory,
            trust,
            room,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// An HAProxy that only passes a host on to a pod, for comparison: whatever ours does more for
    /// a request, it does not.
    #[must_use]
    pub fn plain(host: &str, pod: SocketAddr) -> Self {
        let mut edge = Self::new(1);
        let run = edge.directory.path();
        let text = format!(
            "global\n    maxconn \"$EDGE_CONNECTIONS\"\n    log stdout format raw local0 info\ndefaults\n    \
             mode http\n    log global\n    option httplog\n    timeout connect 1s\n    timeout client 60s\n    \
             timeout server 60s\nfrontend all\n    bind \"$EDGE_HTTPS\" ssl crt \
             \"$EDGE_RUN/plain.pem\" alpn h2,http/1.1\n    default_backend pod\nbackend pod\n    server one {pod} maxconn 256\n"
        );
        fs::write(run.join("plain.cfg"), text).unwrap();
        fs::write(run.join("plain.pem"), certificate(host).text()).unwrap();
        fs::write(run.join("slots.cfg"), "").unwrap();
        edge.configuration = run.join("plain.cfg");
        edge
    }

    /// Starts HAProxy as its container does: from files.
    pub fn start(&mut self) {
        // Nobody answers yet, and the files are there afterwards.
        self.try_round().unwrap_err();
        self.start_haproxy();
        self.round();
    }

    /// The directory of HAProxy's files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts HAProxy from what files there are.
    pub fn start_haproxy(&mut self) {
        let run = self.directory.path();
        let program = Program::new(required("haproxy"))
            .args(["-W", "-db", "-S"])
            .arg(run.join("master.sock"))
            .arg("-f")
            .arg(&self.configuration)
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
            .env("EDGE_RATE", "100000000")
            .env("EDGE_ALT_SVC", "h3=\":443\"; ma=86400")
            .deadline(Duration::from_mins(10));
        self.haproxy = Some(program.start());
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.https)).is_err() {
            let said = || self.haproxy.as_ref().map(Running::complained);
            assert!(
                start.elapsed() < PATIENCE,
                "HAProxy does not listen: {:?}",
                said()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills HAProxy, all of it, and gives what it wrote.
    pub fn kill(&mut self) -> Outcome {
        let worker = self.worker().to_string();
        let outcome = self.haproxy.take().unwrap().kill_after(Duration::ZERO);
        // As all processes of a container end with its first one.
        let killed = Program::new("/bin/kill").args(["-9", &worker]).run();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.https)).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
        drop(killed);
        outcome
    }

    /// Another agent takes the place of the one that was.
    pub fn restart_agent(&mut self) {
        self.keeper = keeper(self.directory.path(), &self.trust, self.room);
    }

    /// Makes HAProxy as the model says.
    pub fn round(&mut self) -> Round {
        let start = Instant::now();
        loop {
            match self.try_round() {
                Ok(round) if round.equal => return round,
                // Its sockets come a moment after its ports.
                told => assert!(start.elapsed() < PATIENCE, "{told:?}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// One round, however it ends.
    ///
    /// # Errors
    ///
    /// HAProxy does not answer.
    pub fn try_round(&mut self) -> Result<Round, KeeperError> {
        let Self {
            runtime,
            keeper,
            model,
            ..
        } = self;
        model.check(jiff::Timestamp::now());
        runtime.block_on(keeper.round(model))
    }

    /// Visitors of the first shop, by h2load, for as long.
    pub fn load(&self, time: Duration) -> Load {
        self.load_of("www.acme.example", time, 8)
    }

    /// Visitors of a host, so many at a time.
    pub fn load_of(&self, host: &str, time: Duration, clients: u32) -> Load {
        let program = Program::new(required("h2load"))
            .args([
                "--clients",
                &clients.to_string(),
                "--max-concurrent-streams",
                "1",
            ])
            .args(["--duration", &time.as_secs().to_string()])
            .args(["--connect-to", &format!("127.0.0.1:{}", self.https)])
            .arg(format!("https://{host}/"))
            .deadline(time + PATIENCE);
        Load(program.start())
    }

    /// What visitors ask for each shop at the moment.
    #[must_use]
    pub fn demands(&self) -> Vec<Demand> {
        let haproxy = HaProxy::new(self.directory.path().to_owned());
        let asked = self.runtime.block_on(haproxy.asked()).unwrap();
        let shops = self.model.shops();
        let demand = |(shop, Asked { asked, passed }): (String, Asked)| Demand {
            weight: shops[shop.as_str()].weight,
            shop,
            asked,
            passed,
        };
        asked.into_iter().map(demand).collect()
    }

    /// The process that serves.
    pub fn worker(&self) -> u32 {
        let haproxy = HaProxy::new(self.directory.path().to_owned());
        self.runtime.block_on(haproxy.worker()).unwrap().pid
    }

    /// Both processes of HAProxy: one reads the configuration, and one serves.
    #[must_use]
    pub fn processes(&self) -> [u32; 2] {
        let master = self.haproxy.as_ref().unwrap().pid();
        [master, self.worker()]
    }

    /// A host of a shop, with a certificate of its own.
    pub fn host(&mut self, host: &str, target: Target) {
        let shard = self.model.shards.entry("edge-00".to_owned()).or_default();
        shard.hosts.insert(host.to_owned(), target);
        let issued = self.model.issued.entry("certificates-00".to_owned());
        issued
            .or_default()
            .insert(host.to_owned(), certificate(host));
    }

    /// A shop with pods.
    pub fn shop(&mut self, shop: &str, workers: u32, pods: &[(&str, SocketAddr)]) {
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
    pub fn pods<'a>(
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
    pub fn get(&self, host: &str, path: &str, options: &[&str]) -> Answer {
        let outcome = Program::new(required("curl-h3"))
            .args(["--silent", "--insecure", "--include", "--max-time", "10"])
            .args(["--resolve", &format!("{host}:{}:127.0.0.1", self.https)])
            .args(options)
            .arg(format!("https://{host}:{}{path}", self.https))
            .run();
        Answer::of(&outcome)
    }

    /// The same on the other port.
    pub fn get_plainly(&self, host: &str, path: &str, options: &[&str]) -> Answer {
        let outcome = Program::new(required("curl-h3"))
            .args(["--silent", "--include", "--max-time", "10", "--path-as-is"])
            .args(["--header", &format!("host: {host}")])
            .args(options)
            .arg(format!("http://127.0.0.1:{}{path}", self.http))
            .run();
        Answer::of(&outcome)
    }
}

/// Visitors that ask one after another.
#[derive(Debug)]
pub struct Load(Running);

impl Load {
    /// Every request was answered as it should be.
    pub fn whole(self) {
        let outcome = self.0.wait();
        let text = &outcome.stdout;
        assert!(
            text.contains(" 0 failed, 0 errored, 0 timeout")
                && text.contains(" 0 3xx, 0 4xx, 0 5xx")
                && !text.contains("status codes: 0 2xx"),
            "{text}{}",
            outcome.stderr
        );
    }

    /// However they were answered.
    pub fn end(self) {
        drop(self.0.wait());
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
#[must_use]
pub fn certificate(host: &str) -> Pem {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    Pem::new(key.serialize_pem() + &certificate.pem())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
