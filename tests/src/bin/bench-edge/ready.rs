//! How long it takes until a pod that is Ready answers.

use super::{
    BUSY,
    measure::{milliseconds, percentiles},
};
use e2e::{
    figures::table,
    haproxy::{Backend, Edge},
};
use edge::agent::{endpoints::State, lines::Target};
use std::{
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

/// Shops beside it, so that what is compared has some size.
const SHOPS: usize = 1000;

/// One pod takes another's place, so many times, while visitors ask: from what an `EndpointSlice`
/// says to the first request that the new one has. The agent gathers changes for 20 ms before.
pub(crate) fn ready(times: usize) -> String {
    let pods = [Backend::terse(), Backend::terse()];
    let mut edge = Edge::new(2000);
    for shop in 0..SHOPS {
        edge.host(
            &format!("{shop}.example"),
            Target::Shop(format!("shop-{shop}")),
        );
        edge.shop(&format!("shop-{shop}"), 16, &[("one", super::pod(shop, 0))]);
    }
    edge.host(BUSY, Target::Shop("shop-busy".into()));
    edge.shop("shop-busy", 16, &[("pod-0", pods[0].address)]);
    edge.start();
    let load = edge.load_of(BUSY, Duration::from_hours(1), 4);
    let turn = |turn: usize| {
        let pod = &pods[turn % 2];
        let before = pod.requests.load(Relaxed);
        let start = Instant::now();
        let name = format!("pod-{turn}");
        edge.pods("shop-busy", [(name.as_str(), pod.address, State::Ready)]);
        edge.round();
        while pod.requests.load(Relaxed) == before {
            thread::sleep(Duration::from_micros(100));
        }
        start.elapsed()
    };
    let took = percentiles((1..=times).map(turn).collect());
    drop(load);
    let mut row = vec!["a pod that is Ready answers a visitor".to_owned()];
    row.extend(took.map(milliseconds));
    table(
        &["from the EndpointSlice on", "median", "99 %", "longest"],
        &[1, 2, 3],
        &[row],
    )
}
