//! Addresses: the one at which the console is, and text as a part of one.

use http::Uri;
use std::{fmt::Write as _, str::FromStr};

/// Text as a part of an address.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String never fails.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

/// Where people open the console: its origin, such as `https://console.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    authority: String,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("{text:?}: expected https, a host and no path, such as https://console.example")
        };
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let authority = uri.authority().ok_or_else(expected)?;
        let plain = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
        if uri.scheme_str() == Some("https") && plain {
            let authority = authority.as_str().to_lowercase();
            let authority = authority.strip_suffix(":443").unwrap_or(&authority);
            Ok(Self {
                authority: authority.to_owned(),
            })
        } else {
            Err(expected())
        }
    }
}

impl Origin {
    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("https://{}{path}", self.authority)
    }

    /// Whether a header `Host` names it. The edge leaves the port out, whichever it is.
    pub(crate) fn is_host(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        let own = self.authority.split(':').next().unwrap_or_default();
        host == own || host.strip_suffix(":443").unwrap_or(&host) == self.authority
    }
}

/// The path of this console that somebody came for, if it is one: nothing that a browser takes for
/// another host.
pub(crate) fn local(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let other = rest.starts_with(['/', '\\']) || path.contains(char::is_control);
    (!other && path.len() <= 1000).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_host_over_tls() {
        let origin: Origin = "https://Console.example/".parse().unwrap();
        assert_eq!(origin.at("/login"), "https://console.example/login");
        assert!(origin.is_host("console.example") && origin.is_host("CONSOLE.example:443"));
        assert!(!origin.is_host("console.example:8443") && !origin.is_host("evil.example"));
        let other: Origin = "https://console.example:8443".parse().unwrap();
        assert_eq!(other.at(""), "https://console.example:8443");
        assert!(other.is_host("console.example:8443") && other.is_host("console.example"));
        assert!(!other.is_host("console.example:8444"));
        for bad in [
            "",
            "console.example",
            "http://console.example",
            "https://console.example/path",
            "https://console.example?a",
            "https://user@console.example",
        ] {
            bad.parse::<Origin>().unwrap_err();
        }
    }

    #[test]
    fn nobody_is_sent_elsewhere_after_a_login() {
        for good in ["/shops", "/shops?q=a//b", "/"] {
            assert_eq!(local(good), Some(good));
        }
        let long = format!("/{}", "a".repeat(1000));
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\nb",
            &long,
        ] {
            assert_eq!(local(bad), None, "{bad}");
        }
    }
}
