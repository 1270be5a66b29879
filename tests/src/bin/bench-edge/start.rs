//! The start and the memory of an edge, beside a plain HAProxy with the same domains and pods.

use super::measure::{median, milliseconds, spread, used};
use e2e::{
    figures::table,
    haproxy::{Edge, HTTP3, Plain},
};
use std::time::Instant;

/// An HAProxy that has just begun to listen.
struct Started {
    /// Seconds until then.
    listens: f64,
    /// Seconds of processor time of both its processes: one reads the configuration, and one
    /// serves.
    processor: f64,
    /// Megabytes of the one that serves.
    megabytes: f64,
}

/// Starts of an edge and of the plain HAProxy, in turn; the edge is as it should be afterwards.
pub(crate) fn start(edge: &mut Edge, rounds: usize) -> String {
    edge.model.check(jiff::Timestamp::now());
    let start = Instant::now();
    edge.write();
    let written = start.elapsed();
    let mut plain = edge.plain(Plain::Least);
    let mut in_turn = |alt_svc| {
        let round = |_| [&mut *edge, &mut plain].map(|haproxy| begin(haproxy, alt_svc));
        (0..rounds).map(round).collect::<Vec<_>>()
    };
    let (without, with) = (in_turn(""), in_turn(HTTP3));
    edge.start_haproxy();
    let start = Instant::now();
    let round = edge.round();
    let compared = start.elapsed();
    assert_eq!(
        round.done, 0,
        "HAProxy has from its files what it should have"
    );
    let rows = [
        row("seconds until it listens", &without, |it| it.listens),
        row("the same with HTTP/3", &with, |it| it.listens),
        row("seconds of processor time", &without, |it| it.processor),
        row("the same with HTTP/3", &with, |it| it.processor),
        row("megabytes of the one that serves", &without, |it| {
            it.megabytes
        }),
        row("the same with HTTP/3", &with, |it| it.megabytes),
    ];
    let head = [
        "start, medians",
        "longshore-edge",
        "plain HAProxy with the same",
        "ratio",
    ];
    format!(
        "{}\n\nfiles of an agent that starts: {}; all is read back and compared: {}",
        table(&head, &[1, 2, 3], &rows),
        milliseconds(written),
        milliseconds(compared)
    )
}

/// Starts one, and ends it.
fn begin(haproxy: &mut Edge, alt_svc: &'static str) -> Started {
    haproxy.alt_svc = alt_svc;
    let start = Instant::now();
    haproxy.start_haproxy();
    let listens = start.elapsed().as_secs_f64();
    let [master, serves] = haproxy.processes().map(used);
    haproxy.kill();
    Started {
        listens,
        processor: (master.processor + serves.processor).as_secs_f64(),
        megabytes: serves.megabytes,
    }
}

fn row(what: &str, rounds: &[[Started; 2]], value: fn(&Started) -> f64) -> Vec<String> {
    let of = |which: usize| median(rounds.iter().map(|round| value(&round[which])).collect());
    let ratios = rounds
        .iter()
        .map(|[edge, plain]| value(edge) / value(plain));
    let digits = |value: f64| if value < 100.0 { 2 } else { 0 };
    let figure = |value| format!("{value:.*}", digits(value));
    vec![
        what.to_owned(),
        figure(of(0)),
        figure(of(1)),
        spread(ratios.collect()),
    ]
}
