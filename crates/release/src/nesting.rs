//! Which directories that a release asks for may be within one another. Pure.

use crate::{RelativePath, Writable};
use std::collections::BTreeMap;

/// A directory that cannot be where it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Nesting {
    /// One path, asked for twice.
    #[error("{0} is both shared and writable, or there twice")]
    Twice(RelativePath),
    /// A shared directory leads out of the tree: what is in it is of all pods and all releases.
    #[error(
        "{inner} is within {outer}, which is shared: all of that is on the shop's storage already"
    )]
    InShared {
        /// The directory that cannot be there.
        inner: RelativePath,
        /// The one around it.
        outer: RelativePath,
    },
    /// Two lives for one place: the outer directory begins anew with each release, or never does.
    #[error(
        "{inner} is within {outer}, and both are writable: list the directories beside {inner} \
         one by one instead of {outer}"
    )]
    InWritable {
        /// The directory that cannot be there.
        inner: RelativePath,
        /// The one around it.
        outer: RelativePath,
    },
    /// What is in a kept directory is the shop's: no release puts a link there, or takes one away.
    #[error(
        "{inner} is within {outer}, which is kept: only a writable directory that is fresh for \
         each release may hold a shared one"
    )]
    InKept {
        /// The directory that cannot be there.
        inner: RelativePath,
        /// The one around it.
        outer: RelativePath,
    },
    /// The name under which is kept what modules ship for another one.
    #[error(
        "{path} has the name under which is kept what modules ship for {of}: name it otherwise"
    )]
    Aside {
        /// The directory that cannot be there.
        path: RelativePath,
        /// The other one.
        of: RelativePath,
    },
    /// A pod has it, and what modules ship for it, under a longer path.
    #[error(
        "{0} is too long or too deep for a shared or writable directory: a pod puts up to 17 \
         bytes and one name before it, 9 into its name"
    )]
    TooLong(RelativePath),
}

/// Where is kept what modules ship for a directory that is elsewhere: beside it. Nothing if that
/// is no path.
#[must_use]
pub fn aside(path: &RelativePath) -> Option<RelativePath> {
    let name = format!(".{}.shipped", path.name());
    path.parent()
        .map_or_else(|| name.clone(), |parent| format!("{parent}/{name}"))
        .parse()
        .ok()
}

/// Bytes of the name that a tree has on its volumes: 16 hexadecimal digits.
const SHORT: &str = "0123456789abcdef";

/// Checks that of a release's `shared` and `writable` directories none is within another one,
/// except for shared ones within a writable one that is fresh for each release: as `var` holds
/// `var/export`. And that a pod has names for all of them.
///
/// # Errors
///
/// The first that is where it cannot be.
///
/// ```
/// use release::{Writable, check_nesting};
///
/// let fresh = |path: &str| Writable { path: path.parse().unwrap(), keep: false };
/// assert!(check_nesting(&["var/export".parse().unwrap()], &[fresh("var")]).is_ok());
/// assert!(check_nesting(&["var".parse().unwrap()], &[fresh("var/cache")]).is_err());
/// ```
pub fn check_nesting(shared: &[RelativePath], writable: &[Writable]) -> Result<(), Nesting> {
    // What is within another comes after it in this order, of names one by one: at most as many
    // directories are around one as it has names.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Shared,
        Fresh,
        Kept,
    }
    let kinds = writable
        .iter()
        .map(|it| (&it.path, if it.keep { Kind::Kept } else { Kind::Fresh }));
    let mut all: Vec<(&RelativePath, Kind)> = shared
        .iter()
        .map(|path| (path, Kind::Shared))
        .chain(kinds)
        .collect();
    all.sort_by_key(|(path, _)| path.as_str().split('/').collect::<Vec<_>>());
    let mut around: Vec<(&RelativePath, Kind)> = Vec::new();
    for (inner, kind) in all {
        around.retain(|(outer, _)| inner.is_within(outer));
        if let Some((outer, of)) = around.last() {
            let (inner, outer) = (inner.clone(), (*outer).clone());
            match (kind, of) {
                _ if inner == outer => return Err(Nesting::Twice(inner)),
                (Kind::Shared, Kind::Fresh) => {}
                (_, Kind::Shared) => return Err(Nesting::InShared { inner, outer }),
                (Kind::Shared, Kind::Kept) => return Err(Nesting::InKept { inner, outer }),
                (Kind::Fresh | Kind::Kept, _) => return Err(Nesting::InWritable { inner, outer }),
            }
        }
        around.push((inner, kind));
    }
    check_names(
        shared
            .iter()
            .chain(writable.iter().map(|writable| &writable.path)),
    )
}

fn check_names<'a>(asked: impl Iterator<Item = &'a RelativePath> + Clone) -> Result<(), Nesting> {
    let mut reserved = BTreeMap::new();
    for path in asked.clone() {
        if format!("{SHORT}/{path}").parse::<RelativePath>().is_err() {
            return Err(Nesting::TooLong(path.clone()));
        }
        reserved.insert(
            aside(path).ok_or_else(|| Nesting::TooLong(path.clone()))?,
            path,
        );
    }
    for path in asked {
        let mut above = path
            .as_str()
            .match_indices('/')
            .map(|(at, _)| &path.as_str()[..at])
            .chain([path.as_str()]);
        if let Some(of) = above.find_map(|above| reserved.get(&above.parse().ok()?)) {
            return Err(Nesting::Aside {
                path: path.clone(),
                of: (*of).clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shared: &[&str], writable: &[(&str, bool)]) -> Result<(), String> {
        let shared: Vec<_> = shared.iter().map(|path| path.parse().unwrap()).collect();
        let writable: Vec<_> = writable
            .iter()
            .map(|(path, keep)| Writable {
                path: path.parse().unwrap(),
                keep: *keep,
            })
            .collect();
        check_nesting(&shared, &writable).map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_shared_directory_within_a_fresh_one_is_nested() {
        for (shared, writable) in [
            (
                &["var/export", "var/import", "media"][..],
                &[("var", false)][..],
            ),
            (
                &["var/export/a", "var-x"],
                &[("var", false), ("log", true), ("var.d", true)],
            ),
            (&[], &[("var/cache", false), ("var/session", true)]),
        ] {
            check(shared, writable).unwrap();
        }
    }

    #[test]
    fn every_other_nesting_is_refused_by_name() {
        let (long, deep) = (&*"n".repeat(247), &*["d"; 64].join("/"));
        for (shared, writable, problem) in [
            (
                &["media", "media"][..],
                &[][..],
                "media is both shared and writable, or there twice",
            ),
            (&["var"], &[("var", false)], "var is both"),
            (&["var"], &[("var", true)], "var is both"),
            (
                &["media", "media/a/b"],
                &[],
                "media/a/b is within media, which is shared",
            ),
            (
                &["var"],
                &[("var/cache", false)],
                "var/cache is within var, which is shared",
            ),
            (
                &["var/export"],
                &[("var", true)],
                "var/export is within var, which is kept",
            ),
            (
                &[],
                &[("var", false), ("var/cache", false)],
                "var/cache is within var, and both are writable",
            ),
            (
                &[],
                &[("var", false), ("var/session", true)],
                "var/session is within var, and both are writable",
            ),
            (
                &[],
                &[("var", true), ("var/session", true)],
                "var/session is within var, and both are writable",
            ),
            // Others between them in the order of bytes.
            (
                &["var", "var-x", "var.d"],
                &[("var/cache", false)],
                "var/cache is within var, which is shared",
            ),
            (
                &["var/a", "var/a/b"],
                &[("var", false)],
                "var/a/b is within var/a, which is shared",
            ),
            (
                &["media", ".media.shipped"],
                &[],
                ".media.shipped has the name under which is kept what modules ship for media",
            ),
            (
                &["pub/.media.shipped/x"],
                &[("pub/media", true)],
                "pub/.media.shipped/x has the name",
            ),
            (&[long], &[], "is too long or too deep"),
            (&[deep], &[], "is too long or too deep"),
        ] {
            let error = check(shared, writable).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
