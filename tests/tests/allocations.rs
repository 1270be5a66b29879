//! How often a pull asks for memory, in its own process and without other tests, since the
//! allocator counts all of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use deploy::pull::{self, MEMORY, Settings, Source};
use e2e::shop::{CHANNEL, Shop};
use release::TrustRoot;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, fs, path::Path, time::Duration};
use store::Options;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MODULES: usize = 4;
const FILES: usize = 1000;
/// Allocations and reallocations for each file of a cold pull and of an update, with a tenth of
/// slack over what was counted.
const COLD: f64 = 1.65;
const UPDATE: f64 = 2.05;

/// Pulls inside this process, and gives the number of allocations for each file.
fn pulled(shop: &Shop, root: &Path) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings {
        channel: CHANNEL.parse().unwrap(),
        root: root.to_owned(),
        trust: TrustRoot::from_trusted(&fs::read(shop.path("1.root.json")).unwrap()).unwrap(),
        source: Source::Channel,
        floor: None,
        trust_floor: 0,
        places: deploy::Places::default(),
        cache: None,
        memory: MEMORY,
        deadline: Duration::from_mins(1),
        now: jiff::Timestamp::now(),
    };
    let location = shop.store().parse().unwrap();
    let region = Region::new(COUNTED);
    runtime.block_on(async {
        let store = store::open(&location, &Options::default()).await.unwrap();
        pull::pull(&settings, &store, &|_| {}, std::future::pending())
            .await
            .unwrap();
    });
    let change = region.change();
    #[allow(clippy::cast_precision_loss, reason = "some ten thousands")]
    let each = (change.allocations + change.reallocations) as f64 / (MODULES * FILES) as f64;
    each
}

#[test]
fn a_pull_allocates_no_more_for_each_file_than_its_bound() {
    let shop = Shop::on_disk(MODULES, FILES);
    shop.publish();
    let root = shop.path("pod");
    let cold = pulled(&shop, &root);
    shop.edit(1, 1, 0.02);
    shop.publish();
    let update = pulled(&shop, &root);
    println!("cold: {cold:.2} allocations for each file; update: {update:.2}");
    assert!(
        cold < COLD && update < UPDATE,
        "cold {cold:.2} of {COLD}, update {update:.2} of {UPDATE}"
    );
}
