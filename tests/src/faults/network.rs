//! Classes 8 to 13: what happens between the pod and the store.

use super::{
    Counts, Row,
    rig::{Rig, last_line, reason},
};
use crate::{
    process::{Outcome, Program},
    s3::{Effect, Fault, Operation},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{fs, time::Duration};

/// A fault in every download of a blob.
fn in_blobs(effect: Effect) -> Fault {
    Fault::new(effect).on(Operation::GetObject).keys("/blobs/")
}

/// Code 65 or 69 with one of these reasons: refused, and never mixed.
fn refused(outcome: &Outcome, reasons: &[&str]) -> Result<(), String> {
    let refused = matches!(outcome.code(), Some(65 | 69)) && reasons.contains(&reason(outcome).as_str());
    if refused { Ok(()) } else { Err(format!("{:?}: {}", outcome.ended, last_line(outcome))) }
}

fn succeeded(outcome: &Outcome) -> Result<(), String> {
    if outcome.code() == Some(0) { Ok(()) } else { Err(format!("{:?}: {}", outcome.ended, last_line(outcome))) }
}

pub(super) fn resets(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(counts.large_bytes), Row::new(8, "connection reset at every 64 KiB"));
    for warm in [false, true] {
        rig.server.fault(in_blobs(Effect::Reset { after: 64 << 10 }));
        let pod = rig.pod(warm);
        let outcome = rig.shop.init(&pod).deadline(Duration::from_mins(5)).run();
        row.count(|| format!("warm {warm}"), succeeded(&outcome).and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn trickles_and_stalls(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(300_000), Row::new(9, "a trickle, or silence for ever"));
    for effect in [Effect::Trickle { after: 1000, bytes_per_second: 20 }, Effect::Stall { after: 1000 }, Effect::Stall { after: 0 }] {
        rig.server.fault(in_blobs(effect.clone()));
        let pod = rig.pod(false);
        let outcome = rig.shop.init(&pod).env("LONGSHORE_DEADLINE", "2s").run();
        let mut result = refused(&outcome, &["stalled", "deadline", "unreachable"]);
        if outcome.elapsed > Duration::from_secs(8) {
            result = Err(format!("it took {:?} with a deadline of 2 s", outcome.elapsed));
        }
        row.count(|| format!("{effect:?}"), result.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn throttling(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(10, "503 SlowDown while many pods start"));
    rig.server.fault(Fault::new(Effect::slow_down()).lasting(Duration::from_secs(counts.throttle_seconds)));
    let patient = Duration::from_secs(60 + 4 * counts.throttle_seconds);
    let pods: Vec<_> = (0..counts.clients).map(|_| rig.pod(false)).collect();
    rig.server.reset_stats();
    let running: Vec<_> = pods.iter().map(|pod| rig.shop.init(pod).deadline(patient).start()).collect();
    let outcomes: Vec<_> = running.into_iter().map(crate::process::Running::wait).collect();
    // A pull asks about 8 times; backing off to 5 s leaves some 20 tries in a minute, and each may be of several at once.
    let (asked, most) = (rig.server.stats().total(), u64::from(counts.clients) * (40 + 2 * counts.throttle_seconds));
    for (pod, outcome) in pods.iter().zip(&outcomes) {
        let bounded = if asked <= most { Ok(()) } else { Err(format!("{asked} requests, at most {most} were expected")) };
        row.count(|| pod.clone(), succeeded(outcome).and(bounded).and_then(|()| rig.check(pod)));
    }
    row
}

pub(super) fn replaced_while_read(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(9 << 20), Row::new(11, "an object is replaced while it is read"));
    let objects: Vec<_> = rig.server.keys().into_iter().filter(|key| key.contains("/blobs/")).collect();
    let kept: Vec<_> = objects.iter().map(|key| (key.clone(), rig.server.get(key).unwrap_or_default())).collect();
    for number in 0..counts.damages.min(20) {
        rig.server.fault(in_blobs(Effect::Swap { after: u64::from(number) * 400_000 }));
        let pod = rig.pod(false);
        let outcome = rig.shop.init(&pod).run();
        let result = refused(&outcome, &["replaced", "digest"]).and_then(|()| rig.check_now(&pod));
        rig.heal();
        for (key, bytes) in &kept {
            rig.server.put(key, bytes.clone());
        }
        row.count(|| format!("after {number} x 400,000 bytes"), result.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn damaged_blobs(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(12, "bit flips, truncation, excess bytes"));
    let mut random = StdRng::seed_from_u64(counts.seed);
    let keys = rig.server.keys().into_iter().filter(|key| key.contains("/blobs/"));
    let blobs: Vec<_> = keys.map(|key| (key.clone(), rig.server.get(&key).unwrap_or_default())).collect();
    for _ in 0..counts.damages {
        for damage in ["flip", "truncate", "excess"] {
            for (key, bytes) in &blobs {
                let mut damaged = bytes.to_vec();
                let at = random.random_range(0..damaged.len());
                match damage {
                    "flip" => damaged[at] ^= 1 << random.random_range(0..8),
                    "truncate" => damaged.truncate(at),
                    _ => damaged.extend_from_slice(&[0; 16]),
                }
                rig.server.put(key, damaged);
            }
            let pod = rig.pod(false);
            let outcome = rig.shop.init(&pod).run();
            // Bytes behind a blob's signed size are never asked for, except behind a manifest, which is read whole.
            let result = refused(&outcome, &["digest", "truncated", "too-large", "replaced", "manifest"]);
            let result = result.and_then(|()| rig.check_now(&pod));
            for (key, bytes) in &blobs {
                rig.server.put(key, bytes.clone());
            }
            row.count(|| damage.to_owned(), result.and_then(|()| rig.check(&pod)));
        }
    }
    row
}

pub(super) fn credentials_expire(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(2 << 20), Row::new(13, "credentials expire in mid-transfer"));
    let (options, keys) = (rig.server.options(), rig.shop.path("pod-keys"));
    fs::create_dir(&keys).expect("a scratch directory is writable");
    rig.server.set_credentials([(options.access_key.clone(), options.secret_key.clone()), ("AKIANEW".into(), "new-secret".into())]);
    for skip in 0..counts.damages {
        let pod = rig.pod(false);
        // What a token service does: the first call gives a key that is about to die, the next one a fresh key.
        let script = keys.join(format!("process{skip}"));
        let given = keys.join(format!("given{skip}"));
        let answer = |access: &str, secret: &str, expires: &str| {
            format!("echo '{{\"Version\":1,\"AccessKeyId\":\"{access}\",\"SecretAccessKey\":\"{secret}\",\"Expiration\":\"{expires}\"}}'")
        };
        let later = (jiff::Timestamp::now() + Duration::from_hours(12)).to_string();
        let text = format!(
            "if [ -e {given} ]; then {new}; else touch {given}; {old}; fi\n",
            given = given.display(),
            new = answer("AKIANEW", "new-secret", &later),
            old = answer(&options.access_key, &options.secret_key, &later),
        );
        let config = keys.join(format!("config{skip}"));
        let configured = fs::write(&script, text)
            .and_then(|()| fs::write(&config, format!("[default]\ncredential_process = sh {}\n", script.display())));
        configured.expect("a scratch directory is writable");
        rig.server.fault(Fault::new(Effect::expired_token()).signed_with(&options.access_key).skip(u64::from(skip)));
        let variables =
            rig.shop.pod_environment(&pod).into_iter().filter(|(name, _)| !name.contains("ACCESS_KEY") && name != "AWS_CONFIG_FILE");
        let outcome = Program::ours("longshore-init").envs(variables).env("AWS_CONFIG_FILE", &config).run();
        row.count(|| format!("after {skip} requests"), succeeded(&outcome).and_then(|()| rig.check_now(&pod)));
        rig.heal();
    }
    row
}
