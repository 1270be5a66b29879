//! What agents say of errors, collected.
//!
//! ```text
//!  pods ─► turns ─► ask (256 at once) ─► check ─► store ─► the next cursor
//! ```
//!
//! A cursor moves when what came before it is committed. An answer that is lost, and a kill at any
//! moment, mean that an agent says the same again, which adds nothing: its counts are totals.

mod ask;
mod check;
pub(crate) mod pods;
mod turns;

use crate::{
    fleet::Fleet,
    performance::Performance,
    store::{
        Store,
        take::{Taken, take},
    },
};
use ask::{AskError, ask};
use check::{Refused, read};
use hyper::body::Bytes;
use jiff::Timestamp;
use observe::{page, requests};
use parking_lot::Mutex;
use pods::Pods;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use turns::{DuePoll, PollOutcome, TICK, Turns};

/// Agents that are asked at once.
const AT_ONCE: usize = 256;

/// What is counted of it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Agents that are asked.
    pub(crate) agents: AtomicU64,
    /// Questions that had no answer.
    pub(crate) failures: AtomicU64,
    /// Pages that were not believed, by why.
    refused: [AtomicU64; Refused::ALL.len()],
    /// Groups that were left out, as a pod had too many new ones.
    pub(crate) left_out: AtomicU64,
    /// How late the agent is that has waited longest, in milliseconds.
    pub(crate) late: AtomicU64,
}

impl Counts {
    /// Pages that were not believed, by why.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused.iter().map(|it| it.load(Relaxed));
        Refused::ALL.iter().map(|it| it.word()).zip(counts)
    }

    fn refuse(&self, why: Refused) {
        let at = Refused::ALL.iter().position(|it| *it == why);
        if let Some(count) = at.and_then(|at| self.refused.get(at)) {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// What a task gives; a panic in one is one here, which ends the program.
fn or_panic<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Where, and how often, agents are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polling {
    pub(crate) port: u16,
    pub(crate) every: Duration,
    pub(crate) deadline: Duration,
}

/// What collects.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    pub(crate) pods: Arc<Pods>,
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    pub(crate) store: Store,
    pub(crate) performance: Arc<Mutex<Performance>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) polling: Polling,
}

impl Collector {
    /// Collects until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (mut turns, mut version) = (Turns::new(self.polling.every), None);
        let mut asked = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(ended) = asked.join_next() => {
                    let (uid, ended): (String, PollOutcome) = or_panic(ended);
                    turns.ended(&uid, ended, Instant::now());
                }
                _tick = ticks.tick() => {
                    let now = Instant::now();
                    let seen = self.pods.version();
                    if version != Some(seen) {
                        turns.set(&self.pods.running(), now);
                        version = Some(seen);
                    }
                    for question in turns.take(AT_ONCE - asked.len(), now) {
                        let this = self.clone();
                        asked.spawn(async move {
                            let uid = question.uid.clone();
                            (uid, this.one(question).await)
                        });
                    }
                    let late = u64::try_from(turns.late(now).as_millis()).unwrap_or(u64::MAX);
                    self.counts.late.store(late, Relaxed);
                    let agents = u64::try_from(turns.len()).unwrap_or(u64::MAX);
                    self.counts.agents.store(agents, Relaxed);
                }
            }
        }
    }

    /// Asks one agent, and keeps what it says.
    async fn one(&self, question: DuePoll) -> PollOutcome {
        // Its namespace says which shop it is, whatever it says itself.
        let shop = self
            .fleet
            .lock()
            .of_namespace(&question.place.namespace)
            .map(str::to_owned);
        let Some(shop) = shop else {
            return PollOutcome::Failed;
        };
        let agent = SocketAddr::new(question.place.address, self.polling.port);
        let errors = format!("/errors?since={}", question.since);
        let body = match ask(agent, &errors, page::LIMIT, self.polling.deadline).await {
            Ok(body) => body,
            Err(error) => {
                if matches!(error, AskError::Large) {
                    self.counts.refuse(Refused::Large);
                } else if !matches!(error, AskError::None) {
                    self.counts.failures.fetch_add(1, Relaxed);
                }
                debug!(shop, %agent, %error, "agent not asked");
                return PollOutcome::Failed;
            }
        };
        let now = Timestamp::now();
        let said = match read(&body, now) {
            Ok(said) => said,
            Err(why) => {
                self.counts.refuse(why);
                debug!(shop, %agent, why = why.word(), "page refused");
                return PollOutcome::Failed;
            }
        };
        let (run, mut cursor) = (said.run.clone(), said.cursor);
        if question.since > 0 && question.run != run {
            return PollOutcome::Anew(run);
        }
        if !said.groups.is_empty() {
            let (of, uid) = (shop.clone(), question.uid.clone());
            match self
                .store
                .call(move |db| take(db, &of, &uid, &said, now))
                .await
            {
                Ok(taken) => {
                    self.took(&shop, taken);
                    // What was left out is asked for again.
                    if taken.left_out > 0 {
                        cursor = question.since;
                    }
                }
                Err(error) => {
                    warn!(shop, %error, "errors not kept; the agent is asked again");
                    return PollOutcome::Failed;
                }
            }
        }
        self.pods.answered(&shop, now);
        self.requests(&shop, &question.uid, agent, now).await;
        PollOutcome::Taken(run, cursor)
    }

    /// Asks the same agent how fast its pod answers, where that is due. What is lost of it is a few
    /// seconds of figures.
    async fn requests(&self, shop: &str, uid: &str, agent: SocketAddr, now: Timestamp) {
        if !self.performance.lock().is_due(shop, uid, now) {
            return;
        }
        let body = match ask(agent, "/requests", requests::LIMIT, self.polling.deadline).await {
            Ok(body) => body,
            // It counts no requests, such as one of a pod for cron.
            Err(AskError::None) => Bytes::new(),
            Err(error) => {
                debug!(shop, %agent, %error, "agent not asked for requests");
                return;
            }
        };
        let page = if body.is_empty() {
            None
        } else {
            let page = serde_json::from_slice::<requests::Page>(&body).ok();
            if page.as_ref().is_none_or(|page| !page.is_sound()) {
                self.counts.refuse(Refused::Json);
                return;
            }
            page
        };
        self.performance.lock().take(shop, uid, page.as_ref(), now);
    }

    fn took(&self, shop: &str, taken: Taken) {
        let left_out = u64::try_from(taken.left_out).unwrap_or(u64::MAX);
        self.counts.left_out.fetch_add(left_out, Relaxed);
        if taken.new + taken.back > 0 {
            let Taken {
                new,
                back,
                events,
                left_out,
            } = taken;
            debug!(shop, new, back, events, left_out, "groups");
        }
    }
}
