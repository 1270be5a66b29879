//! Keys, roots and releases that the tests sign with.

use jiff::Timestamp;
use release::{Envelope, Migration, Release, SecretKey, Sha256, TrustRoot, Verified};

pub(crate) const CHANNEL: &str = "shops/acme";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An Ed25519 key that is the same in every run: its seed is `n`, 32 times.
pub(crate) fn key(n: u8) -> SecretKey {
    // PKCS#8 version 1 up to the seed (RFC 8410, section 7).
    let der = [
        b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(),
        &[n; 32],
    ]
    .concat();
    let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der);
    SecretKey::from_pem(&format!(
        "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    ))
    .unwrap()
}

/// A root with the keys `keys`, signed by `signers`.
pub(crate) fn root(version: u64, keys: &[u8], threshold: u32, signers: &[u8]) -> Vec<u8> {
    let keys = keys.iter().map(|&n| key(n).public().clone()).collect();
    signed(
        TrustRoot::new(version, time("2027-01-01T00:00:00Z"), keys, threshold)
            .unwrap()
            .to_envelope(),
        signers,
    )
    .to_json()
}

pub(crate) fn trusted(version: u64, keys: &[u8], threshold: u32) -> Verified<TrustRoot> {
    TrustRoot::from_trusted(&root(version, keys, threshold, keys)).unwrap()
}

pub(crate) fn signed(mut envelope: Envelope, signers: &[u8]) -> Envelope {
    for &n in signers {
        envelope.sign(&key(n)).unwrap();
    }
    envelope
}

pub(crate) fn release(sequence: u64) -> Release {
    Release {
        channel: CHANNEL.parse().unwrap(),
        sequence: sequence.try_into().unwrap(),
        created: time("2026-03-01T12:00:00Z"),
        expires: Some(time("2026-06-01T12:00:00Z")),
        root_version: 1,
        migration: Migration::None,
        manifest: Sha256::digest(b"manifest"),
        manifest_size: 8,
    }
}

/// `release` verified under a root of version `root` with one key.
pub(crate) fn verified(root: u64, release: &Release) -> (Verified<TrustRoot>, Verified<Release>) {
    let root = trusted(root, &[1], 1);
    let release = root
        .verify_release(&signed(release.to_envelope().unwrap(), &[1]))
        .unwrap();
    (root, release)
}
