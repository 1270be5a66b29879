//! Which hosts get a certificate, from the maps that the scheduler writes.

use api::edge::{BACKENDS, CLOSED, OWN_CERTIFICATES, REDIRECTS};
use std::collections::BTreeMap;

/// Characters of a host name at most, and of one of its labels (RFC 1035, section 2.3.4).
const NAME_LIMIT: usize = 253;
const LABEL_LIMIT: usize = 63;

/// What a host gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    /// A certificate of the CA.
    Certificate,
    /// The certificate in this Secret, which people bring.
    Own(String),
    /// Nothing new: nobody answers for it. What is there stays until it is over.
    Nothing,
}

/// The hosts of one shard. Lines that are no pair are passed over: HAProxy would not take them
/// either.
pub(super) fn read(files: &BTreeMap<String, String>) -> BTreeMap<String, Want> {
    let mut hosts = BTreeMap::new();
    for name in [BACKENDS, REDIRECTS] {
        for (host, _) in pairs(files, name) {
            hosts.insert(host.to_owned(), Want::Certificate);
        }
    }
    for (host, why) in pairs(files, CLOSED) {
        // Who looks at a suspended shop still gets a page, over TLS.
        let want = if why == "Archived" {
            Want::Nothing
        } else {
            Want::Certificate
        };
        hosts.insert(host.to_owned(), want);
    }
    for (host, secret) in pairs(files, OWN_CERTIFICATES) {
        if hosts.get(host) != Some(&Want::Nothing) {
            hosts.insert(host.to_owned(), Want::Own(secret.to_owned()));
        }
    }
    hosts
}

fn pairs<'a>(
    files: &'a BTreeMap<String, String>,
    name: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let lines = files.get(name).map_or("", String::as_str).lines();
    lines.filter_map(|line| {
        let (host, value) = line.trim().split_once(' ')?;
        (is_host(host)).then_some((host, value.trim()))
    })
}

/// Whether this is a name that a certificate can be for: lower case, with a dot, no address.
fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        (1..=LABEL_LIMIT).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let last_is_number = || {
        let last = name.rsplit('.').next().unwrap_or_default();
        last.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.len() <= NAME_LIMIT
        && name.contains('.')
        && name.split('.').all(label)
        && !last_is_number()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        all.iter().map(owned).collect()
    }

    #[test]
    fn each_map_says_what_a_host_gets() {
        let hosts = read(&files(&[
            (BACKENDS, "www.a.example shop-a\nown.example shop-a\n"),
            (REDIRECTS, "a.example www.a.example\n"),
            (CLOSED, "late.example Suspended\ngone.example Archived\n"),
            (
                OWN_CERTIFICATES,
                "own.example brought\ngone.example brought\n",
            ),
            ("weights.map", "www.b.example 100\n"),
        ]));
        let expected = [
            ("a.example", Want::Certificate),
            ("gone.example", Want::Nothing),
            ("late.example", Want::Certificate),
            ("own.example", Want::Own("brought".to_owned())),
            ("www.a.example", Want::Certificate),
        ];
        let expected = expected.map(|(host, want)| (host.to_owned(), want));
        assert_eq!(hosts, BTreeMap::from(expected));
    }

    #[test]
    fn what_is_no_host_is_passed_over() {
        for (text, expected) in [
            ("www.acme.example", true),
            ("*.shops.example", true),
            ("xn--bcher-kva.example", true),
            ("localhost", false),
            ("192.0.2.1", false),
            ("Www.acme.example", false),
            ("a..example", false),
            ("-a.example", false),
            ("a_b.example", false),
            ("../../etc", false),
            ("", false),
        ] {
            assert_eq!(is_host(text), expected, "{text}");
        }
        assert!(read(&files(&[(BACKENDS, "alone\n\nx.example\n a.b c\n")])).len() == 1);
    }
}
