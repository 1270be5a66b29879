//! Chains that HAProxy reads once. Thousands of certificates have the same few intermediate ones,
//! and HAProxy would keep these once for each host: 4.6 KB, and a tenth of its time to start.
//!
//! ```text
//! issuers/nytfzz….pem             a chain, by the key of its first certificate
//! certificates/a.example-….pem    "chain issuers/nytfzz….pem", the private key and the leaf
//! ```

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{fs, io, path::Path};
use x509_parser::{
    certificate::X509Certificate, extensions::ParsedExtension, prelude::FromDer as _,
};

/// The directory that HAProxy's configuration names.
pub const ISSUERS: &str = "issuers";

/// How a file begins whose chain is in another one. OpenSSL passes over what is between parts.
const CHAIN: &str = "chain ";
/// What an identifier of a key has at most, in bytes: it becomes the name of a file.
const KEY_LIMIT: usize = 64;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// A certificate and its chain, apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The private key and the leaf.
    pub own: &'a str,
    /// What comes after the leaf.
    pub chain: &'a str,
    /// Where the chain is to be.
    pub file: String,
}

impl Split<'_> {
    /// The file of the certificate, without its chain.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{CHAIN}{}\n{}", self.file, self.own)
    }
}

/// Splits a private key, its leaf and the chain. Nothing where HAProxy would not find the chain by
/// the leaf: it looks for the key that the leaf names, and takes what OpenSSL calls an issuer.
#[must_use]
pub fn split(text: &str) -> Option<Split<'_>> {
    let (second, _) = text.match_indices(BEGIN).nth(1)?;
    let (own, chain) = text.split_at(second);
    let (leaf, issuer) = (first_certificate(own)?, first_certificate(chain)?);
    let (leaf, issuer) = (parsed(&leaf)?, parsed(&issuer)?);
    let key = key_of(&issuer)?;
    let finds = (1..=KEY_LIMIT).contains(&key.len())
        && own.contains("PRIVATE KEY")
        && issuer_key_of(&leaf)? == key
        && leaf.issuer().as_raw() == issuer.subject().as_raw()
        && signs(&issuer);
    finds.then(|| Split {
        own,
        chain,
        file: format!("{ISSUERS}/{}.pem", BASE64_URL_SAFE_NO_PAD.encode(key)),
    })
}

/// The whole of a certificate in a file of HAProxy's directory, and whether its chain is apart.
///
/// # Errors
///
/// The disk refuses, or a file is not there.
pub fn read(directory: &Path, file: &str) -> io::Result<(String, bool)> {
    let text = fs::read_to_string(directory.join(file))?;
    let Some((chain, own)) = text
        .strip_prefix(CHAIN)
        .and_then(|rest| rest.split_once('\n'))
    else {
        return Ok((text, false));
    };
    Ok((
        own.to_owned() + &fs::read_to_string(directory.join(chain))?,
        true,
    ))
}

fn first_certificate(text: &str) -> Option<Vec<u8>> {
    let parts = pem::parse_many(text).ok()?;
    let certificate = parts.into_iter().find(|part| part.tag() == "CERTIFICATE");
    certificate.map(pem::Pem::into_contents)
}

fn parsed(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .map(|(_, certificate)| certificate)
}

/// What a certificate calls its own key.
fn key_of<'a>(issuer: &X509Certificate<'a>) -> Option<&'a [u8]> {
    issuer
        .extensions()
        .iter()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
}

/// What a certificate calls the key of its issuer. Where it names the issuer's own issuer besides,
/// OpenSSL compares that, too.
fn issuer_key_of<'a>(leaf: &X509Certificate<'a>) -> Option<&'a [u8]> {
    leaf.extensions()
        .iter()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(it) if it.authority_cert_serial.is_none() => {
                it.key_identifier.as_ref().map(|key| key.0)
            }
            _ => None,
        })
}

/// Whether a certificate may sign others.
fn signs(issuer: &X509Certificate<'_>) -> bool {
    let usage = issuer.key_usage();
    usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()))
}

#[cfg(test)]
mod tests;
