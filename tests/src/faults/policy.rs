//! Classes 14 to 18 and 20: properly made objects that must not run here, now.

use super::{
    Counts, Row,
    rig::{HEAD, Rig, channel, ended, sequence},
};
use release::{Algorithm, SecretKey};
use serde_json::json;
use std::{fs, time::Duration};

const HOUR: Duration = Duration::from_hours(1);
const DECADE: Duration = Duration::from_hours(24 * 3653);

/// A refusal that leaves the pod as it was.
fn refused(rig: &Rig, pod: &str, code: i32, reason: &str) -> Result<(), String> {
    let ran = rig.shop.path(pod).join("current").exists();
    ended(&rig.shop.init(pod).run(), code, reason)?;
    rig.check_now(pod)?;
    match (ran, rig.shop.path(pod).join("current").exists()) {
        (false, true) => Err("it was activated all the same".to_owned()),
        (true, _) if rig.shop.current(pod) != rig.old => Err("what ran does not run any more".to_owned()),
        _ => Ok(()),
    }
}

pub(super) fn clock(_counts: &Counts) -> Row {
    // The process's clock cannot be set here; the times that it compares with can.
    let (rig, mut row) = (Rig::new(0), Row::new(14, "clock an hour or ten years off"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    for ahead in [HOUR, DECADE] {
        let pod = rig.pod(true);
        let mut state = rig.shop.state(&pod);
        let at = state["accepted"]["at"].take();
        state["accepted"]["at"] = json!((jiff::Timestamp::now() + ahead).to_string());
        let path = rig.shop.path(&pod).join("state.json");
        fs::write(&path, state.to_string()).expect("a scratch directory is writable");
        let told = refused(&rig, &pod, 75, "clock");
        state["accepted"]["at"] = at;
        fs::write(&path, state.to_string()).expect("a scratch directory is writable");
        row.count(|| format!("{ahead:?} behind what was accepted"), told.and_then(|()| rig.check(&pod)));

        let pod = rig.pod(true);
        rig.force(|release| release.created += ahead);
        let told = refused(&rig, &pod, 75, "clock");
        rig.server.put(HEAD, head.clone());
        row.count(|| format!("{ahead:?} behind the release"), told.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn replay(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(15, "an old release is replayed"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    let used = rig.pod(true);
    rig.shop.init(&used).run().expect(0);
    rig.server.put(HEAD, rig.first.clone());
    let told = ended(&rig.shop.init(&used).run(), 65, "rollback").and_then(|()| rig.check_now(&used));
    let kept = told.and_then(|()| if rig.shop.current(&used) == rig.new { Ok(()) } else { Err("it went back".to_owned()) });
    row.count(|| "on a used node".to_owned(), kept);
    let fresh = rig.pod(false);
    let told = ended(&rig.shop.init(&fresh).env("LONGSHORE_FLOOR", "2").run(), 65, "rollback");
    rig.server.put(HEAD, head);
    row.count(|| "on a fresh node with a floor".to_owned(), told.and_then(|()| rig.check(&fresh)));
    row
}

pub(super) fn expired(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(16, "an expired release or trust root"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    for warm in [false, true] {
        let pod = rig.pod(warm);
        rig.force(|release| {
            release.created -= 2 * HOUR;
            release.expires = Some(release.created + HOUR);
        });
        let told = refused(&rig, &pod, 65, "expired");
        rig.server.put(HEAD, head.clone());
        row.count(|| format!("a release, warm {warm}"), told.and_then(|()| rig.check(&pod)));

        let pod = rig.pod(warm);
        let root = Rig::root(1, Duration::from_millis(1), &[&rig.key("ci")], 1);
        let path = rig.shop.path(format!("{pod}.root.json"));
        fs::write(&path, root).expect("a scratch directory is writable");
        let told = ended(&rig.shop.init(&pod).env("LONGSHORE_TRUST", &path).run(), 65, "expired").and_then(|()| rig.check_now(&pod));
        row.count(|| format!("a trust root, warm {warm}"), told.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn thresholds(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(17, "too few keys; one signature twice; one key under two ids"));
    let other = SecretKey::generate(Algorithm::Ed25519).expect("a key");
    let path = rig.shop.path("pod.root.json");
    fs::write(&path, Rig::root(1, HOUR, &[&rig.key("ci"), &other], 2)).expect("a scratch directory is writable");
    let signed: serde_json::Value = serde_json::from_slice(&rig.server.get(HEAD).unwrap_or_default()).expect("it is JSON");
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
        let told = ended(&rig.shop.init(&pod).env("LONGSHORE_TRUST", &path).run(), 65, "threshold");
        rig.server.put(HEAD, head.clone());
        row.count(|| format!("id {id:?}"), told.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn root_chains(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(18, "a root that skips a version, or that the one before does not sign"));
    let (ci, stranger) = (rig.key("ci"), SecretKey::generate(Algorithm::EcdsaP256).expect("a key"));
    let next = "prod/trust/2.root.json";
    for (what, root, code) in [
        ("version 3 in the place of 2", Rig::root(3, HOUR, &[&ci], 1), Some("root-chain")),
        ("signed by strangers", Rig::root(2, HOUR, &[&stranger], 1), Some("root-chain")),
        ("a proper successor", Rig::root(2, HOUR, &[&ci], 1), None),
    ] {
        rig.server.put(next, root);
        let pod = rig.pod(true);
        let told = match code {
            Some(reason) => refused(&rig, &pod, 65, reason),
            None => Ok(()),
        };
        if code.is_some() {
            assert!(rig.server.remove(next), "it was just put there");
        }
        row.count(|| what.to_owned(), told.and_then(|()| rig.check(&pod)));
    }
    row
}

pub(super) fn other_channels(_counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(20, "another channel's valid release"));
    let head = rig.server.get(HEAD).unwrap_or_default();
    assert_eq!(channel().as_str(), "shops/acme", "the other one must be another");
    for warm in [false, true] {
        rig.force(|release| {
            release.channel = "shops/other".parse().expect("it is a channel");
            release.sequence = sequence(9);
        });
        let pod = rig.pod(warm);
        let told = refused(&rig, &pod, 65, "channel");
        rig.server.put(HEAD, head.clone());
        row.count(|| format!("warm {warm}"), told.and_then(|()| rig.check(&pod)));
    }
    row
}
