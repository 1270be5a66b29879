//! What the shops of the benchmarks consist of.

use serde::Serialize;

/// A shop, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(super) enum Recipe {
    /// 10 modules, 3,000 files
    Small,
    /// 24 modules, 14,500 files
    Typical,
    /// 32 modules, 47,000 files, 300 MB
    Large,
    /// 74 modules, 100,000 files, 1 GB: as large as Magento 2 with its static content
    Huge,
    /// 24 modules of generated files, as many as --files says
    Generated,
}

/// One module: which, in which copy, and what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) module: String,
    /// 1 is the module as it is. In other copies each file has one line more, so that no content
    /// is there twice.
    pub(super) copy: u32,
    pub(super) exclude: &'static [&'static str],
}

const SMALL: [&str; 10] = [
    "adminer",
    "getid3",
    "monolog",
    "parser",
    "phpldapadmin",
    "phpseclib",
    "phpsysinfo",
    "phpunit",
    "postfixadmin",
    "twig",
];
const NOT_TYPICAL: [&str; 6] = [
    "dokuwiki",
    "icingaweb2",
    "imp",
    "kronolith",
    "simplesamlphp",
    "tcpdf",
];
/// What has many bytes in few files: translations, fonts, documentation. Without it, a file has 6.4
/// kB on average.
const NOT_LARGE: [&str; 5] = ["gosa", "imp", "shaarli", "tcpdf", "wordpress"];
const TRANSLATIONS: (&str, &[&str]) = ("mediawiki-languages", &["i18n"]);
/// Many files with few bytes.
const SMALL_FILES: [&str; 2] = ["dokuwiki", "phpldapadmin"];
/// Modules whose new version is the update with one changed module, in the order of preference.
const CHANGED: [&str; 2] = [crate::corpus::CHANGED, "phpseclib"];

impl Recipe {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Typical => "typical",
            Self::Large => "large",
            Self::Huge => "huge",
            Self::Generated => "generated",
        }
    }

    /// Its modules, from those that the corpus has; none for a generated shop.
    pub(super) fn parts<'m>(self, corpus: impl Iterator<Item = &'m str> + Clone) -> Vec<Part> {
        let part = |module: &str, copy| Part {
            module: module.to_owned(),
            copy,
            exclude: &[],
        };
        let first = corpus.clone().map(|module| part(module, 1));
        let mediawiki = |part: &Part| part.module.starts_with("mediawiki");
        match self {
            Self::Small => SMALL.map(|module| part(module, 1)).into(),
            Self::Typical => first
                .filter(|part| !mediawiki(part) && !NOT_TYPICAL.contains(&&*part.module))
                .collect(),
            Self::Large => {
                let chosen = first
                    .filter(|part| !NOT_LARGE.contains(&&*part.module))
                    .map(|part| {
                        let exclude = if part.module == TRANSLATIONS.0 {
                            TRANSLATIONS.1
                        } else {
                            &[]
                        };
                        Part { exclude, ..part }
                    });
                chosen.chain([part(SMALL_FILES[0], 2)]).collect()
            }
            Self::Huge => first
                .chain(corpus.map(|module| part(module, 2)))
                .chain(SMALL_FILES.map(|module| part(module, 3)))
                .collect(),
            Self::Generated => Vec::new(),
        }
    }

    /// The module that the update changes; the first one if none of the preferred is there.
    pub(super) fn changed<'m>(modules: &[&'m str]) -> Option<&'m str> {
        let preferred = CHANGED
            .iter()
            .find_map(|wanted| modules.iter().find(|module| *module == wanted));
        preferred.or(modules.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_modules_of_their_own_and_big_translations_stay_out_of_the_large_shop() {
        let corpus = ["dokuwiki", "mediawiki-languages", "symfony", "tcpdf"];
        let name = |part: &Part| format!("{} {}{}", part.module, part.copy, part.exclude.concat());
        let large: Vec<_> = Recipe::Large
            .parts(corpus.into_iter())
            .iter()
            .map(name)
            .collect();
        assert_eq!(
            large,
            [
                "dokuwiki 1",
                "mediawiki-languages 1i18n",
                "symfony 1",
                "dokuwiki 2"
            ]
        );
        assert_eq!(Recipe::Huge.parts(corpus.into_iter()).len(), 10);
        assert_eq!(
            Recipe::Typical
                .parts(corpus.into_iter())
                .iter()
                .map(name)
                .collect::<Vec<_>>(),
            ["symfony 1"]
        );
        assert_eq!(Recipe::changed(&corpus), Some("symfony"));
    }
}
