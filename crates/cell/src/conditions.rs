//! Conditions: what holds now, and since when.

use api::{Condition, Truth};
use jiff::Timestamp;

/// The longest message; the definitions bound it.
const LONGEST: usize = 2000;

/// What a condition says: whether it holds, the reason in one word, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub status: Truth,
    /// Why, in one word.
    pub reason: String,
    /// The same in a sentence; may be empty.
    pub message: String,
}

impl Verdict {
    /// A verdict, by its parts.
    pub fn new(status: Truth, reason: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    /// It holds, and there is nothing to add.
    #[must_use]
    pub fn yes(reason: &str) -> Self {
        Self::new(Truth::True, reason, "")
    }

    /// It does not hold.
    pub fn no(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Truth::False, reason, message)
    }

    /// It is not known whether it holds.
    pub fn unknown(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Truth::Unknown, reason, message)
    }

    /// The same reason and message for a condition that does not hold because of this one.
    #[must_use]
    pub fn passed_on(&self) -> Self {
        Self {
            status: Truth::False,
            ..self.clone()
        }
    }
}

/// The conditions of one resource, as they are about to be written.
#[derive(Debug)]
pub struct ConditionSet<'a> {
    old: &'a [Condition],
    new: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> ConditionSet<'a> {
    /// None yet, for a resource of this generation that has `old` ones.
    #[must_use]
    pub fn new(old: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            old,
            new: Vec::new(),
            generation,
            now,
        }
    }

    /// Sets one condition. It keeps its time while its status stays, so that a resource is written
    /// only if something changed.
    pub fn update(&mut self, kind: &str, verdict: Verdict) {
        let mut same = self.old.iter();
        let same = same.find(|old| old.kind == kind && old.status == verdict.status);
        self.new.push(Condition {
            kind: kind.to_owned(),
            status: verdict.status,
            reason: verdict.reason,
            message: verdict.message.chars().take(LONGEST).collect(),
            observed_generation: self.generation,
            last_transition_time: same.map_or(self.now, |same| same.last_transition_time),
        });
    }

    /// What was set.
    #[must_use]
    pub fn so_far(&self) -> &[Condition] {
        &self.new
    }

    /// What was set, and nothing else.
    #[must_use]
    pub fn finish(self) -> Vec<Condition> {
        self.new
    }

    /// What was set, and the old conditions of others. Those of `ours` that were not set go: they
    /// no longer apply.
    #[must_use]
    pub fn finish_beside_others(self, ours: &[&str]) -> Vec<Condition> {
        let mut all = self.new;
        let others = |old: &&Condition| {
            !ours.contains(&old.kind.as_str()) && all.iter().all(|new| new.kind != old.kind)
        };
        let kept: Vec<_> = self.old.iter().filter(others).cloned().collect();
        all.extend(kept);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_with_its_status_and_others_stay() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut first = ConditionSet::new(&[], Some(1), at(1));
        first.update("Ready", Verdict::yes("Serving"));
        first.update("Backup", Verdict::yes("Fresh"));
        first.update("Theirs", Verdict::unknown("Other", ""));
        let old = first.finish();
        for (verdict, expected) in [
            (Verdict::yes("StillServing"), at(1)),
            (Verdict::no("NoPods", ""), at(2)),
        ] {
            let mut second = ConditionSet::new(&old, Some(2), at(2));
            second.update("Ready", verdict);
            let new = second.finish_beside_others(&["Backup"]);
            let kinds: Vec<_> = new.iter().map(|it| it.kind.as_str()).collect();
            assert_eq!(kinds, ["Ready", "Theirs"]);
            assert_eq!(new[0].last_transition_time, expected);
            assert_eq!(new[0].observed_generation, Some(2));
        }
    }
}
