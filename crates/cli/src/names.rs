//! Names of one directory of the release tree that are one name to a file system that ignores case
//! or Unicode form. No IO.

use caseless::Caseless as _;
use release::RelativePath;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization as _;

/// Two paths of one directory that are not two everywhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Collision<'a> {
    /// One path.
    pub first: &'a RelativePath,
    /// The other.
    pub second: &'a RelativePath,
    /// In what they differ.
    pub alike: Alike,
}

/// How two names are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    /// But for the case of ASCII letters: two names to every disk that does not fold case.
    Case,
    /// But for the case of other letters or the Unicode form: a reader, an archive or a copy may
    /// take one for the other anywhere.
    Form,
}

/// The collisions among the paths of a tree, each of which is given once.
pub(crate) fn collisions<'a>(
    paths: impl IntoIterator<Item = &'a RelativePath>,
) -> Vec<Collision<'a>> {
    let mut seen: HashMap<(Option<&str>, String), &RelativePath> = HashMap::new();
    let mut found = Vec::new();
    for path in paths {
        // To be equal but for ASCII case is transitive: who is so to the first is so to all.
        if let Some(other) = seen.insert((path.parent(), fold(path.name())), path) {
            let alike = if other.name().eq_ignore_ascii_case(path.name()) {
                Alike::Case
            } else {
                Alike::Form
            };
            found.push(Collision {
                first: other.min(path),
                second: other.max(path),
                alike,
            });
        }
    }
    found
}

/// The name under NFKC and full case folding, repeated so that neither undoes the other (Unicode
/// 3.13, D146).
fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfd()
        .default_case_fold()
        .nfkd()
        .default_case_fold()
        .nfkc()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(paths: &[&str]) -> Vec<Alike> {
        let paths: Vec<RelativePath> = paths.iter().map(|path| path.parse().unwrap()).collect();
        collisions(&paths)
            .into_iter()
            .map(|collision| collision.alike)
            .collect()
    }

    #[test]
    fn names_that_collide() {
        assert_eq!(alike(&["Readme", "README"]), [Alike::Case]);
        for (a, b) in [
            ("caf\u{e9}", "cafe\u{301}"),
            ("caf\u{e9}", "CAF\u{c9}"),
            ("STRASSE", "stra\u{df}e"),
            ("\u{fb01}le", "file"),
            ("\u{212b}", "\u{e5}"),
            ("\u{ff21}", "a"),
        ] {
            assert_eq!(alike(&[a, b]), [Alike::Form], "{a} {b}");
        }
        assert_eq!(alike(&["a", "A", "\u{ff21}"]), [Alike::Case, Alike::Form]);
        assert_eq!(alike(&["a", "b", "e", "\u{e9}", "x/a", "y/A"]), []);
    }

    #[test]
    fn directories_collide_where_they_are_and_not_in_what_they_hold() {
        assert_eq!(
            alike(&[
                "d/TierPrice",
                "d/TierPrice/a.php",
                "d/Tierprice",
                "d/Tierprice/a.php"
            ]),
            [Alike::Case]
        );
    }
}
