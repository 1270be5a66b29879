//! What the server has done.

use super::operation::{Call, Operation};
use hyper::StatusCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Counts since the start, or since they were last reset. Bytes are those on the wire, with
/// headers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests by operation.
    pub requests: BTreeMap<Operation, u64>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// `GetObject` requests by key.
    pub gets: BTreeMap<String, u64>,
    /// Uploads (`PutObject` and `UploadPart`) by key.
    pub puts: BTreeMap<String, u64>,
    /// Faults that happened, by effect.
    pub faults: BTreeMap<String, u64>,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub connections_now: u64,
    /// Most connections that were open at once.
    pub connections_peak: u64,
    /// Requests whose answer is not complete yet.
    pub requests_now: u64,
    /// Most requests that were open at once.
    pub requests_peak: u64,
}

impl Counts {
    /// Requests of every kind.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Requests of one kind.
    #[must_use]
    pub fn count(&self, operation: Operation) -> u64 {
        self.requests.get(&operation).copied().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Stats {
    counts: Mutex<Counts>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Stats {
    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock());
    }

    pub(super) fn snapshot(&self) -> Counts {
        let mut counts = self.counts.lock().clone();
        counts.bytes_sent = self.sent.load(Ordering::Relaxed);
        counts.bytes_received = self.received.load(Ordering::Relaxed);
        counts
    }

    /// Starts at zero again; what is open now stays open.
    pub(super) fn reset(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.received.store(0, Ordering::Relaxed);
        self.change(|counts| {
            let Counts {
                connections_now,
                requests_now,
                ..
            } = *counts;
            *counts = Counts {
                connections_now,
                requests_now,
                connections_peak: connections_now,
                requests_peak: requests_now,
                ..Counts::default()
            };
        });
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        self.change(|counts| {
            counts.connections += 1;
            counts.connections_now += 1;
            counts.connections_peak = counts.connections_peak.max(counts.connections_now);
        });
    }

    pub(super) fn disconnected(&self) {
        self.change(|counts| counts.connections_now -= 1);
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.change(|counts| *counts.statuses.entry(status.as_u16()).or_default() += 1);
    }

    pub(super) fn fault(&self, name: &str) {
        self.change(|counts| *counts.faults.entry(name.to_owned()).or_default() += 1);
    }

    /// Counts a request, which is open until the returned value is dropped.
    pub(super) fn open(self: &Arc<Self>, call: &Call) -> Open {
        self.change(|counts| {
            *counts.requests.entry(call.operation).or_default() += 1;
            if call.operation == Operation::GetObject {
                *counts.gets.entry(call.key.clone()).or_default() += 1;
            } else if call.operation.uploads() {
                *counts.puts.entry(call.key.clone()).or_default() += 1;
            }
            counts.requests_now += 1;
            counts.requests_peak = counts.requests_peak.max(counts.requests_now);
        });
        Open(Arc::clone(self))
    }
}

/// A request whose answer is not complete.
#[derive(Debug)]
pub(super) struct Open(Arc<Stats>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.change(|counts| counts.requests_now -= 1);
    }
}
