//! The last backup of a shop whose `deletionPolicy` is Snapshot: made from its CronJob, and
//! awaited, before anything of it goes.

use super::Controller;
use api::{Identity, Object, namespace};
use cell::{LAST_BACKUP, Progress};
use client::{ApiError, Conflicts};
use jiff::{Timestamp, ToSpan as _};
use kube::core::DynamicObject;
use render::{BACKUP, LAST};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tracing::info;

/// How long the Job stays, for who looks at its log: a week.
const KEPT: u32 = 7 * 24 * 3600;

/// Whether the shop may be taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Backup {
    /// It wants no backup, or has it.
    Done,
    /// The Job runs.
    Runs,
    /// The Job failed.
    Failed(String),
    /// A Job of this name has to be made.
    Due(String),
}

/// What the Jobs of a shop say, by their names.
fn decide(jobs: Option<&BTreeMap<String, Progress>>, now: Timestamp) -> Backup {
    let day = |at: Timestamp| format!("{LAST_BACKUP}{}", at.strftime("%Y%m%d"));
    let today = day(now);
    // A shop that came back and left again has older ones, which say nothing.
    let recent = [
        Some(today.clone()),
        now.checked_sub(24.hours()).ok().map(day),
    ];
    let found: Vec<_> = recent
        .iter()
        .flatten()
        .filter_map(|name| Some((name, jobs?.get(name)?)))
        .collect();
    match found.first() {
        _ if found
            .iter()
            .any(|(_, progress)| **progress == Progress::Done) =>
        {
            Backup::Done
        }
        _ if found
            .iter()
            .any(|(_, progress)| **progress == Progress::Runs) =>
        {
            Backup::Runs
        }
        Some((name, _)) if **name == today => Backup::Failed((*name).clone()),
        _ => Backup::Due(today),
    }
}

/// Makes the last backup if one is wanted, and says how it goes.
pub(super) async fn ensure(
    controller: &Controller,
    shop: &str,
    now: Timestamp,
) -> Result<Backup, ApiError> {
    let cron_job = Identity {
        api_version: "batch/v1".into(),
        kind: "CronJob".into(),
        namespace: Some(namespace(shop)),
        name: BACKUP.to_owned(),
    };
    let decided = {
        let state = controller.lock();
        if !state
            .world
            .get(shop)
            .is_some_and(|objects| objects.contains_key(&cron_job))
        {
            return Ok(Backup::Done);
        }
        decide(state.last_backups.get(shop), now)
    };
    let Backup::Due(name) = decided else {
        return Ok(decided);
    };
    let Some(found) = controller.connections.cluster.get(&cron_job).await? else {
        return Ok(Backup::Done);
    };
    if found["metadata"]["annotations"][LAST].is_null() {
        return Ok(Backup::Done);
    }
    let Ok(job) = serde_json::from_value::<DynamicObject>(job(&found, &name)) else {
        return Ok(Backup::Failed(name));
    };
    controller
        .connections
        .fleet_writer()
        .apply(&Object::dynamic(&job), Conflicts::Take)
        .await?;
    info!(shop, job = name, "last backup begun");
    Ok(Backup::Runs)
}

fn job(cron_job: &Value, name: &str) -> Value {
    let mut spec = cron_job["spec"]["jobTemplate"]["spec"].clone();
    spec["ttlSecondsAfterFinished"] = KEPT.into();
    let meta = &cron_job["metadata"];
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "namespace": meta["namespace"], "labels": meta["labels"] },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(jobs: &[(&str, Progress)]) -> Backup {
        let jobs = jobs
            .iter()
            .map(|(day, progress)| (format!("{LAST_BACKUP}{day}"), *progress))
            .collect();
        decide(Some(&jobs), "2026-11-23T00:30:00Z".parse().unwrap())
    }

    #[test]
    fn one_a_day_is_tried_and_an_old_one_counts_for_nothing() {
        let due = || Backup::Due("last-backup-20261123".to_owned());
        assert_eq!(decide(None, "2026-11-23T00:30:00Z".parse().unwrap()), due());
        assert_eq!(decided(&[("20261121", Progress::Done)]), due());
        assert_eq!(decided(&[("20261122", Progress::Failed)]), due());
        assert_eq!(decided(&[("20261122", Progress::Runs)]), Backup::Runs);
        assert_eq!(decided(&[("20261122", Progress::Done)]), Backup::Done);
        assert_eq!(
            decided(&[("20261123", Progress::Failed)]),
            Backup::Failed("last-backup-20261123".to_owned())
        );
        assert_eq!(
            decided(&[("20261122", Progress::Failed), ("20261123", Progress::Done)]),
            Backup::Done
        );
    }
}
