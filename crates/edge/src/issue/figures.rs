//! What the issuer counts, of hosts and of their turns. Pure but for the counters.

use super::{
    hosts::Want,
    plan::{self, Next},
    problem::Blame,
};
use crate::certificate::{CertificateRecord, CertificateState};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A certificate is late in the last sixth of its life: it is renewed after two thirds, and half of
/// what was left then is over.
const LATE: i32 = 6;
/// States of certificates, as labels have them.
pub(super) const STATES: [&str; 4] = ["waiting", "issued", "failed", "own"];
/// What comes of a host's turn, as labels have it: a certificate, a limit, or who is to blame.
pub(super) const RESULTS: [&str; 7] = [
    ISSUED,
    LIMITED,
    "host",
    "validation",
    "authority",
    "cluster",
    "renewal",
];
/// There is a certificate.
pub(super) const ISSUED: &str = "issued";
/// A limit of the authority is met.
pub(super) const LIMITED: &str = "limited";

/// Who keeps a host from its certificate, as labels have it.
pub(super) fn result(blame: Blame) -> &'static str {
    match blame {
        Blame::Host => "host",
        Blame::Validation => "validation",
        Blame::Limit(..) => LIMITED,
        Blame::Ca | Blame::Account => "authority",
        Blame::Us => "cluster",
        Blame::Renewal => "renewal",
    }
}

/// What the process that leads counts, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Hosts by the state of their certificate.
    pub(super) states: [u64; STATES.len()],
    /// Whose turn it is.
    pub(super) busy: u64,
    /// That need an order now.
    pub(super) due: u64,
    /// That failed, and wait.
    pub(super) failing: u64,
    /// Whose certificate is late.
    pub(super) late: u64,
    /// Since when the newest certificate is valid.
    pub(super) newest: Option<Timestamp>,
}

/// What is counted for `/metrics`.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Nothing while another process leads.
    counts: Mutex<Option<Counts>>,
    turns: [AtomicU64; RESULTS.len()],
}

impl Figures {
    /// The process that leads looks at all hosts.
    pub(super) fn look<'a>(
        &self,
        hosts: impl Iterator<Item = (&'a Want, Option<&'a CertificateRecord>)>,
        busy: usize,
        now: Timestamp,
    ) {
        let mut counts = Counts {
            busy: u64::try_from(busy).unwrap_or(u64::MAX),
            ..Counts::default()
        };
        for (want, record) in hosts {
            counts.add(want, record, now);
        }
        *self.counts.lock() = Some(counts);
    }

    /// Another process leads now.
    pub(super) fn rests(&self) {
        *self.counts.lock() = None;
    }

    /// A host had its turn, of which this came.
    pub(super) fn turn(&self, result: &str) {
        if let Some(at) = RESULTS.iter().position(|it| *it == result) {
            self.turns[at].fetch_add(1, Relaxed);
        }
    }

    /// How often each result came.
    pub(super) fn turns(&self) -> Vec<(&'static str, u64)> {
        let counts = self.turns.iter().map(|count| count.load(Relaxed));
        RESULTS.into_iter().zip(counts).collect()
    }

    /// What was counted last; nothing while another process leads.
    pub(super) fn counts(&self) -> Option<Counts> {
        self.counts.lock().clone()
    }
}

impl Counts {
    fn add(&mut self, want: &Want, record: Option<&CertificateRecord>, now: Timestamp) {
        if *want == Want::Nothing {
            return;
        }
        let state = record.map_or(CertificateState::Waiting, |record| record.state);
        self.states[match state {
            CertificateState::Waiting => 0,
            CertificateState::Issued => 1,
            CertificateState::Failed => 2,
            CertificateState::Own => 3,
        }] += 1;
        self.due += u64::from(matches!(plan::next(want, record, now), Next::Order(_)));
        let Some(record) = record else { return };
        let waits = record.next_try.is_some_and(|next| next > now);
        self.failing += u64::from(record.failures > 0 && waits);
        if let (Some(from), Some(end)) = (record.not_before, record.not_after) {
            let left = end.duration_since(now);
            self.late += u64::from(left < end.duration_since(from) / LATE);
            if record.state == CertificateState::Issued {
                self.newest = self.newest.max(Some(from));
            }
        }
    }
}

#[cfg(test)]
mod tests;
