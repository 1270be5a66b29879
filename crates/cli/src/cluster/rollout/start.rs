//! `rollout start`: from a Release to a Rollout, and to its end if somebody waits for that.

use super::{
    arguments::{Evidence, Failed, Start},
    follow,
};
use crate::cluster::{
    ClusterError,
    connection::{registry, resource},
    show,
};
use api::{
    EvidencePolicy, FailureBudget, Fleet, Object, OnFailure, ResolvedRelease, RolloutSpec, Started,
    WindowPolicy,
};
use client::{Conflicts, Mode};
use operations::{
    Who,
    rollout::{self, Moving},
};
use plan::counted;
use release::Migration;
use std::{collections::BTreeMap, path::Path};

/// The Release of standard input, and the object that it is stored as.
fn given() -> Result<(ResolvedRelease, Object), ClusterError> {
    let documents = registry::read(Path::new("-"))?;
    let mut releases = registry::fleet(&documents)?
        .releases
        .into_values()
        .flat_map(BTreeMap::into_values);
    let (Some(release), None, [document]) = (releases.next(), releases.next(), &documents[..])
    else {
        return Err(ClusterError::Argument(
            "standard input is not one Release, as `longshore release resource` prints it"
                .to_owned(),
        ));
    };
    Ok((release, resource(document)?))
}

fn spec(start: &Start, who: Who, release: &ResolvedRelease, fleet: &Fleet) -> RolloutSpec {
    let mut spec = rollout::defaults(&release.name);
    (spec.shops, spec.canaries) = (start.shops.clone(), start.canaries.clone());
    if !start.waves.is_empty() {
        spec.waves.clone_from(&start.waves);
    }
    spec.failure_budget = FailureBudget {
        shops: start.budget,
        percent: start.budget_percent,
    };
    spec.at_once = start.at_once.unwrap_or(spec.at_once);
    spec.per_database = start.per_database.unwrap_or(spec.per_database);
    spec.order.clone_from(&start.order);
    spec.on_failure = match start.on_failure {
        Failed::Return => OnFailure::Return,
        Failed::Pause => OnFailure::Pause,
    };
    spec.evidence = match start.evidence {
        Some(Evidence::Errors) => EvidencePolicy::Errors,
        Some(Evidence::None) => EvidencePolicy::None,
        None => rollout::evidence_of_classes(release, fleet),
    };
    spec.deadline = start.deadline.unwrap_or(spec.deadline);
    if start.ignore_windows {
        spec.windows = WindowPolicy::Ignore;
    }
    spec.started = Some(Started {
        by: who.by,
        why: who.why,
    });
    spec
}

/// What would happen, a line for each release that shops come from.
fn planned(release: &ResolvedRelease, moving: &[Moving]) -> String {
    let what = match release.migration {
        Migration::None => "leaves the database as it is",
        Migration::Additive => "changes the database; the release before can still run",
        Migration::Breaking => "changes the database so that the release before cannot run",
    };
    let first = format!(
        "sequence {} of {} {what}\n",
        release.sequence, release.channel
    );
    let line = |it: &Moving| {
        let Moving {
            from,
            shops,
            download,
        } = it;
        let from = from.map_or_else(|| "no release".to_owned(), |it| format!("sequence {it}"));
        let download = download.map_or_else(
            || "what a pod downloads is not noted on the Release".to_owned(),
            |download| format!("each pod downloads {download}"),
        );
        format!("{} from {from}: {download}\n", counted(*shops, "shop"))
    };
    std::iter::once(first)
        .chain(moving.iter().map(line))
        .collect()
}

pub(super) async fn start(start: &Start) -> Result<(), ClusterError> {
    let given = if start.release == "-" {
        Some(given()?)
    } else {
        None
    };
    let cluster = start.connection.open().await?;
    let fleet = registry(&cluster).await?.fleet;
    let stored = fleet
        .releases
        .values()
        .flat_map(|all| all.values())
        .find(|release| release.name == start.release);
    let Some(release) = given.as_ref().map(|(release, _)| release).or(stored) else {
        let known: Vec<_> = fleet
            .releases
            .values()
            .flat_map(|all| all.values().rev().take(3))
            .map(|it| it.name.as_str())
            .take(20)
            .collect();
        return Err(ClusterError::Argument(format!(
            "Release {} does not exist; the newest are: {}",
            start.release,
            known.join(", ")
        )));
    };
    let why = start.why.as_deref().unwrap_or_default();
    let who = Who::asks(&cluster, start.by.as_deref(), why).await?;
    let spec = spec(start, who, release, &fleet);
    rollout::check(&spec, release, &fleet)?;
    let moving = rollout::moving(&spec.shops, release, &fleet);
    if start.dry_run {
        return show(&planned(release, &moving));
    }
    let name = start.name.clone().unwrap_or_else(|| release.name.clone());
    // Whoever was cut off while waiting comes again with the same Release.
    let again = given.is_some()
        && fleet
            .rollouts
            .get(&name)
            .is_some_and(|it| it.spec.release == release.name);
    if !again {
        rollout::create(&cluster, &name, spec).await?;
    }
    // After its rollout, which keeps it from new shops.
    if let Some((_, object)) = &given {
        cluster.put(object, Mode::Real, Conflicts::Refuse).await?;
    }
    let verb = if again {
        "was started before"
    } else {
        "started"
    };
    show(&format!(
        "rollout {name} {verb}: {} to sequence {} of {}\n",
        counted(moving.iter().map(|it| it.shops).sum(), "shop"),
        release.sequence,
        release.channel
    ))?;
    if start.wait {
        follow::follow(&cluster, &name, start.within).await
    } else {
        Ok(())
    }
}
