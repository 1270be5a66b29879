//! Whose each path of the tree is.

use release::{Node, RelativePath, Tree, TreeError};
use std::collections::BTreeMap;

#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) module: usize,
    pub(super) entry: Option<usize>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Link,
}

/// All that modules bring, with the directories that these need.
#[derive(Default)]
pub(super) struct Owners {
    /// Files and directories.
    pub(super) made: BTreeMap<RelativePath, Owner>,
    pub(super) links: BTreeMap<RelativePath, Owner>,
}

impl Owners {
    pub(super) fn insert(&mut self, path: RelativePath, owner: Owner) {
        let place = if owner.kind == Kind::Link {
            &mut self.links
        } else {
            &mut self.made
        };
        place.insert(path, owner);
    }
}

impl Tree for &Owners {
    type Error = TreeError;

    fn node(&mut self, path: &str) -> Result<Option<Node>, TreeError> {
        let owner = path
            .parse::<RelativePath>()
            .ok()
            .and_then(|path| self.made.get(&path));
        Ok(owner.map(|owner| {
            if owner.kind == Kind::Directory {
                Node::Directory
            } else {
                Node::File
            }
        }))
    }

    fn within(&mut self, path: &str) -> Result<Option<String>, TreeError> {
        // Between them come those that go on with another byte, such as `var-x` after `var`.
        let Ok(directory) = path.parse::<RelativePath>() else {
            return Ok(None);
        };
        let from = self.made.range(directory.clone()..).map(|(path, _)| path);
        let mut below = from
            .take_while(|it| it.as_str().starts_with(path))
            .filter(|it| **it != directory && it.is_within(&directory));
        Ok(below.next().map(ToString::to_string))
    }
}

pub(super) fn with_ancestors(path: &RelativePath) -> Vec<RelativePath> {
    let text = path.as_str();
    let ends = text
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([text.len()]);
    // A part of a valid path that ends before a '/' is valid too.
    ends.filter_map(|end| text[..end].parse().ok()).collect()
}
