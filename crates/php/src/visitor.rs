//! How visitors reach a shop: over what, and with which parameters of its web server.

use std::str::FromStr;

/// How visitors speak to the edge, which ends TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it begins a URL.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The edge's port.
    pub(crate) const fn port(self) -> &'static str {
        match self {
            Self::Http => "80",
            Self::Https => "443",
        }
    }
}

impl FromStr for Scheme {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| scheme.word() == text)
            .ok_or(())
    }
}

/// FastCGI parameters that a web server adds, such as `MAGE_RUN_CODE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(pub(crate) Vec<(String, String)>);

impl FromStr for Parameters {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parameter = |text: &str| {
            let (name, value) = text.split_once('=')?;
            let named = name.starts_with(|letter: char| letter.is_ascii_uppercase())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
            // Not PHP_VALUE and its like, which change php-fpm's worker for whoever comes next.
            let harmless =
                !name.starts_with("PHP_") && value.bytes().all(|byte| byte.is_ascii_graphic());
            (named && harmless).then(|| (name.to_owned(), value.to_owned()))
        };
        text.split(',')
            .map(parameter)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(())
    }
}
