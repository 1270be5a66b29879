//! How mails of a class's shops leave.

use crate::crd::pattern;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How mails of shops leave. If unset, PHP's `mail()` fails.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Server that takes all mails.
    pub relay: Relay,
}

/// An SMTP server that takes mails from shops without a password.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relay {
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "smtp")]
    pub port: u32,
    /// Whether mails go to it by STARTTLS. The image's authorities must have signed its
    /// certificate.
    #[serde(default)]
    pub tls: bool,
    /// Addresses at which pods may reach it.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

fn smtp() -> u32 {
    25
}
