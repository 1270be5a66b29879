//! The committed files of each format version: they must stay readable, and what has no randomness
//! must be written the same.

use jiff::Timestamp;
use release::{
    AcceptancePolicy, Chunk, Envelope, Manifest, Migration, Module, Php, PublicKey, Release,
    SecretKey, Sha256, TrustRoot, Writable,
};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/v1"
    ))
    .join(name)
}

fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn chunk(label: &str, size: u64, unpacked: u64, entries: u64) -> Chunk {
    Chunk {
        sha256: Sha256::digest(label.as_bytes()),
        size,
        unpacked,
        entries,
    }
}

/// The manifest of the golden release. Its digests are of labels: it describes no tarballs that
/// exist.
fn manifest() -> Manifest {
    let theme = Module {
        name: "acme/theme".parse().unwrap(),
        version: "3.1.0-rc.2+build.7".parse().unwrap(),
        target: Some("app/design/frontend/acme".parse().unwrap()),
        sha256: Sha256::digest(b"theme"),
        size: 21,
        chunks: vec![chunk("theme 0", 21, 1024, 0)],
        replaced: Vec::new(),
    };
    let core = Module {
        name: "core".parse().unwrap(),
        version: "20.12.3".parse().unwrap(),
        target: None,
        sha256: Sha256::digest(b"core"),
        size: 1_234_567 + 456_789,
        chunks: vec![
            chunk("core 0", 1_234_567, 4_194_304, 731),
            chunk("core 1", 456_789, 2_097_152, 402),
        ],
        replaced: vec!["app/etc/local.xml.template".parse().unwrap()],
    };
    let local = Module {
        name: "local".parse().unwrap(),
        version: "2026-03-01".parse().unwrap(),
        target: None,
        sha256: Sha256::digest(b"local"),
        size: 900,
        chunks: vec![chunk("local 0", 900, 4096, 3)],
        replaced: Vec::new(),
    };
    Manifest {
        schema: 1,
        modules: vec![theme, core, local],
        files: 1012,
        bytes: 5_678_901,
        shared: ["media", "var/import"]
            .map(|path| path.parse().unwrap())
            .to_vec(),
        writable: vec![
            Writable {
                path: "var/cache".parse().unwrap(),
                keep: false,
            },
            Writable {
                path: "var/session".parse().unwrap(),
                keep: true,
            },
        ],
        php: Some(Php {
            version: "8.2".to_owned(),
            warm: vec!["index.php".parse().unwrap()],
        }),
        migration: Migration::Additive,
        case_sensitive: false,
    }
}

fn release() -> Release {
    let bytes = manifest().to_json();
    Release {
        channel: "shops/acme".parse().unwrap(),
        sequence: 42.try_into().unwrap(),
        created: time("2026-03-01T12:00:00Z"),
        expires: Some(time("2026-05-30T12:00:00Z")),
        root_version: 2,
        migration: Migration::Additive,
        manifest: Sha256::digest(&bytes),
        manifest_size: bytes.len() as u64,
    }
}

fn roots() -> [TrustRoot; 2] {
    let (ci, second) = (
        PublicKey::from_pem(&text("ci.pub")).unwrap(),
        PublicKey::from_pem(&text("second.pub")).unwrap(),
    );
    [
        TrustRoot::new(1, time("2027-01-01T00:00:00Z"), [ci.clone()].into(), 1).unwrap(),
        TrustRoot::new(2, time("2028-01-01T00:00:00Z"), [ci, second].into(), 2).unwrap(),
    ]
}

/// What the files hold: name, envelope, who signs it.
fn envelopes() -> [(&'static str, Envelope, &'static [&'static str]); 3] {
    let [first, second] = roots();
    [
        ("1.root.json", first.to_envelope(), &["ci.key"]),
        (
            "2.root.json",
            second.to_envelope(),
            &["ci.key", "second.key"],
        ),
        (
            "release.json",
            release().to_envelope().unwrap(),
            &["ci.key", "second.key"],
        ),
    ]
}

#[test]
fn a_pod_that_trusts_root_1_reaches_the_manifest() {
    let root = TrustRoot::from_trusted(&read("1.root.json")).unwrap();
    let root = root.successor(&read("2.root.json")).unwrap();
    let verified = root
        .verify_release(&Envelope::parse(&read("release.json")).unwrap())
        .unwrap();
    let (channel, rejected) = ("shops/acme".parse().unwrap(), BTreeSet::new());
    let policy = AcceptancePolicy {
        channel: &channel,
        floor: None,
        accepted: None,
        rejected: &rejected,
        now: time("2026-03-01T12:00:00Z"),
    };
    assert_eq!(policy.accept(&root, &verified), Ok(()));
    assert_eq!(*verified, release());
    assert_eq!(
        verified.read_manifest(&read("manifest.json")).unwrap(),
        manifest()
    );
}

#[test]
fn the_same_values_are_written_as_the_same_bytes() {
    assert_eq!(manifest().to_json(), read("manifest.json"));
    for (name, unsigned, _) in envelopes() {
        let golden = Envelope::parse(&read(name)).unwrap();
        assert_eq!(
            String::from_utf8_lossy(golden.payload()),
            String::from_utf8_lossy(unsigned.payload()),
            "{name}"
        );
        assert_eq!(golden.pae(), unsigned.pae(), "{name}");
        assert_eq!(golden.to_json(), read(name), "{name}");
    }
}

#[test]
fn ed25519_signs_the_same_bytes_the_same_way() {
    let key = SecretKey::from_pem(&text("second.key")).unwrap();
    for name in ["2.root.json", "release.json"] {
        let golden = Envelope::parse(&read(name)).unwrap();
        assert_eq!(
            golden.signatures()[1].sig,
            key.sign(&golden.pae()).unwrap(),
            "{name}"
        );
        assert_eq!(
            golden.signatures()[1].keyid,
            Some(key.public().id().to_string()),
            "{name}"
        );
    }
}

/// The last JSON block of a page of `docs/formats`.
fn example(page: &str) -> String {
    let page = fs::read_to_string(path("../../../docs/formats").join(page)).unwrap();
    let (_, block) = page.rsplit_once("```json\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_examples_of_the_specifications_are_true() {
    let golden = |name: &str| {
        serde_json::from_slice::<serde_json::Value>(Envelope::parse(&read(name)).unwrap().payload())
            .unwrap()
    };
    for (page, name) in [
        ("release.md", "release.json"),
        ("trust-root.md", "2.root.json"),
    ] {
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&example(page)).unwrap(),
            golden(name),
            "{page}"
        );
    }
    let shortened = Manifest {
        modules: vec![manifest().modules[1].clone()],
        ..manifest()
    };
    assert_eq!(example("manifest.md").as_bytes(), shortened.to_json());
}

#[test]
#[ignore = "writes the golden files, once per format version: ECDSA signatures differ each time"]
#[expect(
    clippy::disallowed_methods,
    reason = "no release is at stake: a person runs this and looks at the difference"
)]
fn write() {
    fs::write(path("manifest.json"), manifest().to_json()).unwrap();
    for (name, mut envelope, signers) in envelopes() {
        for signer in signers {
            envelope
                .sign(&SecretKey::from_pem(&text(signer)).unwrap())
                .unwrap();
        }
        fs::write(path(name), envelope.to_json()).unwrap();
    }
}
