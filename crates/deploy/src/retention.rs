//! Which trees stay. Pure: names in, names out.

use crate::layout::TreeEntry;
use std::collections::BTreeSet;

/// How much a removal may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What a crash left half-done: a tree without its index, an index without its tree.
    Incomplete,
    /// Everything that nobody may still use.
    Unused,
}

/// The short names to remove from `releases/`, of what was `found` there. Names `in_use` are never
/// among them, unless there is only an index.
pub(crate) fn removable(
    found: &BTreeSet<TreeEntry>,
    in_use: &BTreeSet<String>,
    scope: Scope,
) -> BTreeSet<String> {
    let shorts: BTreeSet<_> = found
        .iter()
        .map(|(TreeEntry::Tree(short) | TreeEntry::Index(short))| short)
        .collect();
    let goes = |short: &String| {
        let tree = found.contains(&TreeEntry::Tree(short.clone()));
        let index = found.contains(&TreeEntry::Index(short.clone()));
        match (tree, index) {
            // It was complete when it became active; an index that somebody removed only costs the
            // links of the next update.
            (true, _) if in_use.contains(short) => false,
            (true, true) => scope == Scope::Unused,
            (true, false) | (false, _) => true,
        }
    };
    shorts
        .into_iter()
        .filter(|short| goes(short))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_case_of_tree_index_and_use() {
        let found: BTreeSet<TreeEntry> = [
            "1111111111111111",
            "1111111111111111.index",
            "2222222222222222",
            "3333333333333333.index",
        ]
        .into_iter()
        .chain([
            "4444444444444444",
            "4444444444444444.index",
            "5555555555555555",
            "notes.txt",
        ])
        .filter_map(TreeEntry::parse)
        .collect();
        let in_use = BTreeSet::from(["1111111111111111".to_owned(), "5555555555555555".to_owned()]);
        let removed = |scope| {
            removable(&found, &in_use, scope)
                .into_iter()
                .map(|short| short.chars().next().unwrap())
                .collect::<String>()
        };
        assert_eq!(removed(Scope::Incomplete), "23");
        assert_eq!(removed(Scope::Unused), "234");
    }

    proptest! {
        #[test]
        fn a_tree_in_use_is_never_removed(
            found in prop::collection::btree_set((0_u8..6, any::<bool>()), 0..12),
            used in prop::collection::btree_set(0_u8..6, 0..4),
        ) {
            let name = |n: u8| format!("{n:016x}");
            let found = found
                .into_iter()
                .map(|(n, tree)| {
                    if tree {
                        TreeEntry::Tree(name(n))
                    } else {
                        TreeEntry::Index(name(n))
                    }
                })
                .collect();
            let in_use: BTreeSet<_> = used.into_iter().map(name).collect();
            for scope in [Scope::Incomplete, Scope::Unused] {
                for short in removable(&found, &in_use, scope) {
                    prop_assert!(
                        !(in_use.contains(&short) && found.contains(&TreeEntry::Tree(short.clone())))
                    );
                }
            }
        }
    }
}
