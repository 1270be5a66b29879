//! Where a shop's database is, and which migration it needs. Pure.

use super::state::{Progress, State};
use api::Shop;
use release::Sequence;
use render::assign;

/// A migration that has to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Of this release.
    pub(super) sequence: Sequence,
    /// Whether its Job is there already.
    pub(super) begun: bool,
}

/// Who may change the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MigrationLock {
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

/// The migration of the release that `shop` is assigned, where its database is not there yet.
pub(super) fn due(shop: &Shop, state: &State) -> Option<Due> {
    let release = assign::assigned(shop, &state.fleet).ok().flatten()?;
    let migrated = migrated(shop, state);
    if !assign::migrates(shop, release, &state.fleet)
        || migrated.is_some_and(|migrated| migrated >= release.sequence)
    {
        return None;
    }
    let jobs = state
        .migrations
        .get(shop.metadata.name.as_deref().unwrap_or_default());
    Some(Due {
        sequence: release.sequence,
        begun: jobs.is_some_and(|jobs| jobs.contains_key(&release.sequence.get())),
    })
}

/// The sequence up to which the shop's database is migrated: what is on record, or a Job that is
/// done since.
pub(super) fn migrated(shop: &Shop, state: &State) -> Option<Sequence> {
    let recorded = recorded(shop);
    let jobs = state
        .migrations
        .get(shop.metadata.name.as_deref().unwrap_or_default());
    let finished = jobs
        .into_iter()
        .flatten()
        .filter(|(_, migration)| **migration == Progress::Done)
        .map(|(sequence, _)| *sequence)
        .max();
    recorded.max(finished.and_then(|sequence| Sequence::try_from(sequence).ok()))
}

pub(super) fn recorded(shop: &Shop) -> Option<Sequence> {
    let recorded = shop.status.as_ref().and_then(|status| status.migrated)?;
    u64::try_from(recorded)
        .ok()
        .and_then(|sequence| Sequence::try_from(sequence).ok())
}
