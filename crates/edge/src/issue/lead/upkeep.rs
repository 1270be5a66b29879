//! What is looked after beside orders: when the CA wants a renewal, what people bring, hosts that
//! left, and certificates that somebody deleted.

use super::{Done, LONGEST, Session, every};
use crate::{
    certificate::{CertificateState, check},
    issue::{acme::Ca, hosts::Want, plan},
};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tracing::{info, warn};

/// Windows of renewal that are asked for at once.
const POLLS: usize = 4;
/// How often what people bring is checked, also where nothing changed: it may be over.
const OWN_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How long it may take until one hears of what one wrote.
const HEARD_WITHIN: SignedDuration = SignedDuration::from_secs(10);

impl Session<'_> {
    /// Asks the CA when to renew those certificates whose turn it is; gives when the next turn is.
    pub(super) fn poll(&mut self, ca: &Arc<Ca>, now: Timestamp) -> Timestamp {
        let mut wake = now + LONGEST;
        if !self.windows {
            return wake;
        }
        let every = every(self.shared);
        for (host, want) in &self.wanted.hosts {
            let record = self.records.get(host);
            let issued = record.filter(|it| it.state == CertificateState::Issued);
            let (Want::Certificate, Some(id)) = (want, issued.and_then(|it| it.id.as_ref())) else {
                continue;
            };
            let next = || plan::next_poll(host, every, now);
            let due = *self.polls.entry(host.clone()).or_insert_with(next);
            if due > now {
                wake = wake.min(due);
                continue;
            }
            let full = self.polling.len() >= POLLS;
            if full || self.busy.contains(host) || self.polling.contains(host) {
                continue;
            }
            let (ca, id) = (Arc::clone(ca), id.clone());
            let task = self.tasks.spawn(async move {
                let window = ca.window(&id).await;
                Done::Window(id, window)
            });
            self.about.insert(task.id(), host.clone());
            self.polling.insert(host.clone());
        }
        wake
    }

    /// Looks for certificates that should be there and are not heard of: somebody deleted them, or
    /// they were just written.
    pub(super) fn miss(&mut self, now: Timestamp) {
        let stored = &self.wanted.stored;
        self.found
            .retain(|host, at| !stored.contains(host) && now.duration_since(*at) < HEARD_WITHIN);
        for host in self.wanted.hosts.keys() {
            let missing = !self.wanted.stored.contains(host)
                && !self.busy.contains(host)
                && !self.found.contains_key(host);
            let record = self.records.get(host).filter(|_| missing);
            if record.is_none_or(|it| it.state != CertificateState::Issued) {
                continue;
            }
            let (store, name) = (self.shared.store.clone(), host.clone());
            let task = self
                .tasks
                .spawn(async move { Done::Kept(store.has(&name).await) });
            self.about.insert(task.id(), host.clone());
            self.busy.insert(host.clone());
        }
    }

    /// Checks what people bring.
    pub(super) fn check_own(&mut self, now: Timestamp) {
        if now.duration_since(self.own_checked) < OWN_EVERY {
            return;
        }
        self.own_checked = now;
        for (host, want) in &self.wanted.hosts {
            let Want::Own(secret) = want else { continue };
            let found = self.wanted.brought.get(secret);
            let record = plan::own(secret, found.map(|it| check(&it.0, host, now)), now);
            if self.records.get(host) != Some(&record) {
                if let Some(problem) = &record.problem {
                    warn!(host, problem, "brought certificate is not usable");
                }
                self.records.insert(host.clone(), record);
                self.dirty.insert(host.clone());
            }
        }
    }

    /// Forgets hosts that nobody wants any more, once nothing counts of them.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let (wanted, busy, dirty) = (&self.wanted.hosts, &self.busy, &mut self.dirty);
        self.records.retain(|host, record| {
            let over =
                !wanted.contains_key(host) && !busy.contains(host) && plan::is_over(record, now);
            if over {
                info!(host, "host is forgotten");
                dirty.insert(host.clone());
            }
            !over
        });
        // Orders that another process left, for hosts that are gone.
        let begun = self.shared.begun.lock();
        let gone = begun
            .keys()
            .filter(|it| !wanted.contains_key(*it) && !busy.contains(*it));
        let gone: Vec<String> = gone.cloned().collect();
        drop(begun);
        for host in gone {
            let (shared, name) = (Arc::clone(self.shared), host.clone());
            let task = self.tasks.spawn(async move {
                shared.forget(&name).await;
                Done::Forgotten
            });
            self.about.insert(task.id(), host.clone());
            self.busy.insert(host);
        }
    }
}
