//! Classes 34 to 36: many pods at one node cache, and pods whose store is down.

use super::{
    Counts, Row, Start,
    cache::{blob_requests, figure, serves_all, share, succeeded},
    kill::KILLED,
    rig::{HEAD, NEW, Rig, ended, names, noise},
};
use crate::{
    process::{Ended, Running},
    s3::{Effect, Fault, Faults, Operation},
    shop::last_event,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Bytes beside blobs that a pod downloads at most: the release object, and answers that there is
/// no newer trust root.
const BESIDE: u64 = 4 << 10;
/// Bytes of headers in an answer of the server, at most.
const HEADERS: u64 = 2 << 10;

/// A shop whose second module has a dozen chunks, so that there is something to share.
fn many_chunks() -> Rig {
    Rig::with(|module| {
        let noise = noise(1 << 20);
        (0..12_usize).try_for_each(|number| {
            fs::write(module.join(format!("noise{number}.bin")), &noise[number..])
        })
    })
}

/// How often twenty pods start: each of them pulls twice.
fn rounds(counts: &Counts) -> u32 {
    (counts.damages / 8).max(1)
}

/// Bytes of the manifest and of the tarballs.
fn blob_bytes(rig: &Rig) -> u64 {
    rig.blobs()
        .iter()
        .map(|key| rig.server.get(key).map_or(0, |bytes| bytes.len() as u64))
        .sum()
}

fn start(rig: &Rig, count: usize) -> Vec<(String, Running)> {
    let pods: Vec<_> = (0..count).map(|_| rig.pod(Start::Cold)).collect();
    pods.into_iter()
        .map(|pod| {
            (
                pod.clone(),
                rig.init(&pod).deadline(Duration::from_mins(3)).start(),
            )
        })
        .collect()
}

pub(super) fn pods_at_once(counts: &Counts) -> Row {
    let (rig, mut row) = (
        many_chunks(),
        Row::new(34, "two and twenty pods start at once on one node cache"),
    );
    let (blobs, mut asked) = (blob_bytes(&rig), 0);
    for number in 0..rounds(counts) {
        for count in [2_usize, 20] {
            let cache = share(&rig, &format!("pod-cache{number}-{count}"), "1GiB");
            rig.server.fault(Fault::new(Effect::Latency { ms: 20 }));
            rig.server.reset_stats();
            let ends: Vec<_> = start(&rig, count)
                .into_iter()
                .map(|(pod, running)| (pod, running.wait()))
                .collect();
            let stats = rig.server.stats();
            asked += blob_requests(&rig);
            let received: u64 = ends
                .iter()
                .filter(|(_, outcome)| outcome.code() == Some(0))
                .map(|(_, outcome)| figure(outcome, "downloaded_bytes"))
                .sum();
            let most = blobs + count as u64 * BESIDE;
            let mut once = Ok(());
            if received < blobs
                || received > most
                || stats.bytes_sent > most + stats.total() * HEADERS
            {
                once = Err(format!(
                    "{received} bytes received, {} sent, of {blobs} in blobs",
                    stats.bytes_sent
                ));
            }
            rig.heal();
            for (pod, outcome) in &ends {
                let result = succeeded(outcome)
                    .and_then(|()| once.clone())
                    .and_then(|()| rig.is_new(pod))
                    .and_then(|()| rig.check(pod));
                row.count(|| format!("run {number}, {count} pods, {pod}"), result);
            }
            row.count(
                || "the cache afterwards".to_owned(),
                serves_all(&rig, &cache),
            );
        }
        // A cache that holds one chunk at a time, while twenty want to share it.
        let cache = share(&rig, &format!("pod-cache{number}-small"), "1MiB");
        for (pod, running) in start(&rig, 20) {
            let outcome = running.wait();
            row.count(
                || format!("run {number}, a cache that is too small, {pod}"),
                succeeded(&outcome).and_then(|()| rig.check(&pod)),
            );
        }
        let size: u64 = names(&cache.join("v1/chunks"))
            .iter()
            .filter_map(|name| fs::metadata(cache.join("v1/chunks").join(name)).ok())
            .map(|file| file.len())
            .sum();
        let small = if size <= 1 << 20 {
            Ok(())
        } else {
            Err(format!("{size} bytes in a cache of 1 MiB"))
        };
        row.count(|| "its size".to_owned(), small);
    }
    row.note = format!("{asked} requests for blobs, {blobs} bytes in each run, whoever asked");
    row
}

/// Waits until the cache has published so many files.
fn published(cache: &Path, count: usize) -> Result<(), String> {
    let begin = Instant::now();
    while names(&cache.join("v1/chunks")).len() < count {
        if begin.elapsed() > Duration::from_mins(1) {
            return Err("nothing was published".to_owned());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

pub(super) fn downloader_killed(counts: &Counts) -> Row {
    let (rig, mut row) = (
        many_chunks(),
        Row::new(35, "kill -9 of the pod that downloads while nineteen wait"),
    );
    let blobs = blob_bytes(&rig);
    let (mut saved, mut random) = (0, StdRng::seed_from_u64(counts.seed));
    for number in 0..rounds(counts) {
        let cache = share(&rig, &format!("pod-cache{number}"), "1GiB");
        // 12 MB take 3 s.
        rig.server.set_faults(Faults {
            bandwidth: Some(4 << 20),
            ..Faults::default()
        });
        let mut first = start(&rig, 1).remove(0);
        // The manifest first: from then on the first pod has claimed all that it asks for.
        let ready = published(&cache, 2);
        let waiting = start(&rig, 19);
        thread::sleep(Duration::from_millis(random.random_range(100..800)));
        let was_running = first.1.is_running();
        let kept: u64 = names(&cache.join("v1/chunks"))
            .iter()
            .filter_map(|name| fs::metadata(cache.join("v1/chunks").join(name)).ok())
            .map(|file| file.len())
            .sum();
        let died = first
            .1
            .signal(Signal::KILL)
            .map_err(|error| error.to_string());
        let ended = first.1.wait().ended;
        rig.heal();
        let ends: Vec<_> = waiting
            .into_iter()
            .map(|(pod, running)| (pod, running.wait()))
            .collect();
        let received: u64 = ends
            .iter()
            .filter(|(_, outcome)| outcome.code() == Some(0))
            .map(|(_, outcome)| figure(outcome, "downloaded_bytes"))
            .sum();
        let mut once = ready.and(died);
        if !was_running || ended != Ended::Signal(KILLED) {
            once = once.and(Err(format!("the first pod ended with {ended:?}")));
        }
        if received + kept > blobs + 19 * BESIDE {
            once = once.and(Err(format!(
                "{received} bytes received by nineteen, {kept} were there, of {blobs}"
            )));
        }
        saved += kept;
        for (pod, outcome) in &ends {
            let result = succeeded(outcome)
                .and_then(|()| once.clone())
                .and_then(|()| rig.is_new(pod))
                .and_then(|()| rig.check(pod));
            row.count(|| format!("run {number}, {pod}"), result);
        }
        row.count(
            || format!("run {number}, the killed one"),
            rig.check(&first.0),
        );
        row.count(
            || format!("run {number}, the cache afterwards"),
            serves_all(&rig, &cache),
        );
        fs::remove_dir_all(cache).unwrap_or_default();
    }
    if counts.points > 1 {
        row.count(
            || "stopped instead of killed".to_owned(),
            downloader_stopped(&rig),
        );
    }
    row.note = format!(
        "{saved} bytes were in caches when their downloaders died, and were not downloaded again"
    );
    row
}

/// What the store says in place of a release, with init's exit code and reason.
type Answer = (&'static str, fn(&Rig), i32, &'static str);

/// A process that is stopped keeps its claims: whoever waits goes on without it.
fn downloader_stopped(rig: &Rig) -> Result<(), String> {
    let cache = share(rig, "pod-cache-stopped", "1GiB");
    rig.server.set_faults(Faults {
        bandwidth: Some(4 << 20),
        ..Faults::default()
    });
    let first = start(rig, 1).remove(0);
    published(&cache, 2)?;
    first
        .1
        .signal(Signal::STOP)
        .map_err(|error| error.to_string())?;
    rig.heal();
    let second = rig.pod(Start::Cold);
    let outcome = rig.init(&second).deadline(Duration::from_mins(2)).run();
    let told = outcome.stderr.contains("does not bring what it claimed");
    let result = succeeded(&outcome)
        .and_then(|()| rig.is_new(&second))
        .and_then(|()| rig.check(&second));
    first
        .1
        .signal(Signal::CONT)
        .map_err(|error| error.to_string())?;
    let went_on = succeeded(&first.1.wait()).and_then(|()| rig.check(&first.0));
    result.and(went_on).and(if told {
        Ok(())
    } else {
        Err("it did not say that it waited".to_owned())
    })
}

/// How the store is down.
fn outages() -> Vec<(&'static str, Faults)> {
    let fault = |effect| Faults {
        faults: vec![Fault::new(effect)],
        ..Faults::default()
    };
    vec![
        (
            "refuses connections",
            Faults {
                refuse: true,
                ..Faults::default()
            },
        ),
        ("says nothing", fault(Effect::Stall { after: 0 })),
        ("503", fault(Effect::slow_down())),
        (
            "500",
            fault(Effect::Status {
                status: 500,
                code: "InternalError".to_owned(),
            }),
        ),
        ("breaks off", fault(Effect::Truncate { after: 0 })),
    ]
}

pub(super) fn store_down(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(300_000),
        Row::new(36, "new pods while the store is down, and while it refuses"),
    );
    let cache = share(&rig, "pod-cache", "1GiB");
    let filler = rig.pod(Start::Cold);
    rig.init(&filler).run().expect(0);
    let in_force = rig.server.get(HEAD).expect("a release is in force");
    let tries = if counts.points > 1 { 5 } else { 1 };
    for (what, faults) in outages().into_iter().cycle().take(tries * outages().len()) {
        for start in Start::ALL {
            rig.server.set_faults(faults.clone());
            let pod = rig.pod(start);
            // A quarter of it is the patience.
            let outcome = rig.init(&pod).env("LONGSHORE_DEADLINE", "4s").run();
            let mut result = succeeded(&outcome).and_then(|()| rig.is_new(&pod));
            let (source, told) = (
                last_event(&outcome)["source"].clone(),
                outcome.stderr.contains("the store cannot be asked"),
            );
            if source != "cache" || !told || figure(&outcome, "downloaded_bytes") > 0 {
                result = result.and(Err(format!("source {source}, told {told}")));
            }
            // Below the floor is below the floor; and a node without a cache has to wait.
            if start == Start::Cold {
                row.count(|| what.to_owned(), result.and_then(|()| rig.check(&pod)));
                continue;
            }
            let floored = rig.pod(Start::Cold);
            let outcome = rig
                .init(&floored)
                .env("LONGSHORE_DEADLINE", "2s")
                .env("LONGSHORE_FLOOR", (NEW + 1).to_string())
                .run();
            let result = result.and_then(|()| {
                rig.refused(&floored, &outcome, &["unreachable", "deadline", "stalled"])
            });
            let bare = rig.pod(Start::Cold);
            let outcome = rig.shop.init(&bare).env("LONGSHORE_DEADLINE", "2s").run();
            let result = result.and_then(|()| {
                rig.refused(&bare, &outcome, &["unreachable", "deadline", "stalled"])
            });
            row.count(
                || format!("{what}, {start}"),
                result.and_then(|()| rig.check(&pod)),
            );
        }
    }
    // What the store says is not silence.

    let answers: [Answer; 3] = [
        (
            "403",
            |rig| {
                rig.server
                    .fault(Fault::new(Effect::access_denied()).on(Operation::GetObject));
            },
            64,
            "forbidden",
        ),
        (
            "404",
            |rig| assert!(rig.server.remove(HEAD)),
            64,
            "channel-missing",
        ),
        (
            "no signature",
            |rig| rig.server.put(HEAD, unsigned(rig)),
            65,
            "signature",
        ),
    ];
    for (what, answer, code, reason) in answers {
        answer(&rig);
        let pod = rig.pod(Start::Cold);
        let result = ended(&rig.init(&pod).run(), code, reason).and_then(|()| rig.check_now(&pod));
        rig.heal();
        rig.server.put(HEAD, in_force.clone());
        row.count(|| what.to_owned(), result.and_then(|()| rig.check(&pod)));
    }
    row.count(
        || "the cache afterwards".to_owned(),
        serves_all(&rig, &cache),
    );
    row
}

/// The release in force, signed by somebody.
fn unsigned(rig: &Rig) -> Vec<u8> {
    let stranger = release::SecretKey::generate(release::Algorithm::Ed25519).expect("a key");
    let found = release::Envelope::parse(&rig.server.get(HEAD).expect("a release is in force"))
        .expect("it is an envelope");
    let mut envelope = release::Release::unverified(&found)
        .and_then(|release| release.to_envelope())
        .expect("it states a release");
    envelope.sign(&stranger).expect("a key signs");
    envelope.to_json()
}
