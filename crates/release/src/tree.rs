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
    /// Why it cannot be told, or why the tree cannot be staged.
    type Error: From<TreeError>;

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

/// Directories that a release asks for besides what its modules hold.
#[derive(Debug, Clone, Default)]
pub struct RequiredDirectories<'a> {
    /// Directories on the shop's storage.
    pub shared: &'a [RelativePath],
    /// Directories that the shop writes.
    pub writable: &'a [Writable],
    /// Where modules land. Each is a directory, also where its module is empty.
    pub targets: Vec<&'a RelativePath>,
}

impl Manifest {
    /// Directories that it asks for besides what its modules hold.
    #[must_use]
    pub fn required_directories(&self) -> RequiredDirectories<'_> {
        let targets = self
            .modules
            .iter()
            .filter_map(|module| module.target.as_ref())
            .collect();
        RequiredDirectories {
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
/// A [`TreeError`] that names the first entry at fault; what `tree` fails with.
pub fn check_tree<T: Tree>(
    asked: &RequiredDirectories<'_>,
    links: &[Link],
    tree: &mut T,
) -> Result<(), T::Error> {
    let mut targets = HashMap::with_capacity(links.len());
    for link in links {
        let path = link.path.as_str();
        if targets.insert(path, link.target.as_str()).is_some()
            || tree.node(path)? == Some(Node::File)
        {
            return refuse(path, Fault::Duplicate);
        }
    }
    let mut check = Check {
        asked,
        links,
        targets,
        tree,
    };
    check.targets()?;
    check.ways()?;
    check.walks()?;
    check.directories()
}

fn refuse<E: From<TreeError>>(path: &str, fault: Fault) -> Result<(), E> {
    let path = path.to_owned();
    Err(TreeError { path, fault }.into())
}

/// A path and the directories above it, the topmost first.
fn from_the_top(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/')
        .map(|(at, _)| &path[..at])
        .chain([path])
}

struct Check<'c, 'a, T> {
    asked: &'c RequiredDirectories<'a>,
    links: &'c [Link],
    targets: HashMap<&'c str, &'c str>,
    tree: &'c mut T,
}

/// Why a walk from a link ended early.
enum Stopped<E> {
    Escape(Escape),
    Tree(E),
}

impl<E> From<Escape> for Stopped<E> {
    fn from(escape: Escape) -> Self {
        Self::Escape(escape)
    }
}

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

    fn targets(&mut self) -> Result<(), T::Error> {
        for target in &self.asked.targets {
            if let Some((path, node)) = self.obstacle(target.as_str())? {
                let fault = if node == Node::File {
                    Fault::Duplicate
                } else {
                    Fault::Through
                };
                return refuse(path, fault);
            }
        }
        Ok(())
    }

    /// Links in whose place a directory is, or through which the path of another leads.
    fn ways(&mut self) -> Result<(), T::Error> {
        for link in self.links {
            let path = link.path.as_str();
            if self.tree.node(path)? == Some(Node::Directory) {
                let fault = if self.tree.within(path)?.is_none() {
                    Fault::Duplicate
                } else {
                    Fault::Through
                };
                return refuse(path, fault);
            }
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            match self.obstacle(above)? {
                Some((through, Node::Link(_))) => return refuse(through, Fault::Through),
                Some((file, _)) => return refuse(file, Fault::Duplicate),
                None => {}
            }
        }
        Ok(())
    }

    fn walks(&mut self) -> Result<(), T::Error> {
        let writable = self.asked.writable.iter().map(|writable| &writable.path);
        let elsewhere: BTreeSet<&str> = self
            .asked
            .shared
            .iter()
            .chain(writable)
            .map(RelativePath::as_str)
            .collect();
        for link in self.links {
            let path = link.path.as_str();
            let link_at = |at: &str| match self.node(at) {
                Ok(Some(Node::Link(target))) => Ok(Some(target)),
                Ok(_) => Ok(None),
                Err(error) => Err(Stopped::Tree(error)),
            };
            match walk(&link.base, path, &link.target, &elsewhere, link_at) {
                Ok(()) => {}
                Err(Stopped::Escape(escape)) => return refuse(path, Fault::Link(escape)),
                Err(Stopped::Tree(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn directories(&mut self) -> Result<(), T::Error> {
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
                return refuse(path, Fault::InTheWay(asked.clone()));
            }
            if let Some(aside) = aside(asked)
                && self.node(aside.as_str())?.is_some()
            {
                return refuse(aside.as_str(), Fault::Aside(asked.clone()));
            }
            if keep && let Some(path) = self.shipped_into(asked)? {
                return refuse(&path, Fault::Kept(asked.clone()));
            }
        }
        Ok(())
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
