//! The work of who leads: which hosts are due, started side by side.

mod ended;
mod load;
mod upkeep;

use super::{
    acme::{Ca, RenewalWindow},
    host::{AccountChoice, IssueOutcome, Shared},
    plan::{self, Next},
    problem::Problem,
    watch::{DesiredCertificates, WatchCache},
};
use crate::certificate::CertificateRecord;
use client::ApiError;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch::Receiver,
    task::{self, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Hosts that are dealt with at once. Each that is dead waits some 10 s for DNS.
const AT_ONCE: usize = 256;
/// The least of them, however few orders are left: what is checked before costs no order.
const AT_LEAST: usize = 16;
/// The longest pause between two looks at everything.
const LONGEST: SignedDuration = SignedDuration::from_mins(1);
/// The pause before what could not be written or read is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How long the last records may take once it is to stop.
const LAST: Duration = Duration::from_secs(5);

/// Works whenever this process leads, until `stop`.
pub(super) async fn run(
    shared: Arc<Shared>,
    cache: Arc<WatchCache>,
    mut led: Receiver<bool>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            leads = led.wait_for(|leads| *leads) => if leads.is_err() {
                return;
            },
        }
        // What has begun ends with the session: an order on its way is kept.
        tokio::select! {
            () = Session::work(&shared, &cache, &stop) => {}
            lost = led.wait_for(|leads| !*leads) => {
                // Nobody asks for the Lease any more: the process ends.
                if lost.is_err() {
                    return;
                }
                warn!("no longer leads");
            }
        }
        shared.figures.rests();
    }
}

/// What a task says when it ends.
#[derive(Debug)]
enum Done {
    Opened(Result<Ca, Problem>),
    Host(IssueOutcome),
    Window(String, Result<RenewalWindow, Problem>),
    Forgotten,
    Kept(Result<bool, ApiError>),
}

/// One time of leading.
struct Session<'a> {
    shared: &'a Arc<Shared>,
    wanted: DesiredCertificates,
    records: BTreeMap<String, CertificateRecord>,
    /// Hosts whose record is not written yet.
    dirty: BTreeSet<String>,
    ca: Option<Arc<Ca>>,
    /// `New` if the account that is kept is none any more.
    account: AccountChoice,
    /// How often in a row the CA failed, at everything.
    ca_failures: u32,
    /// Hosts that it failed at since it last issued.
    ca_failed: BTreeSet<String>,
    tasks: JoinSet<Done>,
    /// What each task is about; a host, or `""` for the CA.
    about: BTreeMap<task::Id, String>,
    /// Hosts that are dealt with.
    busy: BTreeSet<String>,
    /// When the CA is asked for the window of a host.
    polls: BTreeMap<String, Timestamp>,
    polling: BTreeSet<String>,
    /// Whether the CA says when to renew.
    windows: bool,
    own_checked: Timestamp,
    /// When a certificate was found that nothing was heard of yet.
    found: BTreeMap<String, Timestamp>,
}

impl<'a> Session<'a> {
    /// Works until `stop`.
    async fn work(shared: &'a Arc<Shared>, cache: &WatchCache, stop: &CancellationToken) {
        let Some(mut session) = Self::load(shared, stop).await else {
            return;
        };
        loop {
            let now = Timestamp::now();
            if let Some(wanted) = cache.wanted(session.wanted.version) {
                let old = std::mem::replace(&mut session.wanted, wanted);
                let new = &session.wanted;
                if (&old.hosts, &old.brought) != (&new.hosts, &new.brought) {
                    session.own_checked = Timestamp::UNIX_EPOCH;
                }
            }
            let wake = session.look(now);
            let written = tokio::select! {
                () = stop.cancelled() => break,
                written = session.write() => written,
            };
            let pause = if written {
                Duration::try_from(wake.duration_since(Timestamp::now())).unwrap_or_default()
            } else {
                AGAIN
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = cache.changed.notified() => {}
                Some(ended) = session.tasks.join_next_with_id() => {
                    session.ended(ended);
                    while let Some(ended) = session.tasks.try_join_next_with_id() {
                        session.ended(ended);
                    }
                }
                () = sleep(pause) => {}
            }
        }
        // What is not written then is found out again.
        timeout(LAST, session.write()).await.ok();
    }

    /// Looks at everything, and starts what is due; gives when to look again at the latest.
    fn look(&mut self, now: Timestamp) -> Timestamp {
        let mut wake = now + LONGEST;
        // Before everything was listed, nothing is known of any host.
        if self.wanted.version == 0 {
            return wake;
        }
        self.check_own(now);
        self.forget(now);
        self.miss(now);
        let hosts = self.wanted.hosts.iter();
        let hosts = hosts.map(|(host, want)| (want, self.records.get(host)));
        self.shared.figures.look(hosts, self.busy.len(), now);
        let Some(ca) = self.ca.clone() else {
            return wake.min(self.open(now));
        };
        let held = {
            let mut limits = self.shared.limits.lock();
            limits.forget(now);
            limits.held(now)
        };
        if let Some(until) = held {
            return wake.min(until);
        }
        wake = wake.min(self.poll(&ca, now));
        let mut due = Vec::new();
        for (host, want) in &self.wanted.hosts {
            if self.busy.contains(host) {
                continue;
            }
            let record = self.records.get(host);
            match plan::next(want, record, now) {
                Next::Never => {}
                Next::At(at) => wake = wake.min(at),
                Next::Order(replaces) => {
                    // Who says nothing of renewals takes none.
                    let replaces = replaces.filter(|_| self.windows);
                    let (failures, end) =
                        record.map_or((0, None), |it| (it.failures, it.not_after));
                    // Those that failed least first, so that the dead are in nobody's way; and of
                    // those, whose certificate ends first.
                    due.push((failures, end.unwrap_or(now), host.clone(), replaces));
                }
            }
        }
        due.sort_unstable();
        let left = self.shared.limits.lock().left(now);
        let room = (left * 2).clamp(AT_LEAST, AT_ONCE);
        for (.., host, replaces) in due.into_iter().take(room.saturating_sub(self.busy.len())) {
            self.start(&ca, host, replaces);
        }
        wake
    }

    fn start(&mut self, ca: &Arc<Ca>, host: String, replaces: Option<String>) {
        let (shared, ca, name) = (Arc::clone(self.shared), Arc::clone(ca), host.clone());
        let task = self
            .tasks
            .spawn(async move { Done::Host(shared.obtain(&ca, &name, replaces.as_deref()).await) });
        self.about.insert(task.id(), host.clone());
        self.busy.insert(host);
    }

    /// Opens the CA, unless that is done already, or it has to be waited for.
    fn open(&mut self, now: Timestamp) -> Timestamp {
        if let Some(until) = self.shared.limits.lock().held(now) {
            return until;
        }
        if !self.about.values().any(String::is_empty) {
            let (shared, account) = (Arc::clone(self.shared), self.account);
            let task = self
                .tasks
                .spawn(async move { Done::Opened(shared.open(account).await) });
            self.about.insert(task.id(), String::new());
        }
        now + LONGEST
    }

    /// Writes records that changed; whether all are written.
    async fn write(&mut self) -> bool {
        if self.dirty.is_empty() {
            return true;
        }
        let record = |host: &String| (host.clone(), self.records.get(host).cloned());
        let records = self.dirty.iter().map(record).collect();
        // Whoever does not wait for the end writes all of them again.
        let failed = self.shared.store.records(records).await;
        self.dirty = failed.into_iter().collect();
        self.dirty.is_empty()
    }
}

fn every(shared: &Shared) -> SignedDuration {
    let every = shared.settings.pace.renewal_info;
    SignedDuration::try_from(every).unwrap_or(SignedDuration::from_hours(6))
}
