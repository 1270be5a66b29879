//! Which paths of a directory are left out.

use super::error::ScanError;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::Path;

/// Patterns of paths, relative to the scanned directory.
#[derive(Debug)]
pub(super) struct Exclude(GlobSet);

impl Exclude {
    pub(super) fn new(patterns: &[String]) -> Result<Self, ScanError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let error = |problem: String| ScanError::Pattern { pattern: pattern.clone(), problem };
            let path = pattern.strip_suffix('/').unwrap_or(pattern);
            // Such a pattern matches nothing; said aloud, as its author thinks that something is left out.
            if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
                return Err(error("expected a path or glob relative to the module, such as dev/tests or **/*.orig".to_owned()));
            }
            let glob = GlobBuilder::new(path).literal_separator(true).build();
            set.add(glob.map_err(|source| error(source.kind().to_string()))?);
        }
        set.build().map(Self).map_err(|source| ScanError::Pattern { pattern: patterns.join(" "), problem: source.kind().to_string() })
    }

    /// Whether this path is left out. What is below it need not be asked for.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.0.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_globs() {
        let patterns = [".git", "dev/tests/", "**/*.orig", "var/*"].map(str::to_owned);
        let exclude = Exclude::new(&patterns).unwrap();
        for (path, covered) in [
            (".git", true),
            (".gitignore", false),
            ("sub/.git", false),
            ("dev/tests", true),
            ("dev", false),
            ("a.orig", true),
            ("a/b/c.orig", true),
            ("var/cache", true),
            ("var", false),
        ] {
            assert_eq!(exclude.covers(Path::new(path)), covered, "{path}");
        }
    }

    #[test]
    fn patterns_that_cannot_match_are_errors() {
        for pattern in ["", "/etc", "./a", "a/../b", "a//b", "a[", "{a"] {
            let error = Exclude::new(&[pattern.to_owned()]).unwrap_err();
            assert_eq!(error.reason(), release::Reason::Config, "{pattern}");
        }
    }
}
