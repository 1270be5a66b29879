//! `longshore.toml`: what CI says about a shop's release, beside its sources.

use jiff::SignedDuration;
use release::{
    ChannelName, Migration, ModuleName, Php, RelativePath, Version, Writable, check_nesting,
};
use runtime::Setting as _;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A shop's release as `longshore.toml` describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// The channel that the release goes to.
    pub channel: ChannelName,
    /// Directories on shared storage.
    #[serde(default)]
    pub shared: Vec<RelativePath>,
    /// Directories that the shop writes.
    #[serde(default, deserialize_with = "writable")]
    pub writable: Vec<Writable>,
    /// What the release does to the database.
    #[serde(default)]
    pub migration: Migration,
    /// Whether names that differ in case only are two names; only disks that tell them apart take
    /// a release that has such.
    #[serde(default)]
    pub case_sensitive: bool,
    /// What PHP needs to know.
    #[serde(default)]
    pub php: Option<Php>,
    /// How long after it was signed the release may still be activated; for ever where absent.
    #[serde(default, deserialize_with = "span")]
    pub expires_after: Option<SignedDuration>,
    /// The modules.
    #[serde(rename = "module")]
    pub modules: Vec<ModuleSpec>,
}

/// One module of the release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleSpec {
    /// Its name, once per file.
    pub name: ModuleName,
    /// Its version.
    pub version: Version,
    /// Its directory, relative to the file.
    pub source: PathBuf,
    /// Where it lands in the release tree; the top where it is empty or absent.
    #[serde(default, deserialize_with = "target")]
    pub target: Option<RelativePath>,
    /// Paths and globs below `source` that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Modules whose files this one may replace.
    #[serde(default)]
    pub overrides: BTreeSet<ModuleName>,
}

/// Why `longshore.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML of this shape.
    #[error("{} is not a release description", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// It contradicts itself.
    #[error("{}: {problem}", path.display())]
    Contradiction {
        /// Which file.
        path: PathBuf,
        /// In which way.
        problem: String,
    },
}

impl Spec {
    /// Reads the file at `path` and makes every module's source relative to the current directory.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is malformed, names no module, one name twice, or overrides a
    /// module that it lacks.
    pub(crate) fn read(path: &Path) -> Result<Self, SpecError> {
        let text = fs::read_to_string(path).map_err(|source| SpecError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads `text` as what the file at `path` holds.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, SpecError> {
        let mut spec: Self = toml::from_str(text).map_err(|source| SpecError::Malformed {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        spec.check().map_err(|problem| SpecError::Contradiction {
            path: path.to_owned(),
            problem,
        })?;
        // A manifest has them in this order; people write them as they come to mind.
        spec.shared.sort();
        spec.writable
            .sort_by(|one, other| one.path.cmp(&other.path));
        let beside = path.parent().unwrap_or(Path::new(""));
        for module in &mut spec.modules {
            module.source = beside.join(&module.source);
        }
        Ok(spec)
    }

    fn check(&self) -> Result<(), String> {
        if self.modules.is_empty() {
            return Err("there is no [[module]]".into());
        }
        let mut names = BTreeSet::new();
        for module in &self.modules {
            if !names.insert(&module.name) {
                return Err(format!("module {} is there twice", module.name));
            }
        }
        for module in &self.modules {
            if let Some(unknown) = module.overrides.iter().find(|name| !names.contains(name)) {
                return Err(format!(
                    "module {} overrides {unknown}, which is not a module of this release",
                    module.name
                ));
            }
            if module.overrides.contains(&module.name) {
                return Err(format!("module {} overrides itself", module.name));
            }
        }
        check_nesting(&self.shared, &self.writable).map_err(|nesting| nesting.to_string())
    }
}

fn target<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<RelativePath>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        Ok(None)
    } else {
        text.parse().map(Some).map_err(serde::de::Error::custom)
    }
}

fn writable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Writable>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Path(RelativePath),
        Table(Writable),
    }
    let entries = Vec::<Either>::deserialize(deserializer)?;
    Ok(entries
        .into_iter()
        .map(|entry| match entry {
            Either::Path(path) => Writable { path, keep: false },
            Either::Table(writable) => writable,
        })
        .collect())
}

fn span<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_span(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

/// Reads a positive length of time such as `90d`, `12h` or `30m`; a day is 24 hours.
///
/// # Errors
///
/// Says what was expected.
pub(crate) fn parse_span(text: &str) -> Result<SignedDuration, String> {
    Duration::read(text)
        .and_then(|duration| SignedDuration::try_from(duration).ok())
        .filter(SignedDuration::is_positive)
        .ok_or_else(|| {
            format!(
                "{text:?} is not a length of time: expected {}",
                Duration::EXPECTED
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const GOOD: &str = r#"
        channel = "shops/acme"
        shared = ["media"]
        case_sensitive = true
        writable = ["var/cache", { path = "var/session", keep = true }]
        migration = "additive"
        expires_after = "90d"
        [[module]]
        name = "core"
        version = "20.12.3"
        source = "src/openmage"
        exclude = [".git"]
        [[module]]
        name = "theme"
        version = "1.0"
        source = "theme"
        target = "skin"
        overrides = ["core"]
    "#;

    fn read(text: &str) -> Result<Spec, SpecError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Spec::read(file.path())
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let spec = read(GOOD).unwrap();
        assert_eq!(spec.modules.len(), 2);
        assert_eq!(spec.modules[0].target, None);
        assert!(
            spec.modules[0].source.ends_with("src/openmage")
                && spec.modules[0].source.is_absolute()
        );
        assert!(spec.case_sensitive && spec.writable[1].keep && !spec.writable[0].keep);
    }

    #[test]
    fn a_writable_directory_may_hold_shared_ones() {
        let directories = [
            "shared = [\"var/import\", \"var/export\"]",
            "writable = [\"var\", \"log\"]",
        ];
        let spec = GOOD.replace("shared = [\"media\"]", directories[0]);
        let spec = spec.replace(
            "writable = [\"var/cache\", { path = \"var/session\", keep = true }]",
            directories[1],
        );
        let spec = read(&spec).unwrap();
        // In the manifest's order, whatever the file's is.
        assert_eq!(
            spec.shared
                .iter()
                .map(RelativePath::as_str)
                .collect::<Vec<_>>(),
            ["var/export", "var/import"]
        );
        assert_eq!(
            spec.writable
                .iter()
                .map(|writable| writable.path.as_str())
                .collect::<Vec<_>>(),
            ["log", "var"]
        );
    }

    #[test]
    fn contradictions_are_named() {
        for (from, to, problem) in [
            (
                "name = \"theme\"",
                "name = \"core\"",
                "module core is there twice",
            ),
            ("[\"core\"]", "[\"cart\"]", "module theme overrides cart"),
            ("[\"core\"]", "[\"theme\"]", "module theme overrides itself"),
            (
                "[\"media\"]",
                "[\"var/session/media\"]",
                "var/session/media is within var/session, which is kept",
            ),
            (
                "[\"media\"]",
                "[\"var\"]",
                "var/cache is within var, which is shared",
            ),
            (
                "[\"media\"]",
                "[\"media\", \"media\"]",
                "media is both shared and writable, or there twice",
            ),
        ] {
            let error = read(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        for (from, to) in [
            ("shared", "chared"),
            ("90d", "0d"),
            ("90d", "3mo"),
            ("\"skin\"", "\"../skin\""),
            ("additive", "some"),
        ] {
            assert!(
                matches!(
                    read(&GOOD.replace(from, to)),
                    Err(SpecError::Malformed { .. })
                ),
                "{to}"
            );
        }
    }
}
