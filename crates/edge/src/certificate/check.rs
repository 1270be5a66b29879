//! Whether HAProxy can serve a certificate for a host. One that it cannot load keeps it from
//! starting (haproxy#2117), so nothing gets to it that was not checked here.

use super::CertificateProblem as Problem;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{KeyPair, PublicKeyData as _};
use std::fmt;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA},
    prelude::FromDer as _,
    public_key::PublicKey,
    time::ASN1Time,
};

/// The size of a certificate with its key and its chain at most, in bytes. It goes to HAProxy in
/// one message, which has to fit into `tune.bufsize` (haproxy#2324) with room for the command.
pub const SIZE_LIMIT: usize = 24 << 10;

/// RFC 3279, section 2.2.3.
const ECDSA_WITH_SHA1: &str = "1.2.840.10045.4.1";

/// A certificate that HAProxy can serve.
#[derive(Clone, PartialEq, Eq)]
pub struct Checked {
    /// Who issued it, such as `Let's Encrypt R11`.
    pub issuer: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Its identifier for the CA (RFC 9773, section 4.1); nothing where the leaf does not name the
    /// key of its issuer.
    pub id: Option<String>,
    /// Key, leaf and chain once more, without anything that a reader of PEM could stumble over.
    pub pem: String,
}

impl fmt::Debug for Checked {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("issuer", &self.issuer)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Checks a private key, its leaf and the chain, in one text of PEM, for a host at a time.
///
/// # Errors
///
/// What is wrong with it, the first thing that is found.
pub fn check(pem: &[u8], host: &str, now: Timestamp) -> Result<Checked, Problem> {
    if pem.len() > SIZE_LIMIT {
        return Err(Problem::TooLarge { bytes: pem.len() });
    }
    let (key, chain) = parts(pem)?;
    let mut certificates = Vec::with_capacity(chain.len());
    for (index, part) in chain.iter().enumerate() {
        certificates.push(certificate(index + 1, part.contents())?);
    }
    let leaf = certificates.first().ok_or(Problem::NoCertificate)?;
    let public = KeyPair::try_from(key.contents())
        .map_err(|_| Problem::KeyUnreadable)?
        .subject_public_key_info();
    if public != leaf.public_key().raw {
        return Err(Problem::KeyMismatch);
    }
    for (index, [child, parent]) in certificates.array_windows::<2>().enumerate() {
        if child.issuer().as_raw() != parent.subject().as_raw() {
            return Err(Problem::ChainOrder { number: index + 2 });
        }
    }
    covers(leaf, host)?;
    let malformed = || Problem::Malformed { number: 1 };
    let not_before = time(leaf.validity().not_before).ok_or_else(malformed)?;
    let not_after = time(leaf.validity().not_after).ok_or_else(malformed)?;
    if now < not_before {
        return Err(Problem::NotYetValid { from: not_before });
    }
    if now > not_after {
        return Err(Problem::Expired { at: not_after });
    }
    let (issuer, id) = (issuer(leaf), id(leaf));
    let mut all = vec![key];
    all.extend(chain);
    let pem = pem::encode_many_config(&all, EncodeConfig::new().set_line_ending(LineEnding::LF));
    if pem.len() > SIZE_LIMIT {
        return Err(Problem::TooLarge { bytes: pem.len() });
    }
    Ok(Checked {
        issuer,
        not_before,
        not_after,
        id,
        pem,
    })
}

/// The key, and the certificates in their order.
fn parts(pem: &[u8]) -> Result<(Pem, Vec<Pem>), Problem> {
    let all = pem::parse_many(pem).map_err(|_| Problem::NotPem)?;
    // Parts that this parser passes over may be read by another one.
    let begins = pem.windows(10).filter(|it| it == b"-----BEGIN").count();
    if begins != all.len() || all.is_empty() {
        return Err(Problem::NotPem);
    }
    let (mut keys, mut chain) = (Vec::new(), Vec::new());
    for part in all {
        match part.tag() {
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                if part.headers().get("Proc-Type").is_some() {
                    return Err(Problem::KeyEncrypted);
                }
                // Without its headers, which nobody needs.
                keys.push(Pem::new(part.tag().to_owned(), part.contents()));
            }
            "ENCRYPTED PRIVATE KEY" => return Err(Problem::KeyEncrypted),
            "CERTIFICATE" => chain.push(Pem::new("CERTIFICATE", part.contents())),
            // OpenSSL writes the curve before the key, which names it itself.
            "EC PARAMETERS" => {}
            tag => {
                return Err(Problem::UnknownPart {
                    tag: tag.chars().take(40).collect(),
                });
            }
        }
    }
    match (keys.pop(), keys.len()) {
        (None, _) => Err(Problem::NoKey),
        (Some(key), 0) => Ok((key, chain)),
        (Some(_), more) => Err(Problem::SeveralKeys { count: more + 1 }),
    }
}

/// One certificate, of which everything is strong enough for OpenSSL to load.
fn certificate(number: usize, der: &[u8]) -> Result<X509Certificate<'_>, Problem> {
    let malformed = || Problem::Malformed { number };
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| malformed())?;
    if !rest.is_empty() {
        return Err(malformed());
    }
    let weak = |found: String| Problem::WeakKey { number, found };
    match certificate.public_key().parsed().map_err(|_| malformed())? {
        PublicKey::RSA(key) if key.key_size() >= 2048 => {}
        PublicKey::RSA(key) => return Err(weak(format!("RSA with {} bits", key.key_size()))),
        PublicKey::EC(_) => {
            let algorithm = &certificate.public_key().algorithm;
            let curve = algorithm
                .parameters
                .as_ref()
                .and_then(|it| it.as_oid().ok());
            // A CA may have what a leaf may not: P-521 is no trouble there.
            let strong = curve.is_some_and(|it| it == OID_EC_P256 || it == OID_NIST_EC_P384);
            if !strong && number == 1 {
                return Err(weak("another curve".to_owned()));
            }
        }
        _ if number == 1 => return Err(weak("another kind".to_owned())),
        _ => {}
    }
    // What a root says of itself, nobody checks.
    if certificate.issuer().as_raw() != certificate.subject().as_raw() {
        let algorithm = &certificate.signature_algorithm.algorithm;
        let found =
            if *algorithm == OID_PKCS1_SHA1WITHRSA || algorithm.to_id_string() == ECDSA_WITH_SHA1 {
                Some("SHA-1")
            } else if *algorithm == OID_PKCS1_MD5WITHRSAENC {
                Some("MD5")
            } else {
                None
            };
        if let Some(found) = found {
            return Err(Problem::WeakSignature { number, found });
        }
    }
    Ok(certificate)
}

/// Whether the leaf is for the host. Its common name does not count: browsers do not look at it.
fn covers(leaf: &X509Certificate<'_>, host: &str) -> Result<(), Problem> {
    let extension = leaf
        .subject_alternative_name()
        .map_err(|_| Problem::Malformed { number: 1 })?;
    let names: Vec<String> = extension
        .iter()
        .flat_map(|it| &it.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let host = host.to_ascii_lowercase();
    let wildcard = host
        .split_once('.')
        .map(|(_, parent)| format!("*.{parent}"));
    if names
        .iter()
        .any(|name| *name == host || Some(name) == wildcard.as_ref())
    {
        return Ok(());
    }
    Err(Problem::WrongName { host, names })
}

fn time(time: ASN1Time) -> Option<Timestamp> {
    // RFC 5280, section 4.1.2.5: the last second of 9999 means for ever.
    let seconds = time.timestamp().min(Timestamp::MAX.as_second());
    Timestamp::from_second(seconds).ok()
}

fn issuer(leaf: &X509Certificate<'_>) -> String {
    let text = |it: &x509_parser::x509::AttributeTypeAndValue<'_>| it.as_str().ok().map(clean);
    let issuer = leaf.issuer();
    let organization = issuer.iter_organization().find_map(text);
    let name = issuer.iter_common_name().find_map(text);
    match (organization, name) {
        (Some(organization), Some(name)) => format!("{organization} {name}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "an issuer without a name".to_owned(),
    }
}

/// What a stranger wrote: it goes into a status and onto terminals.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(64)
        .collect()
}

/// RFC 9773, section 4.1: the key identifier of the issuer and the serial number, as they are
/// encoded in the leaf.
fn id(leaf: &X509Certificate<'_>) -> Option<String> {
    let issuer =
        leaf.iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(issuer) => issuer.key_identifier.as_ref(),
                _ => None,
            })?;
    Some(format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(issuer.0),
        BASE64_URL_SAFE_NO_PAD.encode(leaf.raw_serial())
    ))
}

#[cfg(test)]
mod tests;
