//! What an edge of thousands of domains costs: its start, its memory, a change of each kind, and
//! requests, beside an HAProxy that has one backend and one certificate and nothing else.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on fails there, and makes its files itself"
)]

use clap::Parser;
use e2e::{
    figures::{bytes, table},
    haproxy::{Backend, Edge, self_signed},
    peers::required,
    process::Program,
};
use edge::agent::{endpoints::State, lines::Target};
use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Measures HAProxy as `longshore-edge` keeps it, with many domains, beside a plain one.
#[derive(Debug, Parser)]
struct Arguments {
    /// Domains, each with a certificate
    #[arg(long, default_value_t = 10_000)]
    domains: usize,
    /// Shops, which have the domains in turn
    #[arg(long, default_value_t = 5_000)]
    shops: usize,
    /// Pods of each shop
    #[arg(long, default_value_t = 12)]
    pods: usize,
    /// Changes of each kind
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// Seconds of each run of requests
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Runs of requests of each, in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// The domain whose shop answers.
const BUSY: &str = "busy.example";

/// What a process has used.
#[derive(Debug, Clone, Copy)]
struct Used {
    resident: u64,
    processor: Duration,
}

fn used(process: u32) -> Used {
    let text = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap();
    let status = text("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    let stat = text("stat");
    // proc(5): utime and stime are the 14th and 15th fields, in hundredths of a second.
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Used {
        resident: kib << 10,
        processor: Duration::from_millis(ticks * 10),
    }
}

fn pod(shop: usize, number: usize) -> SocketAddr {
    // Addresses of loopback that nobody listens at: no request goes there.
    let [_, high, middle, low] = u32::try_from(shop * 64 + number).unwrap().to_be_bytes();
    SocketAddr::from(([127, high + 1, middle, low], 8080))
}

fn fill(edge: &mut Edge, arguments: &Arguments) {
    for shop in 0..arguments.shops {
        let names: Vec<String> = (0..arguments.pods)
            .map(|number| format!("shop-{shop}-web-6d5f8c9b7d-{number:05}"))
            .collect();
        let pods: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), pod(shop, number)))
            .collect();
        edge.shop(&format!("shop-{shop}"), 16, &pods);
    }
    for domain in 0..arguments.domains {
        let shop = format!("shop-{}", domain % arguments.shops);
        edge.host(
            &format!("www.customer-{domain}.example"),
            Target::Shop(shop),
        );
    }
}

/// Makes a change, from the object that changes on, has HAProxy take it, and says how long both took;
/// so many times.
fn each(edge: &mut Edge, times: usize, mut change: impl FnMut(&mut Edge, usize)) -> [Duration; 3] {
    let mut took: Vec<_> = (0..times)
        .map(|turn| {
            let start = Instant::now();
            change(edge, turn);
            edge.round();
            start.elapsed()
        })
        .collect();
    took.sort();
    [took[times / 2], took[times * 99 / 100], took[times - 1]]
}

fn requests(edge: &Edge, host: &str, seconds: u64) -> f64 {
    let outcome = Program::new(required("h2load"))
        .args([
            "--clients",
            "20",
            "--max-concurrent-streams",
            "10",
            "--warm-up-time",
            "1",
        ])
        .args(["--duration", &seconds.to_string()])
        .args(["--connect-to", &format!("127.0.0.1:{}", edge.https)])
        .arg(format!("https://{host}/"))
        .deadline(Duration::from_mins(2))
        .run();
    let rate = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("finished in ")?.split(", ").nth(1))
        .and_then(|rate| rate.strip_suffix(" req/s"))
        .unwrap_or_else(|| panic!("{}", outcome.stdout));
    rate.parse().unwrap()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let answers = Backend::terse();
    let mut edge = Edge::new(u32::try_from(arguments.shops * 6 / 5).unwrap());
    fill(&mut edge, &arguments);
    edge.host(BUSY, Target::Shop("shop-busy".into()));
    edge.shop("shop-busy", 256, &[("busy-1", answers.address)]);
    let mut out = io::stdout().lock();
    let Arguments {
        domains,
        shops,
        pods,
        ..
    } = arguments;
    writeln!(
        out,
        "{domains} domains with certificates, {shops} shops with {pods} pods each\n"
    )?;
    writeln!(out, "{}\n", start(&mut edge))?;
    writeln!(out, "{}\n", changes(&mut edge, &arguments))?;
    writeln!(
        out,
        "reloads: {}; resident at the end: {}\n",
        edge.keeper.reloads,
        bytes(used(edge.worker()).resident)
    )?;
    writeln!(out, "{}", beside_plain(&edge, &answers, &arguments))
}

/// From nothing to an HAProxy that is as it should be.
fn start(edge: &mut Edge) -> String {
    edge.model.check(jiff::Timestamp::now());
    let start = Instant::now();
    edge.try_round().unwrap_err();
    let files = start.elapsed();
    let start = Instant::now();
    edge.start_haproxy();
    let listens = start.elapsed();
    let start = Instant::now();
    let round = edge.round();
    let compared = start.elapsed();
    let at_start = edge.processes().map(used);
    assert_eq!(
        round.done, 0,
        "HAProxy has from its files what it should have"
    );
    let processor = at_start.iter().map(|used| used.processor).sum();
    let rows = [
        ("files written by an agent that starts", milliseconds(files)),
        ("HAProxy listens after", milliseconds(listens)),
        (
            "processor time of both its processes",
            milliseconds(processor),
        ),
        (
            "resident memory of the one that serves",
            bytes(at_start[1].resident),
        ),
        (
            "all that it has read back and compared",
            milliseconds(compared),
        ),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), value])
        .collect();
    table(&["start", ""], &[1], &rows)
}

fn changes(edge: &mut Edge, arguments: &Arguments) -> String {
    let times = arguments.changes;
    let hosts = (0..times).map(|turn| format!("www.customer-{turn}.example"));
    let mut certificates: Vec<_> = hosts.map(|host| (self_signed(&host), host)).collect();
    let renewed = each(edge, times, |edge, _| {
        let (pem, host) = certificates.pop().unwrap();
        edge.issue(&host, pem);
    });
    let domain = each(edge, times, |edge, turn| {
        edge.host(
            &format!("new-{turn}.example"),
            Target::Shop("shop-0".into()),
        );
    });
    let replaced = each(edge, times, |edge, turn| {
        let name = format!("new-{turn}");
        let pods = [(name.as_str(), pod(1, turn % 60), State::Ready)];
        edge.pods("shop-1", pods);
    });
    let workers = each(edge, times, |edge, turn| {
        let workers = 16 + u32::try_from(turn % 2).unwrap();
        edge.shop("shop-2", workers, &[("one", pod(2, 0)), ("two", pod(2, 1))]);
    });
    let shop = each(edge, times, |edge, turn| {
        let shop = format!("new-{turn}");
        edge.shop(&shop, 16, &[("one", pod(3, 0))]);
        edge.host(&format!("{shop}.shops.example"), Target::Shop(shop.clone()));
    });
    let rows: Vec<_> = [
        ("a certificate is renewed", renewed),
        ("a domain is added", domain),
        ("a pod takes another's place", replaced),
        ("a shop has other workers", workers),
        ("a shop is added", shop),
    ]
    .into_iter()
    .map(|(what, times)| {
        let mut row = vec![what.to_owned()];
        row.extend(times.map(milliseconds));
        row
    })
    .collect();
    let head = [
        "a change, until HAProxy has it",
        "median",
        "99 %",
        "longest",
    ];
    table(&head, &[1, 2, 3], &rows)
}

/// Requests a second, beside an HAProxy that does nothing but pass them on; in turn, as what else
/// the machine does changes.
fn beside_plain(edge: &Edge, answers: &Backend, arguments: &Arguments) -> String {
    let mut plain = Edge::plain(BUSY, answers.address);
    plain.start_haproxy();
    let mut ratios: Vec<_> = (0..arguments.rounds)
        .map(|_| {
            let floor = requests(&plain, BUSY, arguments.seconds);
            let ours = requests(edge, BUSY, arguments.seconds);
            (ours / floor, ours, floor)
        })
        .collect();
    ratios.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, ours, floor) = ratios[arguments.rounds / 2];
    format!(
        "requests a second over HTTP/2: {ours:.0}; a plain HAProxy with one backend: {floor:.0}; \
         ratio {ratio:.3} (from {:.3} to {:.3} in {} rounds)",
        ratios[0].0,
        ratios[arguments.rounds - 1].0,
        arguments.rounds
    )
}
