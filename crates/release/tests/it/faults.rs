//! Rows 14 to 18 and 20 of the fault table: clocks, replays, expiry, thresholds, rotation and other
//! channels.

use crate::made::{CHANNEL, key, release, root, signed, time, trusted, verified};
use jiff::{SignedDuration, Timestamp};
use release::{AcceptancePolicy, Accepted, Reason, Release, Sequence, Sha256, TrustRoot, limits};
use std::collections::BTreeSet;

const NOON: &str = "2026-03-02T12:00:00Z";

/// What a node that accepted release 7 the day before says to `release`, verified under root
/// `root`.
fn offer(
    root: u64,
    release: &Release,
    change: impl FnOnce(&mut AcceptancePolicy<'_>),
) -> Result<(), (Reason, String)> {
    let (channel, rejected) = (
        CHANNEL.parse().unwrap(),
        BTreeSet::from([Sha256::digest(b"bad")]),
    );
    let accepted = Accepted {
        sequence: 7.try_into().unwrap(),
        manifest: Sha256::digest(b"manifest"),
        root_version: 1,
        at: time("2026-03-01T13:00:00Z"),
    };
    let mut policy = AcceptancePolicy {
        channel: &channel,
        floor: None,
        accepted: Some(accepted),
        rejected: &rejected,
        now: time(NOON),
    };
    change(&mut policy);
    let (root, release) = verified(root, release);
    policy
        .accept(&root, &release)
        .map_err(|refusal| (refusal.reason(), refusal.to_string()))
}

fn reason(result: Result<(), (Reason, String)>) -> Option<Reason> {
    result.err().map(|(reason, _)| reason)
}

#[test]
fn the_next_release_and_the_same_again_are_accepted() {
    assert_eq!(offer(1, &release(8), |_| {}), Ok(()));
    assert_eq!(offer(1, &release(7), |_| {}), Ok(()));
    assert_eq!(
        offer(1, &release(8), |policy| policy.accepted = None),
        Ok(())
    );
}

#[test]
fn a_clock_that_is_behind_is_refused_and_one_that_is_ahead_only_expires() {
    let created = time("2026-03-01T12:00:00Z");
    let at = |now: Timestamp| reason(offer(1, &release(8), |policy| policy.now = now));
    let (hour, decade) = (
        SignedDuration::from_hours(1),
        SignedDuration::from_hours(24 * 3652),
    );
    assert_eq!(at(time(NOON) + hour), None);
    assert_eq!(at(time(NOON) - hour), None);
    assert_eq!(at(time(NOON) + decade), Some(Reason::Expired));
    assert_eq!(at(time(NOON) - decade), Some(Reason::Clock));
    assert_eq!(at(Timestamp::MIN), Some(Reason::Clock));
    assert_eq!(at(Timestamp::MAX), Some(Reason::Expired));
    // Accepted at 13:00; five minutes of skew are allowed, not a nanosecond more.
    let edge = time("2026-03-01T13:00:00Z") - limits::CLOCK_TOLERANCE;
    assert_eq!(at(edge), None);
    assert_eq!(
        at(edge - SignedDuration::from_nanos(1)),
        Some(Reason::Clock)
    );
    // A fresh node knows only when the release was made.
    let fresh = |now: Timestamp| {
        reason(offer(1, &release(8), |policy| {
            policy.accepted = None;
            policy.now = now;
        }))
    };
    assert_eq!(fresh(created - limits::CLOCK_TOLERANCE), None);
    assert_eq!(
        fresh(created - limits::CLOCK_TOLERANCE - SignedDuration::from_nanos(1)),
        Some(Reason::Clock)
    );
}

#[test]
fn an_old_release_is_refused_by_state_and_by_floor() {
    let (refused, says) = offer(1, &release(6), |_| {}).unwrap_err();
    assert_eq!(refused, Reason::Rollback);
    assert_eq!(
        says,
        "release 6 of shops/acme is older than 7, accepted here at 2026-03-01T13:00:00Z"
    );
    let fresh = |number| {
        offer(1, &release(number), |policy| {
            policy.accepted = None;
            policy.floor = 5.try_into().ok();
        })
    };
    assert_eq!(
        fresh(4).unwrap_err(),
        (
            Reason::Rollback,
            "release 4 of shops/acme is below 5, the floor given to this node".to_owned()
        )
    );
    assert_eq!(fresh(5), Ok(()));
    assert_eq!(
        reason(offer(1, &release(8), |policy| policy.floor = 9.try_into().ok())),
        Some(Reason::Rollback)
    );
}

#[test]
fn a_second_manifest_under_one_sequence_is_refused() {
    let other = Release {
        manifest: Sha256::digest(b"other"),
        ..release(7)
    };
    assert_eq!(reason(offer(1, &other, |_| {})), Some(Reason::Rollback));
}

#[test]
fn a_jump_is_refused_unless_the_root_was_rotated() {
    let edge = 7 + limits::SEQUENCE_JUMP_LIMIT;
    assert_eq!(offer(1, &release(edge), |_| {}), Ok(()));
    assert_eq!(
        reason(offer(1, &release(edge + 1), |_| {})),
        Some(Reason::SequenceJump)
    );
    assert_eq!(
        reason(offer(1, &release(Sequence::LAST.get()), |_| {})),
        Some(Reason::SequenceJump)
    );
    assert_eq!(offer(2, &release(edge + 1), |_| {}), Ok(()));
    assert_eq!(
        offer(1, &release(edge + 1), |policy| policy.accepted = None),
        Ok(())
    );
}

#[test]
fn expired_releases_and_roots_are_not_activated_but_go_on_running() {
    let end = time("2026-06-01T12:00:00Z");
    let at = |now: Timestamp| reason(offer(1, &release(8), |policy| policy.now = now));
    assert_eq!(at(end - SignedDuration::from_nanos(1)), None);
    assert_eq!(at(end), Some(Reason::Expired));
    let forever = Release {
        expires: None,
        ..release(8)
    };
    let (refused, says) = offer(1, &forever, |policy| {
        policy.now = time("2027-01-01T00:00:00Z");
    })
    .unwrap_err();
    assert_eq!(
        (refused, says.as_str()),
        (
            Reason::Expired,
            "trust root 1 expired at 2027-01-01T00:00:00Z, it is 2027-01-01T00:00:00Z"
        )
    );

    let (channel, rejected) = (
        CHANNEL.parse().unwrap(),
        BTreeSet::from([release(8).manifest]),
    );
    let policy = AcceptancePolicy {
        channel: &channel,
        floor: None,
        accepted: None,
        rejected: &rejected,
        now: time("2030-01-01T00:00:00Z"),
    };
    let (root, release) = verified(1, &release(8));
    assert_eq!(policy.accept_running(&root, &release), Ok(()));
    assert_eq!(
        policy.accept(&root, &release).unwrap_err().reason(),
        Reason::Expired
    );
}

#[test]
fn what_failed_here_is_not_tried_again() {
    let bad = Release {
        manifest: Sha256::digest(b"bad"),
        ..release(8)
    };
    assert_eq!(reason(offer(1, &bad, |_| {})), Some(Reason::Rejected));
}

#[test]
fn roots_may_neither_be_missing_nor_go_back() {
    let ahead = Release {
        root_version: 2,
        ..release(8)
    };
    assert_eq!(reason(offer(1, &ahead, |_| {})), Some(Reason::RootVersion));
    assert_eq!(offer(2, &ahead, |_| {}), Ok(()));
    let used = |policy: &mut AcceptancePolicy<'_>| {
        if let Some(accepted) = &mut policy.accepted {
            accepted.root_version = 2;
        }
    };
    assert_eq!(
        reason(offer(1, &release(8), used)),
        Some(Reason::RootVersion)
    );
}

#[test]
fn another_channel_s_release_is_refused() {
    let other = Release {
        channel: "shops/other".parse().unwrap(),
        ..release(8)
    };
    let (refused, says) = offer(1, &other, |_| {}).unwrap_err();
    assert_eq!(
        (refused, says.as_str()),
        (
            Reason::Channel,
            "release 8 is of channel shops/other, this node follows shops/acme"
        )
    );
}

#[test]
fn signatures_are_counted_by_key() {
    let two = trusted(1, &[1, 2, 3], 2);
    let envelope = release(8).to_envelope().unwrap();
    let verdict = |envelope: &release::Envelope| {
        two.verify_release(envelope)
            .map(|release| release.sequence.get())
            .map_err(|error| error.reason())
    };
    assert_eq!(verdict(&envelope), Err(Reason::Signature));
    assert_eq!(
        verdict(&signed(envelope.clone(), &[9])),
        Err(Reason::Signature)
    );
    assert_eq!(
        verdict(&signed(envelope.clone(), &[1, 9])),
        Err(Reason::Threshold)
    );
    assert_eq!(verdict(&signed(envelope.clone(), &[3, 1])), Ok(8));
    // One signature twice, and one key under two ids.
    let mut twice = envelope.clone();
    let signature = key(1).sign(&envelope.pae()).unwrap();
    twice.attach(Some(key(1).public().id().to_string()), signature.clone());
    twice.attach(Some(key(2).public().id().to_string()), signature.clone());
    twice.attach(None, signature);
    let error = two.verify_release(&twice).unwrap_err();
    assert_eq!(
        (error.reason(), error.to_string().as_str()),
        (
            Reason::Threshold,
            "1 of the keys of trust root 1 signed this release, which needs 2"
        )
    );
    // A wrong key id costs nothing.
    twice.attach(
        Some("anything".to_owned()),
        key(2).sign(&envelope.pae()).unwrap(),
    );
    assert_eq!(verdict(&twice), Ok(8));
}

#[test]
fn a_root_follows_only_with_both_thresholds_and_the_next_version() {
    let first = trusted(1, &[1, 2], 2);
    let next = |bytes: &[u8]| {
        first
            .successor(bytes)
            .map(|root| root.version())
            .map_err(|error| error.reason())
    };
    assert_eq!(next(&root(2, &[2, 3], 2, &[1, 2, 3])), Ok(2));
    for (bytes, what) in [
        (root(3, &[2, 3], 2, &[1, 2, 3]), "skips a version"),
        (root(1, &[1, 2], 2, &[1, 2]), "repeats the version"),
        (root(2, &[3], 1, &[3]), "is signed only by its own keys"),
        (root(2, &[3], 1, &[1, 3]), "lacks one key of the old root"),
        (root(2, &[3, 4], 2, &[1, 2, 3]), "lacks one key of its own"),
        (root(2, &[3], 1, &[1, 2]), "lacks all keys of its own"),
        (root(2, &[2, 3], 2, &[]), "is not signed"),
    ] {
        assert_eq!(next(&bytes), Err(Reason::RootChain), "{what}");
    }
    assert_eq!(next(b"{}"), Err(Reason::Envelope));
    assert_eq!(
        next(&signed(release(1).to_envelope().unwrap(), &[1, 2]).to_json()),
        Err(Reason::Statement)
    );
    assert_eq!(
        TrustRoot::from_trusted(&root(1, &[1, 2], 2, &[1]))
            .unwrap_err()
            .reason(),
        Reason::Threshold
    );
    assert_eq!(
        TrustRoot::from_trusted(&root(1, &[1, 2], 2, &[3]))
            .unwrap_err()
            .reason(),
        Reason::Signature
    );
}

#[test]
fn malformed_roots_are_refused() {
    let (one, two) = (key(1).public().to_pem(), key(2).public().to_pem());
    let json = |keys: &[&str], threshold: i64| serde_json::json!({"version": 1, "expires": "2027-01-01T00:00:00Z", "keys": keys, "threshold": threshold});
    let verdict = |payload: &serde_json::Value| {
        let envelope =
            release::Envelope::new(release::ROOT_PAYLOAD_TYPE, payload.to_string().into_bytes());
        TrustRoot::from_trusted(&signed(envelope, &[1, 2]).to_json())
            .map(|_| ())
            .map_err(|error| error.reason())
    };
    assert_eq!(verdict(&json(&[&one, &two], 2)), Ok(()));
    for (keys, threshold) in [
        (&[][..], 1),
        (&[&*one][..], 0),
        (&[&*one][..], 2),
        (&[&*one, &*one][..], 1),
        (&["x"][..], 1),
        (&[&*one][..], -1),
    ] {
        assert_eq!(
            verdict(&json(keys, threshold)),
            Err(Reason::Statement),
            "{} keys, threshold {threshold}",
            keys.len()
        );
    }
    for (field, value) in [
        ("version", serde_json::json!(0)),
        ("version", serde_json::json!(1_u64 << 53)),
        ("expires", serde_json::json!("tomorrow")),
        ("more", serde_json::json!(1)),
    ] {
        let mut root = json(&[&one], 1);
        root[field] = value;
        assert_eq!(verdict(&root), Err(Reason::Statement), "{field}");
    }
    let many: BTreeSet<_> = (0..=u8::try_from(limits::KEYS_LIMIT).unwrap())
        .map(|n| key(n).public().clone())
        .collect();
    assert!(TrustRoot::new(1, time(NOON), many, 1).is_err());
}

#[test]
fn a_chain_of_fifty_rotations_is_walked() {
    let mut current = trusted(1, &[1, 2], 2);
    for version in 2..=51_u8 {
        // Each rotation replaces the older key.
        let (old, kept, new) = (version - 1, version, version + 1);
        current = current
            .successor(&root(version.into(), &[kept, new], 2, &[old, kept, new]))
            .unwrap();
    }
    assert_eq!(current.version(), 51);
    let release = release(8).to_envelope().unwrap();
    assert!(
        current
            .verify_release(&signed(release.clone(), &[51, 52]))
            .is_ok()
    );
    assert_eq!(
        current
            .verify_release(&signed(release, &[1, 2]))
            .unwrap_err()
            .reason(),
        Reason::Signature
    );
}
