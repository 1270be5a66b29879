//! What the issuer is told.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// What the issuer is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The URL of the CA's directory, such as `https://acme-v02.api.letsencrypt.org/directory`.
    pub directory: String,
    /// E-mail addresses to which the CA writes.
    pub contact: Vec<String>,
    /// This process, in the Lease.
    pub identity: String,
    /// The address of health and metrics.
    pub listen: SocketAddr,
    /// The addresses of the edge, one of which every A and AAAA record of a host must have; none
    /// where that is not checked.
    pub addresses: Vec<IpAddr>,
    /// Whether a host is asked over HTTP before the CA asks it.
    pub nonce_check: NonceCheck,
    /// A file with roots that the CA's own server is trusted by, besides those of the system.
    pub ca_bundle: Option<PathBuf>,
    /// The name server; otherwise those of `/etc/resolv.conf`.
    pub dns: Option<SocketAddr>,
    /// The port at which hosts are asked over HTTP: 80, for any CA.
    pub http_port: u16,
    /// The account that somebody has with the CA already.
    pub external_account: Option<ExternalAccount>,
    /// The names by which CAA records allow the CA; otherwise those of its directory.
    pub caa: Vec<String>,
    /// How fast things go; shorter in tests.
    pub pace: Pace,
}

/// Whether a host is asked over HTTP before the CA asks it. It cannot be where a load balancer does
/// not let its own targets back in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceCheck {
    /// It is asked.
    Made,
    /// It is not.
    LeftOut,
}

/// An account that somebody has with the CA (RFC 8555, section 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The identifier of the key.
    pub key_id: String,
    /// The key for HMAC-SHA256, base64url.
    pub hmac_key: String,
}

impl fmt::Debug for ExternalAccount {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// How fast things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long agents have to learn how to answer, before the first order.
    pub publish: Duration,
    /// How long a host waits that failed once.
    pub first_wait: Duration,
    /// How often the CA is asked when to renew a certificate.
    pub renewal_info: Duration,
    /// How long everybody waits where the CA does not answer once; it doubles to 5 minutes.
    pub ca_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            publish: Duration::from_secs(5),
            first_wait: Duration::from_mins(1),
            // RFC 9773, section 4.3.2, and what Let's Encrypt asks for by Retry-After.
            renewal_info: Duration::from_hours(6),
            ca_wait: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Settings with what all need, at a free port of this machine alone, and everything else as it
    /// is by default.
    #[must_use]
    pub fn new(directory: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
            contact: Vec::new(),
            identity: identity.into(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            addresses: Vec::new(),
            nonce_check: NonceCheck::Made,
            ca_bundle: None,
            dns: None,
            http_port: 80,
            external_account: None,
            caa: Vec::new(),
            pace: Pace::default(),
        }
    }
}
