//! Who owns which file of a release: the decision that turns packed modules into a manifest. No IO.

use release::{ModuleName, Reason, RelativePath};
use std::collections::{BTreeMap, BTreeSet};

/// What a module brings, as far as ownership is concerned.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    /// The module.
    pub module: &'a ModuleName,
    /// Where it lands.
    pub target: Option<&'a RelativePath>,
    /// Modules whose files it may replace.
    pub overrides: &'a BTreeSet<ModuleName>,
    /// Its entries, relative to the target.
    pub entries: Vec<(RelativePath, Claim)>,
}

/// What one entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// A directory, which several modules may share.
    Directory,
    /// A regular file of so many bytes.
    File(u64),
    /// A symbolic link.
    Link,
}

impl Claim {
    /// Bytes of a regular file, 0 of anything else.
    #[must_use]
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::File(bytes) => bytes,
            Self::Directory | Self::Link => 0,
        }
    }
}

/// What a module keeps of its claims.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Entries that another module replaces, relative to the target.
    pub replaced: BTreeSet<RelativePath>,
    /// Regular files that remain.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Two modules want what only one can have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    /// Both own one file, and neither says that it overrides the other.
    #[error("{path} is in module {first} and in module {second}; let one of them say `overrides = [\"…\"]`, or exclude it from one")]
    TwoOwners {
        /// The path in the release tree.
        path: RelativePath,
        /// One owner.
        first: ModuleName,
        /// The other.
        second: ModuleName,
    },
    /// A file or link stands where another module has a directory.
    #[error("{path} is a directory in module {directory} and a file or a link in module {other}")]
    FileAgainstDirectory {
        /// The path in the release tree.
        path: RelativePath,
        /// Who has the directory.
        directory: ModuleName,
        /// Who has the other.
        other: ModuleName,
    },
    /// A module ships something into a directory whose content outlives releases.
    #[error("{path} of module {module} is in a directory that is kept across releases; exclude it")]
    Kept {
        /// The path in the release tree.
        path: RelativePath,
        /// Who has it.
        module: ModuleName,
    },
    /// The target and the path below it are too long together.
    #[error("module {module} does not fit below its target")]
    Path {
        /// Which module.
        module: ModuleName,
        /// Which rule.
        source: release::PathError,
    },
}

impl ComposeError {
    /// The stable reason code.
    #[must_use]
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::TwoOwners { .. } | Self::FileAgainstDirectory { .. } | Self::Kept { .. } => Reason::Duplicate,
            Self::Path { source, .. } => source.reason(),
        }
    }
}

#[derive(Clone, Copy)]
struct Owner {
    module: usize,
    entry: Option<usize>,
    directory: bool,
}

/// Gives each path of the release tree one owner.
///
/// A module that overrides another takes the files that both have; the other keeps the rest. Directories belong to all.
///
/// # Errors
///
/// Names the first path, in the order of `modules`, that two modules claim and the two of them; or that lies below one of the
/// `kept` directories, which a pod fills itself.
pub(crate) fn share_out(modules: &[Claims<'_>], kept: &[&RelativePath]) -> Result<Vec<Share>, ComposeError> {
    let mut shares: Vec<Share> = modules.iter().map(|_| Share::default()).collect();
    let mut owners: BTreeMap<RelativePath, Owner> = BTreeMap::new();
    for (module, claims) in modules.iter().enumerate() {
        for path in claims.target.into_iter().flat_map(with_ancestors) {
            settle(modules, &mut shares, &mut owners, path, Owner { module, entry: None, directory: true })?;
        }
        for (entry, (path, claim)) in claims.entries.iter().enumerate() {
            let full = match claims.target {
                Some(target) => target.join(path).map_err(|source| ComposeError::Path { module: claims.module.clone(), source })?,
                None => path.clone(),
            };
            if kept.iter().any(|kept| full.is_within(kept) && full != **kept) {
                return Err(ComposeError::Kept { path: full, module: claims.module.clone() });
            }
            let owner = Owner { module, entry: Some(entry), directory: *claim == Claim::Directory };
            settle(modules, &mut shares, &mut owners, full, owner)?;
        }
    }
    for (share, claims) in shares.iter_mut().zip(modules) {
        for (path, claim) in &claims.entries {
            if let Claim::File(bytes) = claim
                && !share.replaced.contains(path)
            {
                share.files += 1;
                share.bytes += bytes;
            }
        }
    }
    Ok(shares)
}

fn settle(
    modules: &[Claims<'_>],
    shares: &mut [Share],
    owners: &mut BTreeMap<RelativePath, Owner>,
    path: RelativePath,
    new: Owner,
) -> Result<(), ComposeError> {
    let Some(&old) = owners.get(&path) else {
        owners.insert(path, new);
        return Ok(());
    };
    let name = |owner: Owner| modules[owner.module].module.clone();
    match (old.directory, new.directory) {
        (true, true) => Ok(()),
        (true, false) => Err(ComposeError::FileAgainstDirectory { path, directory: name(old), other: name(new) }),
        (false, true) => Err(ComposeError::FileAgainstDirectory { path, directory: name(new), other: name(old) }),
        (false, false) => {
            let (winner, loser) = if modules[new.module].overrides.contains(modules[old.module].module) {
                (new, old)
            } else if modules[old.module].overrides.contains(modules[new.module].module) {
                (old, new)
            } else {
                return Err(ComposeError::TwoOwners { path, first: name(old), second: name(new) });
            };
            if let Some(entry) = loser.entry {
                shares[loser.module].replaced.insert(modules[loser.module].entries[entry].0.clone());
            }
            owners.insert(path, winner);
            Ok(())
        }
    }
}

fn with_ancestors(path: &RelativePath) -> Vec<RelativePath> {
    let text = path.as_str();
    let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
    // A part of a valid path that ends before a '/' is valid too.
    ends.filter_map(|end| text[..end].parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelativePath {
        text.parse().unwrap()
    }

    struct Module {
        name: ModuleName,
        target: Option<RelativePath>,
        overrides: BTreeSet<ModuleName>,
        entries: Vec<(&'static str, Claim)>,
    }

    fn module(name: &str, target: &str, overrides: &[&str], entries: &[(&'static str, Claim)]) -> Module {
        Module {
            name: name.parse().unwrap(),
            target: (!target.is_empty()).then(|| path(target)),
            overrides: overrides.iter().map(|name| name.parse().unwrap()).collect(),
            entries: entries.to_vec(),
        }
    }

    fn share(modules: &[Module]) -> Result<Vec<Share>, ComposeError> {
        let claims: Vec<_> = modules
            .iter()
            .map(|module| Claims {
                module: &module.name,
                target: module.target.as_ref(),
                overrides: &module.overrides,
                entries: module.entries.iter().map(|(text, claim)| (path(text), *claim)).collect(),
            })
            .collect();
        share_out(&claims, &[&path("var/session")])
    }

    #[test]
    fn directories_are_shared_and_totals_add_up() {
        let core = module("core", "", &[], &[("app", Claim::Directory), ("app/a.php", Claim::File(3)), ("app/l", Claim::Link)]);
        let cart = module("cart", "app", &[], &[("b.php", Claim::File(4))]);
        let shares = share(&[core, cart]).unwrap();
        assert_eq!((shares[0].files, shares[0].bytes, shares[1].files, shares[1].bytes), (1, 3, 1, 4));
    }

    #[test]
    fn a_file_in_two_modules_is_an_error_that_names_both() {
        let core = module("core", "", &[], &[("app", Claim::Directory), ("app/a.php", Claim::File(3))]);
        let cart = module("cart", "app", &[], &[("a.php", Claim::File(4))]);
        let error = share(&[core, cart]).unwrap_err();
        assert_eq!(error.reason(), Reason::Duplicate);
        assert!(error.to_string().starts_with("app/a.php is in module core and in module cart"), "{error}");
    }

    #[test]
    fn nothing_is_shipped_into_a_kept_directory() {
        let at = |name| module("core", "var", &[], &[("session", Claim::Directory), (name, Claim::File(3))]);
        assert!(matches!(share(&[at("session/sess_1")]), Err(ComposeError::Kept { .. })));
        assert!(share(&[at("sessions")]).is_ok());
    }

    #[test]
    fn the_module_that_overrides_wins_in_either_order() {
        let core = || module("core", "", &[], &[("app", Claim::Directory), ("app/a.php", Claim::File(3))]);
        let cart = || module("cart", "app", &["core"], &[("a.php", Claim::File(4))]);
        for (core_at, modules) in [(0, [core(), cart()]), (1, [cart(), core()])] {
            let shares = share(&modules).unwrap();
            assert_eq!(shares[core_at], Share { replaced: BTreeSet::from([path("app/a.php")]), files: 0, bytes: 0 });
            assert_eq!(shares[1 - core_at].files, 1);
        }
    }

    #[test]
    fn a_file_never_replaces_a_directory_not_even_one_of_a_target() {
        let file = || module("core", "", &["cart"], &[("app", Claim::File(3))]);
        let target = module("cart", "app/code", &[], &[("b.php", Claim::File(4))]);
        assert!(matches!(share(&[file(), target]), Err(ComposeError::FileAgainstDirectory { .. })));
        let directory = module("cart", "", &["core"], &[("app", Claim::Directory)]);
        assert!(matches!(share(&[directory, file()]), Err(ComposeError::FileAgainstDirectory { .. })));
    }
}
