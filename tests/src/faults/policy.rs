//! Classes 15 to 18 and 20: properly made objects that must not run here, now.

use super::{
    Counts, Row,
    rig::{HEAD, NEW, Rig, channel, ended, sequence},
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

pub(super) fn replay(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(15, "an old release is replayed"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    let used = rig.pod(true);
    rig.shop.init(&used).run().expect(0);
    rig.server.put(HEAD, rig.old_release.clone());
    let told =
        ended(&rig.shop.init(&used).run(), 65, "rollback").and_then(|()| rig.check_now(&used));
    let kept = told.and_then(|()| {
        if rig.shop.current(&used) == rig.new {
            Ok(())
        } else {
            Err("it went back".to_owned())
        }
    });
    row.count(|| "on a used node".to_owned(), kept);
    let fresh = rig.pod(false);
    let told = ended(
        &rig.shop
            .init(&fresh)
            .env("LONGSHORE_FLOOR", NEW.to_string())
            .run(),
        65,
        "rollback",
    );
    rig.server.put(HEAD, head);
    row.count(
        || "on a fresh node with a floor".to_owned(),
        told.and_then(|()| rig.check(&fresh)),
    );
    row
}

pub(super) fn expired(_counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(16, "an expired release or trust root"),
    );
    let head = rig.server.get(HEAD).unwrap_or_default();
    for warm in [false, true] {
        let pod = rig.pod(warm);
        rig.force(|release| {
            release.created -= 2 * HOUR;
            release.expires = Some(release.created + HOUR);
        });
        let told = refused(&rig, &pod, "expired");
        rig.server.put(HEAD, head.clone());
        row.count(
            || format!("a release, warm {warm}"),
            told.and_then(|()| rig.check(&pod)),
        );

        let pod = rig.pod(warm);
        let root = Rig::root(1, Duration::from_millis(1), &[&rig.key("ci")], 1);
        let path = rig.shop.path(format!("{pod}.root.json"));
        fs::write(&path, root).expect("a scratch directory is writable");
        let told = rig.refused(
            &pod,
            &rig.shop.init(&pod).env("LONGSHORE_TRUST", &path).run(),
            &["expired"],
        );
        row.count(
            || format!("a trust root, warm {warm}"),
            told.and_then(|()| rig.check(&pod)),
        );
    }
    // It expires while it runs: a restart of the pod goes on with it.
    let pod = rig.pod(true);
    rig.shop.init(&pod).run().expect(0);
    rig.force(|release| {
        release.created -= 2 * HOUR;
        release.expires = Some(release.created + HOUR);
    });
    let ended = rig.shop.init(&pod).run().ended;
    rig.server.put(HEAD, head);
    let goes_on = if ended == Ended::Code(0) {
        rig.is_new(&pod)
    } else {
        Err(format!("{ended:?}"))
    };
    row.count(
        || "a release that runs".to_owned(),
        goes_on.and_then(|()| rig.check(&pod)),
    );
    row
}

pub(super) fn thresholds(_counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(
            17,
            "too few keys; one signature twice; one key under two ids",
        ),
    );
    let other = SecretKey::generate(Algorithm::Ed25519).expect("a key");
    let path = rig.shop.path("pod.root.json");
    fs::write(&path, Rig::root(1, HOUR, &[&rig.key("ci"), &other], 2))
        .expect("a scratch directory is writable");
    let signed: serde_json::Value =
        serde_json::from_slice(&rig.server.get(HEAD).unwrap_or_default()).expect("it is JSON");
    let head = rig.server.get(HEAD).unwrap_or_default();
    for id in ["", "same", "another"] {
        let mut envelope = signed.clone();
        let signature = envelope["signatures"][0].clone();
        if !id.is_empty() {
            let mut again = signature.clone();
            if id == "another" {
                again["keyid"] = json!("another");
            }
            envelope["signatures"] = json!([signature, again]);
        }
        rig.server.put(HEAD, envelope.to_string());
        let pod = rig.pod(false);
        let told = rig.refused(
            &pod,
            &rig.shop.init(&pod).env("LONGSHORE_TRUST", &path).run(),
            &["threshold"],
        );
        rig.server.put(HEAD, head.clone());
        row.count(|| format!("id {id:?}"), told.and_then(|()| rig.check(&pod)));
    }
    row
}

/// Rotations in a chain that is walked to its end.
const ROTATIONS: u64 = 50;

pub(super) fn root_chains(_counts: &Counts) -> Row {
    let (rig, mut row) = (
        Rig::new(0),
        Row::new(
            18,
            "trust roots that skip a version, that strangers sign, that are withheld; 50 rotations",
        ),
    );
    let (ci, stranger) = (
        rig.key("ci"),
        SecretKey::generate(Algorithm::EcdsaP256).expect("a key"),
    );
    let head = rig.server.get(HEAD).unwrap_or_default();
    let place = |version: u64| format!("prod/{}", release::key::trust_root(version));
    let both = Rig::root(2, HOUR, &[&ci, &stranger], 2);
    let cases = [
        (
            "version 3 in the place of 2",
            2,
            Rig::root(3, HOUR, &[&ci], 1),
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
            "2 is withheld, 3 is there, and a release needs it",
            3,
            Rig::root(3, HOUR, &[&ci], 1),
            3,
            "root-version",
        ),
    ];
    for (what, at, root, needs, reason) in cases {
        for warm in [false, true] {
            rig.server.put(&place(at), root.clone());
            rig.force(|release| release.root_version = needs);
            let pod = rig.pod(warm);
            let told = refused(&rig, &pod, reason);
            assert!(rig.server.remove(&place(at)), "it was just put there");
            rig.server.put(HEAD, head.clone());
            row.count(
                || format!("{what}, warm {warm}"),
                told.and_then(|()| rig.check(&pod)),
            );
        }
    }
    for version in 2..=1 + ROTATIONS {
        rig.server
            .put(&place(version), Rig::root(version, HOUR, &[&ci], 1));
    }
    rig.force(|release| release.root_version = 1 + ROTATIONS);
    for warm in [false, true] {
        let pod = rig.pod(warm);
        row.count(
            || format!("{ROTATIONS} rotations, warm {warm}"),
            rig.check(&pod),
        );
    }
    row
}

pub(super) fn other_channels(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(20, "another channel's valid release"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    assert_eq!(
        channel().as_str(),
        "shops/acme",
        "the other one must be another"
    );
    for warm in [false, true] {
        rig.force(|release| {
            release.channel = "shops/other".parse().expect("it is a channel");
            release.sequence = sequence(9);
        });
        let pod = rig.pod(warm);
        let told = refused(&rig, &pod, "channel");
        rig.server.put(HEAD, head.clone());
        row.count(
            || format!("warm {warm}"),
            told.and_then(|()| rig.check(&pod)),
        );
    }
    row
}
