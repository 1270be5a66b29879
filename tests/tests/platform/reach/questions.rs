//! What was asked of connections, and whether the answers were right: row 44 of the fault table.

use e2e::faults::tell;
use std::collections::BTreeSet;

/// Questions whether a program reaches a target.
#[derive(Default)]
pub(super) struct Questions {
    asked: u32,
    /// Those with another answer than the policies', for people.
    wrong: Vec<String>,
}

impl Questions {
    /// Counts a question for each of `targets`: `found` could be reached, `allowed` and no other
    /// should be.
    pub(super) fn answered(
        &mut self,
        from: &str,
        targets: &[String],
        found: &BTreeSet<String>,
        allowed: &[String],
    ) {
        for target in targets {
            self.asked += 1;
            let reached = found.contains(target);
            if reached != allowed.contains(target) {
                self.wrong
                    .push(format!("{target} is reached by {from}: {reached}"));
            }
        }
    }

    /// Counts in class 44 of the fault loops. All answers must have been right.
    #[track_caller]
    pub(super) fn tell(self) {
        let wrong = u32::try_from(self.wrong.len()).unwrap();
        tell(44, self.asked - wrong, self.asked).unwrap();
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}
