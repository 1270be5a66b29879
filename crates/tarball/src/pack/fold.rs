//! Names of one directory that are one name to a file system that ignores case or Unicode form.

use super::error::ScanError;
use caseless::Caseless as _;
use release::RelativePath;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization as _;

/// The names of one directory so far, folded.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, RelativePath>);

impl Names {
    /// Takes a path of this directory.
    pub(super) fn add(&mut self, path: &RelativePath) -> Result<(), ScanError> {
        match self.0.insert(fold(path.name()), path.clone()) {
            None => Ok(()),
            Some(other) => {
                let (first, second) = if other < *path { (other, path.clone()) } else { (path.clone(), other) };
                Err(ScanError::Collision { first, second })
            }
        }
    }
}

/// The name under NFKC and full case folding, repeated so that neither undoes the other (Unicode 3.13, D146).
fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfd().default_case_fold().nfkd().default_case_fold().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_collide() {
        for (a, b) in [
            ("Readme", "README"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("STRASSE", "stra\u{df}e"),
            ("\u{fb01}le", "file"),
            ("\u{212b}", "\u{e5}"),
            ("\u{ff21}", "a"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("a"), fold("b"));
        assert_ne!(fold("e"), fold("\u{e9}"));
    }
}
