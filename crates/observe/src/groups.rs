//! What a pod saw: errors by group and release, which of them are told in the log, and the page of
//! them. It has a bound, whatever comes: [`GROUPS`] groups of about 4 KiB.
//!
//! | limit | of what | beyond it |
//! |---|---|---|
//! | 10 a minute | errors of a group that are told | counted, and the count is told when the minute is over |
//! | 20 a second | lines of a pod that are told | the same |
//! | 64 | groups | those that were seen last stay, notices go first |

use crate::{
    Event, Fingerprint, Severity, Source,
    page::{GROUPS, Observed, Page, SAMPLE, VERSION},
    text,
};
use jiff::Timestamp;
use std::{collections::VecDeque, time::Duration};

/// Errors of a group that are told in a minute.
pub(crate) const TOLD: u32 = 10;
const MINUTE: Duration = Duration::from_mins(1);
/// Lines of a pod in a second.
pub(crate) const LINES: usize = 20;
const SECOND: Duration = Duration::from_secs(1);

/// What to do with an error that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAction {
    /// It is told in the log.
    Tell,
    /// It is counted only.
    Count,
}

/// How many errors of a group were not told, in a minute that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The group.
    pub fingerprint: Fingerprint,
    /// Where they were written.
    pub source: Source,
    /// How bad they are.
    pub severity: Severity,
    /// Their class.
    pub class: String,
    /// Their message without the values in it.
    pub message: String,
    /// The sequence of the release that ran, if that is known.
    pub sequence: Option<u64>,
    /// How many.
    pub count: u64,
}

/// The groups of a pod.
#[derive(Debug, Default)]
pub struct Groups {
    all: Vec<Group>,
    cursor: u64,
    dropped: u64,
    // When the last lines were told.
    lines: VecDeque<Duration>,
}

#[derive(Debug)]
struct Group {
    observed: Observed,
    changed: u64,
    // Of its count, what a page had.
    shown: u64,
    minute: Duration,
    told: u32,
    untold: u64,
}

impl Groups {
    /// Counts an error of the release `sequence`, at the time `now`, which is `at` by a clock that
    /// never goes back.
    pub fn take(
        &mut self,
        event: &Event,
        sequence: Option<u64>,
        now: Timestamp,
        at: Duration,
    ) -> LogAction {
        self.cursor += 1;
        let known = self.all.iter().position(|group| {
            group.observed.fingerprint == event.fingerprint && group.observed.sequence == sequence
        });
        let known = known.unwrap_or_else(|| self.add(event, sequence, now, at));
        let has_room = has_room(&mut self.lines, at);
        let group = &mut self.all[known];
        group.changed = self.cursor;
        group.observed.count += 1;
        group.observed.last = now;
        group.observed.severity = group.observed.severity.max(event.severity);
        if group.untold == 0 && at.saturating_sub(group.minute) >= MINUTE {
            (group.minute, group.told) = (at, 0);
        }
        if group.told < TOLD && has_room {
            group.told += 1;
            self.lines.push_back(at);
            LogAction::Tell
        } else {
            group.untold += 1;
            LogAction::Count
        }
    }

    /// Counts errors that nobody read.
    pub const fn skipped(&mut self, events: u64) {
        self.dropped = self.dropped.saturating_add(events);
    }

    /// What is to be told now of what was not told before.
    pub fn turn(&mut self, at: Duration) -> Vec<Summary> {
        let mut told = Vec::new();
        for group in &mut self.all {
            let is_over = at.saturating_sub(group.minute) >= MINUTE;
            if group.untold > 0 && is_over && has_room(&mut self.lines, at) {
                told.push(group.summary());
                self.lines.push_back(at);
                (group.minute, group.told) = (at, 0);
            }
        }
        told
    }

    /// All of it: nothing comes any more.
    pub fn end(&mut self) -> Vec<Summary> {
        let untold = self.all.iter_mut().filter(|group| group.untold > 0);
        untold.map(Group::summary).collect()
    }

    /// When there is something to tell although nothing comes.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let untold = self.all.iter().filter(|group| group.untold > 0);
        untold.map(|group| group.minute + MINUTE).min()
    }

    /// Events that no page counts.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The page of what changed since a cursor of the same `run`; with another one, or with 0, of
    /// everything.
    pub fn page(&mut self, run: &str, since: u64) -> Page {
        let since = if since > self.cursor { 0 } else { since };
        let mut groups = Vec::new();
        for group in &mut self.all {
            if group.changed > since {
                group.shown = group.observed.count;
                groups.push(group.observed.clone());
            }
        }
        Page {
            version: VERSION,
            run: run.to_owned(),
            cursor: self.cursor,
            dropped: self.dropped,
            groups,
        }
    }

    fn add(&mut self, event: &Event, sequence: Option<u64>, now: Timestamp, at: Duration) -> usize {
        let group = Group {
            observed: Observed {
                fingerprint: event.fingerprint,
                source: event.source,
                severity: event.severity,
                class: event.class.clone(),
                message: event.message.clone(),
                sequence,
                count: 0,
                first: now,
                last: now,
                sample: text::within(&event.text, SAMPLE).0.to_owned(),
            },
            changed: 0,
            shown: 0,
            minute: at,
            told: 0,
            untold: 0,
        };
        if self.all.len() < GROUPS {
            self.all.push(group);
            return self.all.len() - 1;
        }
        let (place, _) = self
            .all
            .iter()
            .enumerate()
            .min_by_key(|(_, group)| (group.observed.severity > Severity::Notice, group.changed))
            .unwrap_or((0, &self.all[0]));
        let gone = std::mem::replace(&mut self.all[place], group);
        self.skipped(gone.observed.count - gone.shown);
        place
    }
}

impl Group {
    fn summary(&mut self) -> Summary {
        let Observed {
            fingerprint,
            source,
            severity,
            ref class,
            ref message,
            sequence,
            ..
        } = self.observed;
        Summary {
            fingerprint,
            source,
            severity,
            class: class.clone(),
            message: message.clone(),
            sequence,
            count: std::mem::take(&mut self.untold),
        }
    }
}

// Whether one more line may be told, in any second.
fn has_room(lines: &mut VecDeque<Duration>, at: Duration) -> bool {
    while lines
        .front()
        .is_some_and(|line| at.saturating_sub(*line) >= SECOND)
    {
        lines.pop_front();
    }
    lines.len() < LINES
}

#[cfg(test)]
mod tests;
