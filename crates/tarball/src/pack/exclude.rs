//! Which paths of a directory are left out.

use super::error::ScanError;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::{collections::BTreeSet, path::Path};

/// Patterns of paths, relative to the scanned directory.
#[derive(Debug)]
pub(super) struct Exclude {
    set: GlobSet,
    patterns: Vec<String>,
    used: BTreeSet<usize>,
}

impl Exclude {
    pub(super) fn new(patterns: &[String]) -> Result<Self, ScanError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let error = |problem: String| ScanError::Pattern {
                pattern: pattern.clone(),
                problem,
            };
            let path = pattern.strip_suffix('/').unwrap_or(pattern);
            // Such a pattern matches nothing; said aloud, as its author thinks that something is
            // left out.
            if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
                return Err(error(
                    "expected a path or glob relative to the module, such as dev/tests or \
                     **/*.orig"
                        .to_owned(),
                ));
            }
            let glob = GlobBuilder::new(path).literal_separator(true).build();
            set.add(glob.map_err(|source| error(source.kind().to_string()))?);
        }
        let set = set.build().map_err(|source| ScanError::Pattern {
            pattern: patterns.join(" "),
            problem: source.kind().to_string(),
        })?;
        Ok(Self {
            set,
            patterns: patterns.to_vec(),
            used: BTreeSet::new(),
        })
    }

    /// Whether this path is left out. What is below it need not be asked for.
    pub(super) fn covers(&mut self, path: &Path) -> bool {
        let found = self.set.matches(path);
        let covered = !found.is_empty();
        self.used.extend(found);
        covered
    }

    /// The patterns that left nothing out.
    pub(super) fn unused(self) -> Vec<String> {
        let used = self.used;
        self.patterns
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !used.contains(at))
            .map(|(_, pattern)| pattern)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_globs() {
        let patterns = [".git", "dev/tests/", "**/*.orig", "var/*"].map(str::to_owned);
        let mut exclude = Exclude::new(&patterns).unwrap();
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
        assert!(exclude.unused().is_empty());
        let mut exclude = Exclude::new(&patterns).unwrap();
        assert!(exclude.covers(Path::new("dev/tests")) && !exclude.covers(Path::new("git")));
        assert_eq!(exclude.unused(), [".git", "**/*.orig", "var/*"]);
    }

    #[test]
    fn patterns_that_cannot_match_are_errors() {
        for pattern in ["", "/etc", "./a", "a/../b", "a//b", "a[", "{a"] {
            let error = Exclude::new(&[pattern.to_owned()]).unwrap_err();
            assert_eq!(error.reason(), release::Reason::Config, "{pattern}");
        }
    }
}
