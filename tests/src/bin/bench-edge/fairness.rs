//! What a shop in trouble costs other shops of its edge: how long 99 of 100 of their requests take
//! at most, at the edge that has the trouble and at another one of the same machine, in turn.

use super::measure::{milliseconds, percentiles, spread, used};
use e2e::{
    figures::table,
    haproxy::{Backend, Edge, Relay, Tells},
    peers::required,
    process::{Program, Running},
};
use edge::agent::{lines::Target, prepare::Trust};
use runtime::fixtures::free_port;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

/// The shop that is measured, and its requests a second.
const OTHER: &str = "other.example";
const RATE: u32 = 300;
/// Requests of a measurement: two seconds.
const REQUESTS: u32 = 600;
/// Measurements of each edge in a round, in turn.
const TURNS: u32 = 10;
/// Requests of an address in ten seconds, as the chart has it.
const LIMIT: u32 = 600;
/// Requests a second for the shop in trouble: many times what its pods answer, or one address may
/// ask.
const FLOOD: u32 = 1000;
/// From so many addresses each may ask as much as it does.
const ADDRESSES: u32 = 20;
/// TLS handshakes a second for hosts that nobody has.
const HANDSHAKES: u32 = 100;
/// How many seconds a trouble lasts at most.
const SECONDS: u32 = 60;
/// How long any of it may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// An edge, and the addresses from which it is asked for the shop in trouble.
struct Asked {
    edge: Edge,
    relays: Vec<Relay>,
}

/// Measures each trouble so many times, with two edges: both share the machine with whoever asks,
/// and only one of them has the trouble.
pub(crate) fn fairness(rounds: usize) -> String {
    let slow = |time| Backend::slow("trouble", time);
    let pods = [
        Backend::terse(),
        Backend::terse(),
        slow(Duration::from_hours(1)),
        Backend::uneven(
            "trouble",
            Duration::from_millis(50)..=Duration::from_millis(150),
        ),
    ];
    let refuses = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let [other, fine, hangs, slow] = pods.each_ref().map(|pod| pod.address);
    let shops = [
        (OTHER, other),
        ("fine.example", fine),
        ("hangs.example", hangs),
        ("refuses.example", refuses),
        ("slow.example", slow),
    ];
    let edges = [asked(&shops), asked(&shops)];
    let rows = [
        (
            "a shop is asked as much, and answers",
            Trouble::Flood("fine.example"),
        ),
        (
            "its pods refuse connections",
            Trouble::Flood("refuses.example"),
        ),
        ("its pods hang", Trouble::Flood("hangs.example")),
        (
            "it is flooded by many addresses",
            Trouble::Flood("slow.example"),
        ),
        ("it is flooded by one address", Trouble::Address),
        ("handshakes for hosts that nobody has", Trouble::Handshakes),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(name, trouble)| {
            let mut row = vec![(*name).to_owned()];
            row.extend(beside(&edges, trouble, rounds));
            row
        })
        .collect();
    let head = [
        "beside a shop in trouble",
        "99 % of other shops' requests",
        "ratio",
        "processor time",
    ];
    table(&head, &[1, 2, 3], &rows)
}

fn asked(shops: &[(&str, SocketAddr)]) -> Asked {
    // Those who are measured stand for many visitors, whom a proxy forwards.
    let trust = Trust {
        proxies: Vec::new(),
        forwarders: vec!["127.0.0.1".into()],
    };
    let mut edge = Edge::that_trusts(16, trust);
    edge.rate = LIMIT;
    for (host, pod) in shops {
        edge.host(host, Target::Shop(format!("shop-{host}")));
        edge.shop(&format!("shop-{host}"), 16, &[("one", *pod)]);
    }
    edge.start();
    // Another address than what is measured.
    let relay = |number: u32| {
        let source = Ipv4Addr::LOCALHOST.to_bits() + number;
        Relay::new(&edge, Ipv4Addr::from_bits(source), Tells::Nothing)
    };
    let relays: Vec<_> = (1..=ADDRESSES).map(relay).collect();
    for relay in &relays {
        let process = relay.process().to_string();
        elsewhere().args(["--pid", "0", &process]).run().expect(0);
    }
    Asked { edge, relays }
}

/// Whoever causes trouble has machines of his own: here he gets what time nobody else wants.
fn elsewhere() -> Program {
    Program::new("chrt").arg("--idle")
}

/// What happens beside.
enum Trouble {
    /// Requests for a host, an equal part from each of many addresses.
    Flood(&'static str),
    /// As many from one address, which connects anew for every five of them.
    Address,
    /// Connections for a host that no shop has.
    Handshakes,
}

impl Trouble {
    fn begin(&self, relays: &[Relay]) -> Vec<Running> {
        let host = match self {
            Self::Flood(host) => host,
            Self::Address => "slow.example",
            Self::Handshakes => "nobody.example",
        };
        let begin = |relay: &Relay| {
            let load = elsewhere().arg("0").arg(required("h2load"));
            let load = asks(load, relay.port, host);
            let load = match self {
                Self::Flood(_) => load
                    .args(["--clients", "5", "--max-concurrent-streams", "100"])
                    .args(["--duration", &SECONDS.to_string()])
                    .args(["--rps", &(FLOOD / ADDRESSES / 5).to_string()]),
                Self::Address => connects(load, FLOOD / 5, 5),
                Self::Handshakes => connects(load, HANDSHAKES / ADDRESSES, 1),
            };
            load.deadline(PATIENCE).start()
        };
        let addresses = match self {
            Self::Flood(_) | Self::Handshakes => relays,
            Self::Address => &relays[..1],
        };
        addresses.iter().map(begin).collect()
    }
}

/// So many connections a second, each with so many requests. They begin one after another: h2load
/// begins all of a period at once.
fn connects(h2load: Program, a_second: u32, requests: u32) -> Program {
    let all = a_second * SECONDS;
    h2load
        .args(["--rate", "1"])
        .args(["--rate-period", &format!("{}ms", 1000 / a_second)])
        .args(["--clients", &all.to_string()])
        .args(["--requests", &(all * requests).to_string()])
}

/// The median of 99 % at the edge that has the trouble, its ratio to that of the calm edge, and how
/// much of a core the trouble takes.
///
/// In each round the edges change roles, and the other shop is asked at both, in turn, so that what
/// slows the machine down slows both.
fn beside(edges: &[Asked; 2], trouble: &Trouble, rounds: usize) -> [String; 3] {
    let runs: Vec<_> = (0..rounds)
        .map(|round| {
            let (troubled, calm) = (&edges[round % 2], &edges[(round + 1) % 2]);
            let running = trouble.begin(&troubled.relays);
            // Queues are full by then.
            thread::sleep(Duration::from_secs(2));
            let processor = |asked: &Asked| used(asked.edge.worker()).processor.as_secs_f64();
            let difference = || processor(troubled) - processor(calm);
            let (before, start) = (difference(), Instant::now());
            let (mut beside, mut aside) = (Vec::new(), Vec::new());
            for _ in 0..TURNS {
                aside.extend(times(&calm.edge));
                beside.extend(times(&troubled.edge));
            }
            let share = (difference() - before) / start.elapsed().as_secs_f64();
            drop(running);
            // What waits in a queue leaves it within ten seconds; it is the next round's otherwise.
            thread::sleep(Duration::from_secs(11));
            let [beside, aside] = [beside, aside].map(|times| percentiles(times)[1]);
            (beside, beside.div_duration_f64(aside), share)
        })
        .collect();
    let [median, ..] = percentiles(runs.iter().map(|(beside, ..)| *beside).collect());
    [
        milliseconds(median),
        spread(runs.iter().map(|(_, ratio, _)| *ratio).collect()),
        spread(runs.iter().map(|(.., share)| *share).collect()),
    ]
}

fn asks(h2load: Program, port: u16, host: &str) -> Program {
    h2load
        .args(["--connect-to", &format!("127.0.0.1:{port}")])
        .arg(format!("https://{host}/"))
}

/// How long each request for the shop that is measured took.
fn times(edge: &Edge) -> Vec<Duration> {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let outcome = asks(Program::new(required("h2load")), edge.https, OTHER)
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
    assert_eq!(times.len(), REQUESTS as usize, "{}", outcome.stdout);
    times
}
