//! What Composer says of a tree: `composer.json`, `composer.lock` and
//! `vendor/composer/installed.json`.

use super::InitError;
use release::RelativePath;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    path::Path,
};

/// The largest of these files, in bytes: Magento 2's lock has 1.5 MB.
const LIMIT: u64 = 64 << 20;

/// What Composer installed.
#[derive(Debug, Default)]
pub(super) struct Composer {
    /// Packages whose directories are in the tree.
    pub packages: Vec<Package>,
    /// The version of each package that the lock names, also of those without a directory.
    pub locked: Vec<(String, String)>,
    /// Packages for development that are installed.
    pub dev: BTreeSet<String>,
    /// The PHP version that it asks for.
    pub php: Option<String>,
    /// The version of the tree itself, if it says one.
    pub version: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    /// Its name, such as `symfony/string`.
    pub name: String,
    /// Its version, as its maker writes it.
    pub version: String,
    /// Its directory in the tree.
    pub path: RelativePath,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default, rename = "install-path")]
    install_path: Option<String>,
}

impl Composer {
    /// Reads what there is of these files below `tree`; a tree without them is one that Composer
    /// did not make.
    ///
    /// # Errors
    ///
    /// Names a file that cannot be read or is not JSON.
    pub(super) fn read(tree: &Path) -> Result<Self, InitError> {
        let [description, lock] = ["composer.json", "composer.lock"].map(|name| json(tree, name));
        let (description, lock) = (description?, lock?);
        let vendor = description["config"]["vendor-dir"]
            .as_str()
            .unwrap_or("vendor")
            .trim_end_matches('/')
            .to_owned();
        let installed = json(tree, &format!("{vendor}/composer/installed.json"))?;
        let locked = entries(&lock["packages"]);
        // Composer 1 writes a list, Composer 2 an object.
        let list = if installed.is_array() {
            &installed
        } else {
            &installed["packages"]
        };
        let present = if list.is_array() {
            entries(list)
        } else {
            entries(&lock["packages"])
        };
        let dev: BTreeSet<String> = entries(&lock["packages-dev"])
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        let mut packages: Vec<_> = present
            .into_iter()
            .filter_map(|entry| package(tree, &vendor, entry))
            .collect();
        packages.sort_by(|one, other| one.path.cmp(&other.path));
        // What lies inside another package is that one's.
        packages.dedup_by(|inner, outer| inner.path.is_within(&outer.path));
        let php = [
            &lock["platform-overrides"]["php"],
            &description["config"]["platform"]["php"],
            &lock["platform"]["php"],
            &description["require"]["php"],
        ];
        Ok(Self {
            dev: packages
                .iter()
                .filter(|package| dev.contains(&package.name))
                .map(|package| package.name.clone())
                .collect(),
            packages,
            locked: locked
                .into_iter()
                .map(|entry| (entry.name, entry.version))
                .collect(),
            php: php
                .into_iter()
                .find_map(|constraint| least(constraint.as_str()?)),
            version: description["version"].as_str().map(str::to_owned),
        })
    }

    /// The locked version of the first of these packages that there is.
    pub(super) fn version_of(&self, names: &[&str]) -> Option<&str> {
        let found = names
            .iter()
            .find_map(|wanted| self.locked.iter().find(|(name, _)| name == wanted));
        found.map(|(_, version)| version.as_str())
    }
}

fn entries(list: &Value) -> Vec<Entry> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|entry| Entry::deserialize(entry).ok())
        .collect()
}

fn package(tree: &Path, vendor: &str, entry: Entry) -> Option<Package> {
    let given = entry
        .install_path
        .and_then(|path| resolved(&format!("{vendor}/composer"), &path));
    let path: RelativePath = given
        .unwrap_or_else(|| format!("{vendor}/{}", entry.name))
        .parse()
        .ok()?;
    tree.join(&path).is_dir().then_some(Package {
        name: entry.name,
        version: entry.version,
        path,
    })
}

/// `path` from `directory`, as text; nothing if it leaves the tree.
fn resolved(directory: &str, path: &str) -> Option<String> {
    let mut names: Vec<&str> = directory.split('/').collect();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// The least version `major.minor` that the last alternative of a constraint allows:
/// `~8.1.0||~8.2.0` gives 8.2, `>=8.1 <8.6` gives 8.1.
fn least(constraint: &str) -> Option<String> {
    let last = constraint.rsplit('|').next()?;
    let digits = last
        .split(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
        .find(|text| !text.is_empty())?;
    let mut parts = digits.split('.').filter(|part| !part.is_empty());
    Some(format!("{}.{}", parts.next()?, parts.next().unwrap_or("0")))
}

fn json(tree: &Path, name: &str) -> Result<Value, InitError> {
    let path = tree.join(name);
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(&path)?.take(LIMIT).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    match read() {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| InitError::Json {
            path: path.clone(),
            source,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
        Err(source) => Err(InitError::Read {
            path: path.clone(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_php_version_of_a_constraint() {
        for (constraint, version) in [
            (">=8.1 <8.6", Some("8.1")),
            ("~8.1.0||~8.2.0 || ~8.3.0", Some("8.3")),
            ("^8", Some("8.0")),
            ("8.2.27", Some("8.2")),
            ("*", None),
        ] {
            assert_eq!(least(constraint).as_deref(), version, "{constraint}");
        }
    }

    #[test]
    fn paths_from_where_composer_is() {
        assert_eq!(
            resolved("vendor/composer", "../symfony/string").as_deref(),
            Some("vendor/symfony/string")
        );
        assert_eq!(
            resolved("vendor/composer", "../../app/code/Acme").as_deref(),
            Some("app/code/Acme")
        );
        assert_eq!(resolved("vendor/composer", "../../../elsewhere"), None);
    }
}
