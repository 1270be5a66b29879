//! Class 41: a gc deletes what nothing needs at the moment at which a publisher counts on it.

use super::{Counts, Row, rig::last_line};
use crate::{
    process::Program,
    shop::{Shop, json},
    tree,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

/// States of the sources that come again and again: what the next one needs, nothing has needed
/// since two before.
const STATES: u32 = 3;
/// How long ago everything in the store was written, for a gc.
const AGE: Duration = Duration::from_hours(24);

pub(super) fn beside_publishers(counts: &Counts) -> Row {
    let mut row = Row::new(41, "gc beside a publisher that reuses old blobs");
    let (shop, mut random) = (Shop::on_disk(2, 6), StdRng::seed_from_u64(counts.seed));
    for state in 0..STATES {
        for module in [0, 1] {
            shop.edit(module, u64::from(state) + 1, 1.0);
        }
        copy(&shop.path("src"), &shop.path(format!("src{state}")));
        shop.publish();
    }
    let (mut deleted, mut sent) = (0, 0);
    for round in 0..counts.pods.max(6) {
        drop(fs::remove_dir_all(shop.path("src")));
        copy(
            &shop.path(format!("src{}", round % STATES)),
            &shop.path("src"),
        );
        let aged = age(&shop.path("store/blobs"));
        aged.expect("the store is writable");
        let gc = shop.longshore_program([
            "gc",
            "--keep",
            "1",
            "--younger-than",
            "1h",
            "--delete",
            "--output",
            "json",
        ]);
        let (command, first) = (shop.publisher(), random.random());
        let pause = Duration::from_micros(random.random_range(0..30_000));
        // Who begins does so a little earlier.
        let (gc, published) = if first {
            let gc = gc.start();
            thread::sleep(pause);
            (gc, command.start())
        } else {
            let published = command.start();
            thread::sleep(pause);
            (gc.start(), published)
        };
        let (gc, published) = (gc.wait(), published.wait());
        for (who, outcome) in [("gc", &gc), ("publish", &published)] {
            let result = if outcome.code() == Some(0) {
                Ok(())
            } else {
                Err(format!("{:?}: {}", outcome.ended, last_line(outcome)))
            };
            row.count(|| format!("round {round}, {who}"), result);
        }
        deleted += if gc.code() == Some(0) {
            json(&gc)["unneeded"].as_array().map_or(0, Vec::len)
        } else {
            0
        };
        sent += if published.code() == Some(0) {
            json(&published)["uploadedBytes"]
                .as_u64()
                .unwrap_or_default()
        } else {
            0
        };
        row.count(
            || format!("round {round}, gc first {first} by {pause:?}"),
            pulled(&shop),
        );
    }
    row.note = format!("{deleted} blobs were deleted, {sent} bytes sent again");
    if deleted == 0 || sent == 0 {
        row.count(String::new, Err("the two never met".to_owned()));
    }
    row
}

/// A fresh pod starts with what the sources are now, and every digest of the release is right.
fn pulled(shop: &Shop) -> Result<(), String> {
    drop(fs::remove_dir_all(shop.path("pod")));
    for outcome in [shop.init("pod").run(), shop.longshore(["verify", "--deep"])] {
        if outcome.code() != Some(0) {
            return Err(last_line(&outcome));
        }
    }
    let (sources, pod) = (
        tree::snapshot(&shop.module(0)).map_err(|error| error.to_string())?,
        shop.current("pod"),
    );
    let differs = sources
        .iter()
        .find(|(path, entry)| pod.get(*path).is_none_or(|found| found.kind != entry.kind));
    differs.map_or(Ok(()), |(path, _)| {
        Err(format!("{} is not as it was published", path.display()))
    })
}

fn copy(from: &Path, to: &Path) {
    Program::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .run()
        .expect(0);
}

/// Files below a directory become old.
fn age(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            age(&path)?;
        } else {
            fs::File::options()
                .write(true)
                .open(path)?
                .set_modified(SystemTime::now() - AGE)?;
        }
    }
    Ok(())
}
