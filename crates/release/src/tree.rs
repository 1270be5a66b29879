//! Whether the tree of a release can be staged: one decision, for whoever publishes, verifies and
//! stages. Pure.
//!
//! It is in two parts. [`check_nesting`](crate::check_nesting) needs the description alone, and
//! every manifest that is read passes it. [`check_tree`] needs what the modules hold, too; a
//! publisher has that in memory, a pod on its disk, so each brings its own [`Tree`]. That no path
//! has two files, each finds out while it fills its tree: `duplicate`.

use crate::{Escape, Manifest, Reason, RelativePath, Writable, link::walk, nesting::aside};
use std::collections::{BTreeSet, HashMap};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link that leads to this path.
    Link(String),
}

/// Files and directories that modules brought, with the directories that these need.
///
/// No path that is asked for goes through a link.
pub trait Tree {
    /// Why it cannot be told.
    type Error;

    /// What stands at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be told.
    fn node(&mut self, path: &str) -> Result<Option<Node>, Self::Error>;

    /// Any path in the directory at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be told.
    fn within(&mut self, path: &str) -> Result<Option<String>, Self::Error>;
}

/// A symbolic link of a module, which is made once all else is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is in the tree.
    pub path: RelativePath,
    /// What it holds.
    pub target: String,
    /// Its module's target, which it must not leave; empty at the top.
    pub base: String,
}

/// What a release asks for besides what its modules hold.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// Directories on the shop's storage.
    pub shared: &'a [RelativePath],
    /// Directories that the shop writes.
    pub writable: &'a [Writable],
    /// Where modules land. Each is a directory, also where its module is empty.
    pub targets: Vec<&'a RelativePath>,
}

impl Manifest {
    /// What it asks for.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        let targets = self
            .modules
            .iter()
            .filter_map(|module| module.target.as_ref())
            .collect();
        Asked {
            shared: &self.shared,
            writable: &self.writable,
            targets,
        }
    }
}

/// Why a tree cannot be staged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {}", self.problem())]
pub struct TreeError {
    /// The path of the module's entry that is at fault.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an entry of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Another entry has its path, or a file stands where a directory must be.
    Duplicate,
    /// It is a link, and the path of another entry goes through it.
    Through,
    /// It is a link that must not be there.
    Link(Escape),
    /// It stands where this shared or writable directory, or one above it, has to be.
    InTheWay(RelativePath),
    /// It stands where that is kept which modules ship for this shared or writable directory.
    Aside(RelativePath),
    /// It is in this directory, which is kept across releases.
    Kept(RelativePath),
}

impl TreeError {
    /// The rest of a sentence about the path.
    #[must_use]
    pub fn problem(&self) -> String {
        match &self.fault {
            Fault::Duplicate => {
                "is there already, or a file stands where a directory must be".to_owned()
            }
            Fault::Through => "is a link that another entry's path goes through".to_owned(),
            Fault::Link(escape) => escape.problem().to_owned(),
            Fault::InTheWay(asked) => {
                format!(
                    "is a file or a link, and {asked} has to be a directory, as it is shared or \
                     writable; exclude it from its module"
                )
            }
            Fault::Aside(asked) => format!(
                "has the name under which is kept what modules ship for {asked}; rename or \
                 exclude it"
            ),
            Fault::Kept(kept) => format!(
                "is in {kept}, which is kept across releases and so holds nothing of a module; \
                 exclude it"
            ),
        }
    }

    /// The stable reason: `duplicate`, `path-unsafe` or `link-escape`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match &self.fault {
            Fault::Through => Reason::PathUnsafe,
            Fault::Link(escape) => escape.reason(),
            _ => Reason::Duplicate,
        }
    }
}

/// Decides whether `tree`, with `links` made in it, can be staged as the release asks for it.
///
/// # Errors
///
/// What `tree` fails with. That it cannot be staged is the inner result, which names the first
/// entry at fault.
pub fn check_tree<T: Tree>(
    asked: &Asked<'_>,
    links: &[Link],
    tree: &mut T,
) -> Result<Result<(), TreeError>, T::Error> {
    let mut targets = HashMap::with_capacity(links.len());
    for link in links {
        let path = link.path.as_str();
        if targets.insert(path, link.target.as_str()).is_some()
            || tree.node(path)? == Some(Node::File)
        {
            return Ok(refuse(path, Fault::Duplicate));
        }
    }
    let mut check = Check {
        asked,
        links,
        targets,
        tree,
    };
    for part in [
        Check::targets,
        Check::ways,
        Check::walks,
        Check::directories,
    ] {
        if let Some(error) = part(&mut check)? {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn refuse(path: &str, fault: Fault) -> Result<(), TreeError> {
    Err(TreeError {
        path: path.to_owned(),
        fault,
    })
}

/// A path and the directories above it, the topmost first.
fn from_the_top(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/')
        .map(|(at, _)| &path[..at])
        .chain([path])
}

struct Check<'c, 'a, T> {
    asked: &'c Asked<'a>,
    links: &'c [Link],
    targets: HashMap<&'c str, &'c str>,
    tree: &'c mut T,
}

type Found<E> = Result<Option<TreeError>, E>;

impl<T: Tree> Check<'_, '_, T> {
    fn node(&mut self, path: &str) -> Result<Option<Node>, T::Error> {
        match self.targets.get(path) {
            Some(target) => Ok(Some(Node::Link((*target).to_owned()))),
            None => self.tree.node(path),
        }
    }

    /// What is in the way of a directory at `path`.
    fn obstacle<'p>(&mut self, path: &'p str) -> Result<Option<(&'p str, Node)>, T::Error> {
        for part in from_the_top(path) {
            match self.node(part)? {
                None | Some(Node::Directory) => {}
                Some(node) => return Ok(Some((part, node))),
            }
        }
        Ok(None)
    }

    fn targets(&mut self) -> Found<T::Error> {
        for target in &self.asked.targets {
            if let Some((path, node)) = self.obstacle(target.as_str())? {
                let fault = if node == Node::File {
                    Fault::Duplicate
                } else {
                    Fault::Through
                };
                return Ok(refuse(path, fault).err());
            }
        }
        Ok(None)
    }

    /// Links in whose place a directory is, or through which the path of another leads.
    fn ways(&mut self) -> Found<T::Error> {
        for link in self.links {
            let path = link.path.as_str();
            if self.tree.node(path)? == Some(Node::Directory) {
                let fault = if self.tree.within(path)?.is_none() {
                    Fault::Duplicate
                } else {
                    Fault::Through
                };
                return Ok(refuse(path, fault).err());
            }
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            match self.obstacle(above)? {
                Some((through, Node::Link(_))) => return Ok(refuse(through, Fault::Through).err()),
                Some((file, _)) => return Ok(refuse(file, Fault::Duplicate).err()),
                None => {}
            }
        }
        Ok(None)
    }

    fn walks(&mut self) -> Found<T::Error> {
        let writable = self.asked.writable.iter().map(|writable| &writable.path);
        let elsewhere: BTreeSet<&str> = self
            .asked
            .shared
            .iter()
            .chain(writable)
            .map(RelativePath::as_str)
            .collect();
        for link in self.links {
            let walked = walk(
                &link.base,
                link.path.as_str(),
                &link.target,
                &elsewhere,
                |at| {
                    Ok(if let Some(Node::Link(target)) = self.node(at)? {
                        Some(target)
                    } else {
                        None
                    })
                },
            )?;
            if let Err(escape) = walked {
                return Ok(refuse(link.path.as_str(), Fault::Link(escape)).err());
            }
        }
        Ok(None)
    }

    fn directories(&mut self) -> Found<T::Error> {
        let writable = self
            .asked
            .writable
            .iter()
            .map(|writable| (&writable.path, writable.keep));
        for (asked, keep) in self
            .asked
            .shared
            .iter()
            .map(|shared| (shared, false))
            .chain(writable)
        {
            if let Some((path, _)) = self.obstacle(asked.as_str())? {
                return Ok(refuse(path, Fault::InTheWay(asked.clone())).err());
            }
            if let Some(aside) = aside(asked)
                && self.node(aside.as_str())?.is_some()
            {
                return Ok(refuse(aside.as_str(), Fault::Aside(asked.clone())).err());
            }
            if keep && let Some(path) = self.shipped_into(asked)? {
                return Ok(refuse(&path, Fault::Kept(asked.clone())).err());
            }
        }
        Ok(None)
    }

    fn shipped_into(&mut self, kept: &RelativePath) -> Result<Option<String>, T::Error> {
        let below =
            |path: &RelativePath| (path != kept && path.is_within(kept)).then(|| path.to_string());
        let mut paths = self
            .links
            .iter()
            .map(|link| &link.path)
            .chain(self.asked.targets.iter().copied());
        if let Some(path) = paths.find_map(below) {
            return Ok(Some(path));
        }
        match self.tree.node(kept.as_str())? {
            Some(Node::Directory) => self.tree.within(kept.as_str()),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
