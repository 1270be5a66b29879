//! What is checked before the CA is asked: the CA counts what fails there, and here it costs
//! nothing.
//!
//! | file | checks |
//! |---|---|
//! | `address` | A and AAAA lead to the edge |
//! | `caa` | the domain lets the CA issue |
//! | `nonce` | the edge answers for the host, as the CA will ask it |

mod address;
mod caa;
mod dns;
mod nonce;

pub(super) use dns::Dns;

use super::{NonceCheck, Settings, problem::Problem};

/// What a CA calls itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issuer<'a> {
    /// The names by which CAA records allow it; none where they are unknown.
    pub(super) identities: &'a [String],
    /// The account's URL.
    pub(super) account: &'a str,
    /// The thumbprint of the account's key.
    pub(super) thumbprint: &'a str,
}

/// Checks everything, the cheapest first.
pub(super) async fn check(
    host: &str,
    dns: &Dns,
    settings: &Settings,
    issuer: Issuer<'_>,
) -> Result<(), Problem> {
    if host.starts_with("*.") {
        return Err(Problem::host(
            "wildcard",
            format!(
                "{host} is a wildcard, for which the CA wants a change in DNS; bring a certificate \
                 for it"
            ),
        ));
    }
    let (addresses, policies) = tokio::join!(dns.addresses(host), caa::policies(host, dns));
    let addresses = addresses.map_err(|error| address::lookup(host, &error))?;
    address::check(host, &addresses, &settings.addresses)?;
    caa::check(host, &policies?, issuer)?;
    if settings.nonce_check == NonceCheck::Made {
        nonce::check(host, &addresses, settings.http_port, issuer.thumbprint).await?;
    }
    Ok(())
}
