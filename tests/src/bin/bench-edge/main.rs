//! What an edge of thousands of domains costs: its start, its memory, a change of each kind,
//! requests beside a plain HAProxy and another edge, and what a shop in trouble costs other shops.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on fails there, and makes its files itself"
)]

mod caddy;
mod fairness;
mod measure;
mod ready;
mod requests;
mod start;

use caddy::Caddy;
use clap::{Parser, ValueEnum};
use e2e::{
    figures::table,
    haproxy::{Backend, Edge, issued},
    peers::tool,
};
use edge::agent::{endpoints::State, lines::Target};
use fairness::fairness;
use measure::{milliseconds, percentiles, used};
use ready::ready;
use requests::beside;
use start::start;
use std::{
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
    /// Requests of each run
    #[arg(long, default_value_t = 30_000)]
    requests: u64,
    /// Measures this alone
    #[arg(long)]
    only: Option<Part>,
    /// Runs of each, in turn; of requests, five times as many
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The start, changes, and requests beside others
    Domains,
    /// When a pod that is Ready answers
    Ready,
    /// What a shop in trouble costs others
    Fairness,
}

/// The domain whose shop answers.
const BUSY: &str = "busy.example";

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

/// Makes a change, from the object that changes on, has HAProxy take it, and says how long both
/// took; so many times.
fn each(edge: &mut Edge, times: usize, mut change: impl FnMut(&mut Edge, usize)) -> Vec<Duration> {
    let mut change = |turn| {
        let start = Instant::now();
        change(edge, turn);
        edge.round();
        start.elapsed()
    };
    (0..times).map(&mut change).collect()
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let measures = |part| arguments.only.is_none_or(|only| only == part);
    let mut out = io::stdout().lock();
    if measures(Part::Domains) {
        many_domains(&arguments, &mut out)?;
    }
    if measures(Part::Ready) {
        writeln!(out, "{}\n", ready(arguments.changes))?;
    }
    if measures(Part::Fairness) {
        writeln!(out, "{}", fairness(arguments.rounds))?;
    }
    Ok(())
}

fn many_domains(arguments: &Arguments, out: &mut impl io::Write) -> io::Result<()> {
    let answers = Backend::terse();
    let filled = || {
        let mut edge = Edge::new(u32::try_from(arguments.shops * 6 / 5).unwrap());
        fill(&mut edge, arguments);
        edge.host(BUSY, Target::Shop("shop-busy".into()));
        edge.shop("shop-busy", 256, &[("busy-1", answers.address)]);
        edge
    };
    let mut edge = filled();
    let Arguments {
        domains,
        shops,
        pods,
        ..
    } = *arguments;
    writeln!(
        out,
        "{domains} domains with certificates, {shops} shops with {pods} pods each\n"
    )?;
    writeln!(out, "{}\n", start(&mut edge, arguments.rounds))?;
    writeln!(out, "{}\n", changes(&mut edge, arguments))?;
    writeln!(
        out,
        "reloads: {}; resident at the end: {:.0} MB\n",
        edge.keeper.reloads,
        used(edge.worker()).megabytes
    )?;
    let caddy =
        tool("caddy").map(|program| Caddy::start(&program, &edge, answers.address, arguments));
    if let Some(caddy) = &caddy {
        writeln!(out, "{}\n", caddy.table(arguments.changes / 10))?;
    }
    let mut without = filled();
    without.alt_svc = "";
    without.start();
    let edges = [
        ("longshore-edge", &without),
        ("longshore-edge with HTTP/3", &edge),
    ];
    let compared = beside(&edges, caddy.as_ref(), &answers, arguments);
    writeln!(out, "{compared}\n")?;
    Ok(())
}

fn changes(edge: &mut Edge, arguments: &Arguments) -> String {
    let times = arguments.changes;
    let hosts = (0..times).map(|turn| format!("www.customer-{turn}.example"));
    let mut certificates: Vec<_> = hosts.map(|host| (issued(&host), host)).collect();
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
        row.extend(percentiles(times).map(milliseconds));
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
