//! Keeps one HAProxy as the model says: files first, then its socket, and what was done is compared
//! with what it says it has.

use super::{
    difference::Step,
    files::Files,
    haproxy::{HaProxy, SocketError, Worker},
    model::Model,
    slots::Slots,
    snapshot::{Locality, Snapshot},
    wanted::{DesiredState, Wants},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::{Duration, Instant},
};
use tracing::{info, warn};

/// How often the files are written at most, besides certificates. The backends' file has 4 MB with
/// 60,000 servers, and they are read only by a HAProxy that starts.
const FILES_EVERY: Duration = Duration::from_secs(1);
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
    /// Whether HAProxy may have taken half of a change.
    unknown: bool,
}

impl Round {
    /// Everything is compared next time.
    fn later() -> Self {
        Self {
            again: true,
            ..Self::default()
        }
    }
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
    wants: Wants,
    /// The worker, what it has, and since when that is known.
    actual: Option<(Worker, Snapshot, Instant)>,
    /// When the files were written, and whether HAProxy has taken something since.
    written: Option<Instant>,
    stale: bool,
    /// Requests in a second that shops may have, while HAProxy is overloaded.
    pub caps: BTreeMap<String, u32>,
    /// Reloads that more slots took.
    pub reloads: u64,
}

impl Keeper {
    /// The keeper of the HAProxy of a directory, with room for so many shops at least.
    #[must_use]
    pub fn new(files: Files, place: Locality, room: u32) -> Self {
        let (count, taken) = files.known_slots();
        let haproxy = HaProxy::new(files.directory().to_owned());
        Self {
            wants: Wants::new(Slots::new(count.max(room), taken), place),
            files,
            haproxy,
            actual: None,
            written: None,
            stale: false,
            caps: BTreeMap::new(),
            reloads: 0,
        }
    }

    /// Slots that no shop has.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.wants.slots.spare()
    }

    /// Makes HAProxy as the model says, once.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or HAProxy does not answer.
    pub async fn round(&mut self, model: &mut Model) -> Result<Round, KeeperError> {
        let wanted = self.prepare(model)?;
        self.apply(wanted).await
    }

    /// Writes the certificates that are needed, and all files if everything is compared; what is
    /// left to do needs the model no more.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn prepare(&mut self, model: &mut Model) -> Result<DesiredState, KeeperError> {
        let now = Instant::now();
        let fresh =
            |(.., read): &(Worker, Snapshot, Instant)| now.duration_since(*read) < READ_EVERY;
        let known = self.actual.as_ref().is_some_and(fresh);
        if known {
            model.check(Timestamp::now());
        } else {
            self.actual = None;
            model.check_refused(Timestamp::now());
        }
        let wanted = self.wants.look(model, &self.caps, known, now);
        let certificates = model.certificates();
        let pem = |host: &str| certificates.get(host);
        self.files
            .write_certificates(&wanted.snapshot, pem)
            .map_err(|source| self.failed(source))?;
        if wanted.all {
            self.write(&wanted.snapshot, now)?;
            // Certificates that nobody needs are still there.
            self.stale = true;
        }
        Ok(wanted)
    }

    /// Makes the running HAProxy equal to what is wanted.
    ///
    /// # Errors
    ///
    /// HAProxy does not answer, or a file cannot be written.
    pub async fn apply(&mut self, wanted: DesiredState) -> Result<Round, KeeperError> {
        let now = Instant::now();
        // Whatever fails, everything is compared next time.
        let known = self.actual.take();
        let worker = self.haproxy.worker().await?;
        let (mut actual, read) = match known {
            Some((known, actual, read)) if known.pid == worker.pid => (actual, read),
            None if wanted.all => (self.haproxy.read().await?, now),
            // It is another HAProxy, which knows what the files said.
            _ => return Ok(Round::later()),
        };
        let slots = self.wants.slots.count();
        if actual.slots < slots {
            // Those files are there, with all that is wanted: the new worker has it from them.
            info!(
                from = actual.slots,
                to = slots,
                "HAProxy reloads for more slots"
            );
            self.haproxy.reload().await?;
            self.reloads += 1;
            return Ok(Round::later());
        }
        let steps = self.wants.steps(&actual, &wanted);
        let (round, busy) = self.perform(steps, &mut actual).await?;
        self.stale |= round.done > 0;
        if !round.unknown {
            self.wants.refused(wanted, busy);
            self.actual = Some((worker, actual, read));
        }
        self.write_at_its_time(now, round)
    }

    /// Writes what HAProxy has taken, unless that was done just now.
    fn write_at_its_time(&mut self, now: Instant, mut round: Round) -> Result<Round, KeeperError> {
        let Some((worker, actual, read)) = self.actual.take_if(|_| self.stale) else {
            return Ok(round);
        };
        if self
            .written
            .is_some_and(|written| now.duration_since(written) < FILES_EVERY)
        {
            round.again = true;
        } else {
            self.write(&actual, now)?;
            self.stale = false;
            // The list of certificates does not name them any more.
            let swept = self.files.sweep(&actual);
            swept.map_err(|source| self.failed(source))?;
        }
        self.actual = Some((worker, actual, read));
        Ok(round)
    }

    fn write(&mut self, snapshot: &Snapshot, now: Instant) -> Result<(), KeeperError> {
        let written = self.files.write(snapshot, &self.wants.slots);
        written.map_err(|source| self.failed(source))?;
        self.written = Some(now);
        Ok(())
    }

    /// Everything is compared next time.
    fn failed(&mut self, source: io::Error) -> KeeperError {
        self.actual = None;
        KeeperError::Files {
            directory: self.files.directory().to_owned(),
            source,
        }
    }

    /// Does the steps; says what came of it, and in which slots a server could not be deleted.
    async fn perform(
        &self,
        steps: Vec<Step>,
        actual: &mut Snapshot,
    ) -> Result<(Round, BTreeSet<String>), KeeperError> {
        let (mut round, mut busy) = (Round::default(), BTreeSet::new());
        for step in steps {
            match self.haproxy.perform(&step).await {
                Ok(()) => {
                    step.apply(actual);
                    round.done += 1;
                }
                Err(SocketError::Refused { command, answer }) => {
                    // A server that still answers somebody cannot be deleted: it is tried again. Of
                    // any other step, HAProxy may have done a part.
                    if let Step::RemoveServer(slot, _) = step {
                        busy.insert(slot);
                    } else {
                        warn!(command, answer, "HAProxy refused");
                        round.unknown = true;
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
        Ok((round, busy))
    }
}
