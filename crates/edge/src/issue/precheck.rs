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
mod nonce;

use super::{NonceCheck, Settings, problem::Problem};
use dns::Dns;
use std::net::IpAddr;

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

/// The problem, or, where not even the CA can be found in DNS, that our own name server is one: no
/// host backs off for that.
async fn blame(problem: Problem, dns: &Dns, settings: &Settings) -> Problem {
    let url = settings.directory.parse::<http::Uri>();
    let ca = url.ok().and_then(|url| url.host().map(str::to_owned));
    let named = ca.filter(|it| it.parse::<IpAddr>().is_err() && !it.starts_with('['));
    let Some(ca) = named else {
        return problem;
    };
    match dns.addresses(&ca).await {
        Ok(_) => problem,
        Err(_) => Problem::us(
            "dns-unavailable",
            format!("the platform's own name server answers nothing, also not of {ca}"),
        ),
    }
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
    let addresses = match dns.addresses(host).await {
        Ok(addresses) => addresses,
        Err(error) => return Err(blame(address::lookup(host, &error), dns, settings).await),
    };
    address::check(host, &addresses, &settings.addresses)?;
    // One after the other: a dead host waits for two questions, and not for one of each parent.
    let policies = caa::policies(host, dns).await?;
    caa::check(host, &policies, issuer)?;
    if settings.nonce_check == NonceCheck::Made {
        nonce::check(host, &addresses, settings.http_port, issuer.thumbprint).await?;
    }
    Ok(())
}
