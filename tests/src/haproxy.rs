//! HAProxy as its image starts it, pods that say what they were asked, and visitors.

#![allow(
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what a test or a benchmark cannot go on without fails there"
)]

mod answer;
mod authority;
mod backend;
mod load;
mod objects;
mod overload;
mod plain;
mod relay;

pub use answer::Answer;
pub use authority::{issued, root};
pub use backend::Backend;
pub use load::{Load, Requests};
pub use plain::Plain;
pub use relay::{Relay, Tells};

use crate::{
    peers::required,
    process::{Outcome, Program, Running},
};
use edge::agent::{
    caps::Demand,
    files::Files,
    haproxy::{Asked, HaProxy, Worker},
    keeper::{Keeper, KeeperError, Round},
    lines::Shard,
    model::Model,
    pem::Pem,
    prepare::{Trust, prepare},
    snapshot::Locality,
};
use runtime::fixtures::free_port;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Visitors are told of HTTP/3 at the usual port.
pub const HTTP3: &str = "h3=\":443\"; ma=86400";
/// How long a test waits for something that takes a moment.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The directory of HAProxy's configuration, as the image has it.
pub(crate) fn images() -> PathBuf {
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
    /// Requests of one address in 10 seconds, from HAProxy's next start on.
    pub rate: u32,
    /// Whether it listens at `::1` as well, from its next start on.
    pub ipv6: bool,
    /// Whether a script keeps it busy, from its next start on.
    pub overloaded: bool,
    /// Where visitors are told to ask by HTTP/3, from HAProxy's next start on; empty if nowhere.
    pub alt_svc: &'static str,
    /// What the model was told: its ConfigMaps and Secrets, and the shops that have pods.
    shards: BTreeMap<String, Shard>,
    issued: BTreeMap<String, BTreeMap<String, Pem>>,
    slices: BTreeSet<String>,
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
        let keeper = keeper(directory.path(), &trust, room, None);
        Self {
            model: Model::default(),
            keeper,
            http: free_port(),
            https: free_port(),
            rate: 100_000_000,
            ipv6: false,
            overloaded: false,
            alt_svc: HTTP3,
            shards: BTreeMap::new(),
            issued: BTreeMap::new(),
            slices: BTreeSet::new(),
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

    /// An HAProxy for comparison, which serves what the files of this edge say.
    #[must_use]
    pub fn plain(&self, plain: Plain) -> Self {
        let mut edge = Self::new(1);
        let run = edge.directory.path();
        fs::write(run.join("plain.cfg"), plain.configuration(self.directory())).unwrap();
        fs::copy(self.directory().join("slots.cfg"), run.join("slots.cfg")).unwrap();
        edge.configuration = run.join("plain.cfg");
        edge
    }

    /// Writes HAProxy's files, as an agent does before HAProxy starts.
    pub fn write(&mut self) {
        // Nobody answers yet, and the files are there afterwards.
        self.try_round().unwrap_err();
    }

    /// Starts HAProxy as its container does: from files.
    pub fn start(&mut self) {
        self.write();
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
        overload::write(run, self.overloaded).unwrap();
        let program = Program::new(required("haproxy"))
            .args(["-W", "-db", "-S"])
            .arg(run.join("master.sock"))
            // HAProxy takes the number of threads in the first section alone.
            .arg("-f")
            .arg(run.join("overload.cfg"))
            .arg("-f")
            .arg(&self.configuration)
            .arg("-f")
            .arg(run.join("slots.cfg"))
            .env("EDGE_RUN", run)
            .env("EDGE_PAGES", images().join("pages"))
            .env("EDGE_HOLD", images().join("hold.lua"))
            .env("EDGE_HOLD_SECONDS", "5")
            .env("EDGE_HOLD_REQUESTS", "30")
            .env("EDGE_CONNECTIONS", "2000")
            .env("EDGE_HTTP", self.addresses(["", ""], self.http))
            .env("EDGE_HTTPS", self.addresses(["", ""], self.https))
            .env(
                "EDGE_QUIC",
                self.addresses(["quic4@", "quic6@"], self.https),
            )
            .env(
                "EDGE_METRICS",
                format!("unix@{}", run.join("metrics.sock").display()),
            )
            .env("EDGE_RATE", self.rate.to_string())
            .env("EDGE_SHOP", "1000")
            .env("EDGE_ALT_SVC", self.alt_svc)
            .deadline(Duration::from_mins(10));
        let process = program.start();
        listens(self.https, &process);
        self.haproxy = Some(process);
    }

    fn addresses(&self, [four, six]: [&str; 2], port: u16) -> String {
        let four = format!("{four}127.0.0.1:{port}");
        if self.ipv6 {
            format!("{four},{six}::1:{port}")
        } else {
            four
        }
    }

    /// Kills HAProxy, all of it, and gives what it wrote.
    pub fn kill(&mut self) -> Outcome {
        let worker = self.only_child().to_string();
        let outcome = self.haproxy.take().unwrap().kill_after(Duration::ZERO);
        // As all processes of a container end with its first one.
        let killed = Program::new("/bin/kill").args(["-9", &worker]).run();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.https)).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
        drop(killed);
        outcome
    }

    /// It is in a zone.
    pub fn place(&mut self, zone: &str) {
        self.keeper = keeper(self.directory.path(), &self.trust, self.room, Some(zone));
    }

    /// Another agent takes the place of the one that was.
    pub fn restart_agent(&mut self) {
        self.keeper = keeper(self.directory.path(), &self.trust, self.room, None);
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
        Load::new(program.start())
    }

    /// What visitors ask for each shop at the moment.
    #[must_use]
    pub fn demands(&self) -> Vec<Demand> {
        let demand = |(shop, Asked { asked, passed, .. }): (String, Asked)| Demand {
            weight: self.model.shop(&shop).unwrap().weight,
            shop,
            asked,
            passed,
        };
        self.asked().into_iter().map(demand).collect()
    }

    /// What HAProxy says of visitors.
    #[must_use]
    pub fn asked(&self) -> BTreeMap<String, Asked> {
        let haproxy = HaProxy::new(self.directory.path().to_owned());
        self.runtime.block_on(haproxy.asked()).unwrap()
    }

    /// Ends what a pod still has.
    pub fn give_up(&self, shop: &str, pod: &str) {
        let haproxy = HaProxy::new(self.directory.path().to_owned());
        self.runtime.block_on(haproxy.give_up(shop, pod)).unwrap();
    }

    /// The process that serves.
    pub fn worker(&self) -> u32 {
        self.who_serves().pid
    }

    /// Share of its time without work, in percent.
    #[must_use]
    pub fn idle(&self) -> u32 {
        self.who_serves().idle
    }

    fn who_serves(&self) -> Worker {
        let haproxy = HaProxy::new(self.directory.path().to_owned());
        self.runtime.block_on(haproxy.worker()).unwrap()
    }

    /// Both processes of HAProxy: one reads the configuration, and one serves.
    #[must_use]
    pub fn processes(&self) -> [u32; 2] {
        let master = self.haproxy.as_ref().unwrap().pid();
        [master, self.only_child()]
    }

    /// The process that serves, also of one that has no socket which could be asked.
    #[must_use]
    pub fn only_child(&self) -> u32 {
        let master = self.haproxy.as_ref().unwrap().pid();
        let path = format!("/proc/{master}/task/{master}/children");
        let start = Instant::now();
        loop {
            // Its ports are there before it.
            if let Ok(child) = fs::read_to_string(&path).unwrap().trim().parse() {
                return child;
            }
            assert!(start.elapsed() < PATIENCE, "HAProxy has no worker");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What curl says of a page of a host: its version of HTTP and its status; then its headers and
    /// its body.
    pub fn get(&self, host: &str, path: &str, options: &[&str]) -> Answer {
        Answer::new(&self.visitor(host, path, options).wait())
    }

    /// The same, while something else goes on.
    #[must_use]
    pub fn visitor(&self, host: &str, path: &str, options: &[&str]) -> Running {
        Program::new(required("curl-h3"))
            .args(["--silent", "--insecure", "--include", "--max-time", "10"])
            .args(["--resolve", &format!("{host}:{}:127.0.0.1", self.https)])
            .args(options)
            .arg(format!("https://{host}:{}{path}", self.https))
            .start()
    }

    /// The same on the other port.
    pub fn get_plainly(&self, host: &str, path: &str, options: &[&str]) -> Answer {
        let outcome = Program::new(required("curl-h3"))
            .args(["--silent", "--include", "--max-time", "10", "--path-as-is"])
            .args(["--header", &format!("host: {host}")])
            .args(options)
            .arg(format!("http://127.0.0.1:{}{path}", self.http))
            .run();
        Answer::new(&outcome)
    }
}

/// Waits until an HAProxy listens at a port.
fn listens(port: u16, process: &Running) {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let said = || process.complained();
        assert!(
            start.elapsed() < PATIENCE,
            "HAProxy does not listen: {}",
            said()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn keeper(directory: &Path, trust: &Trust, room: u32, zone: Option<&str>) -> Keeper {
    let mut files = Files::new(directory.to_owned()).unwrap();
    prepare(&mut files, trust).unwrap();
    let place = Locality {
        zone: zone.map(str::to_owned),
        replicas: 1,
    };
    Keeper::new(files, place, room)
}
