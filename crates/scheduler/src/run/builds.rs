//! Builds: one Job for each class that builds, and each release that its shops are assigned, or are
//! about to be assigned. What was begun is on record in the Release's status, so that nothing is
//! built twice, also when the Job is long gone.

use super::{Controller, watch};
use api::{BuildState, ReleaseBuild};
use cell::{Progress, State, Workload};
use client::{ApiError, Conflicts, Kind, longshore};
use jiff::Timestamp;
use render::{BUILDS, assign};
use serde_json::json;
use tracing::{error, info, warn};

/// Builds that are begun at once; the others follow.
const AT_ONCE: usize = 10;

fn due(state: &State) -> Vec<assign::Build> {
    let begun = |build: &assign::Build| {
        let status = state.release_statuses.get(&build.release);
        status.is_some_and(|status| status.builds.iter().any(|other| other.class == build.class))
    };
    assign::builds(&state.fleet)
        .into_iter()
        .filter(|build| !begun(build))
        .collect()
}

/// Begins what is due, and records what ended.
pub(super) async fn pass(controller: &Controller, now: Timestamp) -> Result<(), ApiError> {
    let due: Vec<_> = due(&controller.lock()).into_iter().take(AT_ONCE).collect();
    for assign::Build {
        release,
        class,
        job,
    } in due
    {
        controller
            .connections
            .fleet_writer()
            .apply(&job, Conflicts::Refuse)
            .await?;
        info!(release, class, job = %job.identity(), "build begun");
        controller
            .counts
            .writes
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let begun = ReleaseBuild {
            class,
            job: job.identity().name.clone(),
            state: BuildState::Running,
            since: now.to_string(),
        };
        let mut builds = builds(controller, &release);
        builds.push(begun);
        record(controller, &release, builds).await?;
    }
    let ended: Vec<_> = ended(&controller.lock(), now);
    for (release, builds) in ended {
        for build in builds
            .iter()
            .filter(|build| build.state == BuildState::Failed && build.since == now.to_string())
        {
            error!(
                release,
                job = build.job,
                "build failed; its pod's log says why"
            );
            let note = format!(
                "Job {BUILDS}/{} failed; docs/shops.md says how it is made again",
                build.job
            );
            controller
                .events
                .about(&longshore("Release", &release), "BuildFailed", &note)
                .await;
        }
        record(controller, &release, builds).await?;
    }
    Ok(())
}

fn builds(controller: &Controller, release: &str) -> Vec<ReleaseBuild> {
    controller
        .lock()
        .release_statuses
        .get(release)
        .map(|status| status.builds.clone())
        .unwrap_or_default()
}

/// Releases of which a build ended since it was recorded. One whose Job is gone without a word has
/// failed.
fn ended(state: &State, now: Timestamp) -> Vec<(String, Vec<ReleaseBuild>)> {
    let lost = |build: &ReleaseBuild| {
        let since = build.since.parse::<Timestamp>().unwrap_or(now);
        !state.builds.contains_key(&build.job)
            && now.duration_since(since) > jiff::SignedDuration::from_mins(5)
    };
    let new = |build: &ReleaseBuild| match state.builds.get(&build.job) {
        Some(Progress::Done) => Some(BuildState::Done),
        Some(Progress::Failed) => Some(BuildState::Failed),
        None if lost(build) => Some(BuildState::Failed),
        _ => None,
    };
    let release = |(name, status): (&String, &api::ReleaseStatus)| {
        let mut changed = false;
        let mut builds = status.builds.clone();
        for build in builds
            .iter_mut()
            .filter(|build| build.state == BuildState::Running)
        {
            if let Some(state) = new(build) {
                (build.state, build.since, changed) = (state, now.to_string(), true);
            }
        }
        changed.then(|| (name.clone(), builds))
    };
    state.release_statuses.iter().filter_map(release).collect()
}

async fn record(
    controller: &Controller,
    release: &str,
    builds: Vec<ReleaseBuild>,
) -> Result<(), ApiError> {
    let patch = json!({ "status": { "builds": builds } });
    if controller
        .connections
        .fleet_writer()
        .merge(&longshore("Release", release), Some("status"), &patch)
        .await?
    {
        controller
            .lock()
            .release_statuses
            .entry(release.to_owned())
            .or_default()
            .builds = builds;
    } else {
        warn!(release, "build not recorded: its Release is gone");
    }
    Ok(())
}

/// Builds that failed, of releases that matter.
pub(super) fn failed(state: &State) -> usize {
    let of = |build: &assign::Build| {
        state
            .release_statuses
            .get(&build.release)
            .map_or(&[][..], |status| &status.builds)
    };
    let builds = assign::builds(&state.fleet);
    let records = builds.iter().flat_map(|build| {
        of(build)
            .iter()
            .filter(|record| record.class == build.class)
    });
    records
        .filter(|record| record.state == BuildState::Failed)
        .count()
}

/// The name of a build's Job.
fn job(object: &Workload) -> Option<&str> {
    let identity = &object.found.identity;
    (identity.kind == "Job" && identity.namespace.as_deref() == Some(BUILDS))
        .then_some(&identity.name)
}

/// Takes in an object that is watched, if it is a build.
pub(super) fn took(state: &mut State, object: &Workload) {
    if let Some(name) = job(object) {
        state
            .builds
            .insert(name.to_owned(), watch::progress(object));
    }
}

/// The same for a list that came whole.
pub(super) fn listed(state: &mut State, kind: &Kind, objects: &[Workload]) {
    if kind.name == "Job" {
        state.builds.clear();
        for object in objects {
            took(state, object);
        }
    }
}

/// The same for an object that is gone.
pub(super) fn gone(state: &mut State, object: &Workload) {
    if let Some(name) = job(object) {
        state.builds.remove(name);
    }
}

#[cfg(test)]
mod tests;
