//! Classes 8 to 10 and 13: what happens between the pod and the store.

use super::{
    Counts, Row, Start,
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
/// A directory for what gives pods their keys. Its name begins with `pod`, so the check lets it
/// change.
const KEYS: &str = "pod-keys";

/// Few tries at any counts: at full ones, a pull is reset every 64 KiB of a file of 20 MiB, 320
/// times one after another, which takes 15 seconds.
pub(super) fn resets(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(counts.large_bytes),
        Row::new(8, "connection reset at every 64 KiB"),
    );
    let mut resets = 0;
    for start in Start::ALL {
        rig.server.reset_stats();
        rig.server.fault(in_blobs(Effect::Reset { after: STEP }));
        let pod = rig.pod(start);
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
        let enough = if start == Start::Warm || happened >= counts.large_bytes as u64 / STEP {
            Ok(())
        } else {
            Err(format!("only {happened} resets"))
        };
        row.count(
            || start.to_string(),
            succeeded(&outcome)
                .and(enough)
                .and_then(|()| rig.check(&pod)),
        );
    }
    row.note = format!("{resets} connections were reset");
    row
}

pub(super) fn trickles_and_stalls(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(300_000),
        Row::new(9, "a trickle, or silence for ever"),
    );
    let effects = |round: u32| {
        // A shorter blob arrives in time, so the number falls from round to round.
        let after = 1000 / (1 + u64::from(round));
        [
            Effect::Trickle {
                after,
                bytes_per_second: 20,
            },
            Effect::Stall { after },
            Effect::Stall { after: 0 },
        ]
    };
    for effect in (0..counts.rounds(6)).flat_map(effects) {
        for start in Start::ALL {
            rig.server.fault(in_blobs(effect.clone()));
            let pod = rig.pod(start);
            let outcome = rig.shop.init(&pod).env("LONGSHORE_DEADLINE", "1s").run();
            let mut result = rig.refused(&pod, &outcome, &["stalled", "deadline", "unreachable"]);
            if outcome.elapsed > Duration::from_secs(6) {
                result = Err(format!(
                    "it took {:?} with a deadline of 1 s",
                    outcome.elapsed
                ));
            }
            row.count(
                || format!("{effect:?}, {start}"),
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
    let pods: Vec<_> = (0..counts.clients).map(|_| rig.pod(Start::Cold)).collect();
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

pub(super) fn credentials_expire(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(2 << 20),
        Row::new(13, "credentials expire in mid-transfer"),
    );
    let options = rig.server.options();
    fs::create_dir(rig.shop.path(KEYS)).expect("a scratch directory is writable");
    rig.server.set_credentials([
        (options.access_key.clone(), options.secret_key.clone()),
        ("AKIANEW".into(), "new-secret".into()),
    ]);
    let mut requests = [0; 2];
    // An update makes other requests than a first pull, so every second round is of updates.
    for start in Start::ALL.into_iter().cycle() {
        // After each request of a pull in turn, until one needs no more than are spared.
        for skip in 0_u64.. {
            let pod = rig.pod(start);
            let outcome = pull_with_a_dying_key(&rig, &pod, skip);
            let expired = rig.server.stats().faults.contains_key("status");
            row.count(
                || format!("after {skip} requests, {start}"),
                succeeded(&outcome).and_then(|()| rig.check(&pod)),
            );
            if !expired {
                requests[usize::from(start == Start::Warm)] = skip;
                break;
            }
        }
        if row.tried >= counts.cheap_tries {
            break;
        }
    }
    let [first, update] = requests;
    row.note = if update > 0 {
        format!("a first pull makes {first} requests, an update {update}")
    } else {
        format!("a first pull makes {first} requests")
    };
    if row.tried < 4 {
        row.count(
            String::new,
            Err("no credentials expired in mid-transfer".to_owned()),
        );
    }
    row
}

/// Pulls as a pod whose token service first gives a key that dies after `skip` requests, and then a
/// fresh one.
fn pull_with_a_dying_key(rig: &Rig, pod: &str, skip: u64) -> Outcome {
    let (options, keys) = (rig.server.options(), rig.shop.path(KEYS));
    let script = keys.join(format!("{pod}.process"));
    let given = keys.join(format!("{pod}.given"));
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
    let config = keys.join(format!("{pod}.config"));
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
        .pod_environment(pod)
        .into_iter()
        .filter(|(name, _)| !name.contains("ACCESS_KEY") && name != "AWS_CONFIG_FILE");
    Program::ours("longshore-init")
        .envs(variables)
        .env("AWS_CONFIG_FILE", &config)
        .run()
}
