//! An authority that issues as Let's Encrypt does: by an intermediate certificate, which comes with
//! each leaf.

use edge::agent::pem::Pem;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};
use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

/// One for all of a process.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

struct Authority {
    root: String,
    chain: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let (root_params, root_key) = (params("ISRG Root X9"), key());
        let root = root_params.self_signed(&root_key).unwrap().pem();
        let (mut issuer, issuer_key) = (params("E9"), key());
        issuer.use_authority_key_identifier_extension = true;
        issuer.crl_distribution_points = list("http://x9.example/");
        let chain = issuer
            .signed_by(&issuer_key, &Issuer::new(root_params, root_key))
            .unwrap()
            .pem();
        Self {
            root,
            chain,
            issuer: Issuer::new(issuer, issuer_key),
        }
    }
}

/// What a visitor has to trust.
#[must_use]
pub fn root() -> &'static str {
    &AUTHORITY.root
}

/// A certificate of a host, with its chain, for as long as browsers take one at most.
#[must_use]
pub fn issued(host: &str) -> Pem {
    let mut leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.crl_distribution_points = list("http://e9.example/101.crl");
    let (now, day) = (SystemTime::now(), Duration::from_hours(24));
    (leaf.not_before, leaf.not_after) = ((now - day).into(), (now + 89 * day).into());
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &AUTHORITY.issuer).unwrap().pem();
    Pem::issued(key.serialize_pem() + &certificate + &AUTHORITY.chain)
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let names = &mut params.distinguished_name;
    names.push(DnType::CountryName, "US");
    names.push(DnType::OrganizationName, "Nobody's authority");
    names.push(DnType::CommonName, name);
    params
}

fn list(address: &str) -> Vec<CrlDistributionPoint> {
    vec![CrlDistributionPoint {
        uris: vec![address.to_owned()],
    }]
}
