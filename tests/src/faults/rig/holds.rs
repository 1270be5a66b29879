//! The check of what must hold.

use super::{KEPT, NEW, OLD, Rig, last_line, names, outside, reason};
use crate::{
    process::Outcome,
    tree::{self, Entry, Kind},
};
use release::Reason;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

impl Rig {
    /// Checks that the pod runs the new release, and remembers that it does.
    pub(in crate::faults) fn is_new(&self, pod: &str) -> Result<(), String> {
        if self.shop.current(pod) != self.new {
            return Err("`current` is not the new release".to_owned());
        }
        let accepted = &self.shop.state(pod)["accepted"]["sequence"];
        if *accepted == NEW {
            Ok(())
        } else {
            Err(format!(
                "the accepted sequence is {accepted}, and {NEW} runs"
            ))
        }
    }

    /// Checks that what the pod runs is this, and says what is not. Where the shop's own
    /// directories were carried over to a tree that was made anew, those that hold them are as
    /// young as that.
    pub(in crate::faults) fn is(
        &self,
        pod: &str,
        expected: &BTreeMap<PathBuf, Entry>,
    ) -> Result<(), String> {
        let found = self.shop.current(pod);
        let of = |tree: &BTreeMap<PathBuf, Entry>, path: &PathBuf| {
            tree.get(path).map(|entry| Entry {
                mtime: if entry.kind == Kind::Directory {
                    0
                } else {
                    entry.mtime
                },
                ..entry.clone()
            })
        };
        let differs = expected
            .keys()
            .chain(found.keys())
            .find(|path| of(&found, path) != of(expected, path));
        differs.map_or(Ok(()), |path| {
            Err(format!(
                "{}: {:?}, expected {:?}",
                path.display(),
                found.get(path),
                expected.get(path)
            ))
        })
    }

    /// Checks what must hold at any moment: old or new, a sequence that never falls, and nothing
    /// lost or written elsewhere.
    ///
    /// # Errors
    ///
    /// Says what does not hold.
    pub fn check_now(&self, pod: &str) -> Result<(), String> {
        let (root, used) = (self.shop.path(pod), self.used.borrow().contains(pod));
        let runs = root.join("current").symlink_metadata().is_ok();
        if runs {
            let tree = tree::snapshot(&root.join("current/"))
                .map_err(|error| format!("`current`: {error}"))?;
            if tree != self.new && (tree != self.old || !used) {
                return Err("`current` is neither the old nor the new release".to_owned());
            }
        } else if used {
            return Err("the pod ran a release, and `current` is gone".to_owned());
        }
        let remembers = root.join("state.json").exists();
        if remembers {
            let accepted = self.shop.state(pod)["accepted"]["sequence"].as_u64();
            if !(Some(OLD)..=Some(NEW)).contains(&accepted) {
                return Err(format!("the accepted sequence is {accepted:?}"));
            }
        } else if runs {
            return Err("a release is active, and there is no state".to_owned());
        }
        if used && fs::read_to_string(root.join(KEPT)).ok().as_deref() != Some("a shop's own") {
            return Err(format!("{KEPT} was lost"));
        }
        let ours = [
            "current",
            "kept",
            "lock",
            "releases",
            "seen.json",
            "staging",
            "state.json",
        ];
        if let Some(stray) = names(&root)
            .iter()
            .find(|name| !ours.contains(&name.as_str()))
        {
            return Err(format!("{stray} appeared in the root"));
        }
        let outside = outside(&self.shop);
        let changed = |path: &&PathBuf| outside.get(*path) != self.outside.get(*path);
        match outside.keys().chain(self.outside.keys()).find(changed) {
            Some(path) => Err(format!(
                "{} outside of the root was changed",
                path.display()
            )),
            None => Ok(()),
        }
    }

    /// Checks that init refused for one of these reasons, with the exit code that goes with it,
    /// that the pod is as it was, and that nothing is left of what was staged.
    pub(in crate::faults) fn refused(
        &self,
        pod: &str,
        outcome: &Outcome,
        reasons: &[&str],
    ) -> Result<(), String> {
        let found = reason(outcome);
        let code = Reason::ALL
            .iter()
            .find(|reason| reason.code() == found)
            .map(|reason| i32::from(reason.trouble().exit_code()));
        if !reasons.contains(&found.as_str()) || outcome.code() != code {
            return Err(format!(
                "expected {reasons:?}, got {:?}: {}",
                outcome.ended,
                last_line(outcome)
            ));
        }
        self.check_now(pod)?;
        let (root, used) = (self.shop.path(pod), self.used.borrow().contains(pod));
        if used && self.shop.current(pod) != self.old {
            return Err("what ran does not run any more".to_owned());
        }
        let template = self.shop.path("template/releases");
        let (releases, expected) = (
            names(&root.join("releases")),
            if used {
                names(&template)
            } else {
                BTreeSet::new()
            },
        );
        let staged = names(&root.join("staging"));
        if releases == expected && staged.is_empty() {
            Ok(())
        } else {
            Err(format!("{releases:?} and {staged:?} are left"))
        }
    }

    /// Checks the invariant now; heals the server, starts the pod once more, and checks that it
    /// converged.
    ///
    /// # Errors
    ///
    /// Says what does not hold.
    pub fn check(&self, pod: &str) -> Result<(), String> {
        self.check_now(pod)?;
        self.heal();
        let again = self.init(pod).run();
        if again.code() != Some(0) {
            return Err(format!(
                "the next start does not converge: {}",
                last_line(&again)
            ));
        }
        self.check_now(pod)?;
        self.is_new(pod)?;
        let root = self.shop.path(pod);
        let left = names(&root.join("staging"));
        if !left.is_empty() {
            return Err(format!("after the next start, staging holds {left:?}"));
        }
        let (indexes, trees): (BTreeSet<_>, BTreeSet<_>) = names(&root.join("releases"))
            .into_iter()
            .partition(|name| name.contains('.'));
        if trees.len() > 2 || indexes != trees.iter().map(|tree| format!("{tree}.index")).collect()
        {
            return Err(format!(
                "after the next start, releases holds {trees:?} and {indexes:?}"
            ));
        }
        fs::remove_dir_all(root).map_err(|error| error.to_string())
    }
}
