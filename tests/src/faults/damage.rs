//! Classes 11 and 12: what the store holds, or sends, is not what was signed.

use super::{Counts, Row, Start, rig::Rig};
use crate::s3::{Effect, Fault, Operation};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    thread,
    time::{Duration, Instant},
};

const LARGE: usize = 9 << 20;
/// How long the server may need to see that nobody reads an answer any more.
const IDLE: Duration = Duration::from_secs(10);

pub(super) fn replaced_while_read(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(LARGE),
        Row::new(11, "an object is replaced while it is read"),
    );
    let blobs = rig.blobs();
    let kept: Vec<_> = blobs
        .iter()
        .map(|key| (key, rig.server.get(key).unwrap_or_default()))
        .collect();
    let tries = counts.damages.min(40);
    let mut refused = 0;
    for number in 0..tries {
        // From the first byte to the last MiB of the largest blob; the others are swapped when they
        // are that long.
        let after = u64::from(number) * (LARGE as u64 - (1 << 20)) / u64::from(tries);
        rig.server.fault(
            Fault::new(Effect::Swap { after })
                .on(Operation::GetObject)
                .keys("/blobs/"),
        );
        let pod = rig.pod(Start::Cold);
        let outcome = rig.shop.init(&pod).run();
        // Once the last range is asked for, a swap comes too late to be seen, and the tree is that
        // of before.
        let result = match outcome.code() {
            Some(0) => rig.is_new(&pod),
            _ => rig.refused(&pod, &outcome, &["replaced", "digest"]),
        };
        refused += u32::from(outcome.code() != Some(0));
        rig.heal();
        // An answer that is still being sent would swap its object once more.
        let begin = Instant::now();
        while rig.server.stats().requests_now > 0 && begin.elapsed() < IDLE {
            thread::sleep(Duration::from_millis(10));
        }
        for (key, bytes) in &kept {
            rig.server.put(key, bytes.clone());
        }
        row.count(
            || format!("after {after} bytes"),
            result.and_then(|()| rig.check(&pod)),
        );
    }
    row.note = format!("{refused} were refused, the others had asked for the last range before");
    if refused == 0 {
        row.count(String::new, Err("no swap was noticed".to_owned()));
    }
    row
}

pub(super) fn damaged_blobs(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(
            12,
            "bit flips, truncation, excess bytes, in the store and on the way",
        ),
    );
    let mut random = StdRng::seed_from_u64(counts.seed);
    let (blobs, mut unasked) = (rig.blobs(), 0);
    let manifest = blobs[0].clone();
    for number in 0..counts.damages {
        for key in blobs.clone() {
            let bytes = rig.server.get(&key).unwrap_or_default();
            let at = random.random_range(0..bytes.len());
            let flipped = || {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= 1 << (number % 8);
                bytes
            };
            for (damage, damaged) in [
                ("flip", flipped()),
                ("truncation", bytes[..at].to_vec()),
                ("excess", [&bytes[..], &bytes[..=at]].concat()),
            ] {
                rig.server.put(&key, damaged);
                let pod = rig.pod(Start::in_turn(number));
                let outcome = rig.shop.init(&pod).run();
                // What follows a tarball's signed bytes is not asked for where the tarball is one
                // part: then it does no harm.
                let harmless = damage == "excess" && outcome.code() == Some(0) && key != manifest;
                let result = if harmless {
                    rig.is_new(&pod)
                } else {
                    rig.refused(&pod, &outcome, &["digest", "truncated", "too-large"])
                };
                unasked += u32::from(harmless);
                rig.server.put(&key, bytes.clone());
                row.count(
                    || format!("{damage} at {at} of {key}"),
                    result.and_then(|()| rig.check(&pod)),
                );
            }
            let offset = at as u64;
            for effect in [
                Effect::Flip { offset },
                Effect::Excess { bytes: offset + 1 },
            ] {
                rig.server.fault(
                    Fault::new(effect.clone())
                        .on(Operation::GetObject)
                        .keys(&key),
                );
                let pod = rig.pod(Start::in_turn(number));
                let outcome = rig.shop.init(&pod).run();
                let result = rig.refused(
                    &pod,
                    &outcome,
                    &["digest", "truncated", "too-large", "replaced"],
                );
                row.count(
                    || format!("{effect:?} on the way, of {key}"),
                    result.and_then(|()| rig.check(&pod)),
                );
            }
            // A body that ends early is asked for again, and so does no harm as long as it does not
            // go on.
            rig.server.fault(
                Fault::new(Effect::Truncate { after: offset })
                    .on(Operation::GetObject)
                    .keys(&key)
                    .first(2),
            );
            let pod = rig.pod(Start::in_turn(number));
            let ended = rig.shop.init(&pod).run().ended;
            row.count(
                || format!("cut after {at} on the way, twice, {ended:?}"),
                rig.is_new(&pod).and_then(|()| rig.check(&pod)),
            );
        }
    }
    row.note = format!(
        "{unasked} times a tarball in the store was longer than signed, and what was too much was \
         not asked for"
    );
    row
}
