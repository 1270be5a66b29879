//! Where an error was written, and how bad it is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an error was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// PHP's own log.
    Php,
    /// php-fpm's log: of its workers, such as one that crashed.
    Fpm,
    /// nginx's error log.
    Nginx,
    /// A log file of the shop, such as `var/log/exception.log`.
    Log,
    /// A report of Magento, in `var/report`.
    Report,
    /// A request that took too long, with the stack that it had then.
    Slow,
}

/// How bad an error is; a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something is odd, such as a notice or a request that is slow.
    Notice,
    /// The request went on.
    Warning,
    /// A part of the request failed, and somebody caught it.
    Error,
    /// The request ended: a fatal error, or an exception that nobody caught.
    Fatal,
}

impl Source {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Php,
        Self::Fpm,
        Self::Nginx,
        Self::Log,
        Self::Report,
        Self::Slow,
    ];

    /// The word for it, in JSON and on labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Php => "php",
            Self::Fpm => "fpm",
            Self::Nginx => "nginx",
            Self::Log => "log",
            Self::Report => "report",
            Self::Slow => "slow",
        }
    }
}

impl Severity {
    /// All of them, from the mildest on.
    pub const ALL: &[Self] = &[Self::Notice, Self::Warning, Self::Error, Self::Fatal];

    /// The word for it, in JSON and on labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json() {
        for source in Source::ALL {
            assert_eq!(serde_json::to_value(source).unwrap(), source.word());
        }
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.word());
        }
        assert!(Severity::ALL.is_sorted());
    }
}
