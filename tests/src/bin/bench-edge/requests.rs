//! Requests over HTTP/2, beside a plain HAProxy, which does less, and another edge.

use super::{
    Arguments, BUSY, Caddy,
    measure::{median, spread, used},
};
use e2e::{
    figures::table,
    haproxy::{Backend, Edge, Plain},
    peers::required,
    process::Program,
};
use edge::agent::lines::Target;
use std::time::Duration;

/// Where to ask, how often, and the process that answers.
struct Server {
    name: &'static str,
    port: u16,
    process: u32,
    requests: u64,
}

/// A run takes a second or two, in which the machine does other things as well: a median of 25 says
/// a hundredth, and one of 5 a tenth.
const MORE: usize = 5;
/// Caddy takes many times as long for each request, and runs in turn are runs of the same minutes.
const FEWER: u64 = 20;

/// One run.
struct Run {
    /// Requests a second.
    rate: f64,
    /// Microseconds of the server's processor time for each.
    cost: f64,
}

/// Runs of each in turn, as what else the machine does changes; the first one is the measure.
pub(crate) fn beside(
    edges: &[(&'static str, &Edge); 2],
    caddy: Option<&Caddy>,
    answers: &Backend,
    arguments: &Arguments,
) -> String {
    let mut small = Edge::new(1);
    small.host(BUSY, Target::Shop("shop-busy".into()));
    small.shop("shop-busy", 256, &[("busy-1", answers.address)]);
    small.write();
    let plain = |of: &Edge, plain| {
        let mut edge = of.plain(plain);
        edge.alt_svc = "";
        edge.start_haproxy();
        edge
    };
    let [(_, domains), ..] = edges;
    let plains = [
        (
            "plain HAProxy with the same domains, that does the least",
            plain(domains, Plain::Least),
        ),
        ("the same with one domain", plain(&small, Plain::Least)),
        (
            "plain HAProxy with one domain, that passes on",
            plain(&small, Plain::Bare),
        ),
    ];
    let haproxy = |name, edge: &Edge, process| Server {
        name,
        port: edge.https,
        process,
        requests: arguments.requests,
    };
    // Their configuration has no socket that could be asked who serves.
    let others = plains.iter();
    let mut servers: Vec<_> = others
        .map(|(name, edge)| haproxy(name, edge, edge.only_child()))
        .collect();
    let ours = edges.iter();
    servers.extend(ours.map(|(name, edge)| haproxy(name, edge, edge.worker())));
    servers.extend(caddy.map(|caddy| Server {
        name: "Caddy",
        port: caddy.port,
        process: caddy.process(),
        requests: arguments.requests / FEWER,
    }));
    let rounds: Vec<Vec<Run>> = (0..MORE * arguments.rounds)
        .map(|_| servers.iter().map(run).collect())
        .collect();
    let rows: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(at, server)| {
            let of = |what: fn(&Run) -> f64| {
                let ratios = rounds.iter().map(|runs| what(&runs[at]) / what(&runs[0]));
                spread(ratios.collect())
            };
            let costs = rounds.iter().map(|runs| runs[at].cost);
            vec![
                server.name.to_owned(),
                of(|run| run.rate),
                of(|run| run.cost),
                format!("{:.1}", median(costs.collect())),
            ]
        })
        .collect();
    let head = [
        "requests over HTTP/2",
        "requests a second, ratio",
        "processor time, ratio",
        "µs each",
    ];
    table(&head, &[1, 2, 3], &rows)
}

#[allow(clippy::cast_precision_loss, reason = "requests of seconds are few")]
fn run(server: &Server) -> Run {
    let requests = server.requests;
    let before = used(server.process).processor;
    let outcome = Program::new(required("h2load"))
        .args(["--clients", "20", "--max-concurrent-streams", "10"])
        .args(["--requests", &requests.to_string()])
        .args(["--connect-to", &format!("127.0.0.1:{}", server.port)])
        .arg(format!("https://{BUSY}/"))
        .deadline(Duration::from_mins(5))
        .run();
    let processor = used(server.process).processor.saturating_sub(before);
    let text = &outcome.stdout;
    assert!(
        text.contains(&format!("status codes: {requests} 2xx")),
        "{}: {text}",
        server.name
    );
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("finished in ")?.split(", ").nth(1))
        .and_then(|rate| rate.strip_suffix(" req/s"))
        .unwrap_or_else(|| panic!("{text}"));
    Run {
        rate: rate.parse().unwrap(),
        cost: processor.as_secs_f64() * 1e6 / requests as f64,
    }
}
