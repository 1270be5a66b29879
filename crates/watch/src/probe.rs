//! Hosts, probed.
//!
//! ```text
//!  fleet ─► schedule ─► dial, twice where it fails ─► verdict ─► incident ─► board, for answers
//!                       inside: the edge · outside: DNS               └────► record ─► store
//! ```

pub(crate) mod board;
mod dial;
pub(crate) mod edge;
mod first;
pub(crate) mod incident;
pub(crate) mod places;
pub(crate) mod record;
mod schedule;
pub(crate) mod trust;
mod verdict;

use crate::{
    fleet::Fleet,
    store::{
        Store,
        incidents::{self, Probes},
    },
};
use board::Board;
use first::First;
use incident::{Availability, Event, step};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use observe::v1::{Incident, Vantage};
use parking_lot::Mutex;
use places::{FinishedProbe, Places};
use record::Record;
use schedule::Schedule;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use verdict::Verdict;

/// Between two looks at whose turn it is.
const TICK: Duration = Duration::from_millis(50);
/// How long it waits for a database that does not answer, before its first probe.
const PAUSE: Duration = Duration::from_secs(1);

/// What probes.
#[derive(Debug)]
pub(crate) struct Prober {
    pub(crate) places: Arc<Places>,
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    pub(crate) board: Arc<Mutex<Board>>,
    pub(crate) store: Store,
    pub(crate) records: mpsc::Sender<Record>,
}

/// What goes on.
struct State {
    schedule: Schedule,
    version: Option<u64>,
    probes: JoinSet<FinishedProbe>,
    busy: HashSet<(Arc<str>, Vantage)>,
    first: First,
    months: BTreeMap<(String, Date), Probes>,
}

impl Prober {
    /// Probes until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        if stop.run_until_cancelled(self.remember()).await.is_none() {
            return;
        }
        let pace = self.places.pace;
        let period = u64::try_from(pace.probe.as_millis()).unwrap_or(u64::MAX);
        let mut state = State {
            schedule: Schedule::new(period, pace.page_every),
            version: None,
            probes: JoinSet::new(),
            busy: HashSet::new(),
            first: First::new(Instant::now()),
            months: BTreeMap::new(),
        };
        // The clock of the wall, which does not jump.
        let (began, epoch) = (Instant::now(), millis(Timestamp::now()));
        let mut last = epoch;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = state.probes.join_next() => {
                    self.ended(&mut state, ended.unwrap_or_else(|error| {
                        // A panic in one ends the program.
                        std::panic::resume_unwind(error.into_panic())
                    }));
                }
                _tick = ticks.tick() => {
                    let passed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let now = epoch.saturating_add(passed);
                    if now / 1000 > last / 1000 {
                        self.look(&mut state);
                    }
                    if now / period > last / period {
                        self.board.lock().minute();
                        self.write_months(&mut state);
                    }
                    self.begin(&mut state, last, now);
                    last = now;
                }
            }
        }
        self.write_months(&mut state);
    }

    /// Takes up incidents that had not ended when the process before this one did.
    async fn remember(&self) {
        let open = loop {
            match self.store.call(incidents::open).await {
                Ok(open) => break open,
                Err(error) => warn!(%error, "incidents not read yet"),
            }
            sleep(PAUSE).await;
        };
        let mut board = self.board.lock();
        for (shop, incident) in open {
            let host: Arc<str> = incident.host.into();
            board.set_availability(
                &host,
                &shop,
                incident.vantage,
                Availability::Down(incident.begin),
            );
            board.is_down_for(&host, &shop, incident.vantage, incident.cause);
        }
    }

    /// Takes in which hosts there are now.
    fn look(&self, state: &mut State) {
        let targets = {
            let fleet = self.fleet.lock();
            if state.version == Some(fleet.version()) {
                return;
            }
            let Some(targets) = fleet.targets() else {
                return;
            };
            state.version = Some(fleet.version());
            targets
        };
        state.schedule.set(targets);
        let probed = |host: &str, vantage| {
            let target = state.schedule.target(host);
            target.is_some_and(|it| self.places.vantages(it).any(|it| it == vantage))
        };
        let were_down = self.board.lock().keep(probed);
        for (host, vantage) in were_down {
            info!(%host, vantage = vantage.word(), "incident ended: not probed any more");
            self.write(Record::End(host.to_string(), vantage, Timestamp::now()));
        }
    }

    /// Begins the probes whose turn has come.
    fn begin(&self, state: &mut State, from: u64, to: u64) {
        let now = Instant::now();
        for probe in state.schedule.due(from, to) {
            let due = now
                .checked_sub(Duration::from_millis(probe.late))
                .unwrap_or(now);
            for vantage in self.places.vantages(&probe.target) {
                if !state.busy.insert((Arc::clone(&probe.host), vantage)) {
                    self.board.lock().skipped += 1;
                    continue;
                }
                let (places, board) = (Arc::clone(&self.places), Arc::clone(&self.board));
                let before = board.lock().availability(&probe.host, vantage);
                let probe = probe.clone();
                state
                    .probes
                    .spawn(async move { places.probe(probe, vantage, due, before, &board).await });
            }
        }
    }

    fn ended(&self, state: &mut State, ended: FinishedProbe) {
        let FinishedProbe {
            host,
            vantage,
            measured,
            verdict,
            at,
        } = ended;
        state.busy.remove(&(Arc::clone(&host), vantage));
        let Some(target) = state.schedule.target(&host) else {
            return;
        };
        if !self.places.vantages(target).any(|it| it == vantage) {
            return;
        }
        let verdict = state.first.believe(vantage, verdict, Instant::now());
        let shop = target.shop.clone();
        // The shop's own share: what the edge serves is seen best from inside.
        if self.places.vantages(target).next() == Some(vantage) {
            state.count(&shop, &verdict, at.0);
        }
        let event = {
            let mut board = self.board.lock();
            board.probed((&host, &shop, vantage), &measured, &verdict, at.1);
            let (availability, event) = step(board.availability(&host, vantage), &verdict, at);
            board.set_availability(&host, &shop, vantage, availability);
            event
        };
        match event {
            None => {}
            Some(Event::Begin { at, cause, problem }) => {
                info!(shop, %host, vantage = vantage.word(), cause = cause.word(), problem, "incident began");
                let incident = Incident {
                    host: host.to_string(),
                    vantage,
                    cause,
                    problem,
                    begin: at,
                    end: None,
                };
                self.write(Record::Begin(shop, incident));
            }
            Some(Event::End { at }) => {
                info!(shop, %host, vantage = vantage.word(), "incident ended");
                self.write(Record::End(host.to_string(), vantage, at));
            }
        }
    }

    fn write_months(&self, state: &mut State) {
        if !state.months.is_empty() {
            self.write(Record::Probes(std::mem::take(&mut state.months)));
        }
    }

    fn write(&self, record: Record) {
        if self.records.try_send(record).is_err() {
            self.board.lock().unwritten += 1;
        }
    }
}

impl State {
    fn count(&mut self, shop: &str, verdict: &Verdict, at: Timestamp) {
        let up = match verdict {
            Verdict::Up => 1,
            Verdict::Down(..) => 0,
            Verdict::Unknown(_) => return,
        };
        let month = at.to_zoned(TimeZone::UTC).date().first_of_month();
        let probes = self.months.entry((shop.to_owned(), month)).or_default();
        probes.up += up;
        probes.all += 1;
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}
