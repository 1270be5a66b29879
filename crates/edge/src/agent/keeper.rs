//! Keeps one HAProxy as the model says: files first, then its socket, and what was done is compared
//! with what it says it has.

use super::{
    difference::difference,
    files::Files,
    haproxy::{HaProxy, SocketError, Worker},
    model::Model,
    slots::Slots,
    snapshot::{Place, Snapshot, desired, shops},
};
use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};
use tracing::{info, warn};

/// How often the backends' file is written at most. With 60,000 servers it has 4 MB, and it is read
/// only by a HAProxy that starts.
const SLOTS_EVERY: Duration = Duration::from_secs(1);
/// How often HAProxy is asked for everything that it has, though nothing is known to be wrong.
const READ_EVERY: Duration = Duration::from_mins(5);

/// What came of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Changes that HAProxy took.
    pub done: u64,
    /// Changes that it did not take.
    pub refused: u64,
    /// What HAProxy said of the last one of them.
    pub problem: Option<String>,
    /// Whether HAProxy is as it should be.
    pub equal: bool,
    /// Whether something waits for its time.
    pub again: bool,
}

/// What HAProxy should be, and its files are.
#[derive(Debug)]
pub struct Wanted {
    snapshot: Snapshot,
    again: bool,
}

/// Why a round broke off.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The files cannot be written.
    #[error("cannot write HAProxy's files in {directory:?}")]
    Files {
        /// Where.
        directory: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// HAProxy's socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// Keeps one HAProxy.
#[derive(Debug)]
pub struct Keeper {
    files: Files,
    haproxy: HaProxy,
    place: Place,
    slots: Slots,
    /// The worker, what it has, and since when that is known.
    actual: Option<(Worker, Snapshot, Instant)>,
    slots_written: Option<Instant>,
    /// Requests in a second that shops may have, while HAProxy is overloaded.
    pub caps: BTreeMap<String, u32>,
    /// Reloads that more slots took.
    pub reloads: u64,
}

impl Keeper {
    /// The keeper of the HAProxy of a directory, with room for so many shops at least.
    #[must_use]
    pub fn new(files: Files, place: Place, room: u32) -> Self {
        let (count, taken) = files.known_slots();
        let haproxy = HaProxy::new(files.directory().to_owned());
        Self {
            slots: Slots::new(count.max(room), taken),
            files,
            haproxy,
            place,
            actual: None,
            slots_written: None,
            caps: BTreeMap::new(),
            reloads: 0,
        }
    }

    /// Slots that no shop has.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.slots.spare()
    }

    /// Makes HAProxy as the model says, once.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or HAProxy does not answer.
    pub async fn round(&mut self, model: &Model) -> Result<Round, KeeperError> {
        let wanted = self.prepare(model)?;
        self.apply(wanted).await
    }

    /// Writes the files; what is left to do needs the model no more.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn prepare(&mut self, model: &Model) -> Result<Wanted, KeeperError> {
        let now = Instant::now();
        let grew = self.slots.assign(&shops(model), now);
        let snapshot = desired(model, &self.slots, &self.place, &self.caps);
        let again = self.write(model, &snapshot, now, grew)?;
        Ok(Wanted { snapshot, again })
    }

    /// Makes the running HAProxy equal to what the files say.
    ///
    /// # Errors
    ///
    /// HAProxy does not answer.
    pub async fn apply(&mut self, wanted: Wanted) -> Result<Round, KeeperError> {
        let mut round = self.change(&wanted.snapshot, Instant::now()).await?;
        round.again |= wanted.again;
        if round.equal {
            let swept = self.files.sweep(&wanted.snapshot);
            swept.map_err(|source| self.failed(source))?;
        }
        Ok(round)
    }

    /// Says whether the backends' file waits for its time.
    fn write(
        &mut self,
        model: &Model,
        wanted: &Snapshot,
        now: Instant,
        grew: bool,
    ) -> Result<bool, KeeperError> {
        let certificates = model.certificates();
        let pem = |host: &str| certificates.get(host).map(super::pem::Pem::text);
        let written = self.files.write(wanted, pem);
        written.map_err(|source| self.failed(source))?;
        let waits = self
            .slots_written
            .is_some_and(|written| now.duration_since(written) < SLOTS_EVERY);
        if waits && !grew {
            return Ok(true);
        }
        let written = self.files.write_slots(wanted, &self.slots);
        written.map_err(|source| self.failed(source))?;
        self.slots_written = Some(now);
        Ok(false)
    }

    fn failed(&self, source: io::Error) -> KeeperError {
        KeeperError::Files {
            directory: self.files.directory().to_owned(),
            source,
        }
    }

    async fn change(&mut self, wanted: &Snapshot, now: Instant) -> Result<Round, KeeperError> {
        let worker = self.haproxy.worker().await?;
        let (mut actual, read) = match self.actual.take() {
            Some((known, actual, read))
                if known.pid == worker.pid && now.duration_since(read) < READ_EVERY =>
            {
                (actual, read)
            }
            _ => (self.haproxy.read().await?, now),
        };
        if actual.slots < self.slots.count() {
            // Those files are there, with all that is wanted: the new worker has it from them.
            info!(
                from = actual.slots,
                to = self.slots.count(),
                "HAProxy reloads for more slots"
            );
            self.haproxy.reload().await?;
            self.reloads += 1;
            return Ok(Round {
                again: true,
                ..Round::default()
            });
        }
        let mut round = Round::default();
        for step in difference(&actual, wanted) {
            match self.haproxy.perform(&step).await {
                Ok(()) => {
                    step.apply(&mut actual);
                    round.done += 1;
                }
                Err(SocketError::Refused { command, answer }) => {
                    // A server that still answers somebody cannot be deleted: it is tried again.
                    if !command.starts_with("del server") {
                        warn!(command, answer, "HAProxy refused");
                    }
                    round.refused += 1;
                    round.again = true;
                    round.problem = Some(format!("{command}: {answer}"));
                }
                // What it took of it is not known.
                Err(error) => return Err(error.into()),
            }
        }
        round.equal = round.refused == 0;
        // What it has is asked anew where it did not take something.
        if round.equal {
            self.actual = Some((worker, actual, read));
        }
        Ok(round)
    }
}
