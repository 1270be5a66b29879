//! A and AAAA lead to the edge. Every one of them has to: the CA takes any, and visitors do, too.

use super::{super::problem::quoted, Problem};
use dns::DnsProblem;
use std::net::IpAddr;

/// How many addresses a sentence names.
const NAMED: usize = 3;

pub(super) fn check(host: &str, found: &[IpAddr], ours: &[IpAddr]) -> Result<(), Problem> {
    if found.is_empty() {
        return Err(Problem::host(
            "no-address",
            format!(
                "{host} has no address in DNS; add {}",
                if ours.is_empty() {
                    "an A record that leads to the edge".to_owned()
                } else {
                    format!("A or AAAA records with {}", listed(ours))
                }
            ),
        ));
    }
    let canonical = |address: &IpAddr| address.to_canonical();
    let strangers: Vec<IpAddr> = found
        .iter()
        .filter(|it| !ours.iter().any(|own| canonical(own) == canonical(it)))
        .copied()
        .collect();
    if ours.is_empty() || strangers.is_empty() {
        return Ok(());
    }
    Err(Problem::host(
        "wrong-address",
        format!(
            "{host} leads to {} in DNS, which is not the edge; change it to {}",
            listed(&strangers),
            listed(ours)
        ),
    ))
}

/// Why there is no answer.
pub(super) fn lookup(host: &str, problem: &DnsProblem) -> Problem {
    match problem {
        DnsProblem::Timeout => Problem::host(
            "dns-timeout",
            format!("no name server of {host} answers; check the domain's name servers"),
        ),
        DnsProblem::ServFail => Problem::host(
            "dns-servfail",
            format!(
                "the name servers of {host} fail (SERVFAIL); check the domain's name servers and \
                 DNSSEC"
            ),
        ),
        DnsProblem::Ours(error) => Problem::us(
            "dns-unavailable",
            format!(
                "the platform's own name server cannot be asked: {}",
                quoted(error)
            ),
        ),
        DnsProblem::Other(error) => Problem::host(
            "dns-failed",
            format!("{host} cannot be looked up in DNS: {}", quoted(error)),
        ),
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let mut text = addresses
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if addresses.len() > NAMED {
        text.push_str(" and others");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect()
    }

    #[test]
    fn every_address_has_to_be_ours() {
        for (found, ours, expected) in [
            ("192.0.2.1", "192.0.2.1 2001:db8::1", None),
            ("192.0.2.1 2001:db8::1", "192.0.2.1 2001:db8::1", None),
            ("192.0.2.1 2001:db8::9", "192.0.2.1", Some("wrong-address")),
            ("192.0.2.1 192.0.2.9", "192.0.2.1", Some("wrong-address")),
            ("192.0.2.9", "", None),
            ("", "", Some("no-address")),
            ("", "192.0.2.1", Some("no-address")),
        ] {
            let result = check("a.example", &addresses(found), &addresses(ours));
            assert_eq!(result.err().map(|it| it.code), expected, "{found} {ours}");
        }
    }

    #[test]
    fn the_sentence_names_what_was_found_and_what_to_do() {
        let found = addresses("192.0.2.1 192.0.2.9");
        let problem = check("a.example", &found, &addresses("192.0.2.1")).unwrap_err();
        assert_eq!(
            problem.text,
            "a.example leads to 192.0.2.9 in DNS, which is not the edge; change it to 192.0.2.1"
        );
    }
}
