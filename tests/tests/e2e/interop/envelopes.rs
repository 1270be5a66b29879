//! Row 19 of the fault table: mutated envelopes, judged by us and by Python's securesystemslib.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{peers::required, process::Program};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use release::{Envelope, PublicKey};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

const CASES: usize = 1000;
/// The golden release, and the two keys that signed it.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1");
/// Bytes that mean something in JSON and base64; half of the new bytes are of these.
const TELLING: &[u8] = b"\"\\{}[]:,=+/-_ aA0";

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Theirs {
    Refused { refused: String },
    Read { signers: usize, payload: String },
}

/// Changes a few bytes somewhere.
fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..bytes.len());
    let new = if random.random() {
        random.random()
    } else {
        TELLING[random.random_range(0..TELLING.len())]
    };
    match random.random_range(0..4) {
        0 => bytes[at] = new,
        1 => bytes.insert(at, new),
        2 => drop(bytes.remove(at)),
        _ => {
            let end = bytes.len().min(at + random.random_range(1..64));
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
    }
}

/// The golden release with one to three changes, the same ones in every run.
fn mutants() -> Vec<Vec<u8>> {
    let golden = fs::read(format!("{GOLDEN}/release.json")).unwrap();
    let mut random = StdRng::seed_from_u64(19);
    let mut mutant = || {
        let mut bytes = golden.clone();
        for _ in 0..random.random_range(1..4) {
            mutate(&mut bytes, &mut random);
        }
        bytes
    };
    (0..CASES).map(|_| mutant()).collect()
}

fn theirs(mutants: &[Vec<u8>]) -> Vec<Theirs> {
    let keys = ["ci.pub", "second.pub"].map(|name| format!("{GOLDEN}/{name}"));
    let lines: Vec<_> = mutants
        .iter()
        .map(|bytes| format!("{{\"envelope\":\"{}\"}}\n", BASE64_STANDARD.encode(bytes)))
        .collect();
    let judge = Program::new(required("python")).arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/e2e/interop/judge.py"
    ));
    let judged = judge.args(keys).input(lines.concat()).run().expect(0);
    judged
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Where the two may differ, and who is right. Anything else fails the test.
fn difference(
    bytes: &[u8],
    ours: &Result<(usize, Vec<u8>), String>,
    theirs: &Theirs,
) -> Option<&'static str> {
    match (ours, theirs) {
        (
            Ok((signers, payload)),
            Theirs::Read {
                signers: others,
                payload: other,
            },
        ) => {
            let same =
                signers == others && (BASE64_STANDARD.encode(payload) == *other || *signers == 0);
            (!same).then_some("UNEXPECTED: both read it, and differ")
        }
        (Err(_), Theirs::Refused { .. }) => None,
        (Err(_), Theirs::Read { signers: 0, .. }) => {
            Some("we call malformed what they call unsigned")
        }
        (Err(error), Theirs::Read { .. }) if error.contains("base64") => {
            Some("their base64 skips foreign characters and stray bits; ours does not")
        }
        (Err(error), Theirs::Read { .. }) if error.contains("duplicate field") => {
            Some("their JSON takes the last of two equal fields; ours takes neither")
        }
        (Err(error), Theirs::Read { .. }) if error.contains("control character") => {
            Some("their JSON is laxer about characters in texts")
        }
        (Ok(_), Theirs::Refused { refused }) if refused.contains("keyid") => {
            Some("they need a key id; the specification makes it optional")
        }
        (Ok((0, _)), Theirs::Refused { .. }) => Some("we call unsigned what they call malformed"),
        (Ok(_), Theirs::Refused { .. })
            if Envelope::parse(bytes).is_ok_and(|envelope| envelope.signatures().len() > 1) =>
        {
            Some("they refuse the whole for one malformed signature; we count the others")
        }
        _ => Some("UNEXPECTED"),
    }
}

#[test]
fn mutated_envelopes_are_judged_as_securesystemslib_judges_them() {
    let keys: BTreeSet<_> = ["ci.pub", "second.pub"]
        .map(|name| {
            PublicKey::from_pem(&fs::read_to_string(format!("{GOLDEN}/{name}")).unwrap()).unwrap()
        })
        .into();
    let mutants = mutants();
    let theirs = theirs(&mutants);
    assert_eq!(theirs.len(), mutants.len());
    let mut differences = BTreeMap::<_, Vec<String>>::new();
    for (bytes, theirs) in mutants.iter().zip(&theirs) {
        let ours = Envelope::parse(bytes)
            .map(|envelope| (envelope.signers(&keys).len(), envelope.payload().to_vec()));
        let ours = ours.map_err(|error| {
            format!(
                "{error}: {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            )
        });
        if let Some(kind) = difference(bytes, &ours, theirs) {
            differences.entry(kind).or_default().push(format!(
                "{ours:?}\n  {theirs:?}\n  {}",
                String::from_utf8_lossy(bytes)
            ));
        }
    }
    for (kind, cases) in &differences {
        println!("{:5} of {CASES}: {kind}", cases.len());
    }
    let unexpected: Vec<_> = differences
        .into_iter()
        .filter(|(kind, _)| kind.starts_with("UNEXPECTED"))
        .flat_map(|(_, cases)| cases)
        .collect();
    assert!(
        unexpected.is_empty(),
        "{} unexpected, such as\n{}",
        unexpected.len(),
        unexpected[0]
    );
    let cases = u32::try_from(mutants.len()).unwrap();
    e2e::faults::tell(19, cases, cases).unwrap();
}
