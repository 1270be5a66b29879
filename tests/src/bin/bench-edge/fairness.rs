//! What a shop in trouble costs other shops: how long 99 of 100 of their requests take at most, beside
//! it and alone, in turn.

use super::measure::{percentiles, spread};
use e2e::{
    figures::table,
    haproxy::{Backend, Edge, free_port},
    peers::required,
    process::{Program, Running},
};
use edge::agent::lines::Target;
use std::{fs, net::SocketAddr, thread, time::Duration};
use tempfile::TempDir;

/// The shop that is measured, and its requests a second.
const OTHER: &str = "other.example";
const RATE: u32 = 300;
/// Requests of a measurement: five seconds.
const REQUESTS: u32 = 1500;
/// Requests a second for the shop in trouble, many times what its pods answer.
const FLOOD: u32 = 1000;
/// TLS handshakes a second for hosts that nobody has.
const HANDSHAKES: u32 = 100;
/// How long any of it may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Measures each trouble so many times.
pub(crate) fn fairness(rounds: usize) -> String {
    let slow = |time| Backend::slow("trouble", time);
    let pods = [
        Backend::terse(),
        Backend::terse(),
        slow(Duration::from_hours(1)),
        slow(Duration::from_millis(100)),
    ];
    let refuses = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut edge = Edge::new(16);
    // Those who are measured stay below it, and the flood of one address does not.
    edge.rate = 2 * RATE * 10;
    let [other, fine, hangs, slow] = pods.each_ref().map(|pod| pod.address);
    for (host, pod) in [
        (OTHER, other),
        ("fine.example", fine),
        ("hangs.example", hangs),
        ("refuses.example", refuses),
        ("slow.example", slow),
    ] {
        edge.host(host, Target::Shop(format!("shop-{host}")));
        edge.shop(&format!("shop-{host}"), 16, &[("one", pod)]);
    }
    edge.start();
    // Half of the flood comes from each, and all of it from another address than what is measured.
    let many: Vec<_> = (10..20).map(|address| Relay::new(&edge, address)).collect();
    let one = &many[..1];
    let rows = [
        (
            "a shop is asked as much, and answers",
            Trouble::Flood("fine.example", &many),
        ),
        (
            "its pods refuse connections",
            Trouble::Flood("refuses.example", &many),
        ),
        ("its pods hang", Trouble::Flood("hangs.example", &many)),
        (
            "it is flooded by ten addresses",
            Trouble::Flood("slow.example", &many),
        ),
        (
            "it is flooded by one address",
            Trouble::Flood("slow.example", one),
        ),
        (
            "handshakes for hosts that nobody has",
            Trouble::Handshakes(&many),
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(name, trouble)| vec![(*name).to_owned(), ratio(&edge, trouble, rounds)])
        .collect();
    let head = [
        "beside a shop in trouble",
        "99 % of other shops' requests, ratio",
    ];
    table(&head, &[1], &rows)
}

/// What happens beside.
enum Trouble<'a> {
    /// Requests for a host.
    Flood(&'static str, &'a [Relay]),
    /// Connections for a host that no shop has.
    Handshakes(&'a [Relay]),
}

impl Trouble<'_> {
    fn begin(&self) -> Vec<Running> {
        let (host, relays) = match self {
            Self::Flood(host, relays) => (*host, *relays),
            Self::Handshakes(relays) => ("nobody.example", *relays),
        };
        let many = u32::try_from(relays.len()).unwrap();
        let begin = |relay: &Relay| {
            let load = h2load(relay.port, host);
            let load = match self {
                Self::Flood(..) => load
                    .args([
                        "--clients",
                        "5",
                        "--max-concurrent-streams",
                        "100",
                        "--duration",
                        "60",
                    ])
                    .args(["--rps", &(FLOOD / many / 5).to_string()]),
                Self::Handshakes(_) => {
                    let (rate, all) = (HANDSHAKES / many, HANDSHAKES / many * 60);
                    load.args(["--rate", &rate.to_string(), "--clients", &all.to_string()])
                        .args(["--requests", &all.to_string()])
                }
            };
            load.deadline(PATIENCE).start()
        };
        relays.iter().map(begin).collect()
    }
}

fn ratio(edge: &Edge, trouble: &Trouble<'_>, rounds: usize) -> String {
    let round = |_| {
        let alone = p99(edge);
        let running = trouble.begin();
        // Queues are full by then.
        thread::sleep(Duration::from_secs(2));
        let beside = p99(edge);
        drop(running);
        // What waits in a queue leaves it within ten seconds; it is the next measurement's otherwise.
        thread::sleep(Duration::from_secs(11));
        beside.div_duration_f64(alone)
    };
    spread((0..rounds).map(round).collect())
}

fn h2load(port: u16, host: &str) -> Program {
    Program::new(required("h2load"))
        .args(["--connect-to", &format!("127.0.0.1:{port}")])
        .arg(format!("https://{host}/"))
}

fn p99(edge: &Edge) -> Duration {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let outcome = h2load(edge.https, OTHER)
        .args(["--clients", "10", "--rps", &(RATE / 10).to_string()])
        .args(["--requests", &REQUESTS.to_string()])
        .arg("--log-file")
        .arg(&log)
        .deadline(PATIENCE)
        .run();
    // When it began, its status, and microseconds.
    let line = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        assert_eq!(fields.next(), Some("200"), "{line}");
        Duration::from_micros(fields.next().unwrap().parse().unwrap())
    };
    let text = fs::read_to_string(&log).unwrap();
    let times: Vec<_> = text.lines().map(line).collect();
    assert!(times.len() > 1000, "{}", outcome.stdout);
    percentiles(times)[1]
}

/// Passes connections on from an address of loopback of its own.
struct Relay {
    port: u16,
    _process: Running,
    _directory: TempDir,
}

impl Relay {
    fn new(edge: &Edge, address: u8) -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let file = directory.path().join("relay.cfg");
        let text = format!(
            "global
    nbthread 1
defaults
    mode tcp
    timeout connect 1s
    timeout client 1m
    timeout server 1m
listen relay
    bind 127.0.0.1:{port}
    server edge 127.0.0.1:{} source 127.0.0.{address}
",
            edge.https
        );
        fs::write(&file, text).unwrap();
        let program = Program::new(required("haproxy"))
            .args(["-db", "-f"])
            .arg(&file);
        Self {
            port,
            _process: program.deadline(Duration::from_hours(2)).start(),
            _directory: directory,
        }
    }
}
