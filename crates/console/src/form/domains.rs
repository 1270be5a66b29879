//! Domains as text: a host a line, and what is special about it.

use super::sent::lines;
use api::Domain;
use std::fmt::Write as _;

/// The lines of these domains.
pub(super) fn text(domains: &[Domain]) -> String {
    let lines: Vec<_> = domains.iter().map(line).collect();
    lines.join("\n")
}

fn line(domain: &Domain) -> String {
    let mut line = domain.host.clone();
    if domain.primary {
        line.push_str(" primary");
    }
    for (name, value) in [
        ("store", &domain.store_code),
        ("redirect", &domain.redirect_to),
        ("certificate", &domain.certificate),
    ] {
        if let Some(value) = value {
            // Writing to a String never fails.
            write!(line, " {name}={value}").unwrap_or_default();
        }
    }
    line
}

/// The domains of these lines.
///
/// # Errors
///
/// If a line has a word that is not known.
pub(super) fn read(text: &str) -> Result<Vec<Domain>, String> {
    lines(text).map(domain).collect()
}

fn domain(line: &str) -> Result<Domain, String> {
    let mut words = line.split_whitespace();
    let mut domain = Domain {
        host: words.next().unwrap_or_default().to_owned(),
        ..Domain::default()
    };
    for word in words {
        let value = |value: &str| Some(value.to_owned());
        match word.split_once('=') {
            None if word == "primary" => domain.primary = true,
            Some(("store", code)) => domain.store_code = value(code),
            Some(("redirect", host)) => domain.redirect_to = value(host),
            Some(("certificate", secret)) => domain.certificate = value(secret),
            _ => {
                return Err(format!(
                    "{}: {word:?} is not known; expected primary, store=CODE, redirect=HOST or \
                     certificate=SECRET",
                    domain.host
                ));
            }
        }
    }
    Ok(domain)
}
