//! Row 19 of the fault table: thousands of mutated envelopes, judged by us and by Python's securesystemslib.

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use release::{Envelope, PublicKey};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    process::{Command, Stdio},
    thread,
};

const CASES: usize = 5000;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Theirs {
    Refused { refused: String },
    Read { signers: usize, payload: String },
}

/// The golden release with one to three changes, the same ones in every run.
fn mutants() -> Vec<Vec<u8>> {
    let golden = fs::read(crate::golden::path("release.json")).unwrap();
    let (mut runner, changes) = (TestRunner::deterministic(), proptest::collection::vec(crate::properties::mutation(), 1..4));
    let mutant = |_| {
        let mut bytes = golden.clone();
        for change in &changes.new_tree(&mut runner).unwrap().current() {
            crate::properties::mutate(&mut bytes, change);
        }
        bytes
    };
    (0..CASES).map(mutant).collect()
}

fn theirs(mutants: &[Vec<u8>]) -> Vec<Theirs> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/judge.py");
    let keys = ["ci.pub", "second.pub"].map(crate::golden::path);
    let python = Command::new("python3").arg(script).args(keys).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut python = python.expect("python3 with securesystemslib and cryptography");
    let mut input = python.stdin.take().unwrap();
    let lines: Vec<_> = mutants.iter().map(|bytes| format!("{{\"envelope\":\"{}\"}}\n", BASE64_STANDARD.encode(bytes))).collect();
    let writer = thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the script says above why it cannot run");
    writer.join().unwrap().unwrap();
    output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Where the two may differ, and who is right. Anything else fails the test.
fn difference(bytes: &[u8], ours: &Result<(usize, Vec<u8>), String>, theirs: &Theirs) -> Option<&'static str> {
    match (ours, theirs) {
        (Ok((signers, payload)), Theirs::Read { signers: others, payload: other }) => {
            let same = signers == others && (BASE64_STANDARD.encode(payload) == *other || *signers == 0);
            (!same).then_some("UNEXPECTED: both read it, and differ")
        }
        (Err(_), Theirs::Refused { .. }) => None,
        (Err(_), Theirs::Read { signers: 0, .. }) => Some("we call malformed what they call unsigned"),
        (Err(error), Theirs::Read { .. }) if error.contains("base64") => {
            Some("their base64 skips foreign characters and stray bits; ours does not")
        }
        (Err(error), Theirs::Read { .. }) if error.contains("duplicate field") => {
            Some("their JSON takes the last of two equal fields; ours takes neither")
        }
        (Err(error), Theirs::Read { .. }) if error.contains("control character") => Some("their JSON is laxer about characters in texts"),
        (Ok(_), Theirs::Refused { refused }) if refused.contains("keyid") => {
            Some("they need a key id; the specification makes it optional")
        }
        (Ok((0, _)), Theirs::Refused { .. }) => Some("we call unsigned what they call malformed"),
        (Ok(_), Theirs::Refused { .. }) if Envelope::parse(bytes).is_ok_and(|envelope| envelope.signatures().len() > 1) => {
            Some("they refuse the whole for one malformed signature; we count the others")
        }
        _ => Some("UNEXPECTED"),
    }
}

#[test]
#[ignore = "needs python3 with securesystemslib and cryptography"]
fn mutated_envelopes_are_judged_as_securesystemslib_judges_them() {
    let keys: BTreeSet<_> = ["ci.pub", "second.pub"].map(|name| PublicKey::from_pem(&crate::golden::text(name)).unwrap()).into();
    let mutants = mutants();
    let theirs = theirs(&mutants);
    assert_eq!(theirs.len(), mutants.len());
    let mut differences = BTreeMap::<_, Vec<String>>::new();
    for (bytes, theirs) in mutants.iter().zip(&theirs) {
        let ours = Envelope::parse(bytes).map(|envelope| (envelope.signers(&keys).len(), envelope.payload().to_vec()));
        let ours = ours.map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string)));
        if let Some(kind) = difference(bytes, &ours, theirs) {
            differences.entry(kind).or_default().push(format!("{ours:?}\n  {theirs:?}\n  {}", String::from_utf8_lossy(bytes)));
        }
    }
    for (kind, cases) in &differences {
        println!("{:5} of {CASES}: {kind}", cases.len());
    }
    let unexpected: Vec<_> =
        differences.into_iter().filter(|(kind, _)| kind.starts_with("UNEXPECTED")).flat_map(|(_, cases)| cases).collect();
    assert!(unexpected.is_empty(), "{} unexpected, such as\n{}", unexpected.len(), unexpected[0]);
}
