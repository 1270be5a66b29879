//! What is refused, why, and that no input stops the process.

use super::*;
use jiff::ToSpan as _;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm, date_time_ymd,
};
use std::sync::LazyLock;

const HOST: &str = "www.acme.example";

fn now() -> Timestamp {
    "2026-12-15T12:00:00Z".parse().unwrap()
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// One for all tests.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Let's Encrypt");
    params.distinguished_name.push(DnType::CommonName, "R11");
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        issuer: Issuer::new(params, key),
        pem,
    }
});

struct Leaf {
    key: String,
    certificate: String,
}

impl Leaf {
    fn all(&self) -> String {
        format!("{}{}{}", self.key, self.certificate, AUTHORITY.pem)
    }
}

fn leaf(names: &[&str], algorithm: &'static SignatureAlgorithm) -> Leaf {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 11, 1);
    params.not_after = date_time_ymd(2027, 1, 30);
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &AUTHORITY.issuer).unwrap().pem();
    Leaf {
        key: key.serialize_pem(),
        certificate,
    }
}

fn good() -> Leaf {
    leaf(&[HOST], &PKCS_ECDSA_P256_SHA256)
}

fn code(pem: &str) -> &'static str {
    check(pem.as_bytes(), HOST, now()).map_or_else(|problem| problem.code(), |_| "good")
}

#[test]
fn a_good_one_says_who_issued_it_and_until_when_it_is_valid() {
    let leaf = good();
    let checked = check(leaf.all().as_bytes(), HOST, now()).unwrap();
    assert_eq!(checked.issuer, "Let's Encrypt R11");
    assert_eq!(checked.not_after.to_string(), "2027-01-30T00:00:00Z");
    let id = checked.id.clone().unwrap();
    assert_eq!(id.split('.').count(), 2, "{id}");
    // What is given to HAProxy is as good as what came.
    assert_eq!(check(checked.pem.as_bytes(), HOST, now()).unwrap(), checked);
    assert!(checked.pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(!format!("{checked:?}").contains("PRIVATE"));
}

#[test]
fn keys_that_servers_use_are_taken_and_others_are_not() {
    for (algorithm, expected) in [
        (&PKCS_ECDSA_P384_SHA384, "good"),
        (&rcgen::PKCS_ECDSA_P521_SHA512, "certificate-weak-key"),
        (&PKCS_ED25519, "certificate-weak-key"),
    ] {
        let leaf = leaf(&[HOST], algorithm);
        assert_eq!(code(&leaf.all()), expected, "{algorithm:?}");
    }
}

#[test]
fn rsa_in_any_of_its_forms_is_taken_from_2048_bits_on() {
    // Made by OpenSSL 3: `openssl req -x509 -newkey rsa:2048 -traditional`, and so on.
    let good = include_str!("tests/rsa-2048.pem");
    assert_eq!(code(good), "good");
    let weak = include_str!("tests/rsa-1024.pem");
    assert_eq!(code(weak), "certificate-weak-key");
    let sec1 = include_str!("tests/ec-sec1.pem");
    assert_eq!(code(sec1), "good");
    let encrypted = include_str!("tests/rsa-encrypted.pem");
    assert_eq!(code(encrypted), "certificate-key-encrypted");
}

#[test]
fn each_thing_that_can_be_wrong_has_its_name() {
    let (one, other) = (good(), good());
    let twice = format!("{}{}", one.key, one.all());
    let mixed = format!("{}{}", one.key, other.certificate);
    let wrong_order = format!("{}{}{}", one.key, one.certificate, other.certificate);
    let upside_down = format!("{}{}{}", one.key, AUTHORITY.pem, one.certificate);
    let cut = one.all().replace("-----END CERTIFICATE-----", "");
    let surplus = format!(
        "{}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        one.all()
    );
    let large = format!("{}{}", one.all(), AUTHORITY.pem.repeat(60));
    for (pem, expected) in [
        ("", "certificate-not-pem"),
        ("hello", "certificate-not-pem"),
        (one.key.as_str(), "certificate-missing"),
        (one.certificate.as_str(), "certificate-without-key"),
        (twice.as_str(), "certificate-several-keys"),
        (mixed.as_str(), "certificate-key-mismatch"),
        (wrong_order.as_str(), "certificate-chain-order"),
        (upside_down.as_str(), "certificate-key-mismatch"),
        (cut.as_str(), "certificate-not-pem"),
        (surplus.as_str(), "certificate-unknown-part"),
        (large.as_str(), "certificate-too-large"),
    ] {
        assert_eq!(code(pem), expected);
    }
}

#[test]
fn a_host_is_covered_by_its_name_or_a_wildcard_of_its_parent() {
    for (names, host, covered) in [
        (&["www.acme.example"][..], "WWW.acme.example", true),
        (&["*.acme.example"], "www.acme.example", true),
        (&["*.acme.example"], "*.acme.example", true),
        (&["*.acme.example"], "acme.example", false),
        (&["*.acme.example"], "a.b.acme.example", false),
        (&["www.acme.example"], "*.acme.example", false),
        (&["x.example", "www.acme.example"], "www.acme.example", true),
        (&[], "www.acme.example", false),
    ] {
        let pem = leaf(names, &PKCS_ECDSA_P256_SHA256).all();
        let found = check(pem.as_bytes(), host, now());
        assert_eq!(found.is_ok(), covered, "{names:?} {host} {found:?}");
    }
    let problem = check(good().all().as_bytes(), "shop.example", now()).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "the certificate is for www.acme.example, and not for shop.example; have it issued for \
         shop.example"
    );
}

#[test]
fn it_is_good_from_its_beginning_to_its_end() {
    let pem = good().all();
    for (at, expected) in [
        (now() - (60 * 24).hours(), "certificate-not-yet-valid"),
        (now() + (45 * 24).hours(), "good"),
        (now() + (62 * 24).hours(), "certificate-expired"),
    ] {
        let found = check(pem.as_bytes(), HOST, at);
        assert_eq!(found.map_or_else(|it| it.code(), |_| "good"), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes of the DER change, and not only letters of the PEM, most of which would end in NotPem.
    #[test]
    fn no_mutation_stops_the_process(
        part in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static GOOD: LazyLock<String> = LazyLock::new(|| good().all());
        let mut parts = pem::parse_many(GOOD.as_str()).unwrap();
        let mut der = parts[part].contents().to_vec();
        for (index, byte) in changes {
            let at = index.index(der.len());
            der[at] = byte;
        }
        if let Some(cut) = cut {
            der.truncate(cut.index(der.len()));
        }
        parts[part] = Pem::new(parts[part].tag().to_owned(), der);
        let text = pem::encode_many(&parts);
        if let Ok(checked) = check(text.as_bytes(), HOST, now()) {
            prop_assert!(check(checked.pem.as_bytes(), HOST, now()).is_ok());
        }
    }

    #[test]
    fn no_text_stops_the_process(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        surplus in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        static GOOD: LazyLock<String> = LazyLock::new(|| good().all());
        let mut text = GOOD.as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(text.len());
            text[at] = byte;
        }
        text.extend(surplus);
        check(&text, HOST, now()).ok();
    }
}
