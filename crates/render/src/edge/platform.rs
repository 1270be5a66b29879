//! Hosts of the platform itself, such as the console's: lines like those of shops.

use api::edge::EdgeShop;
use std::str::FromStr;

/// A pod of the platform has no PHP workers. An open page of the console holds a request.
const REQUESTS: u32 = 2000;
/// Whoever looks after an overloaded edge needs the console: the most that a class can have.
const WEIGHT: u32 = 256;

/// A host of the platform itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformHost {
    /// The host, which no shop gets.
    pub host: String,
    /// The namespace whose Service `web` answers, at its port `http`, as that of a shop does.
    pub namespace: String,
    /// The Secret, in the namespace of the edge, with a certificate that people bring.
    pub certificate: Option<String>,
}

impl PlatformHost {
    /// What the edge has to know besides.
    pub(super) const fn settings() -> EdgeShop {
        EdgeShop {
            weight: WEIGHT,
            workers: REQUESTS,
            hsts_seconds: 0,
            to_zero: false,
        }
    }
}

/// `console.host.example=console`, or `console.host.example=console/SECRET`.
impl FromStr for PlatformHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |text: &str| {
            let good =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=63).contains(&text.len()) && text.bytes().all(good)
        };
        let read = || {
            let (host, to) = text.split_once('=')?;
            let (namespace, certificate) = match to.split_once('/') {
                Some((namespace, secret)) => (namespace, Some(secret.to_owned())),
                None => (to, None),
            };
            let good = host.len() <= 253
                && host.contains('.')
                && host.split('.').all(name)
                && name(namespace)
                && !namespace.starts_with("shop-")
                && certificate.iter().all(|it| it.split('.').all(name));
            good.then(|| Self {
                host: host.to_owned(),
                namespace: namespace.to_owned(),
                certificate,
            })
        };
        read().ok_or_else(|| {
            "expected HOST=NAMESPACE or HOST=NAMESPACE/SECRET, such as \
             console.host.example=console, of a namespace that is no shop's"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_leads_to_a_namespace_that_is_no_shops() {
        let read: PlatformHost = "console.host.example=console/own-tls".parse().unwrap();
        assert_eq!(
            (read.host.as_str(), read.namespace.as_str()),
            ("console.host.example", "console")
        );
        assert_eq!(read.certificate.as_deref(), Some("own-tls"));
        let read: PlatformHost = "console.host.example=console".parse().unwrap();
        assert_eq!(read.certificate, None);
        for bad in [
            "",
            "console.host.example",
            "console=console",
            "Console.host.example=console",
            "console.host.example=",
            "console.host.example=shop-acme",
            "console.host.example=console/",
            "console.host.example=a b",
            "a.b;c=console",
        ] {
            assert!(bad.parse::<PlatformHost>().is_err(), "{bad}");
        }
    }
}
