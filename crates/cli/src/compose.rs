//! Who owns which file of a release: the decision that turns packed modules into a manifest. No IO.

use crate::names::{Alike, Collision, collisions};
use release::{ModuleName, Reason, RelativePath};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a release says of its tree besides its modules.
#[derive(Debug, Default)]
pub(crate) struct Layout<'a> {
    /// Directories that the pod makes: shared and writable ones.
    pub directories: Vec<&'a RelativePath>,
    /// Those of them whose content outlives releases.
    pub kept: Vec<&'a RelativePath>,
    /// Whether names that differ in case only are two names.
    pub case_sensitive: bool,
}

/// Whose everything is.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What each module keeps, in their order.
    pub modules: Vec<Share>,
    /// Whether there are names that differ in case only.
    pub case_sensitive: bool,
}

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
    /// Two paths are one to a file system that ignores case or Unicode form.
    #[error("{first}{of_first} and {second}{of_second} differ only in {}", describe(*alike))]
    Collision {
        /// One path in the release tree.
        first: RelativePath,
        /// Whose it is.
        of_first: Of,
        /// The other.
        second: RelativePath,
        /// Whose that is.
        of_second: Of,
        /// How they are one.
        alike: Alike,
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
            Self::Collision { .. } => Reason::NameCollision,
            Self::Path { source, .. } => source.reason(),
        }
    }
}

/// Whose a path is: a module's, or nobody's where the description alone names it.
#[derive(Debug, Clone)]
pub(crate) struct Of(Option<ModuleName>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |module| write!(f, " of module {module}"))
    }
}

const fn describe(alike: Alike) -> &'static str {
    match alike {
        Alike::Case => {
            "case: rename one of them, or say `case_sensitive = true`, with which only disks that tell them apart take the release"
        }
        Alike::Form => "case or Unicode form",
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
/// kept directories, which a pod fills itself; or two paths of the whole tree that are one to some file systems, unless they differ in
/// case only and the layout allows that.
pub(crate) fn share_out(modules: &[Claims<'_>], layout: &Layout<'_>) -> Result<Shared, ComposeError> {
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
            if layout.kept.iter().any(|kept| full.is_within(kept) && full != **kept) {
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
    Ok(Shared { modules: shares, case_sensitive: check_names(modules, &owners, layout)? })
}

/// Looks at every name of the tree, whoever brings it, and says whether some differ in case only.
fn check_names(modules: &[Claims<'_>], owners: &BTreeMap<RelativePath, Owner>, layout: &Layout<'_>) -> Result<bool, ComposeError> {
    let made: BTreeSet<_> =
        layout.directories.iter().flat_map(|path| with_ancestors(path)).filter(|path| !owners.contains_key(path)).collect();
    let found = collisions(owners.keys().chain(&made));
    let of = |path: &RelativePath| Of(owners.get(path).map(|owner| modules[owner.module].module.clone()));
    match found.iter().find(|collision| !(layout.case_sensitive && collision.alike == Alike::Case)) {
        None => Ok(!found.is_empty()),
        Some(&Collision { first, second, alike }) => {
            Err(ComposeError::Collision { first: first.clone(), of_first: of(first), second: second.clone(), of_second: of(second), alike })
        }
    }
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
        lay_out(modules, &Layout { kept: vec![&path("var/session")], ..Layout::default() }).map(|shared| shared.modules)
    }

    fn lay_out(modules: &[Module], layout: &Layout<'_>) -> Result<Shared, ComposeError> {
        let claims: Vec<_> = modules
            .iter()
            .map(|module| Claims {
                module: &module.name,
                target: module.target.as_ref(),
                overrides: &module.overrides,
                entries: module.entries.iter().map(|(text, claim)| (path(text), *claim)).collect(),
            })
            .collect();
        share_out(&claims, layout)
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

    #[test]
    fn names_that_differ_in_case_are_found_across_modules() {
        let price = |name| {
            module(name, "generated/Magento/Catalog", &[], &[(if name == "a" { "TierPrice" } else { "Tierprice" }, Claim::Directory)])
        };
        let error = share(&[price("a"), price("b")]).unwrap_err();
        assert_eq!(error.reason(), Reason::NameCollision);
        let says = "generated/Magento/Catalog/TierPrice of module a and generated/Magento/Catalog/Tierprice of module b differ only in case: rename";
        assert!(error.to_string().starts_with(says), "{error}");
        let allowed = Layout { case_sensitive: true, ..Layout::default() };
        assert!(lay_out(&[price("a"), price("b")], &allowed).unwrap().case_sensitive);
        assert!(!lay_out(&[price("a")], &allowed).unwrap().case_sensitive, "nothing of the release asks for it");
        let forms = module("c", "", &[], &[("caf\u{e9}", Claim::File(1)), ("cafe\u{301}", Claim::File(1))]);
        assert!(matches!(lay_out(&[forms], &allowed), Err(ComposeError::Collision { alike: Alike::Form, .. })));
    }

    #[test]
    fn directories_that_the_pod_makes_are_names_too() {
        let media = path("Media");
        let layout = Layout { directories: vec![&media], ..Layout::default() };
        let error = lay_out(&[module("core", "", &[], &[("media", Claim::Directory)])], &layout).unwrap_err();
        assert!(error.to_string().starts_with("Media and media of module core differ only in case"), "{error}");
    }
}
