//! What is apart is whole again for whoever reads it, and nothing is apart that HAProxy would not
//! find.

use super::*;
use crate::agent::{files::Files, pem::Pem, snapshot::Snapshot};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(usages: &[KeyUsagePurpose]) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = usages.to_vec();
    params.distinguished_name.push(DnType::CommonName, "E9");
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        issuer: Issuer::new(params, key),
        pem,
    }
}

/// A key and its leaf, which names the key of its issuer or not.
fn leaf(authority: &Authority, names: bool) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = names;
    let leaf = params.signed_by(&key, &authority.issuer).unwrap().pem();
    (key.serialize_pem(), leaf)
}

#[test]
fn a_chain_is_apart_where_the_leaf_leads_to_it() {
    let (ours, other) = (authority(&[]), authority(&[]));
    let (key, named) = leaf(&ours, true);
    let text = format!("{key}{named}{}{}", ours.pem, other.pem);
    let split = split(&text).unwrap();
    assert_eq!(split.own, format!("{key}{named}"));
    assert_eq!(split.chain, format!("{}{}", ours.pem, other.pem));
    assert!(split.text().starts_with(&format!("chain {}\n", split.file)));

    let (nameless_key, nameless) = leaf(&ours, false);
    let never = authority(&[KeyUsagePurpose::DigitalSignature]);
    let (never_key, of_never) = leaf(&never, true);
    for (why, whole) in [
        ("no chain", format!("{key}{named}")),
        ("another's chain", format!("{key}{named}{}", other.pem)),
        (
            "the leaf names no key",
            format!("{nameless_key}{nameless}{}", ours.pem),
        ),
        ("the key comes last", format!("{named}{}{key}", ours.pem)),
        (
            "the issuer may not sign",
            format!("{never_key}{of_never}{}", never.pem),
        ),
        ("nonsense", "-----BEGIN CERTIFICATE-----".repeat(3)),
    ] {
        assert_eq!(super::split(&whole), None, "{why}");
    }
}

#[test]
fn what_was_written_apart_is_read_whole_and_a_second_chain_of_one_key_stays_with_its_leaf() {
    let scratch = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(&[]), authority(&[]));
    let issued = |chain: &str| {
        let (key, leaf) = leaf(&ours, true);
        Pem::issued(key + &leaf + chain)
    };
    let first = issued(&ours.pem);
    let second = issued(&format!("{}{}", ours.pem, other.pem));
    let brought = Pem::new(issued(&ours.pem).text());
    let all = [("1.pem", &first), ("2.pem", &second), ("3.pem", &brought)];
    let snapshot = Snapshot {
        certificates: all
            .map(|(file, _)| (format!("certificates/{file}"), file.to_owned()))
            .into(),
        ..Snapshot::default()
    };
    let mut files = Files::new(scratch.path().to_owned()).unwrap();
    let pem = |host: &str| {
        all.iter()
            .find(|(file, _)| *file == host)
            .map(|(_, pem)| *pem)
    };
    files.write_certificates(&snapshot, pem).unwrap();
    for (file, apart) in [("1.pem", true), ("2.pem", false), ("3.pem", false)] {
        let (text, was_apart) = read(scratch.path(), &format!("certificates/{file}")).unwrap();
        assert_eq!(
            (text.as_str(), was_apart),
            (pem(file).unwrap().text(), apart)
        );
    }

    // A chain that nothing leads to any more goes with the next process.
    let mut files = Files::new(scratch.path().to_owned()).unwrap();
    files.sweep(&Snapshot::default()).unwrap();
    let left = fs::read_dir(scratch.path().join(ISSUERS)).unwrap();
    assert_eq!(left.count(), 0);
}
