//! Applications that Longshore knows, and which paths of their trees are not a release's own.

use std::{fmt, str::FromStr};

/// What an application is: it decides which paths are the shop's own, whatever release runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Magento 1 and OpenMage.
    Magento1,
    /// Magento 2 and Mage-OS.
    Magento2,
    /// Any PHP application with an index.php.
    Php,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 3] = [Self::Magento1, Self::Magento2, Self::Php];

    /// Directories of the shop's storage, which all of its pods share; in the order of their names.
    #[must_use]
    pub const fn storage(self) -> &'static [&'static str] {
        match self {
            Self::Magento1 => &["media", "var/export", "var/import"],
            // Pages that any pod has cached name files that one pod has merged; the names have the
            // static content's version in them.
            Self::Magento2 => &[
                "pub/media",
                "pub/static/_cache",
                "var/export",
                "var/import",
                "var/importexport",
            ],
            Self::Php => &[],
        }
    }

    /// Files that are the shop's own configuration, and hold its secrets; the cluster makes them.
    #[must_use]
    pub const fn configured(self) -> &'static [&'static str] {
        match self {
            Self::Magento1 => &["app/etc/local.xml", "app/etc/modules/zzz_shop.xml"],
            Self::Magento2 => &["app/etc/env.php"],
            Self::Php => &[],
        }
    }

    /// Directories that each pod writes for itself, empty for each release. What [`Self::storage`]
    /// has in them is shared all the same.
    #[must_use]
    pub const fn writable(self) -> &'static [&'static str] {
        match self {
            Self::Magento1 | Self::Magento2 => &["var"],
            Self::Php => &[],
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magento1 => "magento1",
            Self::Magento2 => "magento2",
            Self::Php => "php",
        })
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL
            .into_iter()
            .find(|engine| engine.to_string() == text);
        named.ok_or_else(|| format!("{text:?} is not one of magento1, magento2, php"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_sorted_relative_and_of_one_kind_each() {
        for engine in Engine::ALL {
            assert_eq!(engine.to_string().parse(), Ok(engine));
            let shared: Vec<_> = engine.storage().iter().chain(engine.configured()).collect();
            for path in shared.iter().copied().chain(engine.writable()) {
                assert!(path.parse::<crate::RelativePath>().is_ok(), "{path}");
            }
            assert!(engine.storage().is_sorted() && engine.writable().is_sorted());
            assert!(engine.writable().iter().all(|path| !shared.contains(&path)));
        }
    }
}
