//! The table of a whole Magento on our stand-ins: what `make test-magento` tries on a real one.

use e2e::{
    cluster::Cluster,
    magento::{self, Extent, Kind, magento1, magento2},
};
use std::time::Duration;

/// A real one is switched more often, and its pods are made anew, which CI has no time for.
const EXTENT: Extent = Extent {
    switches: 4,
    switch: Duration::from_secs(10),
    slow: false,
};

#[track_caller]
fn every_row_is_good(kind: &'static Kind) {
    let cluster = Cluster::alone();
    let table = magento::tried(&cluster, kind, None, EXTENT);
    println!("{}", table.text());
    assert!(
        table.bad().is_empty(),
        "{}\nnot as expected: {}",
        table.problems(),
        table.bad().join("; ")
    );
}

#[test]
fn magento1_runs_switches_and_rolls_back() {
    every_row_is_good(&magento1::KIND);
}

#[test]
fn magento2_runs_switches_and_rolls_back() {
    every_row_is_good(&magento2::KIND);
}
