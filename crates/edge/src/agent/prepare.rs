//! What is in HAProxy's directory before the first round.

use super::files::{Files, UNKNOWN};
use rcgen::{CertificateParams, DnType, KeyPair};
use std::io;

/// Whom HAProxy believes more than a stranger. Each is an address or a range, such as 10.0.0.0/8.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Load balancers that say by the PROXY protocol for whom they connect.
    pub proxies: Vec<String>,
    /// Proxies that say it in `X-Forwarded-For`.
    pub forwarders: Vec<String>,
}

/// Why the directory cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The disk refuses.
    #[error("cannot write HAProxy's files")]
    Files(#[from] io::Error),
    /// The certificate for unknown hosts.
    #[error("cannot make the certificate for hosts that nobody has")]
    Certificate(#[from] rcgen::Error),
}

/// Writes what HAProxy reads at its start only.
///
/// # Errors
///
/// The disk refuses.
pub fn prepare(files: &mut Files, trust: &Trust) -> Result<(), PrepareError> {
    for (name, ranges) in [
        ("proxies.list", &trust.proxies),
        ("trusted.list", &trust.forwarders),
    ] {
        let mut lines = ranges.join("\n");
        lines.push('\n');
        files.put(name, lines)?;
    }
    // HAProxy starts with one certificate at least.
    if !files.directory().join(UNKNOWN).exists() {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        parameters
            .distinguished_name
            .push(DnType::CommonName, "no shop has this address");
        let certificate = parameters.self_signed(&key)?;
        files.put(UNKNOWN, key.serialize_pem() + &certificate.pem())?;
    }
    Ok(())
}
