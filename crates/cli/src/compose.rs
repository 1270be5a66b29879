//! Who owns which file of a release: the decision that turns packed modules into a manifest. No IO.
//!
//! What a pod could not stage is refused here, by what a pod asks, too: [`release::check_tree`].

mod error;
mod owners;

pub(crate) use error::ComposeError;

use crate::names::{Alike, Collision, collisions};
use error::Of;
use owners::{Kind, Owner, Owners, with_ancestors};
use release::{Link, ModuleName, RelativePath, RequiredDirectories, check_nesting, check_tree};
use std::collections::BTreeSet;

/// What modules may ship into the writable directories of one release, which a pod copies at the
/// start of each.
const SHIPPED_BYTES: u64 = deploy::SHIPPED_BYTES;
const SHIPPED_ENTRIES: u64 = deploy::SHIPPED_ENTRIES;

/// What a release says of its tree besides its modules.
#[derive(Debug, Default)]
pub(crate) struct Layout<'a> {
    /// Directories that the pod makes.
    pub asked: RequiredDirectories<'a>,
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
    pub entries: Vec<(RelativePath, Claim<'a>)>,
}

/// What one entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim<'a> {
    /// A directory, which several modules may share.
    Directory,
    /// A regular file of so many bytes.
    File(u64),
    /// A symbolic link that holds this.
    Link(&'a str),
}

impl Claim<'_> {
    /// Bytes of a regular file, 0 of anything else.
    #[must_use]
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::File(bytes) => bytes,
            Self::Directory | Self::Link(_) => 0,
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

/// Gives each path of the release tree one owner.
///
/// A module that overrides another takes the files that both have; the other keeps the rest.
/// Directories belong to all.
///
/// # Errors
///
/// Names the first path, in the order of `modules`, that two modules claim and the two of them; or
/// the first for which a pod could not stage the tree; or two paths of the whole tree that are one
/// to some file systems, unless they differ in case only and the layout allows that.
pub(crate) fn share_out(
    modules: &[Claims<'_>],
    layout: &Layout<'_>,
) -> Result<Shared, ComposeError> {
    check_nesting(layout.asked.shared, layout.asked.writable)?;
    let mut shares: Vec<Share> = modules.iter().map(|_| Share::default()).collect();
    let mut owners = Owners::default();
    for (module, claims) in modules.iter().enumerate() {
        for path in claims.target.into_iter().flat_map(with_ancestors) {
            settle(
                modules,
                &mut shares,
                &mut owners,
                path,
                Owner {
                    module,
                    entry: None,
                    kind: Kind::Directory,
                },
            )?;
        }
        for (entry, (path, claim)) in claims.entries.iter().enumerate() {
            let full = match claims.target {
                Some(target) => target.join(path).map_err(|source| ComposeError::Path {
                    module: claims.module.clone(),
                    source,
                })?,
                None => path.clone(),
            };
            let kind = match claim {
                Claim::Directory => Kind::Directory,
                Claim::File(_) => Kind::File,
                Claim::Link(_) => Kind::Link,
            };
            settle(
                modules,
                &mut shares,
                &mut owners,
                full,
                Owner {
                    module,
                    entry: Some(entry),
                    kind,
                },
            )?;
        }
    }
    check_stageable(modules, &owners, layout)?;
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
    Ok(Shared {
        modules: shares,
        case_sensitive: check_names(modules, &owners, layout)?,
    })
}

fn check_stageable(
    modules: &[Claims<'_>],
    owners: &Owners,
    layout: &Layout<'_>,
) -> Result<(), ComposeError> {
    let link = |(path, owner): (&RelativePath, &Owner)| {
        let claims = &modules[owner.module];
        let Claim::Link(target) = claims.entries[owner.entry?].1 else {
            return None;
        };
        let base = claims.target.map_or_else(String::new, ToString::to_string);
        Some(Link {
            path: path.clone(),
            target: target.to_owned(),
            base,
        })
    };
    let links: Vec<_> = owners.links.iter().filter_map(link).collect();
    check_tree(&layout.asked, &links, &mut &*owners).map_err(|error| {
        let path = error.path.parse::<RelativePath>().ok();
        let owner =
            path.and_then(|path| owners.links.get(&path).or_else(|| owners.made.get(&path)));
        ComposeError::Tree {
            of: Of(owner.map(|owner| modules[owner.module].module.clone())),
            error,
        }
    })?;
    let fresh: Vec<_> = layout
        .asked
        .writable
        .iter()
        .filter(|writable| !writable.keep)
        .map(|writable| &writable.path)
        .collect();
    let (mut entries, mut bytes) = (0, 0);
    for (path, owner) in owners.made.iter().chain(&owners.links) {
        if fresh
            .iter()
            .any(|fresh| path != *fresh && path.is_within(fresh))
        {
            entries += 1;
            bytes += owner
                .entry
                .map_or(0, |entry| modules[owner.module].entries[entry].1.bytes());
        }
    }
    if entries > SHIPPED_ENTRIES || bytes > SHIPPED_BYTES {
        return Err(ComposeError::TooMuch { entries, bytes });
    }
    Ok(())
}

/// Looks at every name of the tree, whoever brings it, and says whether some differ in case only.
fn check_names(
    modules: &[Claims<'_>],
    owners: &Owners,
    layout: &Layout<'_>,
) -> Result<bool, ComposeError> {
    let owner = |path: &RelativePath| owners.links.get(path).or_else(|| owners.made.get(path));
    let asked = layout
        .asked
        .shared
        .iter()
        .chain(layout.asked.writable.iter().map(|writable| &writable.path));
    let made: BTreeSet<_> = asked
        .flat_map(with_ancestors)
        .filter(|path| owner(path).is_none())
        .collect();
    let found = collisions(owners.made.keys().chain(owners.links.keys()).chain(&made));
    let of =
        |path: &RelativePath| Of(owner(path).map(|owner| modules[owner.module].module.clone()));
    match found
        .iter()
        .find(|collision| !(layout.case_sensitive && collision.alike == Alike::Case))
    {
        None => Ok(!found.is_empty()),
        Some(&Collision {
            first,
            second,
            alike,
        }) => Err(ComposeError::Collision {
            first: first.clone(),
            of_first: of(first),
            second: second.clone(),
            of_second: of(second),
            alike,
        }),
    }
}

fn settle(
    modules: &[Claims<'_>],
    shares: &mut [Share],
    owners: &mut Owners,
    path: RelativePath,
    new: Owner,
) -> Result<(), ComposeError> {
    // A link against a directory is what a pod decides at the end, too.
    let rivals = [
        owners.made.get(&path).copied(),
        owners.links.get(&path).copied(),
    ]
    .into_iter()
    .flatten();
    let directory = |owner: Owner| owner.kind == Kind::Directory;
    let mut rivals = rivals.filter(|old| {
        !(directory(*old) && new.kind == Kind::Link || directory(new) && old.kind == Kind::Link)
    });
    let Some(old) = rivals.next() else {
        owners.insert(path, new);
        return Ok(());
    };
    let name = |owner: Owner| modules[owner.module].module.clone();
    match (directory(old), directory(new)) {
        (true, true) => Ok(()),
        (true, false) => Err(ComposeError::FileAgainstDirectory {
            path,
            directory: name(old),
            other: name(new),
        }),
        (false, true) => Err(ComposeError::FileAgainstDirectory {
            path,
            directory: name(new),
            other: name(old),
        }),
        (false, false) => {
            let (winner, loser) = if modules[new.module]
                .overrides
                .contains(modules[old.module].module)
            {
                (new, old)
            } else if modules[old.module]
                .overrides
                .contains(modules[new.module].module)
            {
                (old, new)
            } else {
                return Err(ComposeError::TwoOwners {
                    path,
                    first: name(old),
                    second: name(new),
                });
            };
            if let Some(entry) = loser.entry {
                shares[loser.module]
                    .replaced
                    .insert(modules[loser.module].entries[entry].0.clone());
            }
            owners.made.remove(&path);
            owners.links.remove(&path);
            owners.insert(path, winner);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
