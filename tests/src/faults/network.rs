//! Classes 8 to 10 and 13: what happens between the pod and the store.

use super::{
    Counts, Row,
    rig::{Rig, last_line},
};
use crate::{
    process::{Outcome, Program},
    s3::{Effect, Fault, Operation},
};
use std::{fs, time::Duration};

/// A fault in every download of a blob.
fn in_blobs(effect: Effect) -> Fault {
    Fault::new(effect).on(Operation::GetObject).keys("/blobs/")
}

fn succeeded(outcome: &Outcome) -> Result<(), String> {
    if outcome.code() == Some(0) {
        Ok(())
    } else {
        Err(format!("{:?}: {}", outcome.ended, last_line(outcome)))
    }
}

const STEP: u64 = 64 << 10;

pub(super) fn resets(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(counts.large_bytes),
        Row::new(8, "connection reset at every 64 KiB"),
    );
    let mut resets = 0;
    for warm in [false, true] {
        rig.server.reset_stats();
        rig.server.fault(in_blobs(Effect::Reset { after: STEP }));
        let pod = rig.pod(warm);
        let outcome = rig.shop.init(&pod).deadline(Duration::from_mins(5)).run();
        let happened = rig
            .server
            .stats()
            .faults
            .get("reset")
            .copied()
            .unwrap_or_default();
        resets += happened;
        // An update links the large file where it is a chunk of its own.
        let enough = if warm || happened >= counts.large_bytes as u64 / STEP {
            Ok(())
        } else {
            Err(format!("only {happened} resets"))
        };
        row.count(
            || format!("warm {warm}"),
            succeeded(&outcome)
                .and(enough)
                .and_then(|()| rig.check(&pod)),
        );
    }
    row.note = format!("{resets} connections were reset");
    row
}

pub(super) fn trickles_and_stalls(_counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(300_000),
        Row::new(9, "a trickle, or silence for ever"),
    );
    for effect in [
        Effect::Trickle {
            after: 1000,
            bytes_per_second: 20,
        },
        Effect::Stall { after: 1000 },
        Effect::Stall { after: 0 },
    ] {
        for warm in [false, true] {
            rig.server.fault(in_blobs(effect.clone()));
            let pod = rig.pod(warm);
            let outcome = rig.shop.init(&pod).env("LONGSHORE_DEADLINE", "1s").run();
            let mut result = rig.refused(&pod, &outcome, &["stalled", "deadline", "unreachable"]);
            if outcome.elapsed > Duration::from_secs(6) {
                result = Err(format!(
                    "it took {:?} with a deadline of 1 s",
                    outcome.elapsed
                ));
            }
            row.count(
                || format!("{effect:?}, warm {warm}"),
                result.and_then(|()| rig.check(&pod)),
            );
        }
    }
    row
}

pub(super) fn throttling(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(10, "503 SlowDown while many pods start"),
    );
    rig.server.fault(
        Fault::new(Effect::slow_down()).lasting(Duration::from_secs(counts.throttle_seconds)),
    );
    let patient = Duration::from_secs(60 + 4 * counts.throttle_seconds);
    let pods: Vec<_> = (0..counts.clients).map(|_| rig.pod(false)).collect();
    rig.server.reset_stats();
    let running: Vec<_> = pods
        .iter()
        .map(|pod| rig.shop.init(pod).deadline(patient).start())
        .collect();
    let outcomes: Vec<_> = running
        .into_iter()
        .map(crate::process::Running::wait)
        .collect();
    // A pull asks about 8 times; backing off to 5 s leaves some 20 tries in a minute, and each may
    // be of several at once.
    let (asked, most) = (
        rig.server.stats().total(),
        u64::from(counts.clients) * (40 + 2 * counts.throttle_seconds),
    );
    row.note = format!("{asked} requests of at most {most}");
    for (pod, outcome) in pods.iter().zip(&outcomes) {
        let bounded = if asked <= most {
            Ok(())
        } else {
            Err(format!("{asked} requests, at most {most} were expected"))
        };
        row.count(
            || pod.clone(),
            succeeded(outcome)
                .and(bounded)
                .and_then(|()| rig.check(pod)),
        );
    }
    row
}

pub(super) fn credentials_expire(_counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(2 << 20),
        Row::new(13, "credentials expire in mid-transfer"),
    );
    let (options, keys) = (rig.server.options(), rig.shop.path("pod-keys"));
    fs::create_dir(&keys).expect("a scratch directory is writable");
    rig.server.set_credentials([
        (options.access_key.clone(), options.secret_key.clone()),
        ("AKIANEW".into(), "new-secret".into()),
    ]);
    // After each request of a pull in turn, until one needs no more than are spared.
    for skip in 0_u64.. {
        let pod = rig.pod(false);
        // What a token service does: the first call gives a key that is about to die, the next one
        // a fresh key.
        let script = keys.join(format!("process{skip}"));
        let given = keys.join(format!("given{skip}"));
        let answer = |access: &str, secret: &str, expires: &str| {
            format!(
                "echo '{{\"Version\":1,\"AccessKeyId\":\"{access}\",\"SecretAccessKey\":\"\
                 {secret}\",\"Expiration\":\"{expires}\"}}'"
            )
        };
        let later = (jiff::Timestamp::now() + Duration::from_hours(12)).to_string();
        let text = format!(
            "if [ -e {given} ]; then {new}; else touch {given}; {old}; fi\n",
            given = given.display(),
            new = answer("AKIANEW", "new-secret", &later),
            old = answer(&options.access_key, &options.secret_key, &later),
        );
        let config = keys.join(format!("config{skip}"));
        let configured = fs::write(&script, text).and_then(|()| {
            fs::write(
                &config,
                format!("[default]\ncredential_process = sh {}\n", script.display()),
            )
        });
        configured.expect("a scratch directory is writable");
        rig.server.reset_stats();
        rig.server.fault(
            Fault::new(Effect::expired_token())
                .signed_with(&options.access_key)
                .skip(skip),
        );
        let variables = rig
            .shop
            .pod_environment(&pod)
            .into_iter()
            .filter(|(name, _)| !name.contains("ACCESS_KEY") && name != "AWS_CONFIG_FILE");
        let outcome = Program::ours("longshore-init")
            .envs(variables)
            .env("AWS_CONFIG_FILE", &config)
            .run();
        let expired = rig.server.stats().faults.contains_key("status");
        row.count(
            || format!("after {skip} requests"),
            succeeded(&outcome).and_then(|()| rig.check(&pod)),
        );
        if !expired {
            row.note = format!("a pull makes {skip} requests");
            break;
        }
    }
    if row.tried < 4 {
        row.count(
            String::new,
            Err("no credentials expired in mid-transfer".to_owned()),
        );
    }
    row
}
