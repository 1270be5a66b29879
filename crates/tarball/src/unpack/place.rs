//! Where a module's chunk belongs in the release tree, and what its entries are called there.

use super::error::UnpackError;
use release::RelativePath;
use std::collections::BTreeSet;

/// Where a chunk belongs.
#[derive(Debug, Clone, Copy)]
pub struct ChunkTarget<'a> {
    /// The module's target in the release tree; `None` at the top.
    pub target: Option<&'a RelativePath>,
    /// Entries of the module, relative to its target, that another module replaces: they are
    /// checked and not written.
    pub replaced: &'a BTreeSet<RelativePath>,
    /// Whether it is the last chunk of its tarball, which ends with the end-of-archive mark.
    pub last: bool,
}

impl ChunkTarget<'_> {
    /// The path in the release tree of an entry with this name.
    pub(super) fn path(&self, name: &[u8]) -> Result<RelativePath, UnpackError> {
        let path = match (self.target, std::str::from_utf8(name)) {
            (None, Ok(name)) => name.parse(),
            (Some(target), Ok(name)) => {
                let mut path = String::with_capacity(target.as_str().len() + 1 + name.len());
                path.push_str(target.as_str());
                path.push('/');
                path.push_str(name);
                path.try_into()
            }
            (_, Err(_)) => RelativePath::from_bytes(name),
        };
        path.map_err(|error| UnpackError::Entry {
            entry: self.shown(name),
            problem: format!("is refused: {error}"),
            reason: error.reason(),
        })
    }

    /// Whether another module replaces the entry of this name, which is a good path.
    pub(super) fn is_replaced(&self, name: &[u8]) -> bool {
        // Most modules have nothing replaced, and then no path is made.
        !self.replaced.is_empty()
            && RelativePath::from_bytes(name).is_ok_and(|own| self.replaced.contains(&own))
    }

    /// A name for an error, whatever its bytes are.
    pub(super) fn shown(&self, name: &[u8]) -> String {
        let name = String::from_utf8_lossy(name);
        self.target
            .map_or_else(|| name.to_string(), |target| format!("{target}/{name}"))
    }
}
