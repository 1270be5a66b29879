//! Where a shop's database is, and which migration it needs. Pure.

use crate::observed::Progress;
use api::{Shop, symptom::Failure};
use release::Sequence;
use render::assign::Resolution;
use std::collections::BTreeMap;

/// The migration Jobs of one shop, by sequence.
pub type Jobs = BTreeMap<u64, Progress>;

/// A migration that has to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Of this release.
    pub sequence: Sequence,
    /// Whether its Job is there already.
    pub begun: bool,
}

/// Who may change the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationLock {
    /// We may, or there is nothing to change.
    Ours,
    /// We hold the Lease, and pods of cron are still ending.
    Cron,
    /// Somebody else holds the Lease.
    Theirs(String),
    /// The shop is new, and so many others of its database server are being made ready.
    Crowded(usize),
    /// The Lease itself is not there yet.
    Nobody,
}

/// What is known of the migration of the release that a shop is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// The sequence up to which the database is migrated.
    pub migrated: Option<Sequence>,
    /// What has to run, if the database is not there yet.
    pub due: Option<Due>,
    /// How the Job of the assigned release goes, if there is one.
    pub job: Option<Progress>,
    /// Why that Job failed, if its pod said so.
    pub failure: Option<Failure>,
    /// Who may change the database.
    pub lock: MigrationLock,
}

impl MigrationState {
    /// What the Jobs of the shop say; nobody has asked for its lock yet.
    #[must_use]
    pub fn new(resolution: &Resolution<'_>, jobs: Option<&Jobs>) -> Self {
        let release = resolution.release();
        Self {
            migrated: migrated(resolution.shop, jobs),
            due: due(resolution, jobs),
            job: release.and_then(|it| jobs?.get(&it.sequence.get()).copied()),
            failure: None,
            lock: MigrationLock::Ours,
        }
    }
}

/// The migration of the release that a shop is assigned, if its database is not there yet.
#[must_use]
pub fn due(resolution: &Resolution<'_>, jobs: Option<&Jobs>) -> Option<Due> {
    let release = resolution.release()?;
    let migrated = migrated(resolution.shop, jobs);
    if !resolution.migrates() || migrated.is_some_and(|migrated| migrated >= release.sequence) {
        return None;
    }
    Some(Due {
        sequence: release.sequence,
        begun: jobs.is_some_and(|jobs| jobs.contains_key(&release.sequence.get())),
    })
}

/// The sequence up to which the shop's database is migrated: what is on record, or a Job that is
/// done since.
fn migrated(shop: &Shop, jobs: Option<&Jobs>) -> Option<Sequence> {
    let finished = jobs
        .into_iter()
        .flatten()
        .filter(|(_, migration)| **migration == Progress::Done)
        .map(|(sequence, _)| *sequence)
        .max();
    recorded(shop).max(finished.and_then(|sequence| Sequence::try_from(sequence).ok()))
}

/// The sequence up to which the shop's status says that its database is migrated.
#[must_use]
pub fn recorded(shop: &Shop) -> Option<Sequence> {
    let recorded = shop.status.as_ref().and_then(|status| status.migrated)?;
    u64::try_from(recorded)
        .ok()
        .and_then(|sequence| Sequence::try_from(sequence).ok())
}
