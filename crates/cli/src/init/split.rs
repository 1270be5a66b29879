//! Which directories of a tree become modules of their own. No IO.

use release::{ModuleName, RelativePath, Sha256, Version};
use std::collections::{BTreeMap, BTreeSet};

/// A directory that can be a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The module's name.
    pub name: ModuleName,
    /// Its version.
    pub version: Version,
    /// Its directory in the tree, which is its target, too.
    pub path: RelativePath,
}

impl Part {
    /// A part of this name; nothing if the name, the version or the path cannot be a module's,
    /// and it stays with the rest.
    pub(super) fn new(name: &str, version: &str, path: RelativePath) -> Option<Self> {
        let plain = !path.as_str().contains(['*', '?', '[', ']', '{', '}', '\\']);
        let version = version.parse().or_else(|_| "0".parse()).ok()?;
        plain.then_some(Self {
            name: name.to_lowercase().parse().ok()?,
            version,
            path,
        })
    }
}

/// The parts, of which each name and each path is there once, and at most `most`: where there are
/// more, the directories that hold the most of them, such as `vendor/magento`, become one module
/// each.
pub(super) fn split(parts: Vec<Part>, most: usize) -> Vec<Part> {
    let mut names = BTreeSet::new();
    let mut parts: Vec<_> = parts
        .into_iter()
        .filter(|part| names.insert(part.name.clone()))
        .collect();
    while parts.len() > most {
        let mut siblings: BTreeMap<&str, usize> = BTreeMap::new();
        for part in &parts {
            *siblings
                .entry(part.path.parent().unwrap_or_default())
                .or_default() += 1;
        }
        // Never the top, and never what holds one part only.
        let largest = siblings
            .into_iter()
            .filter(|(parent, count)| *count > 1 && parent.contains('/'))
            .max_by_key(|(_, count)| *count);
        let Some(joined) = largest.and_then(|(parent, _)| join(&parts, parent)) else {
            break;
        };
        parts.retain(|part| !part.path.is_within(&joined.path));
        parts.push(joined);
    }
    // What is left over stays with the rest.
    parts.truncate(most);
    parts.sort_by(|one, other| one.path.cmp(&other.path));
    parts
}

/// One module of all parts below `parent`, whose version is theirs, or tells their versions apart.
fn join(parts: &[Part], parent: &str) -> Option<Part> {
    let path: RelativePath = parent.parse().ok()?;
    let inner: Vec<_> = parts
        .iter()
        .filter(|part| part.path.is_within(&path))
        .collect();
    let versions: BTreeSet<&str> = inner.iter().map(|part| part.version.as_str()).collect();
    let all: Vec<_> = inner
        .iter()
        .map(|part| format!("{} {}", part.name, part.version))
        .collect();
    let several = || {
        format!(
            "{}-modules-{}",
            inner.len(),
            &Sha256::digest(all.join("\n").as_bytes()).to_string()[..8]
        )
    };
    let version = if let [one] = Vec::from_iter(versions)[..] {
        one.to_owned()
    } else {
        several()
    };
    // `vendor/magento` holds packages that are called magento/…
    let name = path
        .as_str()
        .strip_prefix("vendor/")
        .unwrap_or(path.as_str());
    Part::new(name, &version, path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(path: &str, version: &str) -> Part {
        Part::new(
            path.strip_prefix("vendor/").unwrap_or(path),
            version,
            path.parse().unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn where_there_are_too_many_the_largest_vendors_become_one_module_each() {
        let parts: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|name| part(&format!("vendor/magento/{name}"), "1.0"))
            .collect();
        let others = [
            part("vendor/symfony/string", "6.4"),
            part("vendor/symfony/mime", "7.0"),
            part("vendor/psr/log", "3.0"),
        ];
        let all: Vec<_> = parts.into_iter().chain(others).collect();
        assert_eq!(split(all.clone(), 6).len(), 6);
        let four = split(all.clone(), 4);
        assert_eq!(
            four.iter()
                .map(|part| part.path.as_str())
                .collect::<Vec<_>>(),
            [
                "vendor/magento",
                "vendor/psr/log",
                "vendor/symfony/mime",
                "vendor/symfony/string"
            ]
        );
        assert_eq!(
            (four[0].name.as_str(), four[0].version.as_str()),
            ("magento", "1.0")
        );
        let three = split(all, 3);
        assert!(
            three[2].version.as_str().starts_with("2-modules-"),
            "{three:?}"
        );
    }

    #[test]
    fn what_cannot_be_named_stays_with_the_rest() {
        assert_eq!(
            Part::new("code/acme/a b", "1", "app/code/Acme/A b".parse().unwrap()),
            None
        );
        assert_eq!(
            Part::new("code/acme/x", "1", "app/code/Acme/[x]".parse().unwrap()),
            None
        );
        assert_eq!(
            Part::new("code/acme/x", "1 beta", "app/code/Acme/X".parse().unwrap())
                .unwrap()
                .version
                .as_str(),
            "0"
        );
    }
}
