//! Classes 31 to 36: pods that share a node's cache.

use super::{
    Counts, Row,
    kill::{COLD_AND_WARM, KILLED, died, points as passed_points},
    rig::{HEAD, NEW, Rig, ended, last_line, names, noise},
};
use crate::{
    process::{Ended, Outcome, Program, Running},
    s3::{Effect, Fault, Faults, Operation},
    shop::last_event,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Bytes beside blobs that a pod downloads at most: the release object, and answers that there is no newer trust root.
const BESIDE: u64 = 4 << 10;
/// Bytes of headers in an answer of the server, at most.
const HEADERS: u64 = 2 << 10;

/// Every pod that is started from now on uses the cache `name`, which is a path beside the pods.
fn share(rig: &Rig, name: &str, limit: &str) -> PathBuf {
    let path = rig.shop.path(name);
    rig.set([("LONGSHORE_CACHE", path.clone().into()), ("LONGSHORE_CACHE_LIMIT", limit.into())]);
    path
}

/// A shop whose second module has a dozen chunks, so that there is something to share.
fn many_chunks() -> Rig {
    Rig::with(|module| {
        let noise = noise(1 << 20);
        (0..12_usize).try_for_each(|number| fs::write(module.join(format!("noise{number}.bin")), &noise[number..]))
    })
}

/// The names of the failpoints that pulls pass with a cache that is empty, one that has everything, and one that is too small.
///
/// # Panics
///
/// A pull fails without any fault.
#[must_use]
pub fn points(rig: &Rig) -> Vec<String> {
    let mut found = Vec::new();
    for (cache, limit) in [("pod-cache-points", "1GiB"), ("pod-cache-points", "1GiB"), ("pod-cache-small", "1KiB")] {
        share(rig, cache, limit);
        found.extend(passed_points(rig, false));
    }
    rig.set([]);
    found
}

fn figure(outcome: &Outcome, name: &str) -> u64 {
    last_event(outcome)[name].as_u64().unwrap_or_default()
}

fn succeeded(outcome: &Outcome) -> Result<(), String> {
    if outcome.code() == Some(0) { Ok(()) } else { Err(format!("{:?}: {}", outcome.ended, last_line(outcome))) }
}

/// Nothing half-written is left, and a new pod needs no byte of a blob.
fn serves_all(rig: &Rig, cache: &Path) -> Result<(), String> {
    let left = names(&cache.join("v1/incoming"));
    if !left.is_empty() {
        return Err(format!("{left:?} is left in the cache"));
    }
    let pod = rig.pod(false);
    rig.server.reset_stats();
    let outcome = rig.init(&pod).run();
    succeeded(&outcome)?;
    let (damaged, blobs) = (figure(&outcome, "cache_damaged"), blob_requests(rig));
    if damaged > 0 || blobs > 0 {
        return Err(format!("{damaged} files of the cache were damaged, {blobs} blobs were asked for"));
    }
    rig.check(&pod)
}

fn blob_requests(rig: &Rig) -> u64 {
    rig.server.stats().gets.iter().filter(|(key, _)| key.contains("/blobs/")).map(|(_, count)| count).sum()
}

pub(super) fn every_point(counts: &Counts) -> Row {
    let mut row = Row::new(31, "kill -9, EIO and ENOSPC at every failpoint, with a node cache");
    for rig in Rig::small_and_spooled(counts) {
        let template = share(&rig, "pod-cache-template", "1GiB");
        let filler = rig.pod(false);
        rig.init(&filler).run().expect(0);
        // Empty, with everything, and with everything for a moment.
        for (warm, limit) in [(false, "1GiB"), (true, "1GiB"), (false, "1KiB")] {
            let fresh = || {
                let cache = share(&rig, "pod-cache", limit);
                drop(fs::remove_dir_all(&cache));
                if warm {
                    Program::new("cp").arg("-a").arg(&template).arg(&cache).run().expect(0);
                }
                cache
            };
            fresh();
            for (at, point) in passed_points(&rig, false).iter().enumerate() {
                let ours = point.starts_with("deploy.cache");
                // What the cache does not concern, classes 1 and 3 try.
                let actions = if ours { &["kill", "eio", "enospc"][..] } else { &["kill"][..usize::from(counts.points > 1)] };
                for action in actions {
                    let cache = fresh();
                    row.count(
                        || format!("{action} at {} ({point}), warm {warm}, limit {limit}", at + 1),
                        at_point(&rig, at + 1, action, &cache),
                    );
                }
            }
        }
    }
    row
}

fn at_point(rig: &Rig, at: usize, action: &str, cache: &Path) -> Result<(), String> {
    let pod = rig.pod(false);
    let (outcome, passed) = rig.steer(&pod, at, action);
    match action {
        "kill" => died(&outcome, passed.len() < at)?,
        // Threads race, so that another call may be at this place: class 3 tries those.
        _ if passed.get(at - 1).is_some_and(|point| !point.starts_with("deploy.cache")) => {}
        _ => succeeded(&outcome).and_then(|()| rig.is_new(&pod))?,
    }
    rig.check(&pod)?;
    if names(&cache.join("v1/chunks")).is_empty() {
        return Ok(());
    }
    // What is left, the next pod that makes a tree sweeps, and the one after that needs no byte.
    let sweeper = rig.pod(false);
    succeeded(&rig.init(&sweeper).run())?;
    let small = names(&cache.join("v1/chunks")).is_empty();
    if small { Ok(()) } else { serves_all(rig, cache) }
}

/// Damages the file at the path, in one way.
type Damage = fn(&Path, &[u8], usize) -> std::io::Result<()>;

const DAMAGES: [(&str, Damage); 6] = [
    ("one bit", |path, good, at| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path, bytes)
    }),
    ("cut", |path, good, at| fs::write(path, &good[..at])),
    ("grown", |path, good, at| fs::write(path, [good, &good[..=at]].concat())),
    ("another's contents", |path, _, _| fs::write(path, "another's")),
    ("a link", |path, good, _| {
        let aside = path.with_file_name("aside");
        fs::write(&aside, good).and_then(|()| fs::remove_file(path)).and_then(|()| symlink(aside, path))
    }),
    ("a directory", |path, _, _| fs::remove_file(path).and_then(|()| fs::create_dir_all(path.join("deep")))),
];

pub(super) fn damaged(counts: &Counts) -> Row {
    let mut row = Row::new(32, "each file of a node cache damaged, cut, grown, replaced by a link or a directory");
    let mut random = StdRng::seed_from_u64(counts.seed);
    for rig in Rig::small_and_spooled(counts) {
        let cache = share(&rig, "pod-cache", "1GiB");
        let filler = rig.pod(false);
        rig.init(&filler).run().expect(0);
        for shelf in ["chunks", "objects"] {
            for name in names(&cache.join("v1").join(shelf)) {
                let path = cache.join("v1").join(shelf).join(&name);
                let good = fs::read(&path).expect("the cache is readable");
                for (what, damage) in DAMAGES {
                    let at = random.random_range(0..good.len());
                    damage(&path, &good, at).expect("the cache is writable");
                    let pod = rig.pod(false);
                    rig.server.reset_stats();
                    let outcome = rig.init(&pod).run();
                    let mut result = succeeded(&outcome).and_then(|()| rig.is_new(&pod));
                    let (noticed, fetched) = (figure(&outcome, "cache_damaged"), blob_requests(&rig));
                    let is_chunk = shelf == "chunks";
                    if noticed != u64::from(is_chunk) || fetched != u64::from(is_chunk) {
                        result = result.and(Err(format!("{noticed} damaged files were noticed, {fetched} blobs asked for")));
                    }
                    if fs::read(&path).ok().as_deref() != Some(&good[..]) && is_chunk {
                        result = result.and(Err("it was not fetched again".to_owned()));
                    }
                    drop(fs::remove_file(path.with_file_name("aside")));
                    row.count(|| format!("{what} at {at} of {shelf}/{name}"), result.and_then(|()| rig.check(&pod)));
                }
            }
        }
    }
    row
}

pub(super) fn disk_full(counts: &Counts) -> Row {
    let mut row = Row::new(33, "a node cache on a full disk: its own, and the release's");
    if Program::new("unshare").args(["-rm", "true"]).run().code() != Some(0) {
        row.tried = 1;
        row.survived = 1;
        row.note = "SKIPPED: this machine lets nobody make a mount namespace".to_owned();
        return row;
    }
    let rig = Rig::new(1 << 20);
    let (mut full, mut refused) = (0, 0);
    let steps = if counts.points > 1 { 40 } else { 6 };
    for step in 0..steps {
        for (unit, limit) in [("size", 4 + step * 3000 / steps), ("nr_inodes", 1 + step * 30 / steps)] {
            let pod = rig.pod(false);
            let outcome = on_a_small_disk(&rig, &pod, unit, limit, true);
            full += u32::from(outcome.stderr.contains("nothing more is written") || outcome.stderr.contains("is not used"));
            let result = succeeded(&outcome).and_then(|()| rig.is_new(&pod));
            row.count(|| format!("a cache with {limit} {unit}"), result.and_then(|()| rig.check(&pod)));
        }
        // Where the release fits without a cache, it fits beside one.
        let limit = 1000 + step * 6000 / steps;
        let pods = [rig.pod(false), rig.pod(false)];
        let without = on_a_small_disk(&rig, &pods[0], "size", limit, false);
        let beside = Program::new("true").run();
        let with = if without.code() == Some(0) { share_small_disk(&rig, &pods[1], limit) } else { beside };
        refused += u32::from(with.stderr.contains("room for the release only"));
        let result = if without.code() == Some(0) { succeeded(&with).and_then(|()| rig.is_new(&pods[1])) } else { Ok(()) };
        row.count(|| format!("one disk of {limit} KiB for both"), result.and_then(|()| rig.check(&pods[1])));
    }
    row.note = format!("{full} caches were too small, {refused} disks had room for the release only");
    if full == 0 || refused == 0 {
        row.count(|| row_note(full, refused), Err("the sizes of the disks miss one of the cases".to_owned()));
    }
    row
}

fn row_note(full: u32, refused: u32) -> String {
    format!("{full} too small, {refused} for the release only")
}

/// The cache is a tmpfs of its own of that size; or there is none, and the root is on that tmpfs.
fn on_a_small_disk(rig: &Rig, pod: &str, unit: &str, limit: usize, cache: bool) -> Outcome {
    let script = r#"
        mount -t tmpfs -o "$UNIT=$LEFT$SUFFIX,mode=0700" none "$DISK"
        code=0; "$INIT" || code=$?
        if [ -n "$KEEP" ]; then cp -a "$DISK/root/." "$KEEP"; fi
        exit $code"#;
    small_disk(rig, pod, script, unit, limit, if cache { Use::Cache } else { Use::Root })
}

fn share_small_disk(rig: &Rig, pod: &str, limit: usize) -> Outcome {
    let script = r#"
        mount -t tmpfs -o "$UNIT=$LEFT$SUFFIX,mode=0700" none "$DISK"
        code=0; "$INIT" || code=$?
        cp -a "$DISK/root/." "$KEEP"
        exit $code"#;
    small_disk(rig, pod, script, "size", limit, Use::Both)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Cache,
    Root,
    Both,
}

fn small_disk(rig: &Rig, pod: &str, script: &str, unit: &str, limit: usize, used: Use) -> Outcome {
    let disk = rig.shop.path(format!("{pod}.disk"));
    fs::create_dir(&disk).expect("a scratch directory is writable");
    let root = rig.shop.path(pod);
    let program = Program::new("unshare").args(["-rm", "sh", "-euc", script]).envs(rig.shop.pod_environment(pod));
    let program = program.env("DISK", &disk).env("UNIT", unit).env("LEFT", limit.to_string());
    let program = program.env("SUFFIX", if unit == "size" { "k" } else { "" }).env("INIT", crate::process::binary("longshore-init"));
    let program =
        if used == Use::Cache { program.env("KEEP", "") } else { program.env("KEEP", &root).env("LONGSHORE_ROOT", disk.join("root")) };
    match used {
        Use::Root => program,
        Use::Cache => program.env("LONGSHORE_CACHE", &disk),
        Use::Both => program.env("LONGSHORE_CACHE", disk.join("cache")),
    }
    .run()
}

/// How often twenty pods start: each of them pulls twice.
fn rounds(counts: &Counts) -> u32 {
    (counts.damages / 8).max(1)
}

/// Bytes of the manifest and of the tarballs.
fn blob_bytes(rig: &Rig) -> u64 {
    rig.blobs().iter().map(|key| rig.server.get(key).map_or(0, |bytes| bytes.len() as u64)).sum()
}

fn start(rig: &Rig, count: usize) -> Vec<(String, Running)> {
    let pods: Vec<_> = (0..count).map(|_| rig.pod(false)).collect();
    pods.into_iter().map(|pod| (pod.clone(), rig.init(&pod).deadline(Duration::from_mins(3)).start())).collect()
}

pub(super) fn pods_at_once(counts: &Counts) -> Row {
    let (rig, mut row) = (many_chunks(), Row::new(34, "two and twenty pods start at once on one node cache"));
    let (blobs, mut asked) = (blob_bytes(&rig), 0);
    for number in 0..rounds(counts) {
        for count in [2_usize, 20] {
            let cache = share(&rig, &format!("pod-cache{number}-{count}"), "1GiB");
            rig.server.fault(Fault::new(Effect::Latency { ms: 20 }));
            rig.server.reset_stats();
            let ends: Vec<_> = start(&rig, count).into_iter().map(|(pod, running)| (pod, running.wait())).collect();
            let stats = rig.server.stats();
            asked += blob_requests(&rig);
            let received: u64 =
                ends.iter().filter(|(_, outcome)| outcome.code() == Some(0)).map(|(_, outcome)| figure(outcome, "downloaded_bytes")).sum();
            let most = blobs + count as u64 * BESIDE;
            let mut once = Ok(());
            if received < blobs || received > most || stats.bytes_sent > most + stats.total() * HEADERS {
                once = Err(format!("{received} bytes received, {} sent, of {blobs} in blobs", stats.bytes_sent));
            }
            rig.heal();
            for (pod, outcome) in &ends {
                let result = succeeded(outcome).and_then(|()| once.clone()).and_then(|()| rig.is_new(pod)).and_then(|()| rig.check(pod));
                row.count(|| format!("run {number}, {count} pods, {pod}"), result);
            }
            row.count(|| "the cache afterwards".to_owned(), serves_all(&rig, &cache));
        }
        // A cache that holds one chunk at a time, while twenty want to share it.
        let cache = share(&rig, &format!("pod-cache{number}-small"), "1MiB");
        for (pod, running) in start(&rig, 20) {
            let outcome = running.wait();
            row.count(|| format!("run {number}, a cache that is too small, {pod}"), succeeded(&outcome).and_then(|()| rig.check(&pod)));
        }
        let size: u64 = names(&cache.join("v1/chunks"))
            .iter()
            .filter_map(|name| fs::metadata(cache.join("v1/chunks").join(name)).ok())
            .map(|file| file.len())
            .sum();
        let small = if size <= 1 << 20 { Ok(()) } else { Err(format!("{size} bytes in a cache of 1 MiB")) };
        row.count(|| "its size".to_owned(), small);
    }
    row.note = format!("{asked} requests for blobs, {blobs} bytes in each run, whoever asked");
    row
}

/// Waits until the cache has published so many files.
fn published(cache: &Path, count: usize) -> Result<(), String> {
    let begin = Instant::now();
    while names(&cache.join("v1/chunks")).len() < count {
        if begin.elapsed() > Duration::from_secs(60) {
            return Err("nothing was published".to_owned());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

pub(super) fn downloader_killed(counts: &Counts) -> Row {
    let (rig, mut row) = (many_chunks(), Row::new(35, "kill -9 of the pod that downloads while nineteen wait"));
    let blobs = blob_bytes(&rig);
    let (mut saved, mut random) = (0, StdRng::seed_from_u64(counts.seed));
    for number in 0..rounds(counts) {
        let cache = share(&rig, &format!("pod-cache{number}"), "1GiB");
        // 12 MB take 3 s.
        rig.server.set_faults(Faults { bandwidth: Some(4 << 20), ..Faults::default() });
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
        let died = first.1.signal(Signal::KILL).map_err(|error| error.to_string());
        let ended = first.1.wait().ended;
        rig.heal();
        let ends: Vec<_> = waiting.into_iter().map(|(pod, running)| (pod, running.wait())).collect();
        let received: u64 =
            ends.iter().filter(|(_, outcome)| outcome.code() == Some(0)).map(|(_, outcome)| figure(outcome, "downloaded_bytes")).sum();
        let mut once = ready.and(died);
        if !was_running || ended != Ended::Signal(KILLED) {
            once = once.and(Err(format!("the first pod ended with {ended:?}")));
        }
        if received + kept > blobs + 19 * BESIDE {
            once = once.and(Err(format!("{received} bytes received by nineteen, {kept} were there, of {blobs}")));
        }
        saved += kept;
        for (pod, outcome) in &ends {
            let result = succeeded(outcome).and_then(|()| once.clone()).and_then(|()| rig.is_new(pod)).and_then(|()| rig.check(pod));
            row.count(|| format!("run {number}, {pod}"), result);
        }
        row.count(|| format!("run {number}, the killed one"), rig.check(&first.0));
        row.count(|| format!("run {number}, the cache afterwards"), serves_all(&rig, &cache));
        fs::remove_dir_all(cache).unwrap_or_default();
    }
    row.note = format!("{saved} bytes were in caches when their downloaders died, and were not downloaded again");
    row
}

/// What the store says in place of a release, with init's exit code and reason.
type Answer = (&'static str, fn(&Rig), i32, &'static str);

/// How the store is down.
fn outages() -> Vec<(&'static str, Faults)> {
    let fault = |effect| Faults { faults: vec![Fault::new(effect)], ..Faults::default() };
    vec![
        ("refuses connections", Faults { refuse: true, ..Faults::default() }),
        ("says nothing", fault(Effect::Stall { after: 0 })),
        ("503", fault(Effect::slow_down())),
        ("500", fault(Effect::Status { status: 500, code: "InternalError".to_owned() })),
        ("breaks off", fault(Effect::Truncate { after: 0 })),
    ]
}

pub(super) fn store_down(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(300_000), Row::new(36, "new pods while the store is down, and while it refuses"));
    let cache = share(&rig, "pod-cache", "1GiB");
    let filler = rig.pod(false);
    rig.init(&filler).run().expect(0);
    let in_force = rig.server.get(HEAD).expect("a release is in force");
    let tries = if counts.points > 1 { 5 } else { 1 };
    for (what, faults) in outages().into_iter().cycle().take(tries * outages().len()) {
        for warm in COLD_AND_WARM {
            rig.server.set_faults(faults.clone());
            let pod = rig.pod(warm);
            // A quarter of it is the patience.
            let outcome = rig.init(&pod).env("LONGSHORE_DEADLINE", "4s").run();
            let mut result = succeeded(&outcome).and_then(|()| rig.is_new(&pod));
            let (source, told) = (last_event(&outcome)["source"].clone(), outcome.stderr.contains("the store cannot be asked"));
            if source != "cache" || !told || figure(&outcome, "downloaded_bytes") > 0 {
                result = result.and(Err(format!("source {source}, told {told}")));
            }
            // Below the floor is below the floor; and a node without a cache has to wait.
            if !warm {
                row.count(|| what.to_owned(), result.and_then(|()| rig.check(&pod)));
                continue;
            }
            let floored = rig.pod(false);
            let outcome = rig.init(&floored).env("LONGSHORE_DEADLINE", "2s").env("LONGSHORE_FLOOR", (NEW + 1).to_string()).run();
            let result = result.and_then(|()| rig.refused(&floored, &outcome, &["unreachable", "deadline", "stalled"]));
            let bare = rig.pod(false);
            let outcome = rig.shop.init(&bare).env("LONGSHORE_DEADLINE", "2s").run();
            let result = result.and_then(|()| rig.refused(&bare, &outcome, &["unreachable", "deadline", "stalled"]));
            row.count(|| format!("{what}, warm {warm}"), result.and_then(|()| rig.check(&pod)));
        }
    }
    // What the store says is not silence.

    let answers: [Answer; 3] = [
        ("403", |rig| rig.server.fault(Fault::new(Effect::access_denied()).on(Operation::GetObject)), 64, "forbidden"),
        ("404", |rig| drop(rig.server.remove(HEAD)), 64, "channel-missing"),
        ("no signature", |rig| rig.server.put(HEAD, unsigned(rig)), 65, "signature"),
    ];
    for (what, answer, code, reason) in answers {
        answer(&rig);
        let pod = rig.pod(false);
        let result = ended(&rig.init(&pod).run(), code, reason).and_then(|()| rig.check_now(&pod));
        rig.heal();
        rig.server.put(HEAD, in_force.clone());
        row.count(|| what.to_owned(), result.and_then(|()| rig.check(&pod)));
    }
    row.count(|| "the cache afterwards".to_owned(), serves_all(&rig, &cache));
    row
}

/// The release in force, signed by somebody.
fn unsigned(rig: &Rig) -> Vec<u8> {
    let stranger = release::SecretKey::generate(release::Algorithm::Ed25519).expect("a key");
    let found = release::Envelope::parse(&rig.server.get(HEAD).expect("a release is in force")).expect("it is an envelope");
    let mut envelope = release::Release::unverified(&found).and_then(|release| release.to_envelope()).expect("it states a release");
    envelope.sign(&stranger).expect("a key signs");
    envelope.to_json()
}
