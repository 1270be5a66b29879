//! What a pod starts with: the release in force, unless the database is not ready for it or the
//! shop's pods rejected it.
//!
//! ```text
//!  release.json ── verified ──► rejected, or not migrated? ──no──► release.json
//!                                        │ yes
//!                                        ├── a release runs here ────► that one goes on
//!                                        ├── previous.json is fit ───► previous.json
//!                                        └── otherwise ──────────────► release.json all the same
//! ```
//!
//! The agent follows release.json once its gate opens. The last way is for a shop's first release:
//! the pod has nothing else to start with, and a running pod can at least show what is wrong.

use super::{
    PullError, Settings,
    release_file::{PREVIOUS_FILE, read_file},
    release_source::{OfferedRelease, Purpose},
    said::Said,
};
use crate::{root::ReleaseRoot, state::ActiveRelease};
use release::{Migration, Need, Passed, Release, Sequence, Sha256};
use std::{fmt, path::Path};
use tracing::warn;

/// What a pod starts with in place of the release in force.
#[derive(Debug)]
pub(super) enum Instead {
    /// What it ran when it ended.
    Running(ActiveRelease),
    /// The release that the shop ran before.
    Previous(Box<OfferedRelease>),
}

/// Why a pod does not start with the release in force.
#[derive(Debug, PartialEq, Eq)]
enum Waits {
    Rejected(Sha256),
    Migration(Need),
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(manifest) => write!(f, "pods of this shop rejected manifest {manifest}"),
            Self::Migration(Need {
                sequence,
                migration,
            }) => {
                write!(
                    f,
                    "the migration of sequence {sequence} is {migration}, and the database is not \
                     said to be ready for it"
                )
            }
        }
    }
}

/// What the pod at `root` starts with in place of `offer`, if that has to wait and there is
/// something else; `previous` is the release object beside it.
pub(super) fn instead(
    settings: &Settings,
    offer: &OfferedRelease,
    previous: Option<Result<Vec<u8>, PullError>>,
    said: &Said,
    root: &ReleaseRoot,
) -> Option<Instead> {
    let verified = |bytes: Result<Vec<u8>, PullError>| bytes.and_then(|bytes| offer.beside(&bytes));
    let previous = previous.map(verified).transpose();
    let previous = previous
        .inspect_err(|error| warn!(%error, "the release before cannot be used"))
        .ok()
        .flatten();
    let rejected = |manifest: &Sha256| {
        said.rejected.contains(manifest) || root.state().rejected.contains_key(manifest)
    };
    let before = previous
        .as_ref()
        .map(|previous| Need::new(&previous.release));
    let why = waits(
        &offer.release,
        before,
        said.migrated,
        rejected(&offer.release.manifest),
    )?;
    let sequence = offer.release.sequence.get();
    if let Some(active) = running(settings, root) {
        warn!(
            sequence,
            kept = active.sequence.get(),
            %why,
            "the release in force waits: what ran here goes on"
        );
        return Some(Instead::Running(active));
    }
    let fit = |previous: &OfferedRelease| {
        if rejected(&previous.release.manifest) {
            return Err("pods of this shop rejected it, too".to_owned());
        }
        if !Need::new(&previous.release).is_met(said.migrated) {
            return Err("the database is not ready for it, either".to_owned());
        }
        // A fresh pod has accepted nothing; one whose trees are gone may have accepted what waits
        // now.
        let chosen = Said {
            chosen: Some(previous.release.sequence),
            ..said.clone()
        };
        previous
            .check(settings, &chosen, root.state(), Purpose::Activation)
            .map_err(|error| error.to_string())
    };
    match previous.map(|previous| fit(&previous).map(|()| previous)) {
        Some(Ok(previous)) => {
            warn!(
                sequence,
                instead = previous.release.sequence.get(),
                %why,
                "the release in force waits: the pod starts with the one before"
            );
            Some(Instead::Previous(Box::new(previous)))
        }
        Some(Err(error)) => {
            warn!(
                sequence,
                error,
                %why,
                "the pod starts with the release in force, as the one before cannot be used"
            );
            None
        }
        None => {
            warn!(
                sequence,
                %why,
                "the pod starts with the release in force, as there is none before"
            );
            None
        }
    }
}

fn waits(
    release: &Release,
    before: Option<Need>,
    migrated: Option<Sequence>,
    rejected: bool,
) -> Option<Waits> {
    let own = Need::new(release);
    // The release before cannot run any more on a database that this one has changed.
    let gone = own.migration == Migration::Breaking && own.is_met(migrated);
    if rejected && !gone {
        return Some(Waits::Rejected(release.manifest));
    }
    let mut passed = Passed::new();
    before.map(|before| passed.offered(before, None));
    let need = passed.offered(own, migrated);
    (!need.is_met(migrated)).then_some(Waits::Migration(need))
}

fn running(settings: &Settings, root: &ReleaseRoot) -> Option<ActiveRelease> {
    let active = root.state().active.clone()?;
    (active.channel == settings.channel && root.is_active(&active.manifest)).then_some(active)
}

/// The release object beside the one in force, if there is one.
pub(super) fn previous(directory: &Path) -> Option<Result<Vec<u8>, PullError>> {
    let path = directory.join(PREVIOUS_FILE);
    path.exists().then(|| read_file(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(sequence: u64, migration: Migration) -> Release {
        Release {
            channel: "shops/acme".parse().unwrap(),
            sequence: sequence.try_into().unwrap(),
            created: jiff::Timestamp::UNIX_EPOCH,
            expires: None,
            root_version: 1,
            migration,
            manifest: Sha256::digest(b"m"),
            manifest_size: 1,
        }
    }

    #[test]
    fn a_pod_waits_for_the_database_and_for_what_others_rejected() {
        use Migration::{Additive, Breaking, None as Nothing};
        let rejected = Waits::Rejected(Sha256::digest(b"m"));
        let needs = |sequence: u64, migration| Need {
            sequence: sequence.try_into().unwrap(),
            migration,
        };
        for (migration, before, migrated, is_rejected, expected) in [
            (Nothing, None, None, false, None),
            (Nothing, None, None, true, Some(rejected)),
            (Additive, None, Some(8), false, None),
            (
                Additive,
                None,
                Some(7),
                false,
                Some(Waits::Migration(needs(8, Additive))),
            ),
            (
                Breaking,
                None,
                None,
                false,
                Some(Waits::Migration(needs(8, Breaking))),
            ),
            // Built upon one that never ran.
            (
                Nothing,
                Some(needs(7, Additive)),
                Some(6),
                false,
                Some(Waits::Migration(needs(7, Additive))),
            ),
            (Nothing, Some(needs(7, Additive)), Some(7), false, None),
            // There is no way back to the one before.
            (Breaking, None, Some(8), true, None),
        ] {
            let at = migrated.map(|sequence: u64| sequence.try_into().unwrap());
            assert_eq!(
                waits(&release(8, migration), before, at, is_rejected),
                expected,
                "{migration} {before:?} {migrated:?} {is_rejected}"
            );
        }
    }
}
