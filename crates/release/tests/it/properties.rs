//! Properties: no input panics, no mutation of a signed envelope changes what it says, everything
//! written is read.

use crate::{
    made::{key, release, root, signed, trusted},
    manifest::{chunk, module},
};
use proptest::prelude::*;
use release::{Envelope, Manifest, Migration, PublicKey, Release, SecretKey, TrustRoot, limits};

/// Feeds `bytes` to every parser; none may panic.
fn parse_all(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::parse(bytes) {
        assert_eq!(Envelope::parse(&envelope.to_json()).unwrap(), envelope);
        drop((
            Release::unverified(&envelope),
            TrustRoot::unverified(&envelope),
        ));
    }
    drop((TrustRoot::from_trusted(bytes), Manifest::parse(bytes)));
    let text = String::from_utf8_lossy(bytes);
    drop((PublicKey::from_pem(&text), SecretKey::from_pem(&text)));
}

/// A change of a few bytes somewhere.
#[derive(Debug, Clone)]
enum Mutation {
    Set(u8),
    Insert(u8),
    Delete,
    Repeat(usize),
}

fn mutation() -> impl Strategy<Value = (prop::sample::Index, Mutation)> {
    // Half of the new bytes are ones that mean something in JSON and base64.
    let byte = || {
        prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\"\\{}[]:,=+/-_ aA0".to_vec())
        ]
    };
    let change = prop_oneof![
        byte().prop_map(Mutation::Set),
        byte().prop_map(Mutation::Insert),
        Just(Mutation::Delete),
        (1..64_usize).prop_map(Mutation::Repeat),
    ];
    (any::<prop::sample::Index>(), change)
}

fn mutate(bytes: &mut Vec<u8>, (at, change): &(prop::sample::Index, Mutation)) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match *change {
        Mutation::Set(byte) => bytes[at] = byte,
        Mutation::Insert(byte) => bytes.insert(at, byte),
        Mutation::Delete => drop(bytes.remove(at)),
        Mutation::Repeat(length) => {
            let part = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        parse_all(&bytes);
    }

    #[test]
    fn damaged_documents_never_panic(
        which in 0..4_usize,
        changes in prop::collection::vec(mutation(), 1..8),
    ) {
        let mut bytes = match which {
            0 => signed(release(8).to_envelope().unwrap(), &[1]).to_json(),
            1 => root(1, &[1, 2], 1, &[1]),
            2 => Manifest {
                schema: 1,
                modules: vec![module("m", vec![chunk("c", 99, 2048, 1)])],
                files: 1,
                bytes: 9,
                shared: vec![],
                writable: vec![],
                php: None,
                migration: Migration::None,
                case_sensitive: false,
            }
            .to_json(),
            _ => key(1).public().to_pem().into_bytes(),
        };
        for change in &changes {
            mutate(&mut bytes, change);
        }
        parse_all(&bytes);
    }

    #[test]
    fn a_mutated_envelope_verifies_only_where_it_still_says_the_same(
        changes in prop::collection::vec(mutation(), 1..4),
    ) {
        let original = signed(release(8).to_envelope().unwrap(), &[1, 2]);
        let mut bytes = original.to_json();
        for change in &changes {
            mutate(&mut bytes, change);
        }
        if let Ok(envelope) = Envelope::parse(&bytes)
            && let Ok(verified) = trusted(1, &[1, 2], 1).verify_release(&envelope)
        {
            prop_assert_eq!(envelope.payload_type(), original.payload_type());
            prop_assert_eq!(envelope.payload(), original.payload());
            prop_assert_eq!(verified.into_inner(), release(8));
        }
    }

    #[test]
    fn a_mutated_payload_never_verifies(change in mutation()) {
        let original = signed(release(8).to_envelope().unwrap(), &[1]);
        let mut payload = original.payload().to_vec();
        mutate(&mut payload, &change);
        prop_assume!(payload != original.payload());
        let mut forged = Envelope::new(original.payload_type(), payload);
        forged.attach(None, original.signatures()[0].sig.clone());
        prop_assert!(trusted(1, &[1], 1).verify_release(&forged).is_err());
    }

    #[test]
    fn type_and_payload_cannot_trade_bytes(
        a in "[ 0-9a-z]{0,12}",
        b in "[ 0-9a-z]{0,12}",
        c in "[ 0-9a-z]{0,12}",
        d in "[ 0-9a-z]{0,12}",
    ) {
        let pae =
            |kind: &str, payload: &str| Envelope::new(kind, payload.as_bytes().to_vec()).pae();
        prop_assert_eq!(pae(&a, &b) == pae(&c, &d), (a, b) == (c, d));
    }

    #[test]
    fn every_release_is_read_back(
        channel in "[a-z0-9][a-z0-9._-]{0,20}(/[a-z0-9][a-qs-z0-9._-]{0,20}){0,2}",
        sequence in 1..=limits::NUMBER_LIMIT,
        created in 0..4_000_000_000_i64,
        life in prop::option::of(1..1_000_000_000_i64),
        root_version in 1..=limits::NUMBER_LIMIT,
        migration in prop::sample::select(vec![Migration::None, Migration::Additive, Migration::Breaking]),
        size in 1..=limits::MANIFEST_LIMIT as u64,
    ) {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        let Ok(channel) = channel.parse() else {
            return Ok(());
        };
        let release = Release {
            channel,
            sequence: sequence.try_into().unwrap(),
            created: at(created),
            expires: life.map(|life| at(created + life)),
            root_version,
            migration,
            manifest: release::Sha256::digest(&size.to_le_bytes()),
            manifest_size: size,
        };
        let read = Envelope::parse(&release.to_envelope().unwrap().to_json()).unwrap();
        prop_assert_eq!(Release::unverified(&read).unwrap(), release);
    }

    #[test]
    fn every_root_is_read_back(
        version in 1..=limits::NUMBER_LIMIT,
        keys in prop::collection::btree_set(any::<u8>(), 1..8),
        part in any::<prop::sample::Index>(),
    ) {
        let keys: Vec<u8> = keys.into_iter().collect();
        let threshold = u32::try_from(part.index(keys.len())).unwrap() + 1;
        let root = TrustRoot::from_trusted(&root(version, &keys, threshold, &keys)).unwrap();
        prop_assert_eq!(
            (root.version(), root.threshold(), root.keys().len()),
            (version, threshold, keys.len())
        );
    }

    #[test]
    fn every_manifest_is_read_back(
        modules in prop::collection::btree_map("[a-z][a-z0-9]{0,8}", prop::collection::vec((9..500_u64, 1..9_u64), 1..6), 1..6),
    ) {
        let modules: Vec<_> = modules
            .iter()
            .map(|(name, chunks)| {
                let chunks = chunks.iter().enumerate().map(|(index, &(size, entries))| {
                    chunk(
                        &format!("{name} {index}"),
                        size,
                        (entries + 2) * 512,
                        entries,
                    )
                });
                module(name, chunks.collect())
            })
            .collect();
        let manifest = Manifest {
            schema: 1,
            modules,
            files: 1,
            bytes: 0,
            shared: vec![],
            writable: vec![],
            php: None,
            migration: Migration::None,
            case_sensitive: false,
        };
        let bytes = manifest.to_json();
        prop_assert_eq!(&Manifest::parse(&bytes).unwrap(), &manifest);
        prop_assert_eq!(Manifest::parse(&bytes).unwrap().to_json(), bytes);
    }
}
