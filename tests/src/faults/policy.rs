//! Classes 15 to 18 and 20: properly made objects that must not run here, now.

use super::{
    Counts, Row, Start,
    rig::{HEAD, NEW, OLD, Rig, channel, ended, sequence},
};
use crate::process::Ended;
use release::{Algorithm, SecretKey};
use serde_json::json;
use std::{fs, time::Duration};

const HOUR: Duration = Duration::from_hours(1);

/// A refusal that leaves the pod as it was.
pub(super) fn refused(rig: &Rig, pod: &str, reason: &str) -> Result<(), String> {
    rig.refused(pod, &rig.shop.init(pod).run(), &[reason])
}

pub(super) fn replay(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(15, "an old release is replayed"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    for round in 0..counts.rounds(2) {
        // The one before the release in force, and the one before that, in turn.
        let old = OLD - u64::from(round % 2);
        let kept = format!("prod/{}", release::key::release(&channel(), sequence(old)));
        let replayed = rig.server.get(&kept).expect("each release is kept");

        let used = rig.pod(Start::Warm);
        rig.shop.init(&used).run().expect(0);
        rig.server.put(HEAD, replayed.clone());
        let told =
            ended(&rig.shop.init(&used).run(), 65, "rollback").and_then(|()| rig.is_new(&used));
        rig.server.put(HEAD, head.clone());
        row.count(
            || format!("release {old} on a used node"),
            told.and_then(|()| rig.check(&used)),
        );

        let fresh = rig.pod(Start::Cold);
        rig.server.put(HEAD, replayed);
        let told = ended(
            &rig.shop
                .init(&fresh)
                .env("LONGSHORE_FLOOR", (old + 1).to_string())
                .run(),
            65,
            "rollback",
        );
        rig.server.put(HEAD, head.clone());
        row.count(
            || format!("release {old} on a fresh node with a floor"),
            told.and_then(|()| rig.check(&fresh)),
        );
    }
    row
}

pub(super) fn expired(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(16, "an expired release or trust root"),
    );
    let head = rig.server.get(HEAD).unwrap_or_default();
    for hours in 1..=counts.rounds(5) {
        let expire = || {
            rig.force(|release| {
                release.created -= (1 + hours) * HOUR;
                release.expires = Some(release.created + HOUR);
            });
        };
        for start in Start::ALL {
            let pod = rig.pod(start);
            expire();
            let told = refused(&rig, &pod, "expired");
            rig.server.put(HEAD, head.clone());
            row.count(
                || format!("a release {hours} h ago, {start}"),
                told.and_then(|()| rig.check(&pod)),
            );

            let pod = rig.pod(start);
            let root = Rig::root(1, Duration::from_millis(1), &[&rig.key("ci")], 1);
            let path = rig.shop.path(format!("{pod}.root.json"));
            fs::write(&path, root).expect("a scratch directory is writable");
            let told = rig.refused(
                &pod,
                &rig.shop.init(&pod).env("LONGSHORE_TRUST", &path).run(),
                &["expired"],
            );
            row.count(
                || format!("a trust root, {start}"),
                told.and_then(|()| rig.check(&pod)),
            );
        }
        // It expires while it runs: a restart of the pod goes on with it.
        let pod = rig.pod(Start::Warm);
        rig.shop.init(&pod).run().expect(0);
        expire();
        let ended = rig.shop.init(&pod).run().ended;
        rig.server.put(HEAD, head.clone());
        let goes_on = if ended == Ended::Code(0) {
            rig.is_new(&pod)
        } else {
            Err(format!("{ended:?}"))
        };
        row.count(
            || format!("a release that runs, {hours} h ago"),
            goes_on.and_then(|()| rig.check(&pod)),
        );
    }
    row
}

/// A key that nobody knows, in turn of each kind.
fn new_key(round: u32) -> SecretKey {
    let algorithm = if round.is_multiple_of(2) {
        Algorithm::Ed25519
    } else {
        Algorithm::EcdsaP256
    };
    SecretKey::generate(algorithm).expect("a key")
}

pub(super) fn thresholds(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(
            17,
            "too few keys; one signature twice; one key under two ids",
        ),
    );
    let path = rig.shop.path("pod.root.json");
    let head = rig.server.get(HEAD).unwrap_or_default();
    let signed: serde_json::Value = serde_json::from_slice(&head).expect("it is JSON");
    for round in 0..counts.rounds(3) {
        let root = Rig::root(1, HOUR, &[&rig.key("ci"), &new_key(round)], 2);
        fs::write(&path, root).expect("a scratch directory is writable");
        for id in ["", "same", "another"] {
            let mut envelope = signed.clone();
            let signature = envelope["signatures"][0].clone();
            if !id.is_empty() {
                let mut again = signature.clone();
                if id == "another" {
                    again["keyid"] = json!(format!("another{round}"));
                }
                envelope["signatures"] = json!([signature, again]);
            }
            rig.server.put(HEAD, envelope.to_string());
            let pod = rig.pod(Start::Cold);
            let told = rig.refused(
                &pod,
                &rig.shop.init(&pod).env("LONGSHORE_TRUST", &path).run(),
                &["threshold"],
            );
            rig.server.put(HEAD, head.clone());
            row.count(
                || format!("id {id:?}, round {round}"),
                told.and_then(|()| rig.check(&pod)),
            );
        }
    }
    row
}

/// Rotations in a chain that is walked to its end.
const ROTATIONS: u64 = 50;

fn place(version: u64) -> String {
    format!("prod/{}", release::key::trust_root(version))
}

pub(super) fn root_chains(counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(
            18,
            "trust roots that skip a version, that strangers sign, that are withheld; 50 rotations",
        ),
    );
    for round in 0..counts.rounds(10) {
        broken_chains(&rig, &mut row, round);
        rotations(&rig, &mut row);
    }
    row
}

/// Four chains that each break one rule. In each round, another version is the one that comes too
/// early.
fn broken_chains(rig: &Rig, row: &mut Row, round: u32) {
    let (ci, stranger, later) = (rig.key("ci"), new_key(round), 3 + u64::from(round));
    let head = rig.server.get(HEAD).unwrap_or_default();
    let both = Rig::root(2, HOUR, &[&ci, &stranger], 2);
    let cases = [
        (
            "a later version in the place of 2",
            2,
            Rig::root(later, HOUR, &[&ci], 1),
            1,
            "root-chain",
        ),
        (
            "signed by strangers",
            2,
            Rig::root(2, HOUR, &[&stranger], 1),
            1,
            "root-chain",
        ),
        (
            "2 keys from version 2 on, and a release of one",
            2,
            both,
            2,
            "threshold",
        ),
        (
            "2 is withheld, a later one is there, and a release needs it",
            later,
            Rig::root(later, HOUR, &[&ci], 1),
            later,
            "root-version",
        ),
    ];
    for (what, at, root, needs, reason) in cases {
        for start in Start::ALL {
            rig.server.put(&place(at), root.clone());
            rig.force(|release| release.root_version = needs);
            let pod = rig.pod(start);
            let told = refused(rig, &pod, reason);
            assert!(rig.server.remove(&place(at)), "it was just put there");
            rig.server.put(HEAD, head.clone());
            row.count(
                || format!("{what}, {start}, round {round}"),
                told.and_then(|()| rig.check(&pod)),
            );
        }
    }
}

/// Pods walk a whole chain of roots, which is removed afterwards.
fn rotations(rig: &Rig, row: &mut Row) {
    let (ci, head) = (rig.key("ci"), rig.server.get(HEAD).unwrap_or_default());
    let versions = 2..=1 + ROTATIONS;
    for version in versions.clone() {
        rig.server
            .put(&place(version), Rig::root(version, HOUR, &[&ci], 1));
    }
    rig.force(|release| release.root_version = 1 + ROTATIONS);
    for start in Start::ALL {
        let pod = rig.pod(start);
        row.count(
            || format!("{ROTATIONS} rotations, {start}"),
            rig.check(&pod),
        );
    }
    for version in versions {
        assert!(rig.server.remove(&place(version)), "it was just put there");
    }
    rig.server.put(HEAD, head);
}

pub(super) fn other_channels(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(20, "another channel's valid release"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    for round in 0..counts.rounds(2) {
        // Each differs from the pod's channel by what stands behind its name.
        let other = format!("{}{round}", channel().as_str());
        for start in Start::ALL {
            rig.force(|release| {
                release.channel = other.parse().expect("it is a channel");
                release.sequence = sequence(NEW + 1 + u64::from(round));
            });
            let pod = rig.pod(start);
            let told = refused(&rig, &pod, "channel");
            rig.server.put(HEAD, head.clone());
            row.count(
                || format!("{other}, {start}"),
                told.and_then(|()| rig.check(&pod)),
            );
        }
    }
    row
}
